"""One measured operation on files in a Pod: metadata of many files, or the write of one.

fio has no job for these. Each is one program that does nothing else, with the clock read just before and
after it, in one command. The small files are called 0, 1, 2, … so that no operation has to list them first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from suites.benchmark.testbed.fio_run import KILLED, TIMED_OUT, HungError, busy_and_spent
from workloads.pod_commands import Argv

_LIST: Final = r"""
opendir(my $folder, $ARGV[0]) or die "$ARGV[0]: $!\n";
my $found = grep { !/^\.\.?$/ } readdir($folder);
print $found;
"""
_STAT: Final = r"""
my ($folder, $count) = @ARGV;
for (my $number = 0; $number < $count; $number++) {
  my @found = stat("$folder/$number") or die "$folder/$number: $!\n";
}
print $count;
"""
_OPEN: Final = r"""
my ($folder, $count) = @ARGV;
for (my $number = 0; $number < $count; $number++) {
  sysopen(my $file, "$folder/$number", 0) or die "$folder/$number: $!\n";
  close($file);
}
print $count;
"""
#: Program for perl by the name of the operation; it prints how many files it has handled.
PROGRAMS: Final = {"list": _LIST, "stat": _STAT, "open": _OPEN}

#: The FUSE client of Alluxio completes a file after the application has closed it (FUSE releases a file
#: asynchronously), and cannot open it for reading before. So the time ends with such an open, also on NFS. A
#: FUSE client need not know how to synchronize a file; what is on the server is checked afterwards anyway.
_WRITE: Final = r"""
dd if=/dev/zero of="$1" bs=1M count="$2" status=none
until { : < "$1"; } 2> /dev/null; do sleep 0.01; done
sync "$1" || true
stat -c %s "$1"
"""

_MEASURE: Final = r"""
seconds=$1
shift
echo "seen load $(cut -d ' ' -f 1 /proc/loadavg)"
echo "seen cpu-before $(head -n 1 /proc/stat)"
started=$EPOCHREALTIME
code=0
result=$(timeout --kill-after=5 "$seconds" "$@") || code=$?
ended=$EPOCHREALTIME
echo "seen cpu-after $(head -n 1 /proc/stat)"
echo "seen started $started"
echo "seen ended $ended"
echo "seen result $result"
exit "$code"
"""

_SEEN: Final = re.compile(r"^seen (?P<name>[a-z-]+) (?P<value>.+)$", re.MULTILINE)
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class OperationRun:
    """An operation that ended.

    Attributes:
        seconds: its time, with the start of one program.
        result: number of files that it handled, or of bytes that it wrote.
        load: 1-minute load average before it.
        busy: share of the time of all processors that was not idle; None if it was too short.
        cpu_seconds: the same as seconds of one processor, of all programs of the machine.
    """

    seconds: float
    result: int
    load: float
    busy: float | None
    cpu_seconds: float | None


def metadata_argv(operation: str, folder: str, count: int, seconds: float) -> Argv:
    """The command for an operation in `PROGRAMS` on the files 0 to ``count`` - 1 of a folder.

    Args:
        operation: list, stat or open.
        folder: of the files.
        count: of the files.
        seconds: after which it is killed.
    """
    program = ("perl", "-e", PROGRAMS[operation], folder, str(count))
    return ("bash", "-euc", _MEASURE, "measure", f"{seconds:.0f}", *program)


def write_argv(file: str, count: int, seconds: float) -> Argv:
    """The command that writes a new file.

    Args:
        file: that must not exist.
        count: bytes, whole MiB.
        seconds: after which it is killed.
    """
    program = ("bash", "-euc", _WRITE, "write", file, str(count // _MIB))
    return ("bash", "-euc", _MEASURE, "measure", f"{seconds:.0f}", *program)


def parse_operation(completed: Completed) -> OperationRun:
    """Parse the output of these commands.

    Raises:
        HungError: it did not end in time.
        InfrastructureError: it failed, or an observation is missing.
    """
    output = (completed.stdout + completed.stderr).strip()[-500:]
    if completed.exit_code in {TIMED_OUT, KILLED}:
        raise HungError(
            f"the operation did not end within {completed.argv[4]} s and was killed",
            subject="operation on files",
            last_seen=output,
        )
    if completed.exit_code != 0:
        raise InfrastructureError(
            f"the operation failed with exit code {completed.exit_code}", last_seen=output
        )
    seen = {match["name"]: match["value"] for match in _SEEN.finditer(completed.stdout)}
    try:
        busy, spent = busy_and_spent(seen)
        return OperationRun(
            seconds=float(seen["ended"]) - float(seen["started"]),
            result=int(seen["result"]),
            load=float(seen["load"]),
            busy=busy,
            cpu_seconds=spent,
        )
    except (KeyError, ValueError) as error:
        raise InfrastructureError(
            f"an observation around the operation is missing: {error}", last_seen=output
        ) from error
