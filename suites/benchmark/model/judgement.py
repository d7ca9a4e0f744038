"""What is concluded from the rounds: figures of an arm, and the comparison of two arms."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from suites.benchmark.model.base import Amount, Count, Model

#: With fewer valid rounds than this, an arm is not compared.
FEWEST_ROUNDS: Final = 5

#: Smallest effect that is ever claimed.
SMALLEST_CLAIM: Final = 0.05

#: Effect that must be ruled out before "no difference shown" is reported.
RULED_OUT: Final = 0.10

#: An arm whose variation is above this is unstable.
UNSTABLE: Final = 0.10


class Conclusion(StrEnum):
    """What the rounds allow to say about the candidate against the baseline."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference shown"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Purpose(StrEnum):
    """Why two arms are compared."""

    COMPARISON = "comparison"
    EQUAL = "A/A"
    CONTROL = "control"
    COST = "cost of the harness"


#: The only right conclusion of a comparison that checks the measurement itself.
EXPECTED: Final[dict[Purpose, Conclusion]] = {
    Purpose.EQUAL: Conclusion.NO_DIFFERENCE,
    Purpose.CONTROL: Conclusion.SLOWER,
    Purpose.COST: Conclusion.NO_DIFFERENCE,
}


class Figures(Model):
    """Summary of the valid rounds of one arm."""

    arm: str
    rounds: Count = Field(description="valid rounds; only these count")
    invalid: Count
    saturated: Count = Field(description="of the valid ones")
    polluted: Count = Field(description="of the valid ones")
    median: Amount | None = None
    low: Amount | None = Field(
        None, description="lower end of the 95 % interval of the median; null: too few rounds"
    )
    high: Amount | None = None
    variation: Amount | None = Field(None, description="standard deviation over mean, 0.02 means 2 %")
    cpu_per_gib: Amount | None = Field(
        None, description="processor seconds of the whole machine for 1 GiB: median of the valid rounds"
    )

    @property
    def unstable(self) -> bool:
        """Whether the arm varied by more than 10 %."""
        return self.variation is not None and self.variation > UNSTABLE


class Comparison(Model):
    """Two arms to be compared."""

    baseline: str
    candidate: str
    purpose: Purpose = Purpose.COMPARISON


class Judgement(Comparison):
    """Two arms that were compared, by the method of `suites.benchmark.analysis.judge`."""

    verdict: Conclusion
    reason: str
    unstable: bool = Field(description="one of the two varied by more than 10 %")
    ratio: Amount | None = Field(
        None, description="how many times as fast the candidate is; null when invalid"
    )
    low: Amount | None = Field(None, description="lower end of the 95 % interval of the ratio")
    high: Amount | None = None
    mann_whitney_p: Amount | None = Field(
        None, description="two-sided; reported next to the verdict, not part of it"
    )
    signed_rank_p: Amount | None = Field(
        None, description="the same of arms that were compared round by round, by Wilcoxon's signed-rank test"
    )
    noise: Amount | None = Field(
        None, description="difference between equal arms of this run, 0.02 means 2 %"
    )
    threshold: Amount | None = Field(None, description="effect above which a difference may be claimed")
    could_find: Amount | None = Field(
        None, description="smallest effect that nine of ten such runs would claim"
    )

    @property
    def as_expected(self) -> bool | None:
        """Whether a check of the measurement itself succeeded; None for any other comparison."""
        return self.verdict is EXPECTED[self.purpose] if self.purpose in EXPECTED else None


class JudgeFigures(Model):
    """Results of the judge on generated series; see `suites.benchmark.analysis.calibration`."""

    noise: str = Field(description="noise of the series, such as: like the measured rounds")
    series: int = Field(ge=1, description="number of series of each kind")
    rounds: int = Field(ge=1, description="rounds of each arm")
    effect: Amount = Field(description="slowdown in the second kind, 0.1 means 10 % less speed")
    false_alarms: Amount = Field(description="share of the series of equal arms with a claimed difference")
    said_no_difference: Amount = Field(description="share of them with the verdict: no difference shown")
    covered: Amount = Field(description="share of them whose interval contains 1")
    found: Amount = Field(description="share of the slowed series with the verdict: slower")
    could_find: Amount = Field(description="median of the smallest effect that the judge said it could find")
