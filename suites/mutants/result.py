"""What came of a mutant, as it is reported and recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from clusters.errors import FailureClass
from suites.mutants.model import Mutant, Outcome, Part
from suites.sabotage.model import Seen

#: Characters of an error that are kept.
DETAIL: Final = 2_000


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long a trial waited for each of its steps, in seconds.

    Attributes:
        build: for the build, as far as it was not done during the last mutant.
        put_in: until all Pods ran the changed files, in place of those of the last mutant.
        dataset: for the Dataset that is created ahead.
        rows: for the rows.
        total: all of it, with what is between the steps.
    """

    build: float = 0.0
    put_in: float = 0.0
    dataset: float = 0.0
    rows: float = 0.0
    total: float = 0.0

    def as_json(self) -> dict[str, float]:
        """With one decimal."""
        return {
            "build": round(self.build, 1),
            "put in": round(self.put_in, 1),
            "dataset": round(self.dataset, 1),
            "rows": round(self.rows, 1),
            "total": round(self.total, 1),
        }


@dataclass(frozen=True, slots=True)
class Ran:
    """The proof that the mutant ran, a sentence for each process or CRD (`suites.mutants.running`).

    Attributes:
        before: seen before the first row began, or when the process of a hang was stopped.
        after: seen after the last row ended; empty where it did not run in full any more.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a mutant.

    Attributes:
        mutant: which.
        rows: what each row that was tried said, in their order; the last one decides.
        green: what the row said that had to stay green; None where it was not tried.
        trouble: why it could not be built; empty when it could.
        seconds: how long it took.
        ran: the proof that it ran.
    """

    mutant: Mutant
    rows: tuple[tuple[str, Seen], ...] = ()
    green: Seen | None = None
    trouble: str = ""
    seconds: Seconds = Seconds()
    ran: Ran = Ran()

    @property
    def outcome(self) -> Outcome:
        """The outcome.

        A row that is green says nothing unless the mutant ran from before the row until after it.
        """
        if self.trouble:
            return "not buildable"
        red = [seen for _, seen in self.rows if seen.outcome == "fail"]
        if not self.ran.before or not (red or self.ran.after):
            return "not run"
        if not red:
            return "survived"
        product = all(seen.failure_class is FailureClass.PRODUCT for seen in red)
        return "killed" if product else "misblamed"

    @property
    def wrong(self) -> str:
        """What is not as it has to be, in one sentence; empty when all is."""
        outcome = self.outcome
        if outcome == "not buildable":
            return f"mutant {self.mutant.id} cannot be built: {self.trouble.splitlines()[0]}"
        if outcome == "not run":
            when = "until its rows ended" if self.ran.before else "when its rows began"
            return f"mutant {self.mutant.id} is not proved to have run {when}, so nothing is known about it"
        if outcome == "survived":
            rows = ", ".join(row for row, _ in self.rows)
            return f"mutant {self.mutant.id} survived: {rows} passed although {self.mutant.says}"
        row, seen = self.rows[-1]
        if outcome == "misblamed":
            return f"mutant {self.mutant.id} is misblamed: {row} calls it {seen.failure_class}: {seen.reason}"
        if self.green is not None and self.green.outcome != "pass":
            return (
                f"mutant {self.mutant.id} turned {self.mutant.green} red too, which had to stay green: "
                f"{self.green.reason}"
            )
        return ""

    def as_json(self) -> dict[str, Any]:
        """The row of `verdict.json` and of the file of results."""
        return {
            "id": self.mutant.id,
            "part": self.mutant.part.value,
            "says": self.mutant.says,
            "outcome": self.outcome,
            "rows": [{"row": row, **_said(seen)} for row, seen in self.rows],
            "green": None if self.green is None else {"row": self.mutant.green, **_said(self.green)},
            "trouble": self.trouble[:DETAIL],
            "seconds": self.seconds.as_json(),
            "ran": {"before": list(self.ran.before), "after": list(self.ran.after)},
        }


@dataclass(frozen=True, slots=True)
class Score:
    """How many mutants came to what.

    Attributes:
        killed: a row turned red and called it the product's fault.
        misblamed: a row turned red and called it another's fault.
        survived: no row turned red.
    """

    killed: int = 0
    misblamed: int = 0
    survived: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[str]) -> Self:
        """Count; those that could not be built, or did not run, do not count."""
        found = list(outcomes)
        return cls(*(found.count(word) for word in ("killed", "misblamed", "survived")))

    @property
    def tried(self) -> int:
        """How many could be tried."""
        return self.killed + self.misblamed + self.survived

    def __str__(self) -> str:
        if not self.tried:
            return "none tried"
        return f"{self.killed} of {self.tried} killed ({100 * self.killed / self.tried:.0f} %)"


def scores(results: Iterable[Mapping[str, Any]]) -> dict[str, Score]:
    """The score by part, and of all under ``all``, from rows of `Result.as_json`."""
    found = list(results)
    by_part = {
        part.value: Score.of(row["outcome"] for row in found if row["part"] == part.value) for part in Part
    }
    return {
        **{part: score for part, score in by_part.items() if score.tried},
        "all": Score.of(r["outcome"] for r in found),
    }


def _said(seen: Seen) -> dict[str, Any]:
    return {
        "outcome": seen.outcome,
        "class": seen.failure_class.value if seen.failure_class else None,
        "reason": seen.reason,
        "detail": seen.detail[:DETAIL],
        "seconds": round(seen.seconds, 1),
    }
