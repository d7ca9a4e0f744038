"""What a failure bundle holds of a cluster: objects of the harness, and of others only what is permitted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import RefusalError
from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.options import Options
from clusters.system import System
from reports.recorder.bundle import Story, write_bundle
from suites.record.run import FailureContext
from suites.run import bundle_collectors
from suites.run.bundle_collectors import BundleScope
from suites.run.options import bundle_scopes
from tests.clusters.stored_objects import StoredObjects

CANARY = "c4n4ry-9f8e7d6c"
FOREIGN = "f0reign-1a2b3c4d"


def a_system(monkeypatch: pytest.MonkeyPatch) -> System:
    """A cluster with an own namespace fc-1 and foreign things, and a canary in all places."""
    store = StoredObjects()
    pod = {
        "metadata": {"name": "app", "namespace": "fc-1", "annotations": {"team.example/x": CANARY}},
        "spec": {
            "imagePullSecrets": [{"name": CANARY}],
            "containers": [{"name": "main", "image": "i", "env": [{"name": "A", "value": CANARY}]}],
        },
        "status": {"containerStatuses": [{"name": "main", "state": {"running": {}}}]},
    }
    store.put("/api/v1/namespaces/fc-1/pods/app", **pod)
    store.put(
        "/api/v1/namespaces/fc-1/configmaps/c", data={"kubeconfig": f"users:\n- user:\n    token: {CANARY}"}
    )
    store.put("/api/v1/persistentvolumes/own", spec={"claimRef": {"namespace": "fc-1"}})
    store.put("/api/v1/persistentvolumes/theirs", spec={"claimRef": {"namespace": FOREIGN}})
    store.put("/api/v1/nodes/n1", metadata={"name": "n1", "labels": {"x": FOREIGN}})
    fluids = {**pod, "metadata": {"name": "webhook", "namespace": "fluid-system", "labels": {"x": FOREIGN}}}
    store.put("/api/v1/namespaces/fluid-system/pods/webhook", **fluids)
    kube = store.kube()
    kube.sent.append(pod)

    def logs(self: Kube, namespace: str, pod: str, *_: object, **__: object) -> str:
        return f"Authorization: Bearer {CANARY}\nread {'nothing' if namespace == 'fc-1' else FOREIGN}"

    monkeypatch.setattr(Kube, "logs", logs)
    mounts = f"1 /var/lib/kubelet/{FOREIGN}\n2 /runtime-mnt/alluxio/fc-1/demo\n"
    provider = SimpleNamespace(
        node_exec=lambda node, argv, **_: Completed(tuple(argv), 0, mounts, ""),
        logs=lambda: {"n1/kubelet.log": f"token={CANARY} {FOREIGN}"},
    )
    return cast("System", SimpleNamespace(kube=kube, provider=provider, nodes=("n1",)))


def bundled(system: System, folder: Path, scopes: frozenset[BundleScope]) -> dict[str, str]:
    """The files of a bundle by path."""
    context = FailureContext("B1", "call", ("fc-1",), datetime(2026, 11, 22, tzinfo=UTC))
    story = Story(context, "It holds.", (), 1.0, f"password={CANARY}", texts={"out.txt": f"secret: {CANARY}"})
    write_bundle(folder, story, bundle_collectors.collectors(system, scopes))
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("scopes", [frozenset[BundleScope](), frozenset(BundleScope)])
def test_no_canary_leaves_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scopes: frozenset[BundleScope]
) -> None:
    """In logs, environment, annotations, pull secrets, ConfigMaps, traces: none is in any file."""
    files = bundled(a_system(monkeypatch), tmp_path, scopes)
    assert {"logs/fc-1/app/main.log", "objects/fc-1/pods.yaml", "sent/sent.yaml", "error.txt"} <= files.keys()
    assert [name for name, text in files.items() if CANARY in text] == []


def test_nothing_of_others_is_collected_without_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of volumes and mounts only those of the scenario; no nodes, and nothing of Fluid's namespace."""
    files = bundled(a_system(monkeypatch), tmp_path, frozenset())
    assert [name for name, text in files.items() if FOREIGN in text] == []
    assert "own" in files["objects/cluster/persistentvolumes.yaml"]
    assert "fc-1/demo" in files["mounts/n1.mountinfo"]


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        (BundleScope.FLUID, {"logs/fluid-system/webhook/main.log", "objects/fluid-system/pods.yaml"}),
        (BundleScope.NODES, {"objects/cluster/nodes.yaml", "nodes/n1/kubelet.log", "mounts/n1.mountinfo"}),
    ],
)
def test_a_scope_adds_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: BundleScope, names: set[str]
) -> None:
    """And no more."""
    files = bundled(a_system(monkeypatch), tmp_path, frozenset({scope}))
    assert {name for name, text in files.items() if FOREIGN in text} == names


def test_scopes_are_read_from_the_option(tmp_path: Path) -> None:
    """On a cluster of the harness everything is permitted."""
    foreign: Any = Options(kubeconfig=tmp_path)
    assert bundle_scopes(foreign, "") == frozenset()
    assert bundle_scopes(foreign, "fluid, nodes") == frozenset(BundleScope)
    assert bundle_scopes(Options(), "") == frozenset(BundleScope)
    with pytest.raises(RefusalError, match="everything: no such scope"):
        bundle_scopes(foreign, "everything")
