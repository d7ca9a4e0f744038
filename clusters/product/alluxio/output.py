"""Parsers of what Alluxio's command line prints.

The formats are those of Alluxio 2.9 (shell module: LsCommand, MountCommand and the report commands
of fsadmin). Sizes are binary (1KB is 1024 B) and, above 5 KB, printed with two decimals of their
unit: a figure in MB is good to about 5 KB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clusters.errors import HarnessError

_UNITS: Final[Mapping[str, float]] = {
    unit: 1024.0**power for power, unit in enumerate(("B", "KB", "MB", "GB", "TB", "PB", "EB"))
}
_SIZE: Final = re.compile(r"(-?[0-9][0-9,]*(?:\.[0-9]+)?)([KMGTPE]?B)?")
#: Lines that logging may put between the lines of output.
_LOG: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} +(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b|SLF4J")
_LS: Final = re.compile(
    r"(?:[d-][rwxstST-]{9}\+?\s+(?:\S+\s+)?(?:\S+\s+)?|\s*)"
    r"(?P<size>\d+)\s+(?:PERSISTED|NOT_PERSISTED|TO_BE_PERSISTED|LOST)\s+"
    r"\S+ \S+\s+(?P<state>DIR|\d+%) (?P<path>/.*)"
)
_METRIC: Final = re.compile(r"(?P<name>\S.*?)\s+\(Type: [A-Z]+, Value: (?P<value>.*)\)")
_MOUNT: Final = re.compile(r"(?P<ufs>\S+)\s+on\s+(?P<path>/.*?)\s+\((?P<options>.*)\)")
#: Java 14 and later print ``host/<unresolved>:port``, or ``host/address:port``.
_LEADER: Final = re.compile(r"^Current leader master: (?P<host>[^/:\s]+)(?:/\S+)?:\d+\s*$", re.MULTILINE)
_PAD: Final = 5  # `ls` pads the path to this width


class AlluxioOutputError(HarnessError):
    """Alluxio printed something else than expected; the line is in ``last_seen``."""

    def __init__(self, command: str, line: str) -> None:
        super().__init__(
            f"the output of `{command}` does not have the format of Alluxio 2.9",
            last_seen=line,
            advice="run the command in the master's container and read its output",
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of Alluxio's namespace, as ``alluxio fs ls`` prints it.

    Attributes:
        path: in Alluxio.
        bytes: size of a file; number of children of a folder.
        in_alluxio: per cent of a file's bytes that workers hold; None for a folder.
    """

    path: str
    bytes: int
    in_alluxio: int | None

    @property
    def is_folder(self) -> bool:
        """It is a folder."""
        return self.in_alluxio is None


@dataclass(frozen=True, slots=True)
class Listing:
    """What ``alluxio fs ls -R`` printed."""

    entries: tuple[Entry, ...]

    @property
    def files(self) -> tuple[Entry, ...]:
        """The files among the entries."""
        return tuple(entry for entry in self.entries if not entry.is_folder)

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.bytes for entry in self.files)

    @property
    def cached_bytes(self) -> float:
        """Bytes in Alluxio, good to 1 % of each file because Alluxio prints whole per cents."""
        return sum(entry.bytes * (entry.in_alluxio or 0) / 100 for entry in self.files)

    @property
    def percentage(self) -> float:
        """Per cent of all bytes that are in Alluxio; 0 when there is no byte at all."""
        return 100 * self.cached_bytes / self.total_bytes if self.total_bytes else 0.0

    @property
    def all_cached(self) -> bool:
        """There is at least one file with data, and each such file is in Alluxio as a whole."""
        with_data = [entry for entry in self.files if entry.bytes]
        return bool(with_data) and all(entry.in_alluxio == 100 for entry in with_data)  # noqa: PLR2004 - per cent

    @property
    def cached_files(self) -> tuple[Entry, ...]:
        """The files with data of which at least 1 % is in Alluxio."""
        return tuple(entry for entry in self.files if entry.bytes and entry.in_alluxio)

    @property
    def none_cached(self) -> bool:
        """Of no file is 1 % or more in Alluxio."""
        return not self.cached_files

    def entry(self, path: str) -> Entry | None:
        """The entry of that path."""
        return next((entry for entry in self.entries if entry.path == path), None)

    def __str__(self) -> str:
        return f"{len(self.files)} files, {self.total_bytes} B, {self.percentage:.1f} % in Alluxio"


@dataclass(frozen=True, slots=True)
class Summary:
    """What ``alluxio fsadmin report summary`` printed.

    Attributes:
        live_workers: workers that report.
        capacity: bytes of all workers.
        used: bytes of it.
    """

    live_workers: int
    capacity: float
    used: float

    def __str__(self) -> str:
        return f"{self.live_workers} workers, {self.used:.0f} of {self.capacity:.0f} B used"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The numbers that ``alluxio fsadmin report metrics`` printed: bytes, bytes a minute, or counts."""

    by_name: Mapping[str, float]

    def value(self, name: str) -> float:
        """The number of that name.

        Raises:
            AlluxioOutputError: there is no number of that name.
        """
        if name not in self.by_name:
            raise AlluxioOutputError("alluxio fsadmin report metrics", f"no number {name}")
        return self.by_name[name]

    @property
    def read_local(self) -> float:
        """Bytes that clients read from a worker on their own node, since the master started."""
        return self.value("Cluster.BytesReadLocal")

    @property
    def read_remote(self) -> float:
        """Bytes that clients read from other workers."""
        return self.value("Cluster.BytesReadRemote")

    @property
    def read_source(self) -> float:
        """Bytes that workers read from the source, such as NFS."""
        return self.value("Cluster.BytesReadUfsAll")


@dataclass(frozen=True, slots=True)
class UnderMount:
    """A mount of the source in Alluxio's namespace, as ``alluxio fs mount`` lists it."""

    source: str
    path: str
    options: str


@dataclass(frozen=True, slots=True)
class BlockFile:
    """A file in a worker's tier folder; ``temporary`` while it is being written."""

    path: str
    bytes: int

    @property
    def temporary(self) -> bool:
        """It is not a whole block yet (alluxio.worker.data.folder.tmp)."""
        return "/.tmp_blocks/" in self.path


def size(text: str, command: str = "alluxio") -> float:
    """A size as Alluxio prints it, in bytes: ``19.37MB``, ``0B``, or a plain number with commas.

    Raises:
        AlluxioOutputError: the text is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise AlluxioOutputError(command, text)
    return float(match[1].replace(",", "")) * _UNITS[match[2] or "B"]


def parse_listing(output: str) -> Listing:
    """Parse ``alluxio fs ls -R`` (sizes in bytes, not ``-h``).

    Raises:
        AlluxioOutputError: a line has another format.
    """
    entries = []
    for line in _lines(output):
        match = _LS.fullmatch(line)
        if match is None:
            raise AlluxioOutputError("alluxio fs ls", line)
        state, path = match["state"], match["path"]
        entries.append(
            Entry(
                path=path.rstrip(" ") if len(path) <= _PAD else path,
                bytes=int(match["size"]),
                in_alluxio=None if state == "DIR" else int(state.removesuffix("%")),
            )
        )
    return Listing(tuple(entries))


def parse_summary(output: str) -> Summary:
    """Parse ``alluxio fsadmin report summary``.

    Raises:
        AlluxioOutputError: a figure is missing or has another format.
    """
    command = "alluxio fsadmin report summary"
    values: dict[str, str] = {}
    for line in _lines(output):
        key, separator, value = line.strip().partition(":")
        if separator:  # addresses of ZooKeeper or of masters are on lines of their own
            values.setdefault(key.strip(), value.strip())
    for key in ("Live Workers", "Total Capacity", "Used Capacity"):
        if key not in values:
            raise AlluxioOutputError(command, f"no line {key!r} in: {output.strip()[-400:]}")
    try:
        workers = int(values["Live Workers"].replace(",", ""))
    except ValueError:
        raise AlluxioOutputError(command, values["Live Workers"]) from None
    return Summary(
        live_workers=workers,
        capacity=size(values["Total Capacity"], command),
        used=size(values["Used Capacity"], command),
    )


def parse_metrics(output: str) -> Metrics:
    """Parse ``alluxio fsadmin report metrics``; metrics whose value is a text are left out.

    Raises:
        AlluxioOutputError: a line has another format.
    """
    command = "alluxio fsadmin report metrics"
    found: dict[str, float] = {}
    for line in _lines(output):
        match = _METRIC.fullmatch(line.strip())
        if match is None:
            raise AlluxioOutputError(command, line)
        amount = match["value"].removesuffix("/MIN")
        if _SIZE.fullmatch(amount):
            found[match["name"]] = size(amount, command)
    return Metrics(found)


def parse_leader(output: str) -> str:
    """The host of the leading master, as `fs masterInfo` prints it (MasterInfoCommand of the shell module).

    Raises:
        AlluxioOutputError: no line names it.
    """
    found = _LEADER.search(output)
    if found is None:
        raise AlluxioOutputError("alluxio fs masterInfo", output[-500:])
    return found["host"]


def parse_mounts(output: str) -> tuple[UnderMount, ...]:
    """Parse the list that ``alluxio fs mount`` prints without arguments.

    Raises:
        AlluxioOutputError: a line has another format.
    """
    found = []
    for line in _lines(output):
        match = _MOUNT.fullmatch(line.strip())
        if match is None:
            raise AlluxioOutputError("alluxio fs mount", line)
        found.append(UnderMount(match["ufs"], match["path"], match["options"]))
    return tuple(found)


def find_blocks(folder: str) -> tuple[str, ...]:
    """The command that lists the files below a worker's tier folder; parse with `parse_blocks`."""
    return ("find", folder, "-type", "f", "-printf", "%s %p\\n")


def parse_blocks(output: str) -> tuple[BlockFile, ...]:
    """Parse what `find_blocks` prints.

    Raises:
        AlluxioOutputError: a line has another format.
    """
    found = []
    for line in output.splitlines():
        amount, space, path = line.partition(" ")
        if not space or not amount.isdecimal():
            raise AlluxioOutputError("find -printf '%s %p'", line)
        found.append(BlockFile(path, int(amount)))
    return tuple(found)


def _lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.strip() and not _LOG.match(line)]
