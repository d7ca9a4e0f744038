"""Objects of a killed run whose controller of Fluid does not run: freed, or named with the command for it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from clusters.errors import InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.ownership import MANAGED_BY, MANAGED_BY_LABEL
from clusters.product import fluid
from clusters.progress import Progress
from clusters.providers import existing
from clusters.waiting import WaitTimeoutError
from tests.clusters.stored_objects import StoredObjects

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeClock

OURS, TEAM = "fc-a16-1", "team"
LABELS = {MANAGED_BY_LABEL: MANAGED_BY}
FINALIZERS = {
    kinds.THIN_RUNTIME: "thin-runtime-controller-finalizer",
    kinds.ALLUXIO_RUNTIME: "alluxio-runtime-controller-finalizer",
}


class Cluster(StoredObjects):
    """A cluster that deletes an object after its last finalizer, and a namespace when it is empty."""

    def add(self, kind: Kind, namespace: str | None, name: str, *finalizers: str, **metadata: Any) -> None:
        """Store an object."""
        meta = {"name": name, "namespace": namespace, "finalizers": list(finalizers), **metadata}
        self.put(kind.path(namespace, name), metadata=meta)

    def controller(self, name: str, ready: int) -> None:
        """A Deployment of Fluid."""
        self.put(kinds.DEPLOYMENT.path(fluid.NAMESPACE, name), status={"readyReplicas": ready})

    def request(self, method: str, path: str, **more: Any) -> bytes:
        """One request, and what the controllers of Kubernetes do because of it."""
        if method != "DELETE" or path not in self.objects:
            answer = super().request(method, path, **more)
        else:
            self.objects[path]["metadata"]["deletionTimestamp"] = "2026-11-28T12:00:00Z"
            for inside, obj in self.objects.items():
                if inside.startswith(f"{path}/") or f"/namespaces/{path.rpartition('/')[2]}/" in inside:
                    obj["metadata"].setdefault("deletionTimestamp", "2026-11-28T12:00:00Z")
            answer = b"{}"
        for one in sorted(self.objects, key=len, reverse=True):
            meta = self.objects[one].get("metadata", {})
            held = meta.get("finalizers") or any(f"{one}/" in other for other in self._namespaced(one))
            if "deletionTimestamp" in meta and not held:
                del self.objects[one]
        return answer

    def _namespaced(self, path: str) -> list[str]:
        """The objects in a namespace, by paths below that of the namespace."""
        inside = f"/namespaces/{path.rpartition('/')[2]}/"
        is_namespace = path.rpartition("/")[0] == "/api/v1/namespaces"
        return [f"{path}/{one}" for one in self.objects if inside in one] if is_namespace else []


@pytest.fixture
def cluster() -> Cluster:
    """A namespace of a killed run and one of a team, with a ThinRuntime each that is being deleted."""
    found = Cluster()
    found.add(kinds.NAMESPACE, None, OURS, labels=LABELS)
    found.add(kinds.NAMESPACE, None, TEAM)
    for namespace in (OURS, TEAM):
        since = {"deletionTimestamp": "2026-11-28T11:00:00Z"}
        found.add(kinds.THIN_RUNTIME, namespace, "borrowed", FINALIZERS[kinds.THIN_RUNTIME], **since)
    found.add(kinds.NODE, None, "n1", labels={"fluid.io/s-alluxio-team-photos": "true"})
    for name in ("dataset-controller", "alluxioruntime-controller"):
        found.controller(name, 1)
    found.controller("thinruntime-controller", 0)
    return found


def remove(cluster: Cluster, clock: FakeClock) -> str:
    """Remove what killed runs left; returns what was said."""
    said = io.StringIO()
    assert existing.remove_leftovers(cluster.kube(clock=clock), Progress(said)) == (OURS,)
    return said.getvalue()


def test_a_runtime_whose_controller_does_not_run_is_freed(cluster: Cluster, clock: FakeClock) -> None:
    """After a while, with a sentence, in a namespace of the harness only; its volume is deleted, too."""
    volume = kinds.VOLUME.path(None, f"{OURS}-borrowed")
    cluster.put(volume, spec={"claimRef": {"namespace": OURS}})
    cluster.put(kinds.VOLUME.path(None, "team-photos"), spec={"claimRef": {"namespace": TEAM}})
    said = remove(cluster, clock)
    assert f"the finalizer of ThinRuntime {OURS}/borrowed was removed" in said
    assert "thinruntime-controller does not run" in said
    assert sum(clock.slept) >= existing.CONTROLLER_SECONDS
    assert kinds.NAMESPACE.path(None, OURS) not in cluster.objects
    assert volume not in cluster.objects
    assert kinds.VOLUME.path(None, "team-photos") in cluster.objects
    assert cluster.objects[kinds.THIN_RUNTIME.path(TEAM, "borrowed")]["metadata"]["finalizers"]


def test_a_controller_that_is_gone_does_not_run(cluster: Cluster, clock: FakeClock) -> None:
    """As after Fluid was uninstalled."""
    del cluster.objects[kinds.DEPLOYMENT.path(fluid.NAMESPACE, "thinruntime-controller")]
    assert "was removed" in remove(cluster, clock)


def test_a_controller_that_runs_is_waited_for(cluster: Cluster, clock: FakeClock) -> None:
    """What it does not delete in time is its fault, and is not hidden."""
    cluster.controller("thinruntime-controller", 1)
    with pytest.raises(WaitTimeoutError, match=f"deletion of namespace {OURS}"):
        remove(cluster, clock)
    assert cluster.objects[kinds.THIN_RUNTIME.path(OURS, "borrowed")]["metadata"]["finalizers"]


def test_a_runtime_that_holds_something_on_nodes_is_named_with_the_command(
    cluster: Cluster, clock: FakeClock
) -> None:
    """Without its controller its labels of nodes would stay for ever."""
    cluster.controller("alluxioruntime-controller", 0)
    cluster.add(kinds.ALLUXIO_RUNTIME, OURS, "demo", FINALIZERS[kinds.ALLUXIO_RUNTIME], labels=LABELS)
    cluster.label("/api/v1/nodes/n1", f"fluid.io/s-alluxio-{OURS}-demo", "true", "fluid")
    with pytest.raises(InfrastructureError, match=f"AlluxioRuntime {OURS}/demo cannot be deleted") as caught:
        remove(cluster, clock)
    assert "must remove its labels of n1" in caught.value.message
    assert "scale deployment" in caught.value.advice
    assert cluster.objects[kinds.ALLUXIO_RUNTIME.path(OURS, "demo")]["metadata"]["finalizers"]


def test_an_operation_is_freed_although_its_dataset_is_on_nodes(cluster: Cluster, clock: FakeClock) -> None:
    """As a DataBackup that lets the dataset-controller crash; the runtime's own controller does the rest."""
    cluster.controller("dataset-controller", 0)
    finalizer = "fluid-databackup-controller-finalizer"
    cluster.add(kinds.DATA_BACKUP, OURS, "backup", finalizer, labels=LABELS)
    cluster.add(kinds.ALLUXIO_RUNTIME, OURS, "demo", FINALIZERS[kinds.ALLUXIO_RUNTIME], labels=LABELS)
    cluster.label("/api/v1/nodes/n1", f"fluid.io/s-alluxio-{OURS}-demo", "true", "fluid")

    def controller(method: str, path: str) -> None:
        """The alluxioruntime-controller runs: it removes its labels and its finalizer."""
        runtime = kinds.ALLUXIO_RUNTIME.path(OURS, "demo")
        if "deletionTimestamp" in cluster.objects.get(runtime, {}).get("metadata", {}):
            cluster.label("/api/v1/nodes/n1", f"fluid.io/s-alluxio-{OURS}-demo", None, "fluid")
            cluster.objects[runtime]["metadata"]["finalizers"] = []

    cluster.before = controller
    said = remove(cluster, clock)
    assert f"the finalizer of DataBackup {OURS}/backup was removed" in said
    assert "AlluxioRuntime" not in said


def test_a_finalizer_that_is_not_fluids_stays(cluster: Cluster, clock: FakeClock) -> None:
    """Somebody else waits for the object."""
    path = kinds.THIN_RUNTIME.path(OURS, "borrowed")
    cluster.objects[path]["metadata"]["finalizers"].append("backup.example/keep")
    with pytest.raises(WaitTimeoutError):
        remove(cluster, clock)
    assert cluster.objects[path]["metadata"]["finalizers"] == ["backup.example/keep"]
