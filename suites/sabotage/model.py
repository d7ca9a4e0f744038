"""What a sabotage is: a way to break the product, and what scenarios then have to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from clusters.errors import FailureClass
from suites.steps.user import User
from workloads.models.base import Manifest

if TYPE_CHECKING:
    from suites.sabotage.runner import ScenarioRunner

#: The kinds of the issue that asks for sabotage.
Kind = Literal[
    "rights taken away",
    "component missing",
    "component crashing or never ready",
    "too little memory",
    "stale or lost cache",
    "other data at the source",
    "application on another claim",
    "someone else uses the claim",
    "edited by hand meanwhile",
    "slowness",
]

#: Where a scenario runs: on the Dataset that all share; on one of its own that nobody has used yet;
#: on one that is made while the product is broken; on one that the scenario then deletes; in
#: the namespace of one that is deleted already; in a namespace without a Dataset; on what is made for it
#: alone, in its own way and while the product is broken, and is then removed and looked for.
Place = Literal["shared", "fresh", "born", "spent", "gone", "user", "own"]

#: Seconds for which an absence is held here; it is broken long before, or not at all.
WINDOW: Final = 15.0


@dataclass(frozen=True, slots=True)
class Target:
    """A scenario and what it has to say while the product is broken.

    Attributes:
        scenario: its id.
        place: where it runs.
        reason: pattern in the whole error: the cause, not only that something is wrong.
            Empty for a scenario that must not notice anything.
        failure_class: whose fault it has to call it.
        timeout_factor: share of the usual limits that it waits.
    """

    scenario: str
    place: Place = "shared"
    reason: str = ""
    failure_class: FailureClass = FailureClass.PRODUCT
    timeout_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scenario said.

    Attributes:
        outcome: ``pass`` or ``fail``.
        failure_class: whose fault it called it.
        reason: in one line.
        detail: the whole error.
        seconds: how long it took.
    """

    outcome: Literal["pass", "fail"]
    failure_class: FailureClass | None = None
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0

    def is_as_expected(self, target: Target) -> bool:
        """It said what the target has to say."""
        if not target.reason:
            return self.outcome == "pass"
        return (
            self.outcome == "fail"
            and self.failure_class is target.failure_class
            and re.search(target.reason, self.detail, re.DOTALL) is not None
        )


@dataclass
class Tampering:
    """What a break does to the users of the targets, beside what it does to the cluster.

    Attributes:
        tamper: turns each manifest that a user sends into those that are really sent.
        when: pattern of a fact (``source: says``) at which ``then`` is done, once.
        then: what is done at that moment.
    """

    tamper: Callable[[User, Manifest], Sequence[Manifest]] | None = None
    when: str = ""
    then: Callable[[User], None] | None = None


#: Breaks the product and mends it; gets the stage and, by place, the users of the targets.
Break = Callable[["ScenarioRunner", "Users"], AbstractContextManager[Tampering]]


@dataclass
class Users:
    """The users of a sabotage's targets, by place."""

    by_place: dict[Place, User] = field(default_factory=dict)

    def at(self, place: Place) -> User:
        """The user at a place of one of the targets."""
        return self.by_place[place]

    @property
    def only(self) -> User:
        """The user of a sabotage whose targets all run at one place."""
        (user,) = self.by_place.values()
        return user


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One way to break the product.

    Attributes:
        id: short name.
        kind: of the list.
        says: what is broken, in a user's words.
        breaks: breaks it, and mends it in the end.
        targets: scenarios that must notice, or must not where they have no reason.
        bystanders: scenarios that run at the same time on intact parts, and stay as they were.
    """

    id: str
    kind: Kind
    says: str
    breaks: Break
    targets: tuple[Target, ...]
    bystanders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a sabotage.

    Attributes:
        sabotage: which.
        targets: what each target said.
        bystanders: id → before, and during.
        seconds: in all.
    """

    sabotage: Sabotage
    targets: tuple[tuple[Target, Seen], ...]
    bystanders: tuple[tuple[str, str, Seen], ...]
    seconds: float

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be, a sentence each."""
        told = []
        for target, seen in self.targets:
            if not seen.is_as_expected(target):
                wanted = (
                    f"{target.failure_class} failure about /{target.reason}/" if target.reason else "pass"
                )
                told.append(f"{target.scenario}: {wanted} was expected, and it said {_said(seen)}")
        for name, before, seen in self.bystanders:
            if before != "pass":
                told.append(f"{name} is no bystander: on the intact system it was {before}")
            elif seen.outcome != "pass":
                told.append(f"bystander {name} was {before} before, and now said {_said(seen)}")
        return told

    def as_json(self) -> dict[str, object]:
        """The row of `verdict.json`."""
        return {
            "id": self.sabotage.id,
            "kind": self.sabotage.kind,
            "says": self.sabotage.says,
            "noticed": not self.wrong,
            "targets": [
                {
                    "scenario": target.scenario,
                    "on": target.place,
                    "expected": {
                        "outcome": "fail" if target.reason else "pass",
                        "class": target.failure_class.value if target.reason else None,
                        "reason": target.reason,
                    },
                    "seen": {
                        "outcome": seen.outcome,
                        "class": seen.failure_class.value if seen.failure_class else None,
                        "reason": seen.reason,
                        "detail": seen.detail[:2_000],
                    },
                    "seconds": round(seen.seconds, 1),
                }
                for target, seen in self.targets
            ],
            "bystanders": [
                {"scenario": name, "before": before, "during": seen.outcome, "reason": seen.reason}
                for name, before, seen in self.bystanders
            ],
            "seconds": round(self.seconds, 1),
        }


def _said(seen: Seen) -> str:
    if seen.outcome == "pass":
        return "pass"
    return f"{seen.failure_class}: {seen.detail or seen.reason}"
