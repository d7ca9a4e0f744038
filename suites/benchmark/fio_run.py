"""One run of fio inside a Pod, with what the page cache and the processors did before and after it.

One command does it all, so that nothing lies between a look and what it is a look at. fio takes its
job from standard input and runs under `timeout`, which ends it also when nobody is there any more.
The other figures stand on lines of their own around fio's JSON, where its parser keeps them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from suites.benchmark.results import Latency, Part, Percentile
from workloads.fio import FioReport, Plan, parse
from workloads.pod_commands import Argv

#: Percentiles that are kept of each round.
PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)

#: Exit code of `timeout` when it had to end the program (coreutils).
_TIMED_OUT: Final = 124
_KILLED: Final = 137

#: Prints the bytes that the page cache holds of all files below a folder (fincore of util-linux, mincore(2)).
_RESIDENT: Final = """
resident() {
  total=0
  while read -r bytes; do total=$((total + bytes)); done < <(
    find "$1" -type f -print0 | xargs -0 -r fincore --bytes --noheadings --raw --output RES
  )
  echo "$total"
}
"""

_MEASURE: Final = (
    _RESIDENT
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
echo "seen resident-after $(resident "$folder")"
exit "$code"
"""
)

# Asks the kernel to forget what it holds of each file; it touches no other file and no other mount.
FORGET: Final = r"""
find "$1" -type f -exec dd if={} iflag=nocache count=0 status=none \;
"""
_FORGET: Final = _RESIDENT + 'sync -f "$1" || true' + FORGET + 'resident "$1"\n'
_WHOLE: Final = _RESIDENT + 'find "$1" -type f -exec cat {} + > /dev/null; resident "$1"'

_EXIT: Final = re.compile(r"^seen exit (\d+)$", re.MULTILINE)
_SEEN: Final = re.compile(r"seen (?P<name>[a-z-]+) (?P<value>.+)")


class HungError(InfrastructureError):
    """fio did not end within its deadline."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A run of fio that ended, and what was seen around it.

    Attributes:
        report: what fio said.
        load: 1-minute load average before it.
        resident_before: bytes of the data in the page cache.
        resident_after: the same after it.
        busy: part of all processors' time that was not idle while it ran; None when too short to tell.
        started: nanoseconds since 1970 by the clock of the Pod's node, just before fio; None where unknown.
    """

    report: FioReport
    load: float
    resident_before: int
    resident_after: int
    busy: float | None
    started: int | None = None

    @property
    def read_bytes(self) -> int:
        """What all groups read."""
        return sum(group.io_bytes for group in self.report.groups())

    @property
    def seconds(self) -> float:
        """Run time by fio itself: that of each group's slowest job, groups after one another."""
        return sum(group.runtime for group in self.report.groups()) / 1000

    @property
    def bytes_per_second(self) -> float:
        """All that was read over fio's run time."""
        return self.read_bytes / self.seconds if self.seconds else 0.0

    def latency(self) -> Latency | None:
        """How long single reads took, of all jobs together, from fio's own bins; None without bins."""
        return latency([self.report])

    def parts(self, plan: Plan) -> tuple[Part, ...]:
        """Each group's share where there are several, such as the epochs of a training run."""
        groups = self.report.groups()
        if len(groups) == 1:
            return ()
        return tuple(
            Part(
                kind="group",
                name=plan.groups[group.groupid],
                read_bytes=group.io_bytes,
                seconds=group.runtime / 1000,
                bytes_per_second=group.bw_bytes,
            )
            for group in groups
        )

    def wrong(self, plan: Plan) -> str:
        """Why it is no measurement of the plan; empty when it is one."""
        if self.report.failed:
            return f"fio met an error in {', '.join(job.jobname for job in self.report.failed)}"
        if self.read_bytes != plan.total_bytes:
            return f"fio read {self.read_bytes} of {plan.total_bytes} bytes"
        return "" if self.seconds else "fio took less than a millisecond"


@dataclass(frozen=True, slots=True)
class Reads:
    """What one measurement is made of: one run of fio or several, one after another or in several Pods.

    Attributes:
        each: the runs; at least one.
        seconds: that they took together.
        parts: what each of them did, where that is told.
    """

    each: tuple[Reading, ...]
    seconds: float
    parts: tuple[Part, ...] = ()

    @classmethod
    def in_turn(cls, each: Sequence[Reading], plan: Plan) -> Reads:
        """Reads that followed one another; their times add up."""
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
        """What they read together."""
        return sum(one.read_bytes for one in self.each)

    @property
    def bytes_per_second(self) -> float:
        """All that was read over the time that it took."""
        return self.read_bytes / self.seconds if self.seconds else 0.0

    @property
    def load(self) -> float:
        """1-minute load average before the first of them."""
        return self.each[0].load

    @property
    def busy(self) -> float | None:
        """Part of the processors' time that was not idle, in the busiest of them."""
        return max((one.busy for one in self.each if one.busy is not None), default=None)

    def latency(self) -> Latency | None:
        """How long single reads took, of all of them together."""
        return latency([one.report for one in self.each])

    def wrong(self, plan: Plan) -> str:
        """Why they are no measurement of the plan; empty when they are one."""
        return "; ".join(dict.fromkeys(text for one in self.each if (text := one.wrong(plan))))


def latency(reports: Sequence[FioReport]) -> Latency | None:
    """How long single reads took, of all jobs of all runs together, from fio's bins; None without bins."""
    bins = [group.clat_bins for report in reports for group in report.groups()]
    known = [one for one in bins if one is not None]
    if not known or len(known) < len(bins):
        return None
    merged = known[0].merged(known)
    found = [job.read.clat_ns for report in reports for job in report.jobs if job.read.clat_ns.N]
    return Latency(
        reads=merged.total,
        mean_ns=sum(one.mean * one.N for one in found) / sum(one.N for one in found),
        max_ns=max(one.max for one in found),
        percentiles=tuple(
            Percentile(percent=percent, ns=merged.percentile(percent)) for percent in PERCENTILES
        ),
    )


def measure_argv(plan: Plan, folder: str, seconds: float) -> Argv:
    """Run the plan (its text comes on standard input) for at most ``seconds``, and look around it.

    Args:
        plan: what fio runs.
        folder: with the files that are read.
        seconds: after which fio is ended.
    """
    return ("bash", "-euc", _MEASURE, "measure", folder, f"{seconds:.0f}", *plan.argv("-"))


def reading(completed: Completed) -> Reading:
    """What `measure_argv` found.

    Raises:
        HungError: fio did not end in time.
        FioOutputError: fio said something else than one whole JSON document.
        InfrastructureError: it failed without a word that fio's parser understands.
    """
    if completed.exit_code in {_TIMED_OUT, _KILLED}:
        raise HungError(
            f"fio did not end within {completed.argv[5]} s and was ended: it hangs, or is far too slow",
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
        return Reading(
            report=report,
            load=float(seen["load"]),
            resident_before=int(seen["resident-before"]),
            resident_after=int(seen["resident-after"]),
            busy=_busy(seen),
            started=int(seen["started"]) if "started" in seen else None,
        )
    except (KeyError, ValueError) as error:
        raise InfrastructureError(
            f"the look around fio did not say {error}", last_seen=completed.stderr.strip()[-1000:]
        ) from error


def reading_of_log(argv: Argv, text: str) -> Reading:
    """What `measure_argv` found in a Pod of a Job, whose exit code stands in its log as ``seen exit``.

    Raises:
        HarnessError: as `reading` does.
    """
    code = _EXIT.search(text)
    return reading(Completed(argv, int(code[1]) if code else 1, text, ""))


def forget_argv(folder: str) -> Argv:
    """Drop what the page cache holds of the files below ``folder``; prints the bytes that stayed."""
    return ("bash", "-euc", _FORGET, "forget", folder)


def read_whole_argv(folder: str) -> Argv:
    """Read all files below ``folder``; prints the bytes that the page cache then holds."""
    return ("bash", "-euc", _WHOLE, "read", folder)


def _busy(seen: Mapping[str, str]) -> float | None:
    """The part of the processors' time between two first lines of /proc/stat that was not idle."""
    before, after = ([int(word) for word in seen[name].split()[1:9]] for name in ("cpu-before", "cpu-after"))
    spent = [late - early for early, late in zip(before, after, strict=True)]
    total, idle = sum(spent), spent[3] + spent[4]  # idle and waiting for a device (proc(5))
    return 1 - idle / total if total > 0 else None
