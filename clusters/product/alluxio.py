"""Reading Alluxio: its own command line in the master's container, and parsers of what it prints.

The formats are those of Alluxio 2.9 (shell module: LsCommand, CountCommand, MountCommand and
the report commands of fsadmin). Each call starts a JVM, 1 to 3 s on two cores, so several
commands share one exec. Sizes are binary (1KB is 1024 B) and, above 5 KB, printed with two
decimals of their unit: a figure in MB is good to about 5 KB.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clusters.errors import HarnessError
from clusters.host.commands import CommandError, Completed, shown
from clusters.product import fluid_names

if TYPE_CHECKING:
    from clusters.kubernetes.client import Kube

#: Seconds for one command of Alluxio's shell on a busy machine.
COMMAND_SECONDS: Final = 60.0

_UNITS: Final[Mapping[str, float]] = {
    unit: 1024.0**power for power, unit in enumerate(("B", "KB", "MB", "GB", "TB", "PB", "EB"))
}
_SIZE: Final = re.compile(r"(-?[0-9][0-9,]*(?:\.[0-9]+)?)([KMGTPE]?B)?")
#: What logging may put among the output.
_LOG: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} +(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b|SLF4J")
_LS: Final = re.compile(
    r"(?:(?P<mode>[d-][rwxstST-]{9}\+?)\s+(?:(?P<owner>\S+)\s+)?(?:(?P<group>\S+)\s+)?|\s*)"
    r"(?P<size>\d+)\s+(?P<persistence>PERSISTED|NOT_PERSISTED|TO_BE_PERSISTED|LOST)\s+"
    r"(?P<modified>\S+ \S+)\s+(?P<state>DIR|\d+%) (?P<path>/.*)"
)
_METRIC: Final = re.compile(r"(?P<name>\S.*?)\s+\(Type: (?P<type>[A-Z]+), Value: (?P<value>.*)\)")
_MOUNT: Final = re.compile(r"(?P<ufs>\S+)\s+on\s+(?P<path>/.*?)\s+\((?P<options>.*)\)")
_TIER: Final = re.compile(r"Tier: (?P<tier>\S+) +Size: (?P<size>\S+)")
_COUNT_WORDS: Final = 3
_PAD: Final = 5  # the path is padded to this width


class AlluxioOutputError(HarnessError):
    """Alluxio printed something else than expected; the line is in ``last_seen``."""

    def __init__(self, command: str, line: str) -> None:
        super().__init__(
            f"the output of `{command}` is not as Alluxio 2.9 prints it",
            last_seen=line,
            advice="run it in the master's container and look at its output",
        )


def size(text: str, command: str = "alluxio") -> float:
    """A size as Alluxio prints it, in bytes: ``19.37MB``, ``0B``, or a plain number with commas.

    Raises:
        AlluxioOutputError: it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise AlluxioOutputError(command, text)
    return float(match[1].replace(",", "")) * _UNITS[match[2] or "B"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of Alluxio's name space, as ``alluxio fs ls`` prints it.

    Attributes:
        path: in Alluxio.
        bytes: size of a file; number of children of a folder.
        in_alluxio: per cent of a file's bytes that workers hold; None for a folder.
        persistence: ``PERSISTED``, ``NOT_PERSISTED``, ``TO_BE_PERSISTED`` or ``LOST``.
        mode: such as ``-rw-r--r--``; owner, group and it are empty without security.
        owner: name or number.
        group: name or number.
        modified: as printed.
    """

    path: str
    bytes: int
    in_alluxio: int | None
    persistence: str
    mode: str
    owner: str
    group: str
    modified: str

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
        """Bytes in Alluxio, good to 1 % of each file since Alluxio prints whole per cents."""
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
        """The files with data that are in Alluxio, wholly or in part, as far as whole per cents tell."""
        return tuple(entry for entry in self.files if entry.bytes and entry.in_alluxio)

    @property
    def none_cached(self) -> bool:
        """No byte of any file is in Alluxio, as far as whole per cents tell."""
        return not self.cached_files

    def entry(self, path: str) -> Entry | None:
        """The entry of that path."""
        return next((entry for entry in self.entries if entry.path == path), None)

    def __str__(self) -> str:
        return f"{len(self.files)} files, {self.total_bytes} B, {self.percentage:.1f} % in Alluxio"


@dataclass(frozen=True, slots=True)
class Summary:
    """What ``alluxio fsadmin report summary`` printed; sizes in bytes.

    Attributes:
        version: of the master.
        safe_mode: the master still waits for its workers.
        live_workers: workers that report.
        lost_workers: workers that do no more.
        capacity: of all workers.
        used: of it.
        free: of it.
        tiers: (capacity, used) by tier, such as ``MEM``.
    """

    version: str
    safe_mode: bool
    live_workers: int
    lost_workers: int
    capacity: float
    used: float
    free: float
    tiers: Mapping[str, tuple[float, float]]

    def __str__(self) -> str:
        return f"{self.live_workers} workers, {self.used:.0f} of {self.capacity:.0f} B used"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: such as ``Cluster.BytesReadLocal``.
        type: ``COUNTER``, ``GAUGE``, ``METER`` or ``TIMER``.
        value: bytes, bytes a minute, or a count; None where it is a text.
        per_minute: it is a rate.
        text: as printed.
    """

    name: str
    type: str
    value: float | None
    per_minute: bool
    text: str


@dataclass(frozen=True, slots=True)
class Metrics:
    """What ``alluxio fsadmin report metrics`` printed, by name."""

    by_name: Mapping[str, Metric]

    def value(self, name: str) -> float:
        """The number of that name.

        Raises:
            AlluxioOutputError: it was not reported, or is a text.
        """
        metric = self.by_name.get(name)
        if metric is None or metric.value is None:
            raise AlluxioOutputError(
                "alluxio fsadmin report metrics",
                f"no number {name}: {metric.text if metric else 'not there'}",
            )
        return metric.value

    @property
    def read_local(self) -> float:
        """Bytes that clients read from a worker on their own node, since the cluster began."""
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
class Worker:
    """A worker's share, as ``alluxio fsadmin report capacity`` prints it; sizes in bytes.

    Attributes:
        name: host name or address.
        last_heartbeat: seconds since it reported.
        capacity: in all.
        used: of it.
        tiers: (capacity, used) by tier.
    """

    name: str
    last_heartbeat: int
    capacity: float
    used: float
    tiers: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Count:
    """What ``alluxio fs count`` printed."""

    files: int
    folders: int
    bytes: int


@dataclass(frozen=True, slots=True)
class UnderMount:
    """A mount of the source in Alluxio's name space, as ``alluxio fs mount`` lists it."""

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


@dataclass(frozen=True, slots=True)
class Look:
    """What Alluxio said at one moment; what was not asked for is None."""

    listing: Listing | None = None
    summary: Summary | None = None
    metrics: Metrics | None = None
    workers: tuple[Worker, ...] | None = None

    def __str__(self) -> str:
        told = [str(part) for part in (self.listing, self.summary) if part is not None]
        return "; ".join(told) or "nothing asked"


def _lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.strip() and not _LOG.match(line)]


def parse_listing(output: str) -> Listing:
    """Parse ``alluxio fs ls -R`` (bytes, not ``-h``).

    Raises:
        AlluxioOutputError: a line is of another format.
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
                persistence=match["persistence"],
                mode=match["mode"] or "",
                owner=match["owner"] or "",
                group=match["group"] or "",
                modified=match["modified"],
            )
        )
    return Listing(tuple(entries))


def parse_summary(output: str) -> Summary:
    """Parse ``alluxio fsadmin report summary``.

    Raises:
        AlluxioOutputError: a figure is missing or of another format.
    """
    command = "alluxio fsadmin report summary"
    values: dict[str, str] = {}
    tiers: dict[str, dict[str, float]] = {"Total Capacity": {}, "Used Capacity": {}}
    section = ""
    for line in _lines(output):
        tier = _TIER.fullmatch(line.strip())
        if tier is not None and section in tiers:
            tiers[section][tier["tier"]] = size(tier["size"], command)
            continue
        key, separator, value = line.strip().partition(":")
        if not separator:
            continue  # addresses of ZooKeeper or masters stand alone on their lines
        section = key.strip()
        values.setdefault(section, value.strip())
    for key in ("Live Workers", "Lost Workers", "Total Capacity", "Used Capacity", "Free Capacity"):
        if key not in values:
            raise AlluxioOutputError(command, f"no line {key!r} in: {output.strip()[-400:]}")
    used = tiers["Used Capacity"]
    return Summary(
        version=values.get("Version", ""),
        safe_mode=values.get("Safe Mode", "") == "true",
        live_workers=_whole(values["Live Workers"], command),
        lost_workers=_whole(values["Lost Workers"], command),
        capacity=size(values["Total Capacity"], command),
        used=size(values["Used Capacity"], command),
        free=size(values["Free Capacity"], command),
        tiers={tier: (total, used.get(tier, 0.0)) for tier, total in tiers["Total Capacity"].items()},
    )


def parse_metrics(output: str) -> Metrics:
    """Parse ``alluxio fsadmin report metrics``.

    Raises:
        AlluxioOutputError: a line is of another format.
    """
    found: dict[str, Metric] = {}
    for line in _lines(output):
        match = _METRIC.fullmatch(line.strip())
        if match is None:
            raise AlluxioOutputError("alluxio fsadmin report metrics", line)
        text = match["value"]
        amount = text.removesuffix("/MIN")
        value = size(amount) if _SIZE.fullmatch(amount) else None
        found[match["name"]] = Metric(match["name"], match["type"], value, text != amount, text)
    return Metrics(found)


def parse_capacity(output: str) -> tuple[Worker, ...]:
    """Parse ``alluxio fsadmin report capacity``: one row of capacity and one of use for each worker.

    Raises:
        AlluxioOutputError: a row is of another format.
    """
    command = "alluxio fsadmin report capacity"
    lines = _lines(output)
    if any(line.strip() == "No workers found." for line in lines):
        return ()
    start = next((i for i, line in enumerate(lines) if line.startswith("Worker Name")), None)
    if start is None:
        raise AlluxioOutputError(command, output.strip()[-400:])
    # With several tiers a column Total stands before them; with one it is left out.
    columns = lines[start].split()[5:]
    rows = [line.split() for line in lines[start + 1 :]]
    workers = []
    for total, use in zip(rows[::2], rows[1::2], strict=False):
        use_sizes = [word for word in use[1:] if not word.startswith("(")]
        if len(total) != 3 + len(columns) or total[2] != "capacity" or use[0] != "used":
            raise AlluxioOutputError(command, f"{' '.join(total)} / {' '.join(use)}")
        tiers = {
            tier: (_tier_size(a, command), _tier_size(b, command))
            for tier, a, b in zip(columns, total[3:], use_sizes, strict=False)
            if tier != "Total"
        }
        workers.append(
            Worker(
                name=total[0],
                last_heartbeat=_whole(total[1], command),
                capacity=size(total[3], command),
                used=size(use_sizes[0], command) if use_sizes else 0.0,
                tiers=tiers,
            )
        )
    if len(rows) % 2:
        raise AlluxioOutputError(command, " ".join(rows[-1]))
    return tuple(workers)


def parse_count(output: str) -> Count:
    """Parse ``alluxio fs count``: a line of headings and one of three numbers.

    Raises:
        AlluxioOutputError: it is not that.
    """
    command = "alluxio fs count"
    lines = _lines(output)
    words = lines[-1].split() if lines else []
    if len(words) != _COUNT_WORDS or not lines[0].startswith("File Count"):
        raise AlluxioOutputError(command, output.strip())
    files, folders, total = (_whole(word, command) for word in words)
    return Count(files, folders, total)


def parse_mounts(output: str) -> tuple[UnderMount, ...]:
    """Parse the list that ``alluxio fs mount`` prints without arguments.

    Raises:
        AlluxioOutputError: a line is of another format.
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
        AlluxioOutputError: a line is of another format.
    """
    found = []
    for line in output.splitlines():
        amount, space, path = line.partition(" ")
        if not space or not amount.isdecimal():
            raise AlluxioOutputError("find -printf '%s %p'", line)
        found.append(BlockFile(path, int(amount)))
    return tuple(found)


def _whole(text: str, command: str) -> int:
    try:
        return int(text.replace(",", ""))
    except ValueError:
        raise AlluxioOutputError(command, text) from None


def _tier_size(text: str, command: str) -> float:
    """A tier's size; a worker without that tier has a dash there."""
    return 0.0 if text == "-" else size(text, command)


@dataclass(frozen=True)
class Alluxio:
    """The Alluxio of one Dataset, asked in its first master's container."""

    kube: Kube
    namespace: str
    dataset: str

    def run(self, *argv: str, timeout: float = COMMAND_SECONDS, check: bool = True) -> Completed:
        """Run one command there, such as ``alluxio``, ``fs``, ``free``, ``-f``, ``/``.

        Raises:
            CommandError: (with ``check``) it exited with another code than 0.
            KubeError: the container could not be reached.
        """
        done = self.kube.exec(
            self.namespace,
            fluid_names.master_pod(self.dataset),
            fluid_names.MASTER_CONTAINER,
            argv,
            timeout=timeout,
        )
        return _checked(done) if check else done

    def run_all(
        self, commands: Sequence[Sequence[str]], *, timeout: float | None = None
    ) -> tuple[Completed, ...]:
        """Run several commands there one after another, in one exec; exit codes are not checked.

        Args:
            commands: each a program with its arguments.
            timeout: seconds in all; without it `COMMAND_SECONDS` for each.
        """
        mark = f"=={secrets.token_hex(8)}=="
        tell = f"code=$?; printf '\\n%s %s\\n' {mark} $code; printf '\\n%s\\n' {mark} >&2"
        script = "\n".join(f"{shlex.join(command)}; {tell}" for command in commands)
        limit = timeout if timeout is not None else COMMAND_SECONDS * len(commands)
        done = self.run("bash", "-c", script, timeout=limit, check=False)
        return split_outputs(done, commands, mark)

    def look(
        self, *, listing: bool = True, summary: bool = True, metrics: bool = True, workers: bool = False
    ) -> Look:
        """Ask for several things at once; each costs one start of a JVM.

        Raises:
            CommandError: Alluxio refused one of them.
            AlluxioOutputError: it printed something unknown.
            KubeError: the container could not be reached.
        """
        wanted = {
            "listing": (listing, ("fs", "ls", "-R", "/")),
            "summary": (summary, ("fsadmin", "report", "summary")),
            "metrics": (metrics, ("fsadmin", "report", "metrics")),
            "workers": (workers, ("fsadmin", "report", "capacity")),
        }
        asked = {name: ("alluxio", *words) for name, (want, words) in wanted.items() if want}
        if not asked:
            return Look()
        answers = dict(zip(asked, self.run_all(tuple(asked.values())), strict=True))
        texts = {name: _checked(done).stdout for name, done in answers.items()}
        return Look(
            listing=parse_listing(texts["listing"]) if listing else None,
            summary=parse_summary(texts["summary"]) if summary else None,
            metrics=parse_metrics(texts["metrics"]) if metrics else None,
            workers=parse_capacity(texts["workers"]) if workers else None,
        )

    def listing(self, path: str = "/") -> Listing:
        """All files and folders below ``path``."""
        return parse_listing(self.run("alluxio", "fs", "ls", "-R", path).stdout)

    def count(self, path: str = "/") -> Count:
        """Files, folders and bytes below ``path``."""
        return parse_count(self.run("alluxio", "fs", "count", path).stdout)

    def mounts(self) -> tuple[UnderMount, ...]:
        """What is mounted from the source."""
        return parse_mounts(self.run("alluxio", "fs", "mount").stdout)

    def free(self, path: str = "/") -> None:
        """Drop the cached blocks below ``path``; the workers do it within a few heartbeats."""
        self.run("alluxio", "fs", "free", "-f", path)


def split_outputs(done: Completed, commands: Sequence[Sequence[str]], mark: str) -> tuple[Completed, ...]:
    """The output of `Alluxio.run_all`'s script, cut at its marks.

    Raises:
        CommandError: the script did not come to its end.
    """
    outs = re.split(rf"\n{re.escape(mark)} (\d+)\n", done.stdout)
    errs = done.stderr.split(f"\n{mark}\n")
    if len(outs) != 2 * len(commands) + 1:
        raise CommandError(f"only {len(outs) // 2} of {len(commands)} commands ended", completed=done)
    return tuple(
        Completed(tuple(command), int(outs[2 * i + 1]), outs[2 * i], errs[i] if i < len(errs) else "")
        for i, command in enumerate(commands)
    )


def _checked(done: Completed) -> Completed:
    if done.exit_code != 0:
        raise CommandError(
            f"`{shown(done.argv)}` in Alluxio's master failed with exit code {done.exit_code}", completed=done
        )
    return done
