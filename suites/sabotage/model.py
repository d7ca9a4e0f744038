"""Sabotages as data: a way to break the product, and the verdicts that scenarios must reach then."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, Protocol

from clusters.errors import FailureClass
from clusters.system import System
from suites.steps.observer import Observer
from suites.steps.user import User
from workloads.data import Files
from workloads.models.base import Manifest

#: Kinds of sabotage; each has at least one case.
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

#: Seconds for which an absence is watched here; the break contradicts it long before, or not at all.
WINDOW: Final = 15.0


class Place(StrEnum):
    """Dataset on which a scenario runs while the product is broken.

    The text is the field ``on`` of a target in `verdict.json`.
    """

    SHARED = "shared Dataset"
    #: A Dataset of its own that was not used before.
    UNUSED = "unused Dataset"
    #: A Dataset that is created while the product is broken.
    NEW = "new Dataset"
    #: A Dataset that the scenario deletes.
    TO_DELETE = "Dataset to delete"
    #: The namespace of a Dataset that was deleted before.
    DELETED = "deleted Dataset"
    #: A namespace without a Dataset.
    NO_DATASET = "no Dataset"
    #: A Dataset that is created for one scenario in the way that this declares, and removed after it.
    OWN = "Dataset of its own"


@dataclass(frozen=True, slots=True)
class Target:
    """A scenario and the verdict that it must reach while the product is broken.

    Attributes:
        scenario: its id.
        place: Dataset on which it runs.
        reason: pattern in the whole error: the cause, not only that something is wrong.
            Empty for a scenario that must still pass.
        failure_class: class of the expected failure.
        timeout_factor: factor on the usual time limits.
    """

    scenario: str
    place: Place = Place.SHARED
    reason: str = ""
    failure_class: FailureClass = FailureClass.PRODUCT
    timeout_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Verdict that a scenario reached.

    Attributes:
        outcome: ``pass`` or ``fail``.
        failure_class: class of the failure.
        reason: in one line.
        detail: the whole error.
        seconds: duration.
    """

    outcome: Literal["pass", "fail"]
    failure_class: FailureClass | None = None
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0

    def is_as_expected(self, target: Target) -> bool:
        """Whether this is the verdict that the target expects."""
        if not target.reason:
            return self.outcome == "pass"
        return (
            self.outcome == "fail"
            and self.failure_class is target.failure_class
            and re.search(target.reason, self.detail, re.DOTALL) is not None
        )


@dataclass
class Tampering:
    """Effects of a break on the users of the targets, in addition to its effects on the cluster.

    Attributes:
        tamper: returns the manifests that are sent in place of one manifest of a user.
        when: pattern of a fact (``source: says``); the first match calls ``then`` once.
        then: called with the user whose fact matched.
    """

    tamper: Callable[[User, Manifest], Sequence[Manifest]] | None = None
    when: str = ""
    then: Callable[[User], None] | None = None


class Environment(Protocol):
    """The system that a break changes, as `suites.sabotage.runner.ScenarioRunner` provides it."""

    @property
    def system(self) -> System:
        """The cluster."""
        ...

    @property
    def observer(self) -> Observer:
        """Observes the cluster."""
        ...

    @property
    def files(self) -> Files:
        """Files in ``folder``."""
        ...

    @property
    def folder(self) -> str:
        """Folder of the NFS export."""
        ...


#: Breaks the product and restores it; receives the environment and the users of the targets.
Break = Callable[[Environment, "Users"], AbstractContextManager[Tampering]]


@dataclass
class Users:
    """Users of a sabotage's targets, by place."""

    by_place: dict[Place, User] = field(default_factory=dict)

    def at(self, place: Place) -> User:
        """The user of the targets at one place."""
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
        kind: one of the kinds above.
        says: what is broken, in a user's words.
        breaks: breaks the product, and restores it at the end.
        targets: scenarios that must notice, or must pass where they have no reason.
        bystanders: scenarios that run at the same time on intact parts, and whose verdict must not change.
    """

    id: str
    kind: Kind
    says: str
    breaks: Break
    targets: tuple[Target, ...]
    bystanders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Result of a sabotage.

    Attributes:
        sabotage: the case.
        targets: each target with its verdict.
        bystanders: id, outcome on the intact system, and verdict during the break.
        seconds: duration of the whole case.
    """

    sabotage: Sabotage
    targets: tuple[tuple[Target, Seen], ...]
    bystanders: tuple[tuple[str, str, Seen], ...]
    seconds: float

    @property
    def wrong(self) -> list[str]:
        """One sentence for each verdict that is not as expected."""
        wrong = []
        for target, seen in self.targets:
            if not seen.is_as_expected(target):
                expected = (
                    f"a {target.failure_class} failure with /{target.reason}/" if target.reason else "pass"
                )
                wrong.append(f"{target.scenario}: expected {expected}; the verdict was {_text(seen)}")
        for name, before, seen in self.bystanders:
            if before != "pass":
                wrong.append(f"{name} cannot be a bystander: on the intact system its verdict was {before}")
            elif seen.outcome != "pass":
                wrong.append(f"bystander {name}: {before} on the intact system, now {_text(seen)}")
        return wrong

    def as_json(self) -> dict[str, object]:
        """Entry of `verdict.json`, field ``sabotage``."""
        return {
            "id": self.sabotage.id,
            "kind": self.sabotage.kind,
            "says": self.sabotage.says,
            "noticed": not self.wrong,
            "targets": [
                {
                    "scenario": target.scenario,
                    "on": target.place.value,
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


def _text(seen: Seen) -> str:
    if seen.outcome == "pass":
        return "pass"
    return f"{seen.failure_class}: {seen.detail or seen.reason}"
