"""What a soak is made of: its steps, its samples, and what they say together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import linear_regression, median
from typing import Any, Final

from clusters.errors import FailureClass
from suites.record.evidence import Fact

#: Samples at each end whose median is the value there.
END_SAMPLES: Final = 5
SECONDS_OF_AN_HOUR: Final = 3600.0


class Kind(StrEnum):
    """Kinds of steps."""

    USE = "correct use"
    LIFECYCLE = "deletion and re-creation"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads of whole files by applications.

    Attributes:
        right: with the right bytes.
        failed: with an error, while a fault lasted that permits it.
        longest: seconds of the longest read that was recorded.
    """

    right: int = 0
    failed: int = 0
    longest: float = 0.0

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> Reads:
        """Those that the facts of a row name: recorded reads, and reads of all files."""
        right, failed, longest = 0, 0, 0.0
        for fact in facts:
            ended, broken = int(fact.data.get("ended") or 0), int(fact.data.get("failed") or 0)
            right, failed = right + ended - broken + int(fact.data.get("files") or 0), failed + broken
            longest = max(longest, float(fact.data.get("longest") or 0.0))
        return cls(right, failed, longest)

    def __add__(self, other: Reads) -> Reads:
        """Both together."""
        return Reads(self.right + other.right, self.failed + other.failed, max(self.longest, other.longest))


@dataclass(frozen=True, slots=True)
class Step:
    """One row that was run.

    Attributes:
        number: from 1.
        row: its id.
        kind: of the step.
        title: of the row.
        at: seconds since the soak began.
        seconds: duration, with the removal of what the row created.
        outcome: ``pass``, ``fail``, or ``skipped`` where the cluster lacks what the row needs.
        failure_class: of a failure.
        reason: of a failure or of a skip, in one line.
        detail: the whole error.
        reads: of its applications.
        defects: keys of the known defects of Fluid that showed.
    """

    number: int
    row: str
    kind: Kind
    title: str
    at: float
    seconds: float
    outcome: str
    failure_class: FailureClass | None = None
    reason: str = ""
    detail: str = ""
    reads: Reads = Reads()
    defects: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """It did not do what it must."""
        return self.outcome == "fail"

    def as_json(self) -> dict[str, Any]:
        """Entry of ``steps``."""
        return {
            "number": self.number,
            "row": self.row,
            "kind": self.kind.value,
            "title": self.title,
            "at": round(self.at, 1),
            "seconds": round(self.seconds, 1),
            "outcome": self.outcome,
            "class": self.failure_class.value if self.failure_class else None,
            "reason": self.reason,
            "detail": self.detail[:2_000],
            "reads": {
                "right": self.reads.right,
                "failed": self.reads.failed,
                "longest": round(self.reads.longest, 1),
            },
            "defects": list(self.defects),
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """What the system used at one moment.

    Attributes:
        at: seconds since the soak began.
        values: by name of the series, such as ``memory of fluid-csi``.
    """

    at: float
    values: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Entry of ``samples``."""
        return {"at": round(self.at, 1), "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class Growth:
    """How a series changed.

    Attributes:
        series: its name.
        first: median of its first samples.
        last: median of its last samples.
        per_hour: slope of the line through all samples (least squares).
    """

    series: str
    first: float
    last: float
    per_hour: float

    def as_json(self) -> dict[str, Any]:
        """Entry of ``growth``."""
        return {
            "series": self.series,
            "first": self.first,
            "last": self.last,
            "per_hour": round(self.per_hour, 3),
        }


def growth(samples: Sequence[Sample]) -> tuple[Growth, ...]:
    """How each series changed; one with fewer than two samples says nothing."""
    names = dict.fromkeys(name for sample in samples for name in sample.values)
    found = []
    for name in names:
        points = [(sample.at, sample.values[name]) for sample in samples if name in sample.values]
        if len(points) < 2 or points[0][0] == points[-1][0]:  # noqa: PLR2004 - a line
            continue
        values = [value for _, value in points]
        slope = linear_regression([at for at, _ in points], values).slope
        count = min(END_SAMPLES, (len(values) + 1) // 2)
        found.append(
            Growth(name, median(values[:count]), median(values[-count:]), slope * SECONDS_OF_AN_HOUR)
        )
    return tuple(found)


@dataclass
class Soak:
    """A soak up to now.

    Attributes:
        seed: of its sequence.
        hours: that were asked for.
        steps: in their order.
        samples: in their order.
        replaced: how often the Dataset that lives through many steps had to be replaced, with the reasons.
        leaks: what was left when all was deleted.
        seconds: since it began.
        finished: it ran to its end.
    """

    seed: int
    hours: float
    steps: list[Step] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False

    @property
    def reads(self) -> Reads:
        """Of all steps."""
        return sum((step.reads for step in self.steps), Reads())

    @property
    def failures(self) -> tuple[Step, ...]:
        """The steps that failed."""
        return tuple(step for step in self.steps if step.failed)

    def save(self, path: Path) -> None:
        """Write it to a file, completely or not at all.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")
        new.replace(path)

    def as_json(self) -> dict[str, Any]:
        """Field ``soak`` of `verdict.json`, and the file of a soak that is running."""
        reads = self.reads
        return {
            "seed": self.seed,
            "hours": self.hours,
            "seconds": round(self.seconds, 1),
            "finished": self.finished,
            "reads": {
                "right": reads.right,
                "failed": reads.failed,
                "longest": round(reads.longest, 1),
            },
            "failures": len(self.failures),
            "replaced": list(self.replaced),
            "leaks": list(self.leaks),
            "growth": [one.as_json() for one in growth(self.samples)],
            "steps": [step.as_json() for step in self.steps],
            "samples": [sample.as_json() for sample in self.samples],
        }
