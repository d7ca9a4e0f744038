"""Clusters of Fluid versions other than 1.0.8: kinds and labels that they have and 1.0.8 has not."""

from __future__ import annotations

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from suites.diagnosis import CauseCode, FindingCode
from suites.diagnosis.fluid_facts import RUNTIME_KINDS, RUNTIMES
from tests.suites.doctor.doctor_cluster import (
    Cluster,
    application,
    make,
    owned_by,
    part,
    running,
    unscheduled,
)

CACHE_RUNTIME = next(facts for facts in RUNTIMES if facts.kind.name == "CacheRuntime")


def of_next_release() -> Cluster:
    """Dataset demo with a CacheRuntime: its Fuse is the DaemonSet demo-client."""
    cluster = Cluster.right().drop("AlluxioRuntime", "demo")
    for kind, name in (("DaemonSet", "demo-fuse"), ("Pod", "demo-fuse-x1"), ("Pod", "demo-worker-0")):
        cluster.drop(kind, name)
    return cluster.drop("StatefulSet", "demo-worker").add(
        make(CACHE_RUNTIME.kind, "demo", "demo"),
        make(kinds.DAEMON_SET, "demo", "demo-client", status={"desiredNumberScheduled": 1, "numberReady": 1}),
        part("DaemonSet", "demo-client", "demo-client-x1"),
    )


class TestCacheRuntime:
    """Fluid 1.1."""

    def test_served_by_its_client(self) -> None:
        """The client's DaemonSet is the Fuse; neither a runtime nor a worker is called missing."""
        found = of_next_release().add(application()).finding()
        assert found.code is FindingCode.SERVED
        assert "demo-client-x1" in "\n".join(map(str, found.evidence))

    def test_client_not_ready(self) -> None:
        """A client that is not ready is a Fuse that is not."""
        cluster = of_next_release().add(application())
        cluster.get("Pod", "demo-client-x1")["status"]["conditions"] = []
        assert cluster.finding().code is FindingCode.FUSE_NOT_READY

    def test_workers_use_the_source_rightly(self) -> None:
        """Also under an AdvancedStatefulSet."""
        worker = application("demo-worker-0", "demo-src")
        worker["metadata"]["ownerReferences"] = owned_by("AdvancedStatefulSet", "demo-worker")
        assert of_next_release().add(worker).findings() == ()

    def test_client_of_a_user(self) -> None:
        """With another runtime a DaemonSet of that name is the user's, and on the source it is wrong."""
        pod = application("demo-client-1", "demo-src")
        pod["metadata"]["ownerReferences"] = owned_by("DaemonSet", "demo-client")
        assert Cluster.right().add(pod).finding().code is FindingCode.ORIGINAL_CLAIM

    def test_dataset_is_not_said_to_have_no_runtime(self) -> None:
        """A Dataset with a CacheRuntime that is not Bound yet."""
        cluster = of_next_release().add(unscheduled(application()))
        cluster.get("Dataset", "demo")["status"] = {"phase": "NotBound"}
        assert CauseCode.NO_RUNTIME not in [cause.code for cause in cluster.finding().causes]


def test_two_labels_name_the_dataset_of_a_sidecar() -> None:
    """Since 1.1 namespace and name are in a label each."""
    labels = {
        "done.sidecar.fluid.io/inject": "true",
        "dataset-namespace.sidecar.fluid.io/fluid-fuse-0": "demo",
        "dataset-name.sidecar.fluid.io/fluid-fuse-0": "demo",
    }
    spec = {"containers": [{"name": "fluid-fuse-0"}, {"name": "main"}], "volumes": []}
    status = {"containerStatuses": [running("fluid-fuse-0"), running()]}
    pod = application(spec=spec, status=status, metadata={"labels": labels})
    found = Cluster.right().add(pod).finding()
    assert (found.code, found.dataset) == (FindingCode.SIDECAR, ("demo", "demo"))


def test_volume_names_the_label_of_the_fuse() -> None:
    """Since 1.1 the plugin labels a node as the volume says, whatever the names of the Dataset give."""
    key = "fluid.io/f-0f1e2d3c-4b5a"
    cluster = Cluster.right().add(application())
    attributes = cluster.get("PersistentVolume", "demo-demo")["spec"]["csi"]["volumeAttributes"]
    attributes["mount_pod_node_selector_key"] = key
    labels = cluster.get("Node", "n1")["metadata"]["labels"]
    assert cluster.finding().code is not FindingCode.SERVED
    labels[key] = labels.pop("fluid.io/f-demo-demo")
    assert cluster.finding().code is FindingCode.SERVED


def test_kinds_are_named_once() -> None:
    """Each kind of runtime has one row."""
    assert len({kind.name for kind in RUNTIME_KINDS}) == len(RUNTIME_KINDS)
    assert all(isinstance(kind, Kind) and kind.plural.endswith("runtimes") for kind in RUNTIME_KINDS)
