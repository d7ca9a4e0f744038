"""Applications that wait for a claim that does not exist: what counts against it, and when."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.system import System
from clusters.waiting import ProductGaveUpError
from suites.catalogue.discovery import declared_tests
from suites.record.evidence import Evidence
from suites.run import pending_applications, pending_fixtures, selection
from suites.run.pending_applications import (
    CASES,
    PendingApplication,
    PendingApplications,
    watch_one,
    why_not_pending,
)
from suites.steps.observer import Observer
from suites.steps.user import User
from workloads.data import one_file

CONDITION = {"type": "PodScheduled", "status": "False", "message": 'persistentvolumeclaim "demo" not found'}


def a_pod(phase: str = "Pending", node: str = "") -> PodSnapshot:
    """The application, by default as it waits."""
    spec = {"nodeName": node} if node else {}
    return PodSnapshot.of(
        {"metadata": {"name": "app"}, "spec": spec, "status": {"phase": phase, "conditions": [CONDITION]}}
    )


class Seen:
    """What an observer sees: the Pod, and the Fuse Pods of the Dataset, one after the other."""

    def __init__(self, pod: PodSnapshot | None, *fuse: tuple[str, ...]) -> None:
        """Nothing was asked for yet."""
        self.pod = pod
        self.fuses = list(fuse or ((), ()))
        self.objects = SimpleNamespace(get=lambda kind, name, namespace: self.pod)

    def fuse(self, namespace: str, name: str) -> SimpleNamespace:
        """The Fuse Pods at this moment."""
        return SimpleNamespace(pods=dict.fromkeys(self.fuses.pop(0)))


def a_user(namespace: str = "fc-shared") -> User:
    """A user of a Dataset that is Bound."""
    system = cast("System", SimpleNamespace(toolbox="toolbox", kube=SimpleNamespace(apply=lambda _: None)))
    return User(system, Evidence(silent=True), namespace, folder="/export/a", files=one_file("data", 10))


@pytest.fixture
def sees(monkeypatch: pytest.MonkeyPatch) -> Callable[[Seen], None]:
    """Decides what all users observe; the window is over at once."""
    monkeypatch.setattr(pending_applications, "WINDOW", 0.0)
    monkeypatch.setattr(User, "waits_for_scheduling_verdict", lambda *_: None)

    def observe(seen: Seen) -> None:
        monkeypatch.setattr(User, "observer", property(lambda _: cast("Observer", seen)))

    return observe


def test_pod_that_waits_without_a_node_is_as_it_must_be() -> None:
    """A node, another phase, or no Pod contradicts it."""
    assert why_not_pending(a_pod()) is None
    assert "scheduled to n1" in (why_not_pending(a_pod(node="n1")) or "")
    assert why_not_pending(a_pod(phase="Running"))
    assert "deleted" in (why_not_pending(None) or "")


def test_application_is_watched_in_its_namespace(sees: Callable[[Seen], None]) -> None:
    """One is in a namespace of its own, which is known to the evidence; the other is in the Dataset's."""
    sees(Seen(a_pod()))
    user = a_user()
    elsewhere = watch_one("B5", user)
    assert elsewhere.namespace.startswith("fc-elsewhere")
    assert user.evidence.namespaces == [elsewhere.namespace]
    assert [one["kind"] for one in user.sent] == ["Namespace", "Pod"]
    assert elsewhere.observations[-1].scheduling == CONDITION["message"]
    assert [phase.kind for phase in user.evidence.phases] == ["window"]
    sees(Seen(a_pod()))
    assert watch_one("B6", user).namespace == user.namespace


def test_application_that_is_scheduled_is_the_products_failure(sees: Callable[[Seen], None]) -> None:
    """It is kept for the scenario to raise; a Fuse Pod is not asked for then."""
    sees(Seen(a_pod(node="n1")))
    watched = watch_one("B6", a_user())
    assert isinstance(watched.error, ProductGaveUpError)
    assert "it was scheduled to n1" in str(watched.error)
    with pytest.raises(ProductGaveUpError):
        run_row("B6", watched)


@pytest.mark.parametrize("row", ["B5", "B6"])
def test_new_fuse_pod_fails_the_row(row: str, sees: Callable[[Seen], None]) -> None:
    """A Pod that is not scheduled needs no Fuse; one that was there before is not new."""
    sees(Seen(a_pod(), ("fuse-1",), ("fuse-1", "fuse-2")))
    watched = watch_one(row, a_user())
    assert "fuse-2" in watched.new_fuse
    with pytest.raises(AssertionError, match="a Fuse Pod was started"):
        run_row(row, watched)
    sees(Seen(a_pod(), ("fuse-1",), ("fuse-1",)))
    assert not watch_one(row, a_user()).new_fuse


def run_row(row: str, watched: PendingApplication) -> None:
    """Run a scenario on what was watched for it, up to the doctor's diagnosis."""
    _, function = declared_tests()[row]
    removed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(User, "removes_namespace", lambda _, name: removed.append(name))
        try:
            function(shared_user=a_user(), pending_application=watched)
        finally:
            assert removed == ([watched.namespace] if watched.case.elsewhere else [])


@pytest.fixture
def watched_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scenarios whose application was watched."""
    made: list[str] = []

    def watch(id_: str, user: User, *, together: int = 1, over: Any = None) -> PendingApplication:
        made.append(id_)
        return PendingApplication(user, CASES[id_], user.namespace, together)

    monkeypatch.setattr(pending_applications, "watch_one", watch)
    return made


def test_all_are_watched_in_one_window(watched_ids: list[str]) -> None:
    """It may have begun before it is asked for, and does not begin again when all are taken."""
    watched = PendingApplications(("B5", "B6"), a_user)
    watched.begin("fc-shared")
    watched.finish()
    assert sorted(watched_ids) == ["B5", "B6"]
    assert watched.take("B5", "fc-shared").together == 2
    assert watched.take("B6", "fc-shared").user.namespace == "fc-shared"
    watched.begin("fc-shared")
    assert watched.close() == ()
    assert sorted(watched_ids) == ["B5", "B6"]


def test_scenario_that_asks_first_begins_the_window_of_all(watched_ids: list[str]) -> None:
    """One that runs a second time is watched a second time, alone."""
    watched = PendingApplications(("B5", "B6"), a_user)
    assert watched.take("B6", "fc-shared").together == 2
    assert watched.take("B6", "fc-shared").together == 1
    assert sorted(watched_ids) == ["B5", "B6", "B6"]
    assert [left.case for left in watched.close()] == [CASES["B5"]]


def test_end_of_a_run_does_not_wait_for_the_window(
    sees: Callable[[Seen], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no scenario has taken is returned, to be removed."""
    monkeypatch.setattr(pending_applications, "WINDOW", 60.0)
    sees(Seen(a_pod()))
    watched = PendingApplications(("B5",), a_user)
    watched.begin("fc-shared")
    (left,) = watched.close()
    assert left.case.elsewhere


def test_error_of_one_does_not_affect_the_others(
    sees: Callable[[Seen], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each scenario raises its own."""
    sees(Seen(a_pod(), (), (), (), ()))

    def refuse(user: User, name: str) -> str:
        raise InfrastructureError("the API server does not answer")

    monkeypatch.setattr(User, "creates_extra_namespace", refuse)
    watched = PendingApplications(("B5", "B6"), a_user)
    assert isinstance(watched.take("B5", "fc-shared").error, InfrastructureError)
    assert watched.take("B6", "fc-shared").error is None


def test_what_was_sent_and_seen_is_the_scenarios(sees: Callable[[Seen], None]) -> None:
    """Its user stops the Pod in the end, and the report shows what was sent."""
    sees(Seen(a_pod()))
    user = a_user()
    watched = watch_one("B5", a_user())
    pending_fixtures._hand_over(watched, user)
    assert user.sent == watched.user.sent
    assert user.evidence.namespaces == [watched.namespace]
    assert [phase.name for phase in user.evidence.phases] == ["Pod b5-elsewhere stays Pending"]
    assert [one.name for one in user.evidence.attachments] == ["sent", "sent"]


def test_each_case_is_a_scenario_that_asks_for_it() -> None:
    """The rows and the cases name each other."""
    asking = {
        id_
        for id_, (_, function) in declared_tests().items()
        if "pending_application" in inspect.signature(function).parameters
    }
    assert asking == set(CASES)


class Item(SimpleNamespace):
    """A collected test, as far as the fixtures and the order look at it."""

    def get_closest_marker(self, name: str) -> object:
        """The marker of its scenario."""
        return SimpleNamespace(args=(self.declared,)) if name == "scenario" else None


#: The fixtures that pytest finds for a row, as far as the order and the window look at them.
NEEDED = {"shared_user": ("ready_dataset",), "dataset_owner": (), "user": (), "window": ()}


def an_item(row: str) -> pytest.Item:
    """A row of the catalogue."""
    declared, function = declared_tests()[row]
    names = list(inspect.signature(function).parameters)
    closure = [more for name in names for more in (name, *NEEDED.get(name, ()))]
    return cast("pytest.Item", Item(declared=declared, fixturenames=closure))


def test_rows_run_after_those_that_share_and_those_that_watch_a_window() -> None:
    """B1's window is long enough for theirs."""
    rows = ["C5", "A1", "A2", "A3", "A13", "A22", "E1", "E3", "B1", "B5", "B6", "B11"]
    ordered = sorted(rows, key=lambda row: selection._cost(an_item(row)))
    assert ordered[:5] == ["A1", "A2", "A3", "A13", "B1"]
    assert set(ordered[5:-1]) == {"A22", "E1", "E3", "B5", "B6", "B11"}
    assert ordered[-1] == "C5"


@pytest.mark.parametrize(
    ("row", "shared", "does"),
    [
        ("A2", True, "finish"),
        ("C5", True, "finish"),
        ("B1", True, "begin"),
        ("E1", True, "begin"),
        ("B1", False, ""),
        ("B11", True, ""),
        ("B5", True, ""),
    ],
)
def test_window_is_held_only_while_no_row_affects_it(row: str, does: str, *, shared: bool) -> None:
    """A row that uses the shared Dataset, or disturbs others, begins when it is over."""
    done: list[str] = []
    fixtures = {
        "pending_applications": SimpleNamespace(
            begin=lambda namespace: done.append(f"begin {namespace}"), finish=lambda: done.append("finish")
        ),
        "pool": SimpleNamespace(shared=a_user() if shared else None),
    }
    request = SimpleNamespace(
        node=an_item(row),
        session=SimpleNamespace(items=[an_item("B5")]),
        getfixturevalue=fixtures.__getitem__,
    )
    pending_fixtures._watch_pending(cast("pytest.FixtureRequest", request))
    assert done == [f"{does} fc-shared" if does == "begin" else does] * bool(does)


def test_window_is_not_begun_where_no_row_asks() -> None:
    """A run without these rows creates nothing for them."""
    request = SimpleNamespace(node=an_item("B1"), session=SimpleNamespace(items=[an_item("B1")]))
    pending_fixtures._watch_pending(cast("pytest.FixtureRequest", request))
