"""What differs between versions of Fluid: data next to the scenario that expects them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from packaging.version import Version

from clusters.product.fluid_versions import number

if TYPE_CHECKING:
    from clusters.system import System

T = TypeVar("T")


def order(version: str) -> tuple[bool, Version, str]:
    """A key that sorts versions, builds of a branch last."""
    found = number(version)
    return found is None, found or Version("0"), version


def release(version: str) -> str:
    """The release in a version as it is published: ``1.0.8`` of ``v1.0.8-6533239``."""
    return version.removeprefix("v").partition("-")[0]


def reached(version: str, first: str) -> bool:
    """Whether a version is ``first`` or later; a build of a branch is."""
    found = number(version)
    return found is None or found >= Version(first)


def passed(version: str, last: str) -> bool:
    """Whether a version is later than ``last``, of which ``0.9`` includes all of 0.9.x.

    A build of a branch is later.
    """
    found, limit = number(version), Version(last)
    return found is None or Version(".".join(map(str, found.release[: len(limit.release)]))) > limit


@dataclass(frozen=True, slots=True)
class ByVersion(Generic[T]):
    """A value that depends on the version of Fluid.

    Attributes:
        since: the value by the first version for which it holds, such as ``1.0`` or ``1.0.8``.
    """

    since: Mapping[str, T]

    def on(self, system: System) -> T:
        """The value for the Fluid of a system."""
        return self.of(system.fluid.version)

    def of(self, version: str) -> T:
        """The value for a version, such as ``v1.0.8-6533239``.

        A version before the first has the value of the first; a build of a branch that of the last.
        """
        first, *later = sorted(self.since, key=Version)
        return self.since[[first, *(step for step in later if reached(version, step))][-1]]


@dataclass(frozen=True, slots=True)
class Since:
    """The first version of Fluid that has what a scenario is about.

    Attributes:
        version: such as ``1.0``.
        why: what the versions before it lack, and where that was read.
    """

    version: str
    why: str

    def covers(self, version: str) -> bool:
        """Whether a version has it; a build of a branch has."""
        return reached(version, self.version)


@dataclass(frozen=True, slots=True)
class Affected:
    """The versions of Fluid that have a defect.

    Attributes:
        first: the first version that has it; empty where no version is known without it.
        last: the last version that has it, such as ``0.9`` for all of 0.9.x; empty while no fix is known.
    """

    first: str = ""
    last: str = ""

    def covers(self, version: str) -> bool:
        """Whether a version has it. A build of a branch has what no version has fixed."""
        begun = not self.first or reached(version, self.first)
        return begun and not (self.last and passed(version, self.last))

    def __str__(self) -> str:
        if not (self.first or self.last):
            return "all"
        return f"{self.first or 'all'} to {self.last}" if self.last else f"{self.first} and later"


#: No version is known that does not have the defect.
ALL_VERSIONS: Final = Affected()
