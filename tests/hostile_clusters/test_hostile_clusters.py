"""Conditions of hostile clusters: what they change is undone, and what counts as a problem."""

from __future__ import annotations

import base64
import copy
import json
import shutil
import ssl
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from clusters.host.commands import Completed
from clusters.host.engine import Engine
from clusters.kubernetes.ownership import POD_SECURITY
from tests.clusters.conftest import FakeClock
from tests.clusters.stored_objects import StoredObjects
from tests.hostile_clusters import conditions, webhook
from tests.hostile_clusters.__main__ import Done, Result, problems, reason, table
from tests.hostile_clusters.conditions import CONDITIONS, Cluster, Condition, undo_all
from tests.hostile_clusters.webhook import Answer, Webhook, review

NODES = ("kind-control-plane", "kind-worker", "kind-worker2")


class Nodes:
    """An engine whose containers are the nodes; it has the size of their shared memory, in KiB."""

    def __init__(self, store: StoredObjects) -> None:
        self.store = store
        self.memory = dict.fromkeys(NODES, "8000000k")

    def exec(self, container: str, argv: list[str], **_: Any) -> Completed:
        """What conditions run."""
        said = ""
        if argv[0] == "systemctl":
            node = self.store.objects[f"/api/v1/nodes/{container}"]
            state = {"start": "True", "stop": "Unknown"}[argv[1]]
            node["status"]["conditions"] = [{"type": "Ready", "status": state}]
            lost = (
                [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}] if state != "True" else []
            )
            kept = [
                one
                for one in node["spec"].get("taints", ())
                if one["key"] != "node.kubernetes.io/unreachable"
            ]
            node["spec"] = {**node["spec"], "taints": kept + lost} if kept + lost else {}
        elif argv[0] == "mount":
            self.memory[container] = argv[2].partition("size=")[2]
        elif argv[0] == "df":
            said = f"1K-blocks\n{self.memory[container].rstrip('k')}\n"
        return Completed(tuple(argv), 0, said, "")


@pytest.fixture
def store() -> StoredObjects:
    """Three nodes; the control plane has its taint."""
    found = StoredObjects()
    for name in NODES:
        taints = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
        spec = {"taints": taints} if name.endswith("plane") else {}
        found.put(
            f"/api/v1/nodes/{name}", spec=spec, status={"conditions": [{"type": "Ready", "status": "True"}]}
        )
    return found


@pytest.fixture
def cluster(store: StoredObjects, tmp_path: Path) -> Cluster:
    """The cluster of them."""
    return Cluster(store.kube(clock=FakeClock()), cast("Engine", Nodes(store)), "toolbox:1", tmp_path)


def dumped(cluster: Cluster, store: StoredObjects) -> Any:
    """All that a condition may change."""
    objects = copy.deepcopy(store.objects)
    for obj in objects.values():
        for name in ("resourceVersion", "managedFields"):
            obj["metadata"].pop(name, None)
        if not obj["metadata"].get("annotations"):
            obj["metadata"].pop("annotations", None)
        if not obj.get("spec"):
            obj.pop("spec", None)
    return objects, dict(cast("Nodes", cluster.engine).memory)


def condition(name: str) -> Condition:
    """The condition of a name."""
    return next(one for one in CONDITIONS if one.name == name)


def put_controller(store: StoredObjects, node: str) -> None:
    """A controller of Fluid on a node."""
    meta = {"name": "dataset-controller-1", "ownerReferences": [{"kind": "ReplicaSet"}]}
    path = "/api/v1/namespaces/fluid-system/pods/dataset-controller-1"
    store.put(path, metadata=meta, spec={"nodeName": node})


@pytest.mark.parametrize(
    "name", ["taint", "cordoned", "not-ready", "controller-lost", "small-memory", "all-tainted"]
)
@pytest.mark.parametrize("killed", [False, True])
def test_a_node_is_as_before_its_condition(
    name: str, killed: bool, cluster: Cluster, store: StoredObjects
) -> None:
    """By its own undoing, and by that of a later check; repeated, it does nothing."""
    put_controller(store, NODES[-1])
    before = dumped(cluster, store)
    with condition(name).set_up(cluster) as effect:
        assert effect()
        assert dumped(cluster, store) != before
    for _ in range(2):
        undo_all(cluster) if killed else condition(name).undo(cluster)
        assert dumped(cluster, store) == before


def test_node_that_is_not_ready_has_a_controller_of_fluid_or_none(
    cluster: Cluster, store: StoredObjects
) -> None:
    """A run passes next to one without, and is refused where a controller is lost."""
    put_controller(store, NODES[-1])
    with condition("controller-lost").set_up(cluster) as effect:
        assert effect() == f"{NODES[-1]} is not ready"
    with condition("not-ready").set_up(cluster) as effect:
        assert NODES[-1] not in effect()


def test_one_node_stays_where_a_run_must_pass(cluster: Cluster) -> None:
    """A condition of one node leaves another; with all tainted there is none."""
    for name, left in (("taint", 1), ("cordoned", 1), ("not-ready", 1), ("all-tainted", 0)):
        with condition(name).set_up(cluster):
            assert sum(node.pods_may_run for node in cluster.nodes()) == left
        condition(name).undo(cluster)


def asked(kind: str, namespace: str, **more: Any) -> dict[str, Any]:
    """A question of the API server about a new object."""
    metadata = {"name": namespace if kind == "Namespace" else "app", "labels": more.pop("labels", {})}
    obj = {"metadata": metadata, "spec": {"containers": [{"name": "a"}], **more}}
    return {"request": {"uid": "1", "kind": {"kind": kind}, "namespace": namespace, "object": obj}}


def answered(body: dict[str, Any], policy: webhook.Policy) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The answer, and its patch."""
    response = review(body, policy, Webhook("", b""))["response"]
    patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    return response, patch


def test_what_webhooks_do_and_whom_they_leave_alone() -> None:
    """Only namespaces of a run and default; a mesh leaves Pods on the node's network alone, as Istio does."""
    mesh = conditions._mesh("toolbox:1")
    _, patch = answered(asked("Pod", "fc-1"), mesh)
    assert (patch[0]["path"], patch[0]["value"]["name"]) == ("/spec/containers/-", "mesh-proxy")
    native = conditions._mesh("toolbox:1", native=True)
    _, patch = answered(asked("Pod", "fc-1", initContainers=[{"name": "own"}]), native)
    assert patch[0]["path"] == "/spec/initContainers"
    assert [(one["name"], one.get("restartPolicy")) for one in patch[0]["value"]] == [
        ("mesh-proxy", "Always"),
        ("own", None),
    ]
    assert answered(asked("Pod", "fc-1", hostNetwork=True), mesh)[1] == []
    assert answered(asked("Pod", "kube-system"), mesh)[1] == []
    response, _ = answered(asked("Pod", "default"), conditions._refuse)
    assert (response["allowed"], response["status"]["message"]) == (False, "each Pod needs the label team")
    assert answered(asked("Pod", "fc-1", labels={"team": "a"}), conditions._refuse)[0]["allowed"]
    assert answered(asked("Pod", "team"), conditions._refuse)[0]["allowed"]
    _, patch = answered(asked("Namespace", "fc-1", labels={"x": "y"}), conditions._restrict)
    assert patch[0]["value"] == {"x": "y", POD_SECURITY: "restricted"}
    assert answered(asked("Namespace", "team"), conditions._restrict)[1] == []


def test_dry_runs_are_told_from_requests() -> None:
    """A refused run is seen by its dry runs alone."""
    seen = Webhook("", b"")
    body = asked("Pod", "fc-1")
    review(body, conditions._refuse, seen)
    body["request"]["dryRun"] = True
    review(body, conditions._refuse, seen)
    assert (seen.acted, seen.tried) == (["Pod fc-1/app"], ["Pod fc-1/app"])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_webhook_answers_with_the_certificate_of_its_configuration(tmp_path: Path) -> None:
    """As the API server calls it."""
    with webhook.serving("127.0.0.1", tmp_path, lambda _: Answer(refusal="no")) as served:
        hook = served.configuration("x", ["pods"], mutating=False)["webhooks"][0]
        assert hook["failurePolicy"] == "Ignore"
        authority = base64.b64decode(hook["clientConfig"]["caBundle"]).decode()
        request = urllib.request.Request(hook["clientConfig"]["url"], json.dumps(asked("Pod", "a")).encode())  # noqa: S310 - its own
        context = ssl.create_default_context(cadata=authority)
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310 - its own
            assert json.load(answer)["response"]["status"]["message"] == "no"


OK = Done(0, "", 1.0)
PASS = Result("taint", "1 node", OK, OK, OK, "", ())
SENTENCE = "no node accepts Pods"
REFUSED = replace(PASS, condition="all-tainted", check=Done(2, SENTENCE, 1.0), run=Done(4, SENTENCE, 1.0))


def test_what_is_expected_is_no_problem() -> None:
    """A pass, and a refusal with its sentence; one that only a Pod can find out is not seen by the check."""
    assert list(problems(condition("taint"), PASS)) == []
    assert list(problems(condition("all-tainted"), REFUSED)) == []
    says = "/dev/shm of node n1 has 64 MiB; Alluxio's memory tier needs 1024 MiB"
    assert list(problems(condition("small-memory"), replace(REFUSED, check=OK, run=Done(4, says, 1.0)))) == []


@pytest.mark.parametrize(
    ("name", "result", "problem"),
    [
        ("taint", replace(PASS, effect=""), "the condition had no effect"),
        ("taint", replace(PASS, run=Done(1, "A1 failed", 1.0)), "the run ended with exit code 1: A1 failed"),
        ("taint", replace(PASS, check=Done(2, "no", 1.0)), "`cluster check` ended with exit code 2: no"),
        ("taint", replace(PASS, down=Done(2, "x", 1.0)), "`cluster down` ended with exit code 2: x"),
        ("taint", replace(PASS, difference="- a"), "the cluster is not as before:\n- a"),
        ("all-tainted", replace(REFUSED, check=OK), "`cluster check` ended with exit code 0: "),
        ("all-tainted", replace(REFUSED, run=Done(3, SENTENCE, 1.0)), "the run ended with exit code 3"),
        ("all-tainted", replace(REFUSED, run=Done(4, "x", 1.0)), f"the refusal does not say “{SENTENCE}”: x"),
    ],
)
def test_what_is_a_problem(name: str, result: Result, problem: str) -> None:
    """Each alone."""
    (found,) = problems(condition(name), result)
    assert found.startswith(problem)


def test_the_sentence_is_taken_from_the_output() -> None:
    """Of the check, of pytest's exit, else the last lines."""
    check = (
        "ok  nodes  3\nno  admission  accepts\n    the cluster refuses Pods: no: exempt\nok  rights  3 of 3\n"
    )
    assert reason(check) == "the cluster refuses Pods: no: exempt"
    run = (
        "collecting\n\n!!! _pytest.outcomes.Exit: no node accepts Pods: n1\n"
        "  to do:  remove the taints !!!\n= no tests =\n"
    )
    assert reason(run) == "no node accepts Pods: n1"
    assert reason("a\nb\nc\nd\n") == "b / c / d"


def test_the_table_has_a_row_for_each_condition() -> None:
    """With the sentence of a refusal."""
    rows = list(table([PASS, REFUSED]))
    assert rows[2] == "| taint | 1 node | ok | pass, 1 s | as before |"
    assert SENTENCE in rows[3]


def test_conditions_have_their_names_and_eight_of_them_at_least() -> None:
    """Issue: at least eight live; a refusal has a sentence."""
    assert len({one.name for one in CONDITIONS}) == len(CONDITIONS) >= 8
    assert {one.name for one in CONDITIONS if not one.refused} >= {"taint", "quota", "mesh", "windows"}
