"""What a scenario saw: facts with their sources, phases with their times, texts to attach.

A verdict is only worth what it is based on, so a scenario states each thing that it
found, and the report shows it next to the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import allure
import pytest
from pydantic import BaseModel, ConfigDict, Field

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import ProductFailureError

#: Phases of the time of a scenario, as the report groups it.
PhaseKind = Literal["dataset", "waiting", "window", "reading", "teardown", "other"]

Value = str | int | float | bool | None


class _Record(BaseModel):
    """A part of the evidence, which the verdict lists as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Record):
    """One thing that a scenario saw."""

    # Such as ``application mountinfo`` or ``Alluxio listing``, and what that source said in a user's words.
    source: str
    says: str
    data: dict[str, Value] = Field(default_factory=dict)
    at: float = Field(description="seconds since the scenario began")


class Phase(_Record):
    """A stretch of a scenario's time."""

    kind: PhaseKind
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text kept with the scenario, such as the YAML that was sent."""

    name: str
    text: str
    suffix: str = "txt"


@dataclass(frozen=True, slots=True)
class LateFailure:
    """A failure that does not end the scenario: found next to its course, or after it, such as a leak.

    Attributes:
        error: what is wrong.
        at: when it was found.
    """

    error: Exception
    at: datetime


@dataclass
class Evidence:
    """Collects what one attempt at one scenario saw.

    Attributes:
        silent: nothing is sent to Allure, which accepts only steps of the test that it knows to run.
        late_failures: failures that did not end the scenario; they count as failures of its teardown.
        wrong_diagnoses: where the doctor's diagnosis was wrong; no finding about Fluid, and no failure.
        reconcile_requests: how often a controller of Fluid was asked to reconcile sooner than by itself.
        signals: how often a process of Fluid was sent a signal that it would have waited for.
        leftover_nodes: nodes on which the scenario's known leftovers may stay; nowhere else are they known.
        is_known: whether the tested version of Fluid is known to have the defect of that key.
    """

    clock: Clock = SYSTEM_CLOCK
    silent: bool = False
    facts: list[Fact] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    defects_seen: list[str] = field(default_factory=list)
    defects_gone: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    late_failures: list[LateFailure] = field(default_factory=list)
    wrong_diagnoses: list[str] = field(default_factory=list)
    reconcile_requests: int = 0
    signals: int = 0
    leftover_nodes: set[str] = field(default_factory=set)
    is_known: Callable[[str], bool] = lambda _: True
    started: float = field(default=-1.0)

    def __post_init__(self) -> None:
        self.started = self.clock.now()

    def fact(self, source: str, says: str, **data: Value) -> None:
        """State one thing that was seen, who said it, and the figures behind it."""
        at = round(self.clock.now() - self.started, 3)
        self.facts.append(Fact(source=source, says=says, data=data, at=at))
        with self._step(f"{source}: {says}"):
            pass

    @contextmanager
    def phase(self, kind: PhaseKind, name: str) -> Iterator[None]:
        """Time a stretch of the scenario; the time is kept also when it fails."""
        start = self.clock.now()
        try:
            with self._step(name):
                yield
        finally:
            self.phases.append(Phase(kind=kind, name=name, seconds=round(self.clock.now() - start, 3)))

    def _step(self, name: str) -> AbstractContextManager[object]:
        return nullcontext() if self.silent else allure.step(name)

    def attach(self, name: str, text: str, suffix: str = "txt") -> None:
        """Keep a text with the scenario."""
        self.attachments.append(Attachment(name, text, suffix))
        if not self.silent:
            allure.attach(text, name=name, extension=suffix)

    def defect(self, key: str, *, seen: bool, says: str, **data: Value) -> None:
        """State whether a known defect of the product showed this time.

        One that was fixed before the tested version, and shows again, is a failure.
        """
        if seen and not self.is_known(key):
            self.fact("product defect again", says, defect=key, **data)
            self.fail_late(
                ProductFailureError(
                    f"a defect that was fixed shows again: {key}",
                    condition="fixed in this version of Fluid",
                    last_seen=says,
                )
            )
            return
        (self.defects_seen if seen else self.defects_gone).append(key)
        self.fact("product defect" if seen else "product defect gone", says, defect=key, **data)

    def leftovers_on(self, *nodes: str) -> None:
        """Name the nodes on which what the scenario declares as leftovers may stay."""
        self.leftover_nodes.update(nodes)

    def raise_late_failure(self) -> None:
        """Raise the first late failure, one of the product before others, where no report collects them."""
        errors = [late.error for late in self.late_failures]
        product = [error for error in errors if isinstance(error, ProductFailureError)]
        if errors:
            raise (product or errors)[0]

    def fail_late(self, error: Exception) -> None:
        """State that something is wrong, without ending the scenario, which may have ended already."""
        self.late_failures.append(LateFailure(error, datetime.now(UTC)))


#: Where the evidence of a test hangs on its pytest item.
EVIDENCE: Final = pytest.StashKey[Evidence]()
