"""Rights of an account, and what the live check of the doctor asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from suites.diagnosis import CauseCode, FindingCode, State
from suites.steps.doctor_cases import Expected, without_claims
from suites.steps.service_account import Account, Right, beyond_reading, rights_of, shipped_roles
from suites.steps.user import User
from workloads.application import Application

READS = {"verbs": ["get", "list", "watch"], "apiGroups": ["", "apps"], "resources": ["pods"]}
ONESELF = {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectreviews"]}


def test_rights_are_reported_one_by_one() -> None:
    """A rule is short for many rights."""
    found = rights_of([{"verbs": ["get", "list"], "apiGroups": ["apps"], "resources": ["a", "b"]}])
    assert [str(right) for right in sorted(found)] == [
        "get a.apps",
        "get b.apps",
        "list a.apps",
        "list b.apps",
    ]
    assert str(Right("create", "", "pods/exec")) == "create pods/exec"


@pytest.mark.parametrize(
    "verb", ["create", "delete", "deletecollection", "patch", "update", "impersonate", "*"]
)
def test_any_right_to_change_is_more_than_reading(verb: str) -> None:
    """Whatever it is on; what everybody may ask about oneself is none."""
    assert not beyond_reading(rights_of([READS, ONESELF]))
    more = {"verbs": [verb], "apiGroups": [""], "resources": ["pods/status"]}
    assert beyond_reading(rights_of([READS, ONESELF, more])) == {Right(verb, "", "pods/status")}


def test_shipped_roles_read_and_nothing_else() -> None:
    """Only the roles for checks inside Pods and for Events have more."""
    roles = shipped_roles()
    more = {name: beyond_reading(rights_of(role["rules"])) for name, role in roles.items()}
    assert more == {
        "fluid-doctor": frozenset(),
        "fluid-doctor-nodes": frozenset(),
        "fluid-doctor-watch": frozenset(),
        "fluid-doctor-exec": frozenset({Right("create", "", "pods/exec")}),
        "fluid-doctor-events": frozenset({Right("create", "", "events"), Right("patch", "", "events")}),
    }


def finding(verdict: str = "dataset-not-bound", state: str = "wrong", **more: Any) -> dict[str, Any]:
    """A finding as the doctor's JSON has it."""
    said = {"says": "Pod `a` waits for `bare`.", "change": None, "causes": [{"kind": "no-runtime"}]}
    return {"verdict": verdict, "state": state, **said, **more}


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([finding()], ""),
        ([], "a: nothing, where dataset-not-bound (wrong) is right"),
        ([finding("served", "ok")], "a: served (ok), where"),
        ([finding(state="waiting")], "a: dataset-not-bound (waiting), where"),
        ([finding(), finding()], "a: dataset-not-bound (wrong), dataset-not-bound (wrong), where"),
        ([finding(causes=[])], "a: causes none, where no-runtime is right"),
        ([finding(says="Well.")], "a: `bare` is not in: Well."),
    ],
)
def test_a_wrong_answer_of_the_doctor_is_reported(found: list[dict[str, Any]], says: str) -> None:
    """The verdict, its state, the cause and the words each count, and two findings are one too many."""
    expected = Expected(
        cast("User", None), "a", FindingCode.DATASET_NOT_BOUND, State.WRONG, ("`bare`",), CauseCode.NO_RUNTIME
    )
    difference = expected.differs(found)
    assert difference.startswith(says)
    assert bool(difference) == bool(says)


def test_an_application_without_claims_has_an_empty_folder() -> None:
    """It has nothing to do with any claim."""
    manifest = without_claims(Application(namespace="demo", name="a", claim="c", image="i"))
    assert manifest["spec"]["volumes"] == [{"name": "claim-0", "emptyDir": {}}]


def test_the_doctor_runs_on_a_terminal_and_off_it(tmp_path: Path) -> None:
    """As a separate process, whose exit code is returned; here there is no cluster to read."""
    account = Account.__new__(Account)
    account.name, account.folder = "nobody", tmp_path
    for terminal in (False, True):
        done = account.doctor(terminal=terminal)
        assert done.exit_code == 2
        assert f"there is no kubeconfig at {account.kubeconfig}" in (done.stdout + done.stderr)
