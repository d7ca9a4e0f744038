"""fio's jobs: readable files in `workloads/jobs/`, filled in for a number of readers.

The files are ordinary fio jobs whose variables fio itself reads from the environment, so that
each can be run in a shell: ``DIRECTORY=/data NUMJOBS=4 LARGE_SHARE=64m fio sequential-1m.fio``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from clusters.errors import RefusalError

FOLDER: Final = Path(__file__).parent.parent / "jobs"

#: More than 16 reads at once have hung the FUSE client of Alluxio 2.9 (Fluid issue 5802).
MOST_JOBS: Final = 16

KIB: Final = 1024
MIB: Final = 1024 * KIB
VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")
UNITS: Final = {"": 1, "k": KIB, "m": MIB, "g": 1024 * MIB}

#: Options that a job must have set so, or it would not do what `Plan` says of it.
REQUIRED: Final = {"allow_file_create": "0", "invalidate": "0", "fadvise_hint": "0", "group_reporting": "1"}

#: Options that would make the amount that is read depend on the time, or write.
FORBIDDEN: Final = ("time_based", "runtime", "ramp_time", "loops", "create_on_open", "pre_read", "unlink")


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much data is prepared and read.

    Attributes:
        large_bytes: size of ``large.bin``.
        random_4k_bytes: how much of it random-4k reads, all its jobs together.
        small_files: how many small files are read, all jobs together.
        small_file_bytes: size of each.
        samples: how many sample files an epoch reads, all jobs together.
        sample_bytes: size of each.
    """

    large_bytes: int = 512 * MIB
    random_4k_bytes: int = 64 * MIB
    small_files: int = 2048
    small_file_bytes: int = 64 * KIB
    samples: int = 256
    sample_bytes: int = 1 * MIB


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that has to be there before fio starts.

    Attributes:
        path: below the job's directory.
        size: bytes, exactly.
    """

    path: PurePosixPath
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A job filled in: what is run, and what it will have read when it has run.

    Attributes:
        job: such as ``random-4k``.
        numjobs: how many processes read at once.
        text: the job file, without variables.
        files: what it reads; each file once, in a fixed order.
        total_bytes: what fio's ``io_bytes`` of all groups must add up to.
        groups: sections that run one after the other, such as the epochs; fio's group ids in order.
    """

    job: str
    numjobs: int
    text: str
    files: tuple[DataFile, ...]
    total_bytes: int
    groups: tuple[str, ...]

    @property
    def name(self) -> str:
        """The job and its readers, such as ``random-4k x4``."""
        return f"{self.job} x{self.numjobs}"

    @property
    def options(self) -> dict[str, str]:
        """Options of the job by name; with several sections the name has the section as a prefix."""
        section, found = "global", {}
        for line in self.text.splitlines():
            text = line.strip()
            if text.startswith("["):
                section = text.strip("[]")
            elif text and not text.startswith("#"):
                key, _, value = text.partition("=")
                prefixed = section != "global" and len(self.groups) > 1
                found[f"{section}.{key}" if prefixed else key] = value or "1"
        return found

    def argv(self, path: str | Path, *, fio: str = "fio") -> tuple[str, ...]:
        """The command that runs ``text``, written to ``path``; its stdout is for `workloads.fio.parse`."""
        return (fio, "--readonly", "--eta=never", "--output-format=json+", str(path))


@dataclass(frozen=True, slots=True)
class Job:
    """A job file.

    Attributes:
        name: the file's name without its suffix.
        says: its leading comment, what it does in a user's words.
        text: the file, variables and all.
    """

    name: str
    says: str
    text: str

    @property
    def variables(self) -> frozenset[str]:
        """The names of its variables."""
        return frozenset(VARIABLE.findall(self.text))

    def plan(self, amounts: Amounts, *, directory: str, numjobs: int = 1, most: int = MOST_JOBS) -> Plan:
        """Fill the job in.

        Args:
            amounts: how much is read; the total does not depend on ``numjobs``.
            directory: the folder of the data as fio sees it, such as ``/data``.
            numjobs: how many processes read at once.
            most: the highest ``numjobs`` that is let through.

        Raises:
            RefusalError: too many jobs, an amount that cannot be shared out evenly, or a job
                file that could write or whose amount is not fixed.
        """
        if not 1 <= numjobs <= most:
            raise RefusalError(
                f"{self.name}: {numjobs} parallel jobs are not between 1 and {most}",
                subject=self.name,
                condition=f"1 to {most} parallel jobs",
                advice="more than 16 can hang Alluxio 2.9's FUSE client; raise the limit only knowingly",
            )
        if not re.fullmatch(r"/?[\w.@+-]+(/[\w.@+-]+)*/?|/", directory):
            raise RefusalError(
                f"{self.name}: fio cannot take {directory!r} as a directory", subject=self.name
            )
        values = _values(amounts, numjobs, self.name, self.variables) | {"DIRECTORY": directory}
        unknown = sorted(self.variables - values.keys())
        if unknown:
            raise RefusalError(f"{self.name}: nothing sets {', '.join(unknown)}", subject=self.name)
        text = VARIABLE.sub(lambda match: values[match[1]], self.text)
        return _plan(self.name, text, numjobs)


def load(name: str, folder: Path = FOLDER) -> Job:
    """The job of that name, such as ``random-4k``.

    Raises:
        RefusalError: there is none, or it does not begin with a comment that says what it does.
    """
    path = folder / f"{name}.fio"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not path.is_file():
        raise RefusalError(f"no fio job {name!r}", advice=f"there are {', '.join(names(folder))}")
    text = path.read_text(encoding="utf-8")
    comment = re.match(r"(?:#[^\n]*\n)+", text)
    if comment is None:
        raise RefusalError(f"{path.name} does not begin with a comment that says what it does", subject=name)
    says = " ".join(line.lstrip("# ").strip() for line in comment[0].splitlines())
    return Job(name, says, text)


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """The names of all jobs, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.fio")))


def _values(amounts: Amounts, numjobs: int, job: str, used: frozenset[str]) -> dict[str, str]:
    def share(variable: str, total: int, what: str) -> int:
        if variable in used and (total < numjobs or total % numjobs):
            raise RefusalError(
                f"{job}: {total} {what} cannot be shared evenly by {numjobs} jobs", subject=job
            )
        return total // numjobs

    values = {
        "NUMJOBS": numjobs,
        "LARGE_SHARE": share("LARGE_SHARE", amounts.large_bytes, "bytes"),
        "RANDOM_4K_SHARE": share("RANDOM_4K_SHARE", amounts.random_4k_bytes, "bytes"),
        "SMALL_FILES_SHARE": share("SMALL_FILES_SHARE", amounts.small_files, "files"),
        "SMALL_FILE_SIZE": amounts.small_file_bytes,
        "SAMPLES_SHARE": share("SAMPLES_SHARE", amounts.samples, "files"),
        "SAMPLE_SIZE": amounts.sample_bytes,
        # A whole file, or fio would go on to the next one too early or too late.
        "SAMPLE_READS": max(1, amounts.sample_bytes // (128 * KIB)),
    }
    return {name: str(value) for name, value in values.items()}


def _plan(job: str, text: str, numjobs: int) -> Plan:
    parsed = ConfigParser(default_section="global", interpolation=None, allow_no_value=True)
    try:
        parsed.read_string(text)
    except ConfigError as error:
        raise RefusalError(f"{job} is not a fio job: {error.message}", subject=job) from error
    files: dict[PurePosixPath, int] = {}
    total = 0
    for name in parsed.sections():
        # An option without a value is a flag that is set.
        section = {option: value if value is not None else "1" for option, value in parsed.items(name)}
        _refuse_unfit(job, section)
        total += _bytes_of(job, section) * numjobs
        for one in _files_of(job, section, numjobs):
            files[one.path] = max(one.size, files.get(one.path, 0))
    if not total:
        raise RefusalError(f"{job} reads nothing", subject=job)
    listed = tuple(DataFile(path, size) for path, size in files.items())
    return Plan(job, numjobs, text, listed, total, tuple(parsed.sections()))


def _refuse_unfit(job: str, section: Mapping[str, str]) -> None:
    if section.get("rw") not in {"read", "randread"}:
        raise RefusalError(f"{job} does not only read (rw={section.get('rw')})", subject=job)
    for option, value in REQUIRED.items():
        if section.get(option) != value:
            raise RefusalError(f"{job} must set {option}={value}", subject=job)
    for option in FORBIDDEN:
        if option in section:
            raise RefusalError(f"{job} must not set {option}: what it reads has to be fixed", subject=job)


def _bytes_of(job: str, section: Mapping[str, str]) -> int:
    """What one clone of a section reads, in bytes."""
    block = _size(job, section, "bs")
    if "filename_format" in section:
        each, count = _size(job, section, "filesize"), _size(job, section, "nrfiles")
        reads, used = each, each * count
        kind, _, picks = section.get("file_service_type", "").partition(":")
        if kind == "random" and picks != str(each // block):
            raise RefusalError(
                f"{job} goes to the next file after {picks} reads, not a whole one", subject=job
            )
    else:
        reads = _size(job, section, "size")
        used = _size(job, section, "io_size") if "io_size" in section else reads
    if reads % block or used % block or (used > reads and "filename_format" not in section):
        raise RefusalError(f"{job}: {used} of {reads} bytes cannot be read in blocks of {block}", subject=job)
    return used


def _files_of(job: str, section: Mapping[str, str], numjobs: int) -> list[DataFile]:
    if "filename_format" not in section:
        return [DataFile(PurePosixPath(section["filename"]), _size(job, section, "size") * numjobs)]
    size, count = _size(job, section, "filesize"), _size(job, section, "nrfiles")
    form = section["filename_format"]
    return [
        DataFile(PurePosixPath(form.replace("$jobnum", str(reader)).replace("$filenum", str(number))), size)
        for reader in range(numjobs)
        for number in range(count)
    ]


def _size(job: str, section: Mapping[str, str], option: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]*)([kmg]?)", section.get(option, ""))
    if match is None:
        raise RefusalError(f"{job}: {option}={section.get(option)} is not a size", subject=job)
    return int(match[1]) * UNITS[match[2]]
