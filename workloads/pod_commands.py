"""What an application does with its data: commands to run inside its Pod, and what they said.

Each command is a plain argument list; each parser reads the finished command and returns a frozen
value. What no parser understands raises, so that a broken tool never passes for a finding.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clusters.errors import InfrastructureError, ProductFailureError
from clusters.host.commands import Completed, shown

Argv = tuple[str, ...]

_SUM: Final = re.compile(r"([0-9a-f]{64})[ ][ *](.+)", re.DOTALL)
_COPIED: Final = re.compile(
    r"^(?P<bytes>\d+) bytes?(?: \([^)]*\))? copied, (?P<seconds>[0-9.]+(?:e[-+]?\d+)?) s", re.MULTILINE
)

# A shell that finds no dd says so behind its own name.
_DD_SAYS: Final = re.compile(r"^dd: ", re.MULTILINE)
#: What dd and stat print when the file system, and not the tool, is the reason (coreutils 9.1, C locale).
_UNREADABLE: Final = re.compile(
    r"^(?:dd: (?:failed to open|error reading) |stat: cannot statx? )(?P<said>.+)$", re.MULTILINE
)

#: How coreutils name the refusals of a file system, in the C locale.
READ_ONLY: Final = "Read-only file system"
NOT_PERMITTED: Final = ("Permission denied", "Operation not permitted")


class OutputError(InfrastructureError):
    """A command inside a Pod said something that it never should."""

    def __init__(self, completed: Completed, expected: str) -> None:
        text = f"exit code {completed.exit_code}: {completed.stdout[-1000:]}{completed.stderr[-1000:]}"
        super().__init__(
            f"{shown(completed.argv, 80)} did not say {expected}",
            last_seen=text.replace("\0", "␀").strip(),
            advice="check whether the image has bash, coreutils and findutils",
        )


class UnreadableFileError(ProductFailureError):
    """The file system under the application refused a read, for example with an I/O error."""

    def __init__(self, completed: Completed, said: str) -> None:
        super().__init__(
            f"the application cannot read its data: {said}",
            condition="the file is read to its end",
            last_seen=completed.stderr.strip()[-1000:],
        )


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What the files under a folder hold.

    Attributes:
        checksums: SHA-256 in hex, by path relative to the folder, such as ``train/part-0.bin``.
        message: what went wrong, such as ``…: Input/output error``; empty when all was read.
        hung: seconds after which the read was given up, because it hung; 0 when it ended by itself.
    """

    checksums: Mapping[str, str]
    message: str = ""
    hung: float = 0.0

    @property
    def complete(self) -> bool:
        """Every file that was found was read to its end."""
        return not self.message


@dataclass(frozen=True, slots=True)
class Transfer:
    """A file read to its end: ``bytes`` of it in ``seconds``, by dd's own clock."""

    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How an attempt to write ended.

    Attributes:
        written: it worked.
        refused: the file system said no, as read-only or not permitted.
        message: what was said; empty when it worked.
    """

    written: bool
    refused: bool
    message: str

    @property
    def read_only(self) -> bool:
        """It was refused because the file system is mounted read-only."""
        return self.refused and READ_ONLY in self.message


@dataclass(frozen=True, slots=True)
class FileStat:
    """What ``stat`` says of a path: kind such as ``regular file``, size in bytes, octal mode, owner."""

    kind: str
    size: int
    mode: str
    uid: int
    gid: int
    modified: int


def checksums_argv(folder: str) -> Argv:
    """Read all regular files under ``folder`` and print their SHA-256, ended by NUL, in byte order.

    Names may hold any character. It fails if a file cannot be read, and continues with the others. Each
    checksum is printed as soon as its file is read, so that a hanging read and a slow one differ.
    """
    script = (
        'set -o pipefail; export LC_ALL=C; cd -- "$1" && '
        "find . -type f -printf '%P\\0' | sort -z | xargs -0 -r -n 1 sha256sum -z --"
    )
    return ("bash", "-c", script, "checksums", folder)


def read_result(completed: Completed) -> ReadResult:
    """What `checksums_argv` found.

    Raises:
        OutputError: it printed anything but checksums, or was cut off.
    """
    *records, rest = completed.stdout.split("\0")
    if rest:
        raise OutputError(completed, "checksums that end with NUL")
    checksums: dict[str, str] = {}
    for record in records:
        match = _SUM.fullmatch(record)
        if match is None or match[2] in checksums:
            raise OutputError(completed, "one checksum a file")
        checksums[match[2]] = match[1]
    if completed.exit_code == 0:
        return ReadResult(checksums)
    return ReadResult(checksums, completed.stderr.strip() or f"exit code {completed.exit_code}")


def read_argv(path: str, *, direct: bool = False) -> Argv:
    """Read one file to its end and throw it away, 1 MiB at a time.

    Args:
        path: the file.
        direct: pass the page cache by (O_DIRECT).
    """
    flags = ("iflag=direct",) if direct else ()
    return ("env", "LC_ALL=C", "dd", f"if={path}", "of=/dev/null", "bs=1M", *flags)


def transfer(completed: Completed) -> Transfer:
    """How much `read_argv` read, and how long it took.

    Raises:
        UnreadableFileError: the file system refused to open or to read the file.
        OutputError: dd failed for another reason, or is missing.
    """
    _raise_if_unreadable(completed)
    match = _COPIED.search(completed.stderr)
    if completed.exit_code != 0 or match is None:
        raise OutputError(completed, "how many bytes were copied")
    return Transfer(int(match["bytes"]), float(match["seconds"]))


def write_argv(path: str, text: str = "written by the conformance harness\n") -> Argv:
    """Try to write a file, down to the server: dd syncs before it closes, and says why it could not."""
    script = 'set -o pipefail; printf %s "$2" | dd of="$1" conv=fsync status=none'
    return ("env", "LC_ALL=C", "bash", "-c", script, "write", path, text)


def write_result(completed: Completed) -> WriteResult:
    """How `write_argv` ended.

    A failure that is no refusal, such as an I/O error or a dead mount, is neither written nor
    refused, and its message says what it is.

    Raises:
        OutputError: it failed without a word, or because bash or dd is not there.
    """
    if completed.exit_code == 0:
        return WriteResult(written=True, refused=False, message="")
    message = completed.stderr.strip()
    if _DD_SAYS.search(message) is None:
        raise OutputError(completed, "why it could not write")
    refused = any(reason in message for reason in (READ_ONLY, *NOT_PERMITTED))
    return WriteResult(written=False, refused=refused, message=message)


def mounts_argv() -> Argv:
    """Print the mounts as the application sees them (``/proc/self/mountinfo``)."""
    return ("cat", "/proc/self/mountinfo")


def stat_argv(path: str) -> Argv:
    """Ask for kind, size, mode, owner and time of change of a path."""
    return ("env", "LC_ALL=C", "stat", "--printf=%F|%s|%a|%u|%g|%Y", "--", path)


def file_stat(completed: Completed) -> FileStat | None:
    """What `stat_argv` found; None when there is no such path.

    Raises:
        UnreadableFileError: the file system refused, for example because its mount is dead.
        OutputError: stat failed for another reason, or is missing.
    """
    if completed.exit_code != 0 and completed.stderr.rstrip().endswith("No such file or directory"):
        return None
    _raise_if_unreadable(completed)
    parts = completed.stdout.split("|")
    try:
        kind, size, mode, uid, gid, modified = parts
        return FileStat(kind, int(size), mode, int(uid), int(gid), int(modified))
    except ValueError as error:
        raise OutputError(completed, "what it found") from error


def _raise_if_unreadable(completed: Completed) -> None:
    match = _UNREADABLE.search(completed.stderr) if completed.exit_code != 0 else None
    if match is not None:
        raise UnreadableFileError(completed, match["said"])
