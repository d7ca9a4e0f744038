"""Data files whose checksums are known without asking anyone.

A file consists of pieces of 8 MiB; piece ``i`` is the output of SHAKE-128 over the text
``<seed>/<i>``. Python's hashlib and openssl in a Pod compute the same bytes, so that what the
harness expects and what the file server holds are computed by two independent programs.
"""

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from clusters.errors import RefusalError

MIB: Final = 1024 * 1024

#: Bytes of one piece: openssl holds a piece in memory as a whole.
PIECE: Final = 8 * MIB

_SEED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

#: Ends the name of a file that is being made.
PART: Final = ".part"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file.

    Attributes:
        path: relative to the folder that holds the data, such as ``train/part-0.bin``.
        size: bytes.
        seed: decides the content; letters, digits, dots, dashes and underscores.

    Raises:
        RefusalError: a path that leaves the folder or holds control characters, a bad size or seed.
    """

    path: str
    size: int
    seed: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if (
            not parts
            or self.path.startswith("/")
            or ".." in parts
            or "/".join(parts) != self.path
            or _CONTROL.search(self.path)
            or self.path.endswith(PART)
        ):
            raise RefusalError(f"{self.path!r} cannot be the path of a data file")
        if self.size < 0 or not _SEED.fullmatch(self.seed):
            raise RefusalError(f"{self.path}: no file of {self.size} bytes from seed {self.seed!r}")

    def pieces(self) -> Iterator[bytes]:
        """The content, at most 8 MiB at a time."""
        for number, start in enumerate(range(0, self.size, PIECE)):
            length = min(PIECE, self.size - start)
            yield hashlib.shake_128(f"{self.seed}/{number}".encode()).digest(length)

    def sha256(self) -> str:
        """SHA-256 of the content, in hex; worked out once for each size and seed."""
        return _sha256(self.size, self.seed)


@cache
def _sha256(size: int, seed: str) -> str:
    total = hashlib.sha256()
    for piece in DataFile("-", size, seed).pieces():
        total.update(piece)
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """How files that were read differ from those that were created; empty if they are the same."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.unexpected)

    def __str__(self) -> str:
        kinds = (("missing", self.missing), ("changed", self.changed), ("unexpected", self.unexpected))
        return "; ".join(f"{kind}: {', '.join(paths)}" for kind, paths in kinds if paths) or "no difference"


@dataclass(frozen=True, slots=True)
class Files:
    """A set of data files.

    Raises:
        RefusalError: two files have one path, or one is a folder of another.
    """

    files: tuple[DataFile, ...]

    def __post_init__(self) -> None:
        paths = [file.path for file in self.files]
        folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
        twice = {path for path in paths if paths.count(path) > 1} if len(set(paths)) < len(paths) else set()
        if clash := sorted(twice | (folders & set(paths))):
            raise RefusalError(f"more than one file or folder is called {clash[0]}")

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def checksums(self) -> dict[str, str]:
        """SHA-256 in hex by path, as `workloads.pod_commands.read_result` gives them."""
        return {file.path: file.sha256() for file in self.files}

    def difference(self, read: Mapping[str, str]) -> Difference:
        """How the checksums that were read differ from those of the files."""
        made = self.checksums()
        return Difference(
            missing=tuple(sorted(made.keys() - read.keys())),
            changed=tuple(sorted(path for path in made.keys() & read.keys() if made[path] != read[path])),
            unexpected=tuple(sorted(read.keys() - made.keys())),
        )

    def under(self, folder: str) -> "Files":
        """The same contents one folder further down."""
        return Files(tuple(DataFile(f"{folder}/{file.path}", file.size, file.seed) for file in self.files))

    def below(self, folder: str) -> "Files":
        """Only the files of a folder, as they are seen from there."""
        start = f"{folder}/"
        return Files(
            tuple(
                DataFile(file.path.removeprefix(start), file.size, file.seed)
                for file in self.files
                if file.path.startswith(start)
            )
        )

    def __add__(self, other: "Files") -> "Files":
        return Files(self.files + other.files)

    def shell(self, root: str) -> str:
        """The script (POSIX sh, coreutils, openssl 1.1.1 or later) that creates the files under ``root``.

        Files of the right size are kept, so that it can be run again. A file receives its name
        only when all of it is there, so that a right size means right content, also after an
        interruption. It ends with an error when a file is not complete. It may be given to a
        shell on its standard input.
        """
        folders = sorted({str(PurePosixPath(file.path).parent) for file in self.files})
        made = " ".join(shlex.quote(f"./{folder}") for folder in folders)
        table = "".join(f"{file.size}\t{file.seed}\t{file.path}\n" for file in self.files)
        return f"""\
set -eu
LC_ALL=C
export LC_ALL
mkdir -p -- {shlex.quote(root)}
cd -- {shlex.quote(root)}
mkdir -p -- . {made}
tab=$(printf '\\t')
while IFS=$tab read -r size seed path; do
  file=./$path
  if [ -f "$file" ] && [ "$(wc -c < "$file")" -eq "$size" ]; then continue; fi
  : > "$file{PART}"
  number=0
  left=$size
  while [ "$left" -gt 0 ]; do
    length={PIECE}
    if [ "$left" -lt "$length" ]; then length=$left; fi
    printf %s "$seed/$number" | openssl dgst -shake128 -xoflen "$length" -binary >> "$file{PART}"
    number=$((number + 1))
    left=$((left - length))
  done
  if [ "$(wc -c < "$file{PART}")" -ne "$size" ]; then
    echo "$path: only $(wc -c < "$file{PART}") of $size bytes were made" >&2
    exit 1
  fi
  mv -f -- "$file{PART}" "$file"
done <<'FILES'
{table}FILES
sync -f .
"""


def smoke(*, unicode_names: bool = True) -> Files:
    """About 64 MiB for the smoke suite: four larger files, a folder of small ones, and odd ones.

    Args:
        unicode_names: with a name that is not ASCII. Alluxio without a locale (``LC_ALL``) shows the whole
            folder of such a file empty (seen with 2.9.0 on Java 17).
    """
    large = tuple(DataFile(f"train/part-{number}.bin", 16 * MIB, f"smoke-{number}") for number in range(4))
    small = tuple(
        DataFile(f"labels/{number:02}.txt", 1000 + 37 * number, f"smoke-label-{number}")
        for number in range(8)
    )
    odd: tuple[DataFile, ...] = (
        DataFile("empty", 0, "smoke-empty"),
        DataFile("odd/with blanks.bin", 4097, "smoke-blanks"),
    )
    if unicode_names:
        odd += (DataFile("odd/größe-数据.bin", 8191, "smoke-unicode"),)
    return Files(large + small + odd)


def one_file(name: str, size: int) -> Files:
    """One file ``<name>.bin`` of ``size`` bytes, for sequential and random reads."""
    return Files((DataFile(f"{name}.bin", size, f"one-{name}-{size}"),))


def many_files(count: int, size: int, *, folder: str = "many", per_folder: int = 100) -> Files:
    """``count`` files of ``size`` bytes, ``per_folder`` in each folder under ``folder``."""
    return Files(
        tuple(
            DataFile(
                f"{folder}/{number // per_folder:03}/{number:06}.bin", size, f"many-{folder}-{size}-{number}"
            )
            for number in range(count)
        )
    )
