"""A soak as it runs: step after step until its time is over, whatever fails, and what is left at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import pytest

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, HarnessError, InfrastructureError, ProductFailureError
from suites.catalogue.discovery import declared_tests
from suites.sabotage.model import Place, Seen, Tampering, Target
from suites.sabotage.runner import ScenarioRunner
from suites.soak.model import Kind, Reads, Soak, Step
from suites.soak.plan import place_of
from suites.steps import leaks

log = logging.getLogger(__name__)

#: The row that shows whether the Dataset that lives through the soak still serves.
SERVES: Final = "A2"


@dataclass
class SoakSession:
    """Runs a soak.

    Attributes:
        soak: what is known by now.
        runner: runs rows.
        steps: the sequence of kinds and rows; it has no end.
        note: shows a line.
        keep: called after each step, so that a soak that is killed leaves what it found.
        sampling: takes samples while the context lasts.
        fuse_mounts: mounts of Fluid on all nodes.
        clock: replaced by tests.
    """

    soak: Soak
    runner: ScenarioRunner
    steps: Iterator[tuple[Kind, str]]
    note: Callable[[str], None]
    keep: Callable[[Soak], None]
    sampling: Callable[[Callable[[], float]], AbstractContextManager[object]] = lambda _: nullcontext()
    fuse_mounts: Callable[[], tuple[str, ...]] = tuple
    clock: Clock = SYSTEM_CLOCK
    _began: float = field(default=0.0, init=False)

    def run(self, seconds: float) -> Soak:
        """Run steps for so many seconds; one that has begun is ended. Then delete all, and see what is left.

        It goes on after any failure of a step. Only an interruption ends it early, and what it found by then
        was kept.
        """
        self._began = self.clock.now()
        with self.sampling(self._now):
            while self._now() < seconds:
                kind, row = next(self.steps)
                self._step(kind, row)
                left = max(0.0, seconds - self._now())
                self._keep(f"{left / 60:.0f} min left")
            self._end()
        self.soak.finished = True
        self._keep("")
        return self.soak

    def _now(self) -> float:
        return self.clock.now() - self._began

    def _keep(self, remark: str) -> None:
        self.soak.seconds = self._now()
        self.keep(self.soak)
        if remark and self.soak.steps:
            step = self.soak.steps[-1]
            said = f"{step.failure_class}: {step.reason}" if step.failed else step.outcome
            self.note(
                f"soak step {step.number}: {step.row} ({step.kind}) {said}, {step.seconds:.0f} s; "
                f"{len(self.soak.failures)} failed so far; {remark}"
            )

    def _step(self, kind: Kind, row: str) -> None:
        at, place = self._now(), place_of(row)
        user = self.runner.user(
            Tampering(), 1.0, self.runner.shared.namespace if place is Place.SHARED else ""
        )
        skipped = ""
        try:
            seen = self.runner.attempt(Target(row, place), user)
        except pytest.skip.Exception as error:  # the cluster lacks what the row needs
            seen, skipped = Seen("pass"), str(error)
        try:
            self.runner.remove_own()
        except HarnessError as error:
            seen = seen if seen.outcome == "fail" else _failed(error)
        self.soak.steps.append(
            Step(
                number=len(self.soak.steps) + 1,
                row=row,
                kind=kind,
                title=declared_tests()[row][0].title,
                at=at,
                seconds=self._now() - at,
                outcome="skipped" if skipped and seen.outcome == "pass" else seen.outcome,
                failure_class=seen.failure_class,
                reason=seen.reason or skipped,
                detail=seen.detail,
                reads=Reads.of(user.evidence.facts),
                defects=tuple(user.evidence.defects_seen),
            )
        )
        if seen.outcome == "fail" and place is Place.SHARED:
            self._replace_if_it_serves_no_more(row)

    def _replace_if_it_serves_no_more(self, row: str) -> None:
        """After a failure on the long-lived Dataset: go on with another one if it is dead."""
        user = self.runner.user(Tampering(), 1.0, self.runner.shared.namespace)
        seen = self.runner.attempt(Target(SERVES, Place.SHARED), user)
        if seen.outcome == "pass":
            return
        self.soak.replaced.append(f"after {row}: {seen.reason}")
        self.note(
            f"the Dataset that lives through the soak serves no more after {row}; another one is created"
        )
        pool = self.runner.pool
        pool.remove_shared()
        try:
            self.runner.shared = pool.share()
        except HarnessError as error:  # the next step on it fails, and tries again
            log.warning("%s", error)

    def _end(self) -> None:
        """Delete the Dataset that lived through the soak, and note what is left of it and on the nodes."""
        pool = self.runner.pool
        user, pool.shared = pool.shared, None
        if user is None:
            return
        try:
            user.removes_datasets()
            self.soak.leaks += leaks.after_a_while(user).parts
            user.removes_everything()
            self.soak.leaks += [one for one in self.fuse_mounts() if one not in self.soak.leaks]
        except HarnessError as error:
            self.soak.leaks.append(f"it could not be removed: {error.message}")


def judge(soak: Soak) -> None:
    """Raise what a soak found: a failure of the product before others.

    Raises:
        ProductFailureError: a step failed by the product, or something is left.
        InfrastructureError: only other failures.
    """
    failed = soak.failures
    product = [step for step in failed if step.failure_class is FailureClass.PRODUCT]
    lines = [
        f"step {step.number}, {step.row} ({step.failure_class}): {step.reason}"
        for step in (*product, *(step for step in failed if step not in product))
    ]
    lines += [f"left behind: {one}" for one in soak.leaks]
    if not lines:
        return
    kind = ProductFailureError if product or soak.leaks else InfrastructureError
    raise kind(
        f"{len(failed)} of {len(soak.steps)} steps of the soak failed, {len(soak.leaks)} leftovers; "
        f"first: {lines[0]}",
        subject=f"soak with seed {soak.seed}",
        condition="each step does what its row says, and nothing is left",
        last_seen="\n".join(lines),
        advice=f"--seed {soak.seed} repeats the sequence",
    )


def _failed(error: HarnessError) -> Seen:
    return Seen("fail", error.failure_class, error.message.splitlines()[0], str(error))
