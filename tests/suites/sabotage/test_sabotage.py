"""Judgement of a sabotage's result, and coverage of the list of sabotages."""

from __future__ import annotations

import typing
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.errors import ProductFailureError
from suites.catalogue.discovery import declared_tests
from suites.catalogue.scenario import Level
from suites.record.evidence import Evidence
from suites.record.failure_class import failure_class, reason
from suites.sabotage.breaks.components import rules_without
from suites.sabotage.cases import CASES
from suites.sabotage.conftest import datasets_needed
from suites.sabotage.model import Kind, Place, Row, Sabotage, Seen, Tampering, Target, Users
from suites.sabotage.runner import ScenarioRunner
from suites.sabotage.tampered_user import WatchedEvidence
from tests.clusters.fakes import HOST

TARGET = Target("A2", reason="still does not read.*nfs")


def seen(error: Exception | None) -> Seen:
    """The verdict of a scenario that raised this."""
    if error is None:
        return Seen("pass")
    return Seen("fail", failure_class(error, "call"), reason(error), str(error))


def row(target: Seen, bystander: Seen, *, before: str = "pass", expected: Target = TARGET) -> Row:
    """A row with one target and one bystander."""
    sabotage = Sabotage(
        "x", "component missing", "it is broken", lambda *_: nullcontext(Tampering()), (expected,), ("B6",)
    )
    return Row(sabotage, ((expected, target),), (("B6", before, bystander),), 1.0)


RIGHT = ProductFailureError("a2 still does not read through Fluid", last_seen="/data of type\nfuse.nfs")


def test_target_that_fails_for_the_right_reason_has_noticed() -> None:
    """The class and the pattern match, wherever in the error the pattern is."""
    assert row(seen(RIGHT), seen(None)).wrong == []


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, "the verdict was pass"),
        (ProductFailureError("something else"), "something else"),
        (OSError("still does not read: nfs"), "infrastructure"),
    ],
)
def test_target_with_another_verdict_has_not_noticed(error: Exception | None, verdict: str) -> None:
    """It passed, or failed for another reason or with another class."""
    (wrong,) = row(seen(error), seen(None)).wrong
    assert verdict in wrong


def test_verdict_of_a_bystander_must_not_change() -> None:
    """One that fails is reported, and one that failed before proves nothing."""
    (wrong,) = row(seen(RIGHT), seen(RIGHT)).wrong
    assert "bystander B6: pass on the intact system, now product: " in wrong
    (wrong,) = row(seen(RIGHT), seen(RIGHT), before="fail").wrong
    assert "cannot be a bystander" in wrong


def test_target_without_a_reason_must_pass() -> None:
    """Slowness, for example, must not change a verdict."""
    expected = Target("A3")
    assert row(seen(None), seen(None), expected=expected).wrong == []
    (wrong,) = row(seen(RIGHT), seen(None), expected=expected).wrong
    assert "expected pass" in wrong


def test_row_as_json_has_the_expected_and_the_seen_verdict() -> None:
    """The entry of verdict.json has both, and whether they agree."""
    entry: Any = row(seen(RIGHT), seen(None)).as_json()
    assert entry["noticed"] is True
    (target,) = entry["targets"]
    assert target["on"] == "shared Dataset"
    assert target["expected"]["class"] == target["seen"]["class"] == "product"
    assert entry["bystanders"] == [{"scenario": "B6", "before": "pass", "during": "pass", "reason": ""}]


def test_every_smoke_scenario_fails_under_at_least_one_sabotage() -> None:
    """A check that was never seen to fail proves nothing."""
    failing = {target.scenario for case in CASES for target in case.targets if target.reason}
    smoke = {declared.id for declared, _ in declared_tests().values() if declared.level is Level.SMOKE}
    assert smoke <= failing


def test_every_kind_has_a_sabotage_and_each_sabotage_two_bystanders() -> None:
    """No bystander is also a target on the same Dataset."""
    assert len(CASES) >= 15
    assert {case.kind for case in CASES} == set(typing.get_args(Kind))
    for case in CASES:
        assert len(set(case.bystanders)) >= 2, case.id
        shared = {target.scenario for target in case.targets if target.place is Place.SHARED}
        assert not shared & set(case.bystanders), case.id
    assert len({case.id for case in CASES}) == len(CASES)


def test_role_loses_only_the_verbs_of_one_resource() -> None:
    """Resources in the same rule keep all their verbs, and other rules do not change."""
    rules = [
        {"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "create"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ]
    assert rules_without(rules, "configmaps", frozenset({"create"})) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ]
    assert rules_without(rules, "nodes", frozenset({"get"})) == rules[:1]
    assert rules_without(rules, "nodes", frozenset({"delete"})) == rules


def test_matching_fact_calls_the_function_once() -> None:
    """The pattern is matched against ``source: says``."""
    done: list[str] = []
    evidence = WatchedEvidence(silent=True, when="^Dataset status: ", then=lambda: done.append("then"))
    evidence.fact("events", "Dataset status: no")
    assert done == []
    evidence.fact("Dataset status", "cachedPercentage 100 %")
    evidence.fact("Dataset status", "cachedPercentage 100 %")
    assert done == ["then"]
    assert isinstance(evidence, Evidence)
    assert len(evidence.facts) == 3


def test_cases_name_scenarios_that_exist() -> None:
    """A misspelt id would only show when the sabotage runs."""
    named = {target.scenario for case in CASES for target in case.targets}
    named |= {name for case in CASES for name in case.bystanders}
    assert named <= declared_tests().keys()


def test_datasets_are_deleted_after_all_cases_that_use_one() -> None:
    """A case that deletes the Dataset would force the next one to create another."""
    deletes = [number for number, case in enumerate(CASES) if _on(case, Place.TO_DELETE)]
    uses = [number for number, case in enumerate(CASES) if _on(case, Place.UNUSED)]
    needs_deleted = [number for number, case in enumerate(CASES) if _on(case, Place.DELETED)]
    assert max(uses) < min(deletes)
    assert max(deletes) < min(needs_deleted)


@dataclass
class FakeOwner:
    """The user of a Dataset that exists."""

    namespace: str = "fc-unused"
    deleted: int = 0

    def deletes_dataset(self) -> None:
        """Count the deletions."""
        self.deleted += 1


class FakePool:
    """Provides one Dataset."""

    def __init__(self) -> None:
        self.owner = FakeOwner()
        self.removed: list[str] = []

    def acquire(self, _: Evidence) -> tuple[FakeOwner, None]:
        """The Dataset."""
        return self.owner, None

    def remove(self, user: Any) -> None:
        """Note the namespace."""
        self.removed.append(user.namespace)

    def close(self, *, clean: bool) -> list[str]:
        """Nothing is left."""
        assert clean
        return []


def test_case_on_a_deleted_dataset_runs_alone() -> None:
    """Without an earlier case that deleted a Dataset, the case deletes one before it breaks anything."""
    pool: Any = FakePool()
    shared: Any = None
    system: Any = SimpleNamespace(host=HOST)
    runner = ScenarioRunner(system, shared, "", shared, pool, before={"A2": seen(None)})
    broken: list[tuple[str, int]] = []

    def breaks(_: Any, users: Users) -> AbstractContextManager[Tampering]:
        broken.append((users.only.namespace, pool.owner.deleted))
        return nullcontext(Tampering())

    case = Sabotage("x", "stale or lost cache", "is left", breaks, (Target("E3", Place.DELETED),), ())
    runner.run_case(case)
    runner.run_case(case)
    assert broken == [("fc-unused", 1), ("fc-unused", 1)]
    assert pool.removed == []
    runner.close(clean=True)
    assert pool.removed == ["fc-unused"]


@pytest.mark.parametrize(
    ("places", "count"),
    [
        ([], 0),
        ([{Place.SHARED}, {Place.NEW}], 0),
        ([{Place.UNUSED}, {Place.UNUSED}], 1),
        ([{Place.UNUSED}, {Place.TO_DELETE}, {Place.TO_DELETE}, {Place.DELETED}], 2),
        ([{Place.DELETED}, {Place.DELETED}], 1),
        ([{Place.UNUSED}, {Place.DELETED}, {Place.UNUSED}], 2),
    ],
)
def test_datasets_are_counted_ahead(places: list[set[Place]], count: int) -> None:
    """A case on a deleted Dataset needs one too, unless an earlier case deleted one."""
    assert datasets_needed(places) == count


def _on(case: Sabotage, place: Place) -> bool:
    return any(target.place is place for target in case.targets)
