"""What was measured: one value of one arm in one round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a value is, and with it which way is better."""

    BYTES_PER_SECOND = "bytes/s"
    SECONDS = "seconds"

    @property
    def more_is_faster(self) -> bool:
        """Whether the higher value is the better one."""
        return self is Unit.BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Round:
    """One measured value.

    Attributes:
        arm: what was measured, such as ``Fluid warm``.
        number: which round of the run, from 0; the arms of one round ran next to each other.
        value: in the unit of the run; above 0 when valid.
        valid: the arm was proved to be what its name says.
        reason: why it is not valid.
    """

    arm: str
    number: int
    value: float
    valid: bool = True
    reason: str = ""


def valid_values(rounds: Iterable[Round], arm: str) -> list[float]:
    """The values of an arm's valid rounds, in the order of the rounds."""
    mine = sorted((one for one in rounds if one.arm == arm and one.valid), key=lambda one: one.number)
    return [one.value for one in mine]
