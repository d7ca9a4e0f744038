"""The order of trials, and what is done ahead of the next ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import FailureClass, InfrastructureError
from suites.mutants import placing, trial
from suites.mutants.building import Built
from suites.mutants.cases import MUTANTS
from suites.mutants.model import Hang, Mutant, Part, Program
from suites.mutants.trial import Trials, in_order
from suites.sabotage import own
from suites.sabotage.model import Seen
from suites.sabotage.tampered_user import TamperedUser

PROOF = ("process 1 of Pod x on node y has abc",)
RED = Seen("fail", FailureClass.PRODUCT, "no Fuse Pod")
CSI = Mutant("M1", "one", Part.CSI_PLUGIN, ("A7",), program=Program.CSI_PLUGIN)
NEXT_CSI = Mutant("M2", "two", Part.CSI_PLUGIN, ("A6",), program=Program.CSI_PLUGIN)
SETUP = Mutant("M3", "three", Part.RUNTIME_CONTROLLER, ("A9",))
HUNG = Mutant("M4", "four", Part.HANG, ("A2",), hang=Hang("alluxio.worker.AlluxioWorker", "row: begins"))


@dataclass
class Runner:
    """Creates users, and says that every row is red and every control row green."""

    restored: list[str] = field(default_factory=list)
    shared: Any = field(default_factory=lambda: SimpleNamespace(namespace="shared"))
    attempts: list[tuple[str, Any]] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)
    users: int = 0

    @property
    def system(self) -> Any:
        """One node, and a journal that permits restoring."""
        return SimpleNamespace(nodes=("one",), journal=SimpleNamespace(restoring=self.restoring))

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Record that it was asked for."""
        self.restored.append("begin")
        yield
        self.restored.append("end")

    def control(self, *names: str) -> None:
        """Record which control rows ran on the intact system."""
        self.controls += names

    def is_alone(self, name: str) -> bool:
        """Rows of level conformance that drop page caches, for example."""
        return name == "D2"

    def user(self, *_: object) -> TamperedUser:
        """A user with a namespace."""
        self.users += 1
        return cast("TamperedUser", SimpleNamespace(namespace="shared", number=self.users))

    def arm(self, *_: object) -> None:
        """Nothing here is tampered with."""

    def attempt(self, target: Any, user: Any, ready: Any = None) -> Seen:
        """Record with which Dataset the row ran."""
        self.attempts.append((target.scenario, ready))
        return Seen("pass") if target.scenario == "A2" else RED

    def release_own(self) -> list[Any]:
        """Nobody."""
        return []


@dataclass
class Placement:
    """Records what takes the place of what."""

    replaced: list[str] = field(default_factory=list)
    proofs: tuple[str, ...] = PROOF

    def copy(self, built: Built) -> None:
        """Nothing to copy."""

    def replace(self, built: Built | None) -> tuple[str, ...]:
        """Record it."""
        self.replaced.append(built.program if built else "nothing")
        return self.proofs if built else ()

    def proof(self) -> tuple[str, ...]:
        """As when it was put in."""
        return self.proofs


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What is built, created and removed, by id of the mutant or number of the user."""
    seen = SimpleNamespace(built=[], created=[], fail=0, lock=threading.Lock(), root=tmp_path)

    def build(_: object, mutant: Mutant, folder: Path) -> Built:
        seen.built.append(mutant.id)
        return Built(mutant.program, {}, digests={})

    def create(user: Any, _: object) -> str:
        seen.created.append(user.number)
        if seen.fail:
            seen.fail -= 1
            raise InfrastructureError("the Dataset is not Bound")
        return f"dataset {user.number}"

    monkeypatch.setattr(trial, "build", build)
    monkeypatch.setattr(trial, "create_bound", create)
    monkeypatch.setattr(own, "remove", lambda users: [])
    return seen


def trials(made: Any, *order: Mutant) -> tuple[Trials, Runner, Placement]:
    """Trials of these mutants, on nothing real."""
    runner, placement = Runner(), Placement()
    cache = SimpleNamespace(root=made.root)
    return Trials(cast("Any", runner), cast("Any", cache), order, cast("Any", placement)), runner, placement


def test_what_can_be_done_ahead_comes_first_and_rows_that_run_alone_last() -> None:
    """Then mutants of one program follow each other."""
    found = in_order(list(MUTANTS))
    ahead = [one.dataset_ahead for one in found]
    assert ahead == sorted(ahead, reverse=True)
    assert len(found) == len(MUTANTS)
    csi = [number for number, one in enumerate(found) if one.program is Program.CSI_PLUGIN and not one.hang]
    alone = {"D2", "D3", "B24"}
    first = [number for number in csi if found[number].rows[0] not in alone]
    assert first == list(range(first[0], first[0] + len(first)))


def test_the_dataset_of_a_late_change_is_created_before_its_row_and_given_to_it(made: Any) -> None:
    """The next one's is created meanwhile, and the next one is built."""
    tried, runner, placement = trials(made, CSI, NEXT_CSI)
    result = tried.attempt(CSI)
    assert result.outcome == "killed"
    assert result.ran.before == result.ran.after == PROOF
    assert tried.close(clean=True) == []
    assert ("A7", "dataset 1") in runner.attempts
    assert made.built == ["M1", "M2"]
    assert len(made.created) == 2
    assert placement.replaced == ["fluid-csi", "nothing"]
    assert runner.restored == ["begin", "end"]
    assert runner.controls == ["A2"]


def test_nothing_is_created_ahead_while_a_change_of_the_set_up_is_in(made: Any) -> None:
    """Such a row creates its Dataset itself, with the changed program."""
    tried, runner, _ = trials(made, SETUP, CSI)
    tried.attempt(SETUP)
    tried.close(clean=True)
    assert made.created == []
    assert ("A9", None) in runner.attempts


def test_nothing_is_created_ahead_of_a_change_of_the_set_up(made: Any) -> None:
    """Its Dataset has to meet the changed program."""
    tried, _, _ = trials(made, CSI, SETUP)
    tried.attempt(CSI)
    tried.close(clean=True)
    assert len(made.created) == 1


def test_a_dataset_that_does_not_get_bound_is_no_red_row(made: Any) -> None:
    """It is created once more; if that fails too, nothing is said about the mutant."""
    made.fail = 1
    tried, runner, _ = trials(made, CSI)
    assert tried.attempt(CSI).outcome == "killed"
    assert ("A7", "dataset 2") in runner.attempts
    made.fail = 2
    with pytest.raises(InfrastructureError, match="not Bound"):
        tried.attempt(CSI)
    tried.close(clean=True)


def test_a_mutant_without_proof_was_not_run(made: Any) -> None:
    """Whatever its row says."""
    tried, _, placement = trials(made, CSI)
    placement.proofs = ()
    assert tried.attempt(CSI).outcome == "not run"
    tried.close(clean=True)


def test_a_hang_whose_moment_never_came_was_not_run(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row passed, and no process was stopped."""
    monkeypatch.setattr(placing, "stopped_now", lambda *_: ())
    tried, _, placement = trials(made, HUNG)
    result = tried.attempt(HUNG)
    tried.close(clean=True)
    assert result.rows[0][1].outcome == "pass"
    assert result.outcome == "not run"
    assert placement.replaced[0] == "nothing"
