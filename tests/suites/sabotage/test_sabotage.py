"""What counts as noticed, and that the list of sabotages covers what it has to."""

from __future__ import annotations

import typing
from contextlib import nullcontext
from typing import Any

import pytest

from clusters.errors import ProductFailureError
from suites.catalogue.discovery import declared_tests
from suites.catalogue.scenario import Level
from suites.record.evidence import Evidence
from suites.record.failure_class import failure_class, reason
from suites.sabotage.breaks import rules_without
from suites.sabotage.cases import CASES
from suites.sabotage.model import Kind, Row, Sabotage, Seen, Tampering, Target
from suites.sabotage.runner import WatchedEvidence

TARGET = Target("A2", reason="still does not read.*nfs")


def seen(error: Exception | None) -> Seen:
    """What a scenario that raised this has said."""
    if error is None:
        return Seen("pass")
    return Seen("fail", failure_class(error, "call"), reason(error), str(error))


def row(target: Seen, bystander: Seen, *, before: str = "pass", wanted: Target = TARGET) -> Row:
    """A row with one target and one bystander."""
    sabotage = Sabotage(
        "x", "component missing", "it is broken", lambda *_: nullcontext(Tampering()), (wanted,), ("B6",)
    )
    return Row(sabotage, ((wanted, target),), (("B6", before, bystander),), 1.0)


RIGHT = ProductFailureError("a2 still does not read through Fluid", last_seen="/data of type\nfuse.nfs")


def test_a_target_that_says_the_right_thing_has_noticed() -> None:
    """Red, of the right class, about the right cause, wherever in the error that stands."""
    assert row(seen(RIGHT), seen(None)).wrong == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "it said pass"),
        (ProductFailureError("something else"), "something else"),
        (OSError("still does not read: nfs"), "infrastructure"),
    ],
)
def test_a_target_that_says_something_else_has_not_noticed(error: Exception | None, told: str) -> None:
    """Green, or red for another cause, or somebody else's fault."""
    (wrong,) = row(seen(error), seen(None)).wrong
    assert told in wrong


def test_a_bystander_must_stay_as_it_was() -> None:
    """One that turns red is told, and one that was red before proves nothing."""
    (wrong,) = row(seen(RIGHT), seen(RIGHT)).wrong
    assert "bystander B6 was pass" in wrong
    (wrong,) = row(seen(RIGHT), seen(RIGHT), before="fail").wrong
    assert "no bystander" in wrong


def test_slowness_must_not_change_a_verdict() -> None:
    """A target without a reason has to pass."""
    wanted = Target("A3")
    assert row(seen(None), seen(None), wanted=wanted).wrong == []
    (wrong,) = row(seen(RIGHT), seen(None), wanted=wanted).wrong
    assert "pass was expected" in wrong


def test_a_row_is_json_with_what_was_expected_and_what_was_seen() -> None:
    """The row of verdict.json holds both, and whether they agree."""
    told: Any = row(seen(RIGHT), seen(None)).as_json()
    assert told["noticed"] is True
    (target,) = told["targets"]
    assert target["expected"]["class"] == target["seen"]["class"] == "product"
    assert told["bystanders"] == [{"scenario": "B6", "before": "pass", "during": "pass", "reason": ""}]


def test_every_smoke_scenario_is_turned_red_by_at_least_one_sabotage() -> None:
    """A check that nothing turns red proves nothing."""
    red = {target.scenario for case in CASES for target in case.targets if target.reason}
    smoke = {declared.id for declared, _ in declared_tests().values() if declared.level is Level.SMOKE}
    assert smoke <= red


def test_every_kind_is_there_and_each_sabotage_has_two_bystanders() -> None:
    """At least fifteen ways, of every kind, with bystanders that are no targets of the same place."""
    assert len(CASES) >= 15
    assert {case.kind for case in CASES} == set(typing.get_args(Kind))
    for case in CASES:
        assert len(set(case.bystanders)) >= 2, case.id
        shared = {target.scenario for target in case.targets if target.place == "shared"}
        assert not shared & set(case.bystanders), case.id
    assert len({case.id for case in CASES}) == len(CASES)


def test_a_role_loses_just_the_verbs_of_one_resource() -> None:
    """Resources that share a rule keep all their verbs, and other rules stay as they are."""
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


def test_something_is_done_at_a_fact_and_only_once() -> None:
    """The pattern is looked for in source and words together."""
    done: list[str] = []
    evidence = WatchedEvidence(silent=True, when="^Dataset status: ", then=lambda: done.append("then"))
    evidence.fact("events", "Dataset status: no")
    assert done == []
    evidence.fact("Dataset status", "cachedPercentage 100 %")
    evidence.fact("Dataset status", "cachedPercentage 100 %")
    assert done == ["then"]
    assert isinstance(evidence, Evidence)
    assert len(evidence.facts) == 3
