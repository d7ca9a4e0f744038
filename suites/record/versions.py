"""What differs between versions of Fluid: data that stand beside the scenario which expects them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from clusters.system import System

T = TypeVar("T")

_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)+")


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

        A version older than all is taken for the oldest, and one that is no number (a build of a
        branch) for the newest.
        """
        steps = sorted(self.since, key=parts)
        there = _NUMBERS.search(version)
        if there is None:
            return self.since[steps[-1]]
        reached = [step for step in steps if parts(step) <= parts(there.group())]
        return self.since[reached[-1] if reached else steps[0]]


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
        """Whether a version has it; one that is no number (a build of a branch) has."""
        return reached(version, self.version)


def reached(version: str, wanted: str) -> bool:
    """Whether a version is the wanted one or later; one that is no number (a build of a branch) is."""
    return ByVersion({"0": False, wanted: True}).of(version)


def release(version: str) -> str:
    """The release in a version as it is published: ``1.0.8`` of ``v1.0.8-6533239``."""
    return version.removeprefix("v").partition("-")[0]


def parts(version: str) -> tuple[int, ...]:
    """A version's numbers, to put versions in order; what is no number does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
