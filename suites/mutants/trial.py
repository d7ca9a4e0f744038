"""Trying a mutant: it is put into the cluster, its rows are run, and it is taken out again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clusters.host.artifact_cache import ArtifactCache
from suites.catalogue.discovery import declared_tests
from suites.mutants import placing
from suites.mutants.building import Built, NotBuildableError, build
from suites.mutants.model import Mutant
from suites.mutants.result import Result, Seconds
from suites.sabotage.model import Place, Seen, Tampering, Target
from suites.sabotage.runner import ScenarioRunner
from suites.steps.user import User

#: Begins the names of the folders in which mutants are built.
PREFIX: Final = "mutant-"


@dataclass
class Timer:
    """Seconds of the steps of a trial, by name."""

    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done meanwhile."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.spent[name] = time.monotonic() - start

    def seconds(self) -> Seconds:
        """As a result holds them."""
        return Seconds(**self.spent)


def rows_here(mutant: Mutant, nodes: int) -> tuple[str, ...]:
    """The rows of a mutant that a cluster of so many nodes can run."""
    return tuple(row for row in mutant.rows if declared_tests()[row][0].nodes <= nodes)


def attempt(runner: ScenarioRunner, cache: ArtifactCache, mutant: Mutant) -> Result:
    """Build a mutant, put it in, run its rows until one is red, and take it out.

    What its rows created is still there afterwards; see `ScenarioRunner.remove_own`.

    Raises:
        HarnessError: it could not be put in or taken out.
    """
    timer = Timer()
    runner.control(mutant.green)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=cache.root) as folder, ExitStack() as inside:
        built: Built | None = None
        if mutant.hang is None:
            try:
                with timer.step("build"):
                    built = build(cache, mutant, Path(folder))
            except NotBuildableError as error:
                return Result(mutant, trouble=str(error), seconds=timer.seconds())
        try:
            if built is not None:
                with timer.step("put_in"):
                    placing.put_in(runner.system, built)
            tampering = _tampering(runner, mutant, inside)
            with timer.step("rows"):
                rows, green = _run(runner, mutant, tampering)
        finally:
            with timer.step("take_out"):
                inside.close()
                if built is not None:
                    placing.take_out(runner.system, built)
    return Result(mutant, rows, green, seconds=timer.seconds())


def _tampering(runner: ScenarioRunner, mutant: Mutant, inside: ExitStack) -> Tampering:
    """Stops the process of a hang, at once or at its moment."""
    hang = mutant.hang
    if hang is None:
        return Tampering()

    def stop(_: User | None = None) -> None:
        inside.enter_context(placing.hanging(runner.system, hang))

    if not hang.when:
        stop()
        return Tampering()
    return Tampering(when=hang.when, then=stop)


def _run(
    runner: ScenarioRunner, mutant: Mutant, tampering: Tampering
) -> tuple[tuple[tuple[str, Seen], ...], Seen]:
    """Run the rows until one is red, and in parallel the row that has to stay green."""
    rows = rows_here(mutant, len(runner.system.nodes))
    alone = any(runner.is_alone(row) for row in (*rows, mutant.green))

    def red() -> tuple[tuple[str, Seen], ...]:
        said: list[tuple[str, Seen]] = []
        for row in rows:
            target = Target(row, Place.OWN, timeout_factor=mutant.timeout_factor)
            user = runner.user(tampering, mutant.timeout_factor)
            user.requests_reconciles = not mutant.untouched
            said.append((row, runner.attempt(target, user)))
            if said[-1][1].outcome == "fail":
                break
        return tuple(said)

    def green() -> Seen:
        user = runner.user(Tampering(), 1.0, runner.shared.namespace)
        seen = runner.attempt(Target(mutant.green), user)
        if user.namespace != runner.shared.namespace:  # a row whose Dataset cannot get Bound has its own
            runner.pool.remove(user)
        return seen

    if alone:
        return red(), green()
    with ThreadPoolExecutor(1, "green") as other:
        control = other.submit(green)
        return red(), control.result()
