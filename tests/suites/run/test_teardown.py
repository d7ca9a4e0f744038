"""What is left of what scenarios created is reported at them, once they have ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import FailureClass, HarnessError, InfrastructureError, ProductFailureError
from clusters.host.commands import Completed
from clusters.kubernetes.kinds import Kind
from clusters.system import System
from clusters.waiting import ProductTimeoutError, wait
from suites.catalogue.scenario import Level, Scenario, scenario
from suites.record.defects import Defect, Leftover
from suites.record.evidence import Evidence
from suites.run import teardown
from suites.run.teardown import BackgroundTeardown, RunEnd, TeardownResult
from suites.steps import leaks
from suites.steps.leaks import Leaks
from suites.steps.user import User
from workloads.data import Difference, Files, one_file

FILES = one_file("data", 10)
CLEAN = Leaks((), (), (), ())
LEFT = Leaks(("ConfigMap demo-config",), ("n1: fluid.io/f-fc-1-demo",), (), ())
SAME = Difference((), (), ())
OTHER = Difference((), ("data.bin",), ())


def a_scenario(id_: str = "B8", **more: Any) -> Scenario:
    """A scenario of that id."""
    return Scenario(id_, Level.CONFORMANCE, "It holds.", **more)


def a_user(namespace: str = "fc-1") -> User:
    """A user on a system whose source is unchanged."""
    system = cast("System", SimpleNamespace())
    return User(system, Evidence(silent=True), namespace, folder="/export/smoke", files=FILES)


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Decides what is observed of removals; the last check of the source finds it unchanged."""
    source = SimpleNamespace(at_the_source=lambda folder: FILES.checksums())
    monkeypatch.setattr(User, "observer", source)

    def decide(found: object) -> None:
        def tear_down(user: User, end: RunEnd) -> TeardownResult:
            if isinstance(found, Exception):
                raise found
            return found[user.namespace] if isinstance(found, Mapping) else cast("TeardownResult", found)

        monkeypatch.setattr(teardown, "tear_down", tear_down)

    decide(TeardownResult(CLEAN, SAME))
    return decide


def gone(removals: BackgroundTeardown, user: User, declared: Scenario) -> Evidence:
    """The evidence of a scenario that ran and was removed."""
    removals.started(declared, user)
    removals.remove(user, declared)
    removals.close(clean=True)
    return user.evidence


def test_nothing_left_is_a_fact_of_the_scenario(finds: Callable[[object], None]) -> None:
    """A scenario whose Dataset went as a whole is reported so, and nothing is wrong with it."""
    evidence = gone(BackgroundTeardown(), a_user(), a_scenario())
    assert not evidence.late_failures
    assert [fact.source for fact in evidence.facts] == ["leak check", "files at the source"]
    assert "no object, node label, mount or cached file is left" in evidence.facts[0].says


def test_what_stays_fails_the_scenario_as_the_products_fault(finds: Callable[[object], None]) -> None:
    """Leftovers are a product failure of the scenario that created them, and each part is named."""
    finds(TeardownResult(LEFT, SAME))
    removals = BackgroundTeardown()
    evidence = gone(removals, a_user(), a_scenario())
    (wrong,) = evidence.late_failures
    assert isinstance(wrong.error, ProductFailureError)
    assert "ConfigMap demo-config" in str(wrong.error)
    assert "n1: fluid.io/f-fc-1-demo" in str(wrong.error)
    assert removals.reported == [wrong.error]


def test_declared_leftover_is_a_known_defect(finds: Callable[[object], None]) -> None:
    """What a scenario declares to stay shows as its defect; only what is beyond it fails."""
    finds(TeardownResult(LEFT, SAME))
    known = a_scenario(
        defects=(Defect("config-stays", "It stays."),), leftovers=(Leftover("config-stays", "^ConfigMap "),)
    )
    evidence = gone(BackgroundTeardown(), a_user(), known)
    assert evidence.defects_seen == ["config-stays"]
    (wrong,) = evidence.late_failures
    assert "ConfigMap" not in str(wrong.error)
    assert "n1: fluid.io/f-fc-1-demo" in str(wrong.error)


def test_declared_leftover_that_was_deleted_is_reported_as_a_defect_gone(
    finds: Callable[[object], None],
) -> None:
    """A known leftover that does not stay any more is reported, too."""
    known = a_scenario(
        defects=(Defect("config-stays", "It stays."),), leftovers=(Leftover("config-stays", "^ConfigMap "),)
    )
    evidence = gone(BackgroundTeardown(), a_user(), known)
    assert evidence.defects_gone == ["config-stays"]
    assert not evidence.late_failures


def test_leftovers_on_a_node_are_known_only_where_the_scenario_says_so(
    finds: Callable[[object], None],
) -> None:
    """Files in the tier of a node that the scenario did not name are a failure, whatever their name."""
    files = ("n1: /dev/shm/fc-1/alluxioworker/1", "n2: /dev/shm/fc-1/alluxioworker/2")
    finds(TeardownResult(Leaks((), (), (), files), SAME))
    known = a_scenario(
        defects=(Defect("blocks-stay", "They stay."),),
        leftovers=(Leftover("blocks-stay", "/alluxioworker/"),),
    )
    user = a_user()
    user.evidence.leftovers_on("n1")
    evidence = gone(BackgroundTeardown(), user, known)
    assert evidence.defects_seen == ["blocks-stay"]
    (wrong,) = evidence.late_failures
    assert files[1] in str(wrong.error)
    assert files[0] not in str(wrong.error)


def test_leftover_needs_a_defect_of_the_scenario() -> None:
    """A leftover that no defect explains cannot be declared."""
    with pytest.raises(TypeError, match="defects that are not its own"):

        @scenario("B8", Level.CONFORMANCE, leftovers=(Leftover("unknown", "."),))
        def test_it() -> None:
            """It holds."""


def test_removal_that_fails_is_the_scenarios_own_failure(finds: Callable[[object], None]) -> None:
    """A Dataset that was not deleted is reported with its scenario, with the class of the error."""
    finds(ProductFailureError("timed out after 240 s waiting for deletion of Dataset fc-1/demo"))
    removals = BackgroundTeardown()
    evidence = gone(removals, a_user(), a_scenario())
    assert [str(wrong.error) for wrong in evidence.late_failures] == [
        "timed out after 240 s waiting for deletion of Dataset fc-1/demo"
    ]
    assert not removals._unreported


def test_namespace_that_is_not_deleted_does_not_hide_what_stayed(finds: Callable[[object], None]) -> None:
    """The leak is reported as well as the error that came after it."""
    finds(
        TeardownResult(
            LEFT, SAME, HarnessError("timed out after 240 s waiting for deletion of namespace fc-1")
        )
    )
    evidence = gone(BackgroundTeardown(), a_user(), a_scenario())
    kinds = [cast("HarnessError", wrong.error).failure_class for wrong in evidence.late_failures]
    assert kinds == [FailureClass.PRODUCT, FailureClass.HARNESS]


def test_removal_without_a_scenario_is_not_checked(
    finds: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the product is broken on purpose no leak is reported; only removal errors are returned."""
    finds(AssertionError("looked at"))

    def leaves(user: User) -> None:
        raise HarnessError(f"timed out waiting for deletion of namespace {user.namespace}")

    monkeypatch.setattr(User, "removes_everything", leaves)
    removals = BackgroundTeardown()
    removals.remove(a_user())
    assert removals.close(clean=True) == ["timed out waiting for deletion of namespace fc-1"]
    assert not removals.reported


class Gate:
    """Removals that take until they are let go.

    Attributes:
        opened: lets them go.
        begun: the namespaces whose removal has begun.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.begun: list[str] = []

        def tear_down(user: User, end: RunEnd) -> TeardownResult:
            self.begun.append(user.namespace)
            self.opened.wait(10)
            return TeardownResult(LEFT, SAME)

        def remove_all(user: User, end: RunEnd) -> None:
            tear_down(user, end)

        monkeypatch.setattr(teardown, "tear_down", tear_down)
        monkeypatch.setattr(teardown, "_remove_all", remove_all)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, finds: Callable[[object], None]) -> Iterator[Gate]:
    """Removals that are under way when the run ends."""
    made = Gate(monkeypatch)
    yield made
    made.opened.set()


def leaving(removals: BackgroundTeardown, number: int) -> list[User]:
    """Users whose scenarios have ended, one after the other."""
    users = [a_user(f"fc-{index}") for index in range(number)]
    for user in users:
        removals.started(a_scenario(), user)
        removals.remove(user, a_scenario())
    return users


def test_last_scenarios_are_checked_before_the_cluster_is_deleted(gate: Gate) -> None:
    """A run that deletes its cluster waits until it has seen what its last scenarios left behind."""
    removals = BackgroundTeardown()
    users = leaving(removals, teardown.WORKERS + 1)
    timer = threading.Timer(0.05, gate.opened.set)
    timer.start()
    assert removals.close(clean=False) == []
    for user in users:
        assert ["ConfigMap demo-config" in str(wrong.error) for wrong in user.evidence.late_failures] == [
            True
        ]


@pytest.mark.parametrize("last_check_timeout", [0.0, 0.05])
def test_checks_that_are_not_over_in_time_are_reported_as_not_done(
    gate: Gate, last_check_timeout: float
) -> None:
    """An end in a hurry waits as long as it has patience, raises no alarm, and says what it did not do."""
    removals = BackgroundTeardown()
    users = leaving(removals, teardown.WORKERS + 1)
    assert removals.close(clean=False, last_check_timeout=last_check_timeout) == []
    for user in users:
        assert not user.evidence.late_failures
        assert "not done" in user.evidence.facts[0].says


def test_removals_that_no_scenario_reports_are_not_waited_for(gate: Gate) -> None:
    """What no scenario used is deleted with the cluster; it delays neither the run nor the leak checks."""
    removals = BackgroundTeardown()
    for number in range(teardown.WORKERS + 2):
        removals.remove(a_user(f"fc-nobodys-{number}"))
    assert removals.close(clean=False) == []
    assert len(gate.begun) <= teardown.WORKERS


def test_namespace_is_left_to_a_cluster_that_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the cluster is about to be deleted, a removal ends with the check for leftovers."""
    order: list[str] = []
    monkeypatch.setattr(User, "removes_datasets", lambda user: order.append("datasets"))
    monkeypatch.setattr(User, "removes_everything", lambda user: order.append("namespace"))
    monkeypatch.setattr(leaks, "after_a_while", lambda user: CLEAN)
    monkeypatch.setattr(
        User, "observer", SimpleNamespace(at_the_source=lambda folder: dict(FILES.checksums()))
    )
    end = RunEnd()
    end.cluster_is_deleted.set()
    assert teardown.tear_down(a_user(), end) == TeardownResult(CLEAN, SAME)
    assert order == ["datasets"]


def test_shared_dataset_is_reported_once_and_names_all_who_used_it(finds: Callable[[object], None]) -> None:
    """What stays of the shared Dataset is reported at the last scenario that used it."""
    finds(TeardownResult(LEFT, SAME))
    removals = BackgroundTeardown()
    first, last = a_user("fc-shared"), a_user("fc-shared")
    removals.started(a_scenario("A2"), first, sharing=True)
    removals.started(a_scenario("A3"), last, sharing=True)
    removals.remove_shared(a_user("fc-shared"))
    removals.close(clean=True)
    assert not first.evidence.late_failures
    (wrong,) = last.evidence.late_failures
    assert "the Dataset that A2, A3 shared was deleted" in str(wrong.error)


def test_changed_source_names_those_who_ran_since_it_was_right(finds: Callable[[object], None]) -> None:
    """Data that changed at the source are reported once, with the scenarios that may have done it."""
    finds(
        {
            "fc-1": TeardownResult(CLEAN, SAME),
            "fc-2": TeardownResult(CLEAN, OTHER),
            "fc-3": TeardownResult(CLEAN, OTHER),
        }
    )
    removals = BackgroundTeardown()
    users = [a_user(f"fc-{number}") for number in (1, 2, 3)]
    shared = a_user("fc-shared")
    removals.started(a_scenario("A1"), users[0])
    removals.remove(users[0], a_scenario("A1"))
    removals._pending[0].result.result()
    removals.collect()
    removals.started(a_scenario("A13"), shared, sharing=True)
    for user, name in zip(users[1:], ("B8", "B10"), strict=True):
        removals.started(a_scenario(name), user)
        removals.remove(user, a_scenario(name))
        removals._pending[0].result.result()
        removals.collect()
    removals.close(clean=True)
    errors = [str(wrong.error) for user in users for wrong in user.evidence.late_failures]
    assert len(errors) == 1
    assert "there ran A13, B8\n" in errors[0]
    assert "data.bin" in errors[0]


def test_last_check_of_the_source_covers_scenarios_that_only_shared(
    finds: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is checked once more at the end, also when no Dataset was removed."""
    monkeypatch.setattr(User, "observer", SimpleNamespace(at_the_source=lambda folder: {}))
    removals, user = BackgroundTeardown(), a_user()
    removals.started(a_scenario("A13"), user, sharing=True)
    removals.close(clean=False)
    (wrong,) = user.evidence.late_failures
    assert "there ran A13" in str(wrong.error)


def test_teardown_checks_before_the_namespace_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaks are searched once the Datasets are gone, while their namespace still shows what is left."""
    order: list[str] = []
    monkeypatch.setattr(User, "removes_datasets", lambda user: order.append("datasets"))
    monkeypatch.setattr(User, "removes_everything", lambda user: order.append("namespace"))

    def check(user: User) -> Leaks:
        order.append("check")
        return LEFT

    monkeypatch.setattr(leaks, "after_a_while", check)
    monkeypatch.setattr(
        User, "observer", SimpleNamespace(at_the_source=lambda folder: {"data.bin": "another"})
    )
    found = teardown.tear_down(a_user(), RunEnd())
    assert order == ["datasets", "check", "namespace"]
    assert found.leaks == LEFT
    assert found.source_changes.changed == ("data.bin",)


class SkippingClock:
    """A clock that does not wait."""

    time = 0.0

    def now(self) -> float:
        """The time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.time += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let time pass."""
        self.sleep(seconds)
        return False


def test_trouble_of_the_infrastructure_passes() -> None:
    """A removal that failed because of the API server is repeated until that answers again."""
    tries: list[int] = []

    def step() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise InfrastructureError("the API server does not answer")
        return "removed"

    assert teardown.retry(step, "namespace", RunEnd(), clock=SkippingClock()) == "removed"


def test_lasting_trouble_is_reported_as_it_was() -> None:
    """What does not pass is the error itself, and one that is the product's is not tried again."""

    def broken() -> None:
        raise InfrastructureError("the API server does not answer")

    with pytest.raises(InfrastructureError, match="does not answer"):
        teardown.retry(broken, "namespace", RunEnd(), clock=SkippingClock())

    tries: list[int] = []

    def stuck() -> None:
        tries.append(1)
        wait(lambda: "there", lambda seen: False, subject="Dataset demo", condition="deletion", timeout=0.0)

    with pytest.raises(ProductTimeoutError, match="waiting for deletion of Dataset demo"):
        teardown.retry(stuck, "namespace", RunEnd(), clock=SkippingClock())
    assert len(tries) == 1


def test_nothing_is_tried_again_when_the_run_is_over() -> None:
    """A cluster that is deleted does not answer any more, and is not waited for."""
    end, tries = RunEnd(), []

    def step() -> str:
        tries.append(1)
        end.over.set()
        message = "no answer"
        raise InfrastructureError(message)

    with pytest.raises(InfrastructureError, match="no answer"):
        teardown.retry(step, "namespace", end, clock=SkippingClock())
    assert len(tries) == 1


# What is seen of a namespace


class FakeKube:
    """Answers with the objects that a test gives, by kind."""

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        self.objects = objects

    def list(self, kind: Kind, namespace: str | None = None, **more: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        return self.objects.get(kind.name, [])

    def list_if_known(self, kind: Kind, namespace: str | None = None) -> Sequence[dict[str, Any]]:
        """The same."""
        return self.list(kind, namespace)

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object."""
        return next((o for o in self.list(kind) if o["metadata"]["name"] == name), None)


def on(kube: FakeKube, shell: Callable[[list[str]], str] = lambda argv: "") -> User:
    """A user who sent a Dataset with a tier on disk, on a cluster with these objects."""
    provider = SimpleNamespace(node_exec=lambda node, argv: Completed(tuple(argv), 0, shell(argv), ""))
    system = SimpleNamespace(kube=kube, provider=provider, nodes=("n1",))
    user = User(cast("System", system), Evidence(silent=True), "fc-1", folder="/x", files=Files(()))
    meta = {"name": "demo", "namespace": "fc-1"}
    level = {"path": "/var/tier"}
    user.sent += [
        {"kind": "Dataset", "metadata": meta},
        {"kind": "AlluxioRuntime", "metadata": meta, "spec": {"tieredstore": {"levels": [level]}}},
        {"kind": "Dataset", "metadata": {"name": "elsewhere", "namespace": "fc-2"}},
    ]
    return user


def an_object(name: str, **labels: str) -> dict[str, Any]:
    """An object with labels; dots and slashes are written as they are in a mapping given by ``**``."""
    return {"metadata": {"name": name, "labels": labels}}


def test_namespace_of_a_user_shows_what_charts_and_datasets_left() -> None:
    """Helm's records, charts' objects, Fluid's volume and files of each tier count; the harness's do not."""
    labels = {"app.kubernetes.io/managed-by": "fluid-conformance", "release": "demo"}
    kube = FakeKube(
        ConfigMap=[
            an_object("sh.helm.release.v1.load-loader.v1", owner="helm"),
            an_object("kube-root-ca.crt"),
        ],
        Job=[an_object("load-loader-job", release="load-loader")],
        Pod=[an_object("application", **labels)],
        Node=[an_object("n1", **{"fluid.io/f-fc-1-demo": "true", "kubernetes.io/os": "linux"})],
    )

    def shell(argv: list[str]) -> str:
        if argv[0] == "find":
            assert argv[1:3] == ["/dev/shm/fc-1/demo/alluxioworker", "/var/tier/fc-1/demo/alluxioworker"]
            return "/var/tier/fc-1/demo/alluxioworker/1\n"
        return ""

    left = leaks.of_user(on(kube, shell))
    assert left.objects == ("ConfigMap sh.helm.release.v1.load-loader.v1", "Job load-loader-job")
    assert left.node_labels == ("n1: fluid.io/f-fc-1-demo",)
    assert left.tier_files == ("n1: /var/tier/fc-1/demo/alluxioworker/1",)


def test_runtime_without_an_owner_is_removed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that Fluid never gave to its Dataset does not go with it, so it is deleted, too."""

    def runtime(name: str, *owners: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "ownerReferences": [{"kind": kind} for kind in owners]}}

    deleted: list[str] = []
    kube = FakeKube(
        AlluxioRuntime=[runtime("demo", "Dataset"), runtime("refused"), runtime("alone")],
        Dataset=[an_object("demo"), an_object("refused")],
    )
    monkeypatch.setattr(
        FakeKube, "delete", lambda _, kind, name, namespace: deleted.append(f"{kind} {name}"), raising=False
    )
    monkeypatch.setattr(User, "deletes_dataset", lambda _, name: deleted.append(f"Dataset {name} and all"))
    on(kube).removes_datasets()
    assert deleted == [
        "AlluxioRuntime refused",
        "AlluxioRuntime alone",
        "Dataset alone and all",
        "Dataset demo and all",
        "Dataset refused and all",
    ]


def test_nothing_in_the_namespace_is_nothing_left() -> None:
    """It returns at once when nothing is there."""
    assert leaks.after_a_while(on(FakeKube())).nothing


def test_what_still_stays_at_the_end_is_returned_not_raised() -> None:
    """After the time is up, what is left is what counts."""
    kube = FakeKube(ConfigMap=[an_object("demo-config")])
    assert leaks.after_a_while(on(kube), seconds=0.0).objects == ("ConfigMap demo-config",)


def test_check_that_fails_is_repeated_and_then_is_the_infrastructures() -> None:
    """A cluster that does not answer proves nothing about leaks."""

    class Broken(FakeKube):
        def list(self, kind: Kind, namespace: str | None = None, **more: str) -> list[dict[str, Any]]:
            raise InfrastructureError("the API server does not answer")

    with pytest.raises(HarnessError) as caught:
        leaks.after_a_while(on(Broken()), seconds=0.0)
    assert caught.value.failure_class is FailureClass.INFRASTRUCTURE
