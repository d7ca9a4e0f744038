"""Trials of mutants, one after the other: each is put into the cluster and its rows are run.

What takes time and proves nothing is done next to the rows of another mutant, or not at all:

- A mutant takes the place of the last one of the same program directly. The intact program need not run in
  between, because the proof (`suites.mutants.running`) shows that the row met the mutant that it judges.
- The next mutants are built and copied to the nodes meanwhile. A file on a node has no effect until a Pod
  mounts it.
- The Datasets of the next mutants are created meanwhile where neither they nor the mutants that are in have
  an effect on the creation of a Dataset (`Mutant.dataset_ahead`). Nothing is created ahead during a row that
  must run alone.
- What the rows created is removed meanwhile, by force at the end: it is in a namespace of its own, which no
  later row uses. A row that must run alone waits for it, and so does each mutant after a row that writes to
  the source, because Alluxio may persist such a write as long as it runs.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clusters.errors import HarnessError
from clusters.host.artifact_cache import ArtifactCache
from suites.catalogue.discovery import declared_tests
from suites.mutants import placing
from suites.mutants.building import Built, NotBuildableError, build
from suites.mutants.model import Mutant, Program
from suites.mutants.placing import Placement
from suites.mutants.result import Ran, Result, Seconds
from suites.run.dataset_pool import ReadyDataset, create_bound
from suites.sabotage import own
from suites.sabotage.model import Place, Seen, Tampering, Target
from suites.sabotage.runner import ScenarioRunner
from suites.sabotage.tampered_user import TamperedUser
from suites.steps.user import User

log = logging.getLogger(__name__)

#: Begins the names of the folders in which mutants are built.
PREFIX: Final = "mutant-"
#: Mutants that are built, and Datasets that are created, before their turn.
AHEAD: Final = 2
#: Removals that may be under way when the next mutant begins.
REMOVALS: Final = 2
#: Rows that try to write to the source through a Dataset.
WRITING: Final = frozenset({"A10", "A13", "A14", "A15", "A35"})


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


def in_order(mutants: list[Mutant]) -> list[Mutant]:
    """The order in which most can be done ahead: by `Mutant.dataset_ahead`, then by program.

    Rows that must run alone are the last ones of each group, because nothing is done next to them.
    """

    def key(mutant: Mutant) -> tuple[bool, bool, int]:
        program = len(Program) if mutant.hang is not None else list(Program).index(mutant.program)
        return not mutant.dataset_ahead, declared_tests()[mutant.rows[0]][0].alone, program

    return sorted(mutants, key=key)


@dataclass
class Trials:
    """Tries mutants in an order that is known beforehand.

    Attributes:
        runner: runs their rows.
        cache: builds them.
        order: all that will be tried.
        placement: the one that is in the cluster.
        errors: what could not be removed; reported at the end.
    """

    runner: ScenarioRunner
    cache: ArtifactCache
    order: tuple[Mutant, ...]
    placement: Placement
    errors: list[str] = field(default_factory=list)
    _builder: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "build-mutant"))
    # One at a time: several at once starve each other's start-up probes on two cores.
    _creator: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mutant-dataset"))
    _remover: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(REMOVALS, "remove-own"))
    _built: dict[str, Future[Built]] = field(default_factory=dict)
    _datasets: dict[str, tuple[TamperedUser, Future[ReadyDataset]]] = field(default_factory=dict)
    _removals: list[Future[list[str]]] = field(default_factory=list)

    def attempt(self, mutant: Mutant) -> Result:
        """Put a mutant in, prove that it runs, run its rows until one is red, and prove it once more.

        The mutant stays in the cluster until the next one takes its place, or `close`.

        Raises:
            HarnessError: it could not be put in, or its Dataset could not be created before it was put in.
        """
        timer = Timer()
        with timer.step("total"):
            found = self._attempt(mutant, timer)
        return Result(found.mutant, found.rows, found.green, found.trouble, timer.seconds(), found.ran)

    def _attempt(self, mutant: Mutant, timer: Timer) -> Result:
        runner = self.runner
        rows = rows_here(mutant, len(runner.system.nodes))
        alone = any(runner.is_alone(row) for row in rows)
        # All of them at once and first: later a mutant is in the cluster.
        runner.control(*dict.fromkeys(one.green for one in self.order))
        try:
            with timer.step("build"):
                built = None if mutant.hang is not None else self._build(mutant).result()
        except NotBuildableError as error:
            return Result(mutant, trouble=str(error))
        with timer.step("put_in"):
            before = self.placement.replace(built)
        with timer.step("dataset"):
            made = self._dataset(mutant, rows[0])
        self._wait_for_removals(0 if alone else REMOVALS)
        self._begin_next(mutant, alone=alone)
        stopped: list[str] = []
        with ExitStack() as inside:
            tampering = self._tampering(mutant, inside, stopped)
            with timer.step("rows"):
                said, green = self._run(mutant, rows, tampering, made)
            if mutant.hang is not None:
                before, after = tuple(stopped), placing.stopped_now(runner.system, mutant.hang)
            else:
                after = self.placement.proof()
        self._remove(runner.release_own(), wait=bool(WRITING & set(rows)))
        return Result(mutant, said, green, ran=Ran(before, after))

    def close(self, *, clean: bool) -> list[str]:
        """Take out what is in, and remove what is left; returns what could not be removed."""
        for executor in (self._builder, self._creator):
            executor.shutdown(wait=False, cancel_futures=True)
        for future in self._built.values():
            future.cancel()
        try:
            if clean:
                # Permitted although no test runs any more, as after an interruption.
                with self.runner.system.journal.restoring():
                    self.placement.replace(None)
        finally:
            self._creator.shutdown()
            if clean:
                unused = [user for user, _ in self._datasets.values()]
                self._remove([*self.runner.release_own(), *unused], wait=True)
            self._remover.shutdown(wait=clean, cancel_futures=not clean)
            self._builder.shutdown()
        for folder in self.cache.root.glob(f"{PREFIX}*"):
            shutil.rmtree(folder, ignore_errors=True)
        return self.errors

    def _build(self, mutant: Mutant) -> Future[Built]:
        """Build a mutant and copy it to the nodes, once."""
        if mutant.id not in self._built:
            self._built[mutant.id] = self._builder.submit(self._built_and_copied, mutant)
        return self._built[mutant.id]

    def _built_and_copied(self, mutant: Mutant) -> Built:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.cache.root))
        built = build(self.cache, mutant, folder)
        self.placement.copy(built)
        if built.crds is None:  # those are read again when the mutant is taken out
            shutil.rmtree(folder)
        return built

    def _create(self, mutant: Mutant, row: str) -> tuple[TamperedUser, Future[ReadyDataset]]:
        """Create the Dataset of a row, once."""
        if mutant.id not in self._datasets:
            declared, _ = declared_tests()[row]
            user = self.runner.user(Tampering(), 1.0)
            ready = self._creator.submit(create_bound, user, declared.dataset)
            self._datasets[mutant.id] = user, ready
        return self._datasets[mutant.id]

    def _dataset(self, mutant: Mutant, row: str) -> tuple[TamperedUser, ReadyDataset] | None:
        """The Dataset that is created before the row begins; None where the row creates what it needs.

        Raises:
            HarnessError: it did not get Bound, twice.
        """
        if not self._is_created_ahead(mutant, row):
            return None
        for again in (True, False):
            user, future = self._create(mutant, row)
            del self._datasets[mutant.id]
            try:
                return user, future.result()
            except HarnessError as error:
                self._remove([user], wait=False)
                if not again:
                    raise
                log.warning("the Dataset for %s is created once more: %s", mutant.id, error)
        raise AssertionError("unreachable")

    def _is_created_ahead(self, mutant: Mutant, row: str) -> bool:
        return mutant.dataset_ahead and own.needs_dataset(declared_tests()[row][1])

    def _begin_next(self, mutant: Mutant, *, alone: bool) -> None:
        """Build the next mutants, and create their Datasets as long as no mutant before them forbids it."""
        index = self.order.index(mutant) + 1
        free = mutant.dataset_ahead and not alone
        for following in self.order[index : index + AHEAD]:
            if following.hang is None:
                self._build(following)
            rows = rows_here(following, len(self.runner.system.nodes))
            free = free and following.dataset_ahead and bool(rows)
            if free and self._is_created_ahead(following, rows[0]):
                self._create(following, rows[0])

    def _wait_for_removals(self, number: int) -> None:
        """Wait until no more than so many removals are under way."""
        while len(self._removals) > number:
            self.errors += self._removals.pop(0).result()

    def _remove(self, users: list[User] | list[TamperedUser], *, wait: bool) -> None:
        """Remove what these users created."""
        self._removals.append(self._remover.submit(own.remove, users))
        if wait:
            self._wait_for_removals(0)

    def _tampering(self, mutant: Mutant, inside: ExitStack, stopped: list[str]) -> Tampering:
        """Stops the process of a hang, at once or at its moment, and says what is stopped then."""
        hang = mutant.hang
        if hang is None:
            return Tampering()

        def stop(_: User | None = None) -> None:
            inside.enter_context(placing.hanging(self.runner.system, hang))
            stopped.extend(placing.stopped_now(self.runner.system, hang))

        if not hang.when:
            stop()
            return Tampering()
        return Tampering(when=hang.when, then=stop)

    def _run(
        self,
        mutant: Mutant,
        rows: tuple[str, ...],
        tampering: Tampering,
        made: tuple[TamperedUser, ReadyDataset] | None,
    ) -> tuple[tuple[tuple[str, Seen], ...], Seen]:
        """Run the rows until one is red, and in parallel the row that has to stay green."""
        runner = self.runner

        def red() -> tuple[tuple[str, Seen], ...]:
            said: list[tuple[str, Seen]] = []
            for row in rows:
                user, ready = made if made is not None and not said else (runner.user(Tampering(), 1.0), None)
                runner.arm(user, tampering, mutant.timeout_factor)
                user.requests_reconciles = not mutant.untouched
                target = Target(row, Place.OWN, timeout_factor=mutant.timeout_factor)
                said.append((row, runner.attempt(target, user, ready)))
                if said[-1][1].outcome == "fail":
                    break
            return tuple(said)

        def green() -> Seen:
            user = runner.user(Tampering(), 1.0, runner.shared.namespace)
            seen = runner.attempt(Target(mutant.green), user)
            if user.namespace != runner.shared.namespace:  # a row whose Dataset cannot get Bound has its own
                runner.pool.remove(user)
            return seen

        if any(runner.is_alone(row) for row in (*rows, mutant.green)):
            return red(), green()
        with ThreadPoolExecutor(1, "green") as other:
            control = other.submit(green)
            return red(), control.result()
