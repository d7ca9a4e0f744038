"""An application that reads its files again and again, and keeps a record of each read by itself.

The record does not need the API server, and it has the times of the Pod's own clock: what an application saw
while something was broken is read when it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clusters.host.commands import Completed
from workloads.application import Application
from workloads.data import Files
from workloads.pod_commands import Argv, OutputError

#: The record, in the container's own file system.
RECORD: Final = "/tmp/reads"  # noqa: S108 - in the application's own container

#: One line when a read begins and one when it ends; a read that hangs has the first one only. Pages of the
#: file are dropped before, so that the mount is asked. The files are numbered: names may hold anything.
_READ: Final = r"""
trap 'exit 0' TERM INT
record=$1 pause=$2; shift 2
while :; do
  number=0
  for file in "$@"; do
    printf 'begin\t%s\t%s\n' "$number" "$EPOCHREALTIME" >> "$record"
    dd if="$file" iflag=nocache count=0 status=none 2> /dev/null
    if said=$(sha256sum -z -- "$file" 2>&1 | tr '\0\n\t' '   '; exit "${PIPESTATUS[0]}"); then
      printf 'end\t%s\t%s\tok\t%s\n' "$number" "$EPOCHREALTIME" "${said%% *}" >> "$record"
    else
      printf 'end\t%s\t%s\tfailed\t%s\n' "$number" "$EPOCHREALTIME" "$said" >> "$record"
    fi
    number=$((number + 1))
    sleep "$pause"
  done
done
"""


@dataclass(frozen=True, slots=True)
class Read:
    """One read of one file.

    Attributes:
        path: relative to the folder of the mount.
        begun: seconds of the Pod's clock.
        ended: the same; None while it has not ended.
        checksum: SHA-256 in hex of what was read; empty if it failed or has not ended.
        message: why it failed; empty if it did not.
    """

    path: str
    begun: float
    ended: float | None = None
    checksum: str = ""
    message: str = ""

    def seconds(self, now: float) -> float:
        """How long it took, or has been taking."""
        return (now if self.ended is None else self.ended) - self.begun


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """The reads of one application, in their order.

    Attributes:
        reads: all of them.
        at: when the record was read, in seconds of the Pod's clock.
    """

    reads: tuple[Read, ...]
    at: float

    def during(self, begin: float, end: float) -> ReadRecord:
        """Those that were going on at some time of a stretch."""
        return ReadRecord(
            tuple(
                read
                for read in self.reads
                if read.begun <= end and (read.ended is None or read.ended >= begin)
            ),
            self.at,
        )

    def wrong(self, files: Files) -> tuple[Read, ...]:
        """Those that ended without an error, and returned other bytes than the file has."""
        expected = {file.path: file.sha256() for file in files.files}
        return tuple(read for read in self.reads if read.checksum and read.checksum != expected[read.path])

    @property
    def failed(self) -> tuple[Read, ...]:
        """Those that ended with an error."""
        return tuple(read for read in self.reads if read.message)

    @property
    def ended(self) -> tuple[Read, ...]:
        """Those that ended, right or with an error."""
        return tuple(read for read in self.reads if read.ended is not None)

    @property
    def longest(self) -> float:
        """Seconds of the longest read, or of one that has not ended; 0 without any."""
        return max((read.seconds(self.at) for read in self.reads), default=0.0)


def recording(application: Application, files: Files, *, pause: float = 0.3) -> Application:
    """The same application, which reads these files again and again.

    Args:
        application: as it is mounted.
        files: below its mount.
        pause: seconds between two reads.
    """
    paths = [f"{application.mount_path}/{file.path}" for file in files.files]
    command = ("bash", "-c", _READ, "read", RECORD, f"{pause:g}", *paths)
    return application.evolve(command=command)


def record_argv() -> Argv:
    """Print the time, and then the record."""
    return ("bash", "-c", f'printf "%s\\n" "$EPOCHREALTIME"; cat {RECORD}')


def read_record(completed: Completed, files: Files) -> ReadRecord:
    """What `record_argv` printed; a last line that is being written is left out.

    Args:
        completed: the command.
        files: those that the application was given, in the same order.

    Raises:
        OutputError: it printed anything but a record.
    """
    paths = [file.path for file in files.files]
    first, *lines = completed.stdout.split("\n")[:-1] or [""]
    reads: list[Read] = []
    try:
        now = float(first)
        for line in lines:
            _take(reads, line.split("\t"), paths)
    except (ValueError, IndexError) as error:
        raise OutputError(completed, "the record of its reads") from error
    return ReadRecord(tuple(reads), now)


def _take(reads: list[Read], words: Sequence[str], paths: Sequence[str]) -> None:
    """Add a line of the record to the reads: a new one, or the end of the last one."""
    if words[0] == "begin":
        reads.append(Read(paths[int(words[1])], float(words[2])))
        return
    word, number, at, outcome, said = words
    last = reads[-1]
    if word != "end" or last.ended is not None or last.path != paths[int(number)]:
        raise ValueError(word)
    right = outcome == "ok"
    reads[-1] = Read(
        last.path, last.begun, float(at), said if right else "", "" if right else said or "failed"
    )
