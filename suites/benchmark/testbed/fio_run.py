"""One run of fio in a Pod, with the state of the page cache and of the processors before and after it.

One command does all, so that nothing happens between an observation and the run. fio reads its job from
standard input and runs under `timeout`, which ends it even if the connection is lost. The observations
are on lines of their own around the JSON document of fio; the parser returns them as messages.

Several runs in sequence are one command, too: a call of the API between two reads takes longer than a read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from suites.benchmark.model.rounds import Latency, Part, Percentile
from workloads.fio import FioReport, Plan, parse
from workloads.page_cache import DROP, RESIDENT
from workloads.pod_commands import Argv

#: Percentiles that are recorded for each round.
PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)

#: Ticks of a second in /proc/stat (USER_HZ, proc(5)): 100 on every architecture of Linux that Fluid runs on.
_TICKS: Final = 100

#: Share of the observed time that fio must have read, so that its processor time is not that of its start.
_MOSTLY_READING: Final = 0.5

#: Exit codes if `timeout` ended or killed the program (coreutils).
TIMED_OUT: Final = 124
KILLED: Final = 137

_MEASURE: Final = (
    RESIDENT
    + r"""
folder=$1 seconds=$2
shift 2
echo "seen load $(cut -d ' ' -f 1 /proc/loadavg)"
echo "seen resident-before $(resident "$folder")"
echo "seen cpu-before $(head -n 1 /proc/stat)"
echo "seen started $(date +%s%N)"
code=0
timeout --kill-after=5 "$seconds" "$@" || code=$?
echo
echo "seen cpu-after $(head -n 1 /proc/stat)"
echo "seen ended $(date +%s%N)"
echo "seen resident-after $(resident "$folder")"
exit "$code"
"""
)

#: What stands between the outputs of two runs.
_NEXT: Final = "\nnext read\n"

#: Ends a run in the output of several.
END_OF_RUN: Final = r"""
echo
echo "seen exit $code"
echo "next read"
"""

_REPEAT: Final = (
    "drop_page_cache() {"
    + DROP
    + r"""}
folder=$1 times=$2 empty=$3
shift 3
job=$(cat)
code=0
for ((number = 1; number <= times && code == 0; number++)); do
  [ "$number" -eq 1 ] || [ -z "$empty" ] || drop_page_cache "$folder"
  "$@" <<< "$job" || code=$?
"""
    + END_OF_RUN
    + "done\n"
)

_READ_ALL: Final = RESIDENT + 'find "$1" -type f -exec cat {} + > /dev/null; resident "$1"'

_EXIT: Final = re.compile(r"^seen exit (\d+)$", re.MULTILINE)
_SEEN: Final = re.compile(r"seen (?P<name>[a-z-]+) (?P<value>.+)")


class HungError(InfrastructureError):
    """Fio did not end before its deadline."""


@dataclass(frozen=True, slots=True)
class FioRun:
    """A run of fio that ended, with the observations before and after it.

    Attributes:
        report: output of fio.
        load: 1-minute load average before it.
        resident_before: bytes of the data in the page cache before it.
        resident_after: the same after it.
        busy: share of the time of all processors that was not idle; None if the run was too short.
        cpu_seconds: the same as seconds of one processor, of all programs of the machine: also those of the
            client, the cache and the server, which read on behalf of fio. None if fio read for less than half
            of the observed time, the rest of which it took to start.
        started: nanoseconds since 1970 by the clock of the Pod's node, just before fio.
    """

    report: FioReport
    load: float
    resident_before: int
    resident_after: int
    busy: float | None
    cpu_seconds: float | None
    started: int

    @property
    def read_bytes(self) -> int:
        """Bytes read by all groups."""
        return sum(group.io_bytes for group in self.report.groups())

    @property
    def seconds(self) -> float:
        """Run time by fio: the sum over the groups, each with the time of its slowest job."""
        return sum(group.seconds for group in self.report.groups())

    @property
    def bytes_per_second(self) -> float:
        """Bytes read over the run time reported by fio."""
        return self.read_bytes / self.seconds if self.seconds else 0.0

    def latency(self) -> Latency | None:
        """Latency of single reads, all jobs together; None without a histogram."""
        return latency([self.report])

    def parts(self, plan: Plan) -> tuple[Part, ...]:
        """The groups if there are several, such as the epochs of a training run."""
        groups = self.report.groups()
        if len(groups) == 1:
            return ()
        return tuple(
            Part(
                kind="group",
                name=plan.groups[group.groupid],
                read_bytes=group.io_bytes,
                seconds=group.seconds,
                bytes_per_second=group.io_bytes / group.seconds,
            )
            for group in groups
        )

    def error(self, plan: Plan) -> str:
        """Why it is no measurement of the plan; empty if it is one."""
        if self.report.failed:
            return f"fio reported an error in {', '.join(job.jobname for job in self.report.failed)}"
        if self.read_bytes != plan.total_bytes:
            return f"fio read {self.read_bytes} of {plan.total_bytes} bytes"
        return "" if self.seconds else "fio took less than a millisecond"


@dataclass(frozen=True, slots=True)
class FioRuns:
    """The runs of fio of one measurement: one, or several in sequence or in several Pods.

    Attributes:
        each: the runs; at least one.
        seconds: run time of all.
        parts: figures of each run; empty for a single one.
    """

    each: tuple[FioRun, ...]
    seconds: float
    parts: tuple[Part, ...] = ()

    @classmethod
    def in_sequence(cls, each: Sequence[FioRun], plan: Plan) -> FioRuns:
        """Runs in sequence; their times add up."""
        parts = each[0].parts(plan)
        if len(each) > 1:
            parts = tuple(
                Part(
                    kind="read",
                    name=f"read {number}",
                    read_bytes=one.read_bytes,
                    seconds=one.seconds,
                    bytes_per_second=one.bytes_per_second,
                )
                for number, one in enumerate(each, 1)
            )
        return cls(tuple(each), sum(one.seconds for one in each), parts)

    @property
    def read_bytes(self) -> int:
        """Bytes read by all runs."""
        return sum(one.read_bytes for one in self.each)

    @property
    def bytes_per_second(self) -> float:
        """Bytes read over the run time."""
        return self.read_bytes / self.seconds if self.seconds else 0.0

    @property
    def load(self) -> float:
        """1-minute load average before the first run."""
        return self.each[0].load

    @property
    def busy(self) -> float | None:
        """The highest share of processor time that was not idle in a run."""
        return max((one.busy for one in self.each if one.busy is not None), default=None)

    @property
    def cpu_seconds(self) -> float | None:
        """Processor seconds of the machine while these ran in sequence; None if one of them is not known."""
        known = [one.cpu_seconds for one in self.each if one.cpu_seconds is not None]
        return sum(known) if len(known) == len(self.each) else None

    def latency(self) -> Latency | None:
        """Latency of single reads, all runs together."""
        return latency([one.report for one in self.each])

    def error(self, plan: Plan) -> str:
        """Why they are no measurement of the plan; empty if they are one."""
        return "; ".join(dict.fromkeys(text for one in self.each if (text := one.error(plan))))


def latency(reports: Sequence[FioReport]) -> Latency | None:
    """Latency of single reads, all jobs of all runs together; None without a histogram."""
    bins = [group.clat_bins for report in reports for group in report.groups()]
    known = [one for one in bins if one is not None]
    if not known or len(known) < len(bins):
        return None
    merged = known[0].merged(known)
    counted = [
        (latency, latency.bins.total)
        for report in reports
        for job in report.jobs
        if (latency := job.read.clat_ns).bins is not None and latency.bins.total
    ]
    if not counted:
        return None
    return Latency(
        reads=merged.total,
        mean_ns=sum(one.mean * count for one, count in counted) / merged.total,
        max_ns=max(one.max for one, _ in counted),
        percentiles=tuple(
            Percentile(percent=percent, ns=merged.percentile(percent)) for percent in PERCENTILES
        ),
    )


def measure_argv(plan: Plan, folder: str, seconds: float) -> Argv:
    """The command that runs a plan, whose text is read from standard input.

    Args:
        plan: what fio runs.
        folder: with the files that are read.
        seconds: after which fio is killed.
    """
    return ("bash", "-euc", _MEASURE, "measure", folder, f"{seconds:.0f}", *plan.argv("-"))


def parse_run(completed: Completed) -> FioRun:
    """Parse the output of `measure_argv`.

    Raises:
        HungError: fio did not end in time.
        FioOutputError: the output of fio is not one complete JSON document.
        InfrastructureError: fio could not run.
    """
    if completed.exit_code in {TIMED_OUT, KILLED}:
        raise HungError(
            f"fio did not end within {completed.argv[5]} s and was killed: it hangs, or is far too slow",
            subject="fio",
            last_seen=completed.stderr.strip()[-500:],
            advice="try with fewer parallel jobs; more than 16 can hang Alluxio 2.9's FUSE client",
        )
    if completed.exit_code != 0 and "{" not in completed.stdout:
        raise InfrastructureError(
            f"fio could not run: exit code {completed.exit_code}",
            last_seen=(completed.stdout + completed.stderr).strip()[-1000:],
        )
    report = parse(completed.stdout)
    seen = {
        match["name"]: match["value"]
        for line in report.messages
        if (match := _SEEN.fullmatch(line)) is not None
    }
    try:
        busy, spent = busy_and_spent(seen)
        observed = (int(seen["ended"]) - int(seen["started"])) / 1e9
        reading = sum(group.seconds for group in report.groups())
        return FioRun(
            report=report,
            load=float(seen["load"]),
            resident_before=int(seen["resident-before"]),
            resident_after=int(seen["resident-after"]),
            busy=busy,
            cpu_seconds=spent if reading >= _MOSTLY_READING * observed else None,
            started=int(seen["started"]),
        )
    except (KeyError, ValueError) as error:
        raise InfrastructureError(
            f"an observation around the run of fio is missing: {error}",
            last_seen=completed.stderr.strip()[-1000:],
        ) from error


def repeat_argv(argv: Argv, folder: str, times: int, *, empty: bool) -> Argv:
    """The command that runs ``argv`` several times, until one fails; `parse_runs` reads its output.

    Args:
        argv: of `measure_argv`.
        folder: with the files that are read.
        times: how often.
        empty: drop the files from the page cache between the runs.
    """
    return ("bash", "-euc", _REPEAT, "repeat", folder, str(times), "empty" if empty else "", *argv)


def parse_runs(argv: Argv, text: str, times: int, *, who: str, stderr: str = "") -> list[FioRun]:
    """Parse the outputs of several runs, as `repeat_argv` or the Pod of a Job writes them.

    Args:
        argv: of one run.
        text: what was written.
        times: how many runs there must be.
        who: wrote it.
        stderr: further output, for errors.

    Raises:
        HarnessError: as in `parse_run`, or a run is missing.
    """
    pieces = text.split(_NEXT)[:-1]
    codes = [int(found[1]) if (found := _EXIT.search(piece)) else 1 for piece in pieces]
    runs = [
        parse_run(Completed(argv, code, piece, stderr)) for code, piece in zip(codes, pieces, strict=True)
    ]
    if len(runs) != times:
        raise InfrastructureError(
            f"{who} completed {len(runs)} of {times} reads", last_seen=(text + stderr).strip()[-500:]
        )
    return runs


def read_all_argv(folder: str) -> Argv:
    """The command that reads all files below ``folder`` and prints the bytes in the page cache afterwards."""
    return ("bash", "-euc", _READ_ALL, "read", folder)


def busy_and_spent(seen: Mapping[str, str]) -> tuple[float | None, float]:
    """What all processors did between two first lines of /proc/stat.

    Args:
        seen: the lines, as ``cpu-before`` and ``cpu-after``.

    Returns:
        The share of their time that was not idle, None if that time is too short; and the same in seconds.

    Raises:
        KeyError: a line is missing.
        ValueError: a line has another format.
    """
    before, after = ([int(word) for word in seen[name].split()[1:9]] for name in ("cpu-before", "cpu-after"))
    spent = [late - early for early, late in zip(before, after, strict=True)]
    total, idle = sum(spent), spent[3] + spent[4]  # idle and iowait (proc(5))
    return (total - idle) / total if total > 0 else None, (total - idle) / _TICKS
