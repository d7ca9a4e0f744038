"""Why a Dataset is not Bound."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clusters.kubernetes import kinds
from suites.diagnosis import CauseCode, Finding, FindingCode, State, why_not_bound
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    Object,
    all_evidence,
    application,
    claim,
    dataset,
    make,
    node,
    part,
    runtime,
    served,
    stamp,
    unscheduled,
)


def unbound(**spec: Any) -> Cluster:
    """A Dataset that is not Bound, a Pod that waits for it, and nothing of its runtime's Pods."""
    cluster = Cluster.right().add(unscheduled(application()))
    for kind, name in (
        ("PersistentVolumeClaim", "demo"),
        ("PersistentVolume", "demo-demo"),
        ("Pod", "demo-master-0"),
        ("Pod", "demo-worker-0"),
        ("Pod", "demo-fuse-x1"),
        ("StatefulSet", "demo-master"),
        ("StatefulSet", "demo-worker"),
        ("DaemonSet", "demo-fuse"),
    ):
        cluster.drop(kind, name)
    return cluster.add(dataset(source="demo-src", spec=spec, status={"phase": "NotBound"}))


def mounts(*points: str) -> list[Object]:
    """Mounts of a Dataset, each with a path of its own."""
    return [{"mountPoint": point, "path": f"/{number}"} for number, point in enumerate(points)]


class TestNotBound:
    """Why a Dataset is not Bound."""

    def _only(self, cluster: Cluster, kind: CauseCode, *rows: str) -> Finding:
        found = cluster.finding()
        assert found.code is FindingCode.DATASET_NOT_BOUND
        assert [cause.code for cause in found.causes] == [kind]
        assert set(rows) <= set(found.rows)
        assert found.wrong
        assert found.causes[0].says in found.says
        assert found.change == found.causes[0].change
        assert found.causes[0].evidence
        return found

    def test_no_runtime(self) -> None:
        """B11: a Dataset without a runtime of its name."""
        cluster = unbound().drop("AlluxioRuntime", "demo")
        found = self._only(cluster, CauseCode.NO_RUNTIME, "B11")
        assert found.change.startswith("Create an AlluxioRuntime `demo` in namespace `demo`")

    def test_runtime_of_another_name(self) -> None:
        """B11: a runtime with a similar name needs the Dataset's."""
        cluster = unbound().drop("AlluxioRuntime", "demo").add(runtime("demos"))
        found = self._only(cluster, CauseCode.NO_RUNTIME)
        assert found.change.startswith("Give `AlluxioRuntime demos` the name of the Dataset, `demo`")

    def test_runtime_in_another_namespace(self) -> None:
        """B11: a runtime of the name in another namespace cannot serve it."""
        cluster = unbound().drop("AlluxioRuntime", "demo").add(runtime(namespace="team"))
        assert "the one in `team` cannot serve it" in self._only(cluster, CauseCode.NO_RUNTIME).change

    def test_no_dataset(self) -> None:
        """B12: a runtime waits for a Dataset of its name."""
        found = self._only(unbound().drop("Dataset", "demo"), CauseCode.NO_DATASET, "B12")
        assert found.change == "Create a Dataset `demo` in namespace `demo`."

    def test_two_runtimes(self) -> None:
        """B13: two runtimes of one name fight over the Dataset."""
        cluster = unbound()
        cluster.objects.append(runtime() | {"kind": "JuiceFSRuntime"})
        assert CauseCode.TWO_RUNTIMES in [cause.code for cause in cluster.finding().causes]

    @pytest.mark.parametrize(
        ("point", "change"),
        [
            ("nfs://server/export", "mount pvc://<claim>"),
            ("server.example:/export", "mount pvc://<claim>"),
            ("PVC://demo-src", "Write `pvc://demo-src`"),
            ("pvc:/demo-src", "Write `pvc://demo-src`"),
            ("pvc:///demo-src/a", "Write `pvc://demo-src/a`"),
            ("S3://bucket", "Write `s3://bucket`"),
            ("ftp://server/x", "a scheme that Alluxio knows"),
        ],
    )
    def test_scheme(self, point: str, change: str) -> None:
        """B14, B15: a mount point that Alluxio cannot mount, with what to write instead."""
        found = self._only(unbound(mounts=mounts(point)), CauseCode.UNSUPPORTED_SCHEME, "B14", "B15")
        assert change in found.change

    @pytest.mark.parametrize("point", ["https://example.com/data", "s3://bucket/a", "local:///mnt/data"])
    def test_known_schemes(self, point: str) -> None:
        """Schemes that Alluxio or Fluid knows are not blamed."""
        kinds_found = [c.code for c in why_not_bound(unbound(mounts=mounts(point)).state(), "demo", "demo")]
        assert kinds_found == []

    def test_source_missing(self) -> None:
        """B16: the source claim is not there; a like one is offered."""
        cluster = unbound(mounts=mounts("pvc://demo-scr"))
        found = self._only(cluster, CauseCode.SOURCE_CLAIM_MISSING, "B16")
        assert found.change == "Mount pvc://demo-src instead, in namespace `demo`."

    def test_source_elsewhere(self) -> None:
        """B17: the source claim is in another namespace."""
        cluster = unbound(mounts=mounts("pvc://far/away")).add(claim("far", "pv-far", "team"))
        found = self._only(cluster, CauseCode.SOURCE_CLAIM_ELSEWHERE, "B17")
        assert "is in namespace `team`" in found.says

    def test_same_claim_twice(self) -> None:
        """B18: one claim in two mounts leads to two volumes of one name."""
        cluster = unbound(mounts=mounts("pvc://demo-src/a", "pvc://demo-src/b"))
        self._only(cluster, CauseCode.SAME_CLAIM_TWICE, "B18")

    def test_same_path_twice(self) -> None:
        """B18: two mounts without name and path would be at one place."""
        cluster = unbound(mounts=[{"mountPoint": "pvc://demo-src"}, {"mountPoint": "pvc://more"}])
        self._only(cluster.add(claim("more", "pv-more")), CauseCode.SAME_PATH_TWICE, "B18")

    def test_claim_with_a_dot(self) -> None:
        """B18: the name of a claim with a dot is no name of a volume."""
        cluster = unbound(mounts=mounts("pvc://a.b")).add(claim("a.b", "pv-ab"))
        self._only(cluster, CauseCode.SOURCE_CLAIM_NAME, "B18")

    def test_quota_over_limit(self) -> None:
        """B20: the cache in memory is larger than the workers may use."""
        limits = {"resources": {"limits": {"memory": "256Mi"}}}
        found = self._only(unbound().add(runtime(worker=limits)), CauseCode.QUOTA_OVER_LIMIT, "B20")
        assert "(512 MiB) is larger than its workers may use (256 MiB)" in found.says

    def test_quota_on_disk_is_no_memory(self) -> None:
        """B20 is about memory: a cache on disk may be larger than the limit."""
        limits = {"resources": {"limits": {"memory": "256Mi"}}}
        levels = {"levels": [{"mediumtype": "SSD", "path": "/ssd", "quota": "9Gi"}]}
        cluster = unbound().add(runtime(worker=limits, tieredstore=levels))
        assert why_not_bound(cluster.state(), "demo", "demo") == ()

    def test_no_quota(self) -> None:
        """B22: a level without quota."""
        levels = {"levels": [{"mediumtype": "MEM", "path": "/dev/shm"}]}
        self._only(unbound().add(runtime(tieredstore=levels)), CauseCode.NO_QUOTA, "B22")

    def test_quotas_unlike_paths(self) -> None:
        """A list of quotas must be as long as that of the folders."""
        levels = {"levels": [{"mediumtype": "SSD", "path": "/a,/b", "quotaList": "1Gi"}]}
        self._only(unbound().add(runtime(tieredstore=levels)), CauseCode.QUOTAS_UNLIKE_PATHS)

    def test_name(self) -> None:
        """B29: a name that begins with a digit."""
        cluster = Cluster.right().add(dataset("1abc", status={"phase": ""}), runtime("1abc"))
        causes = why_not_bound(cluster.state(), "demo", "1abc")
        assert causes[0].code is CauseCode.INVALID_NAME

    def _with_worker(self, memory: str = "600Mi", **spec: Any) -> Cluster:
        request = {"requests": {"memory": memory}}
        worker = part(
            "StatefulSet",
            "demo-worker",
            "demo-worker-0",
            metadata={"labels": {"fluid.io/dataset": "demo-demo", "fluid.io/dataset-placement": "Exclusive"}},
            spec={"containers": [{"name": "alluxio-worker", "resources": request}], **spec},
        )
        master = part("StatefulSet", "demo-master", "demo-master-0")
        return unbound().add(master, unscheduled(worker, "0/1 nodes are available: 1 Insufficient memory."))

    def test_too_little_memory(self) -> None:
        """B21: no node has as much memory as the worker requests."""
        found = self._only(self._with_worker("5Gi"), CauseCode.TOO_LITTLE_MEMORY, "B21")
        assert "requests 5.0 GiB of memory" in found.says
        assert "not scheduled: 0/1 nodes are available" in all_evidence(found)

    def test_memory_that_others_asked_for(self) -> None:
        """B21: the requests of other Pods of the node are not free."""
        cluster = self._with_worker("3Gi")
        request = {"resources": {"requests": {"memory": "2Gi"}}}
        cluster.add(application("other", "", spec={"volumes": [], "containers": [{"name": "m", **request}]}))
        self._only(cluster, CauseCode.TOO_LITTLE_MEMORY)
        state = cluster.state(scope={"Pod": frozenset({"demo"})})
        assert why_not_bound(state, "demo", "demo")[0].code is CauseCode.PART_NOT_SCHEDULED

    def test_no_node_fits(self) -> None:
        """B26: the worker requires a label that no node has."""
        found = self._only(self._with_worker(nodeSelector={"disk": "nvme"}), CauseCode.NO_NODE_FITS, "B26")
        assert "which asks for disk=nvme" in found.says

    def test_no_node_fits_by_affinity(self) -> None:
        """B26: the same by the Dataset's own nodeAffinity."""
        expressions = [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n9"]}]
        required = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        self._only(self._with_worker(affinity=affinity), CauseCode.NO_NODE_FITS, "B26")

    def test_tainted_node(self) -> None:
        """B26: a node that keeps the worker out by a taint, unless it bears that."""
        taint = {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}
        cluster = self._with_worker().add(node(spec=taint))
        found = self._only(cluster, CauseCode.NO_NODE_FITS)
        assert "has taints gpu:NoSchedule" in all_evidence(found)
        bearing = self._with_worker(tolerations=[{"key": "gpu", "operator": "Exists"}]).add(node(spec=taint))
        self._only(bearing, CauseCode.PART_NOT_SCHEDULED)

    def test_nodes_taken(self) -> None:
        """A17: an Exclusive Dataset finds every node taken by another's worker."""
        cluster = self._with_worker().add(*served("other"))
        cluster.get("Pod", "other-worker-0")["metadata"]["labels"] = {"fluid.io/dataset": "demo-other"}
        found = self._only(cluster, CauseCode.NODES_TAKEN)
        assert "placement: Shared" in found.change

    def test_source_without_volume(self) -> None:
        """A master that waits for a node because its source has no volume."""
        master = unscheduled(part("StatefulSet", "demo-master", "demo-master-0"))
        self._only(unbound().add(claim("demo-src"), master), CauseCode.SOURCE_CLAIM_PENDING)

    def test_master_not_ready(self) -> None:
        """A master that runs and is not ready is quoted with its events."""
        master = part("StatefulSet", "demo-master", "demo-master-0", status={"conditions": []})
        event = make(
            kinds.EVENT, "demo", "e1", type="Warning", reason="Unhealthy", message="Startup probe failed"
        )
        event["involvedObject"] = {"kind": "Pod", "namespace": "demo", "name": "demo-master-0"}
        found = self._only(unbound().add(master, event), CauseCode.MASTER_NOT_READY)
        assert "Startup probe failed" in all_evidence(found)

    def test_controller_missing(self) -> None:
        """A Dataset is not set up while Fluid's controller does not run."""
        cluster = unbound()
        cluster.get("Deployment", "alluxioruntime-controller")["status"] = {}
        self._only(cluster, CauseCode.CONTROLLER_MISSING)

    @pytest.mark.parametrize(
        ("kind", "name", "cause"),
        [
            ("StatefulSet", "demo-master", CauseCode.MASTER_GONE),
            ("StatefulSet", "demo-worker", CauseCode.WORKERS_GONE),
            ("DaemonSet", "demo-fuse", CauseCode.FUSE_GONE),
        ],
    )
    def test_component_gone(self, kind: str, name: str, cause: CauseCode) -> None:
        """D6-D8: deleted parts of a Bound Dataset are not created again."""
        cluster = Cluster.right().add(application()).drop(kind, name)
        cluster.get("Dataset", "demo")["status"]["phase"] = "Failed"
        self._only(cluster, cause)

    def test_time(self) -> None:
        """A young Dataset with nothing in its way is waited for, an old one is not."""
        cluster = unbound()
        assert cluster.finding().state is State.WRONG
        cluster.get("Dataset", "demo")["metadata"]["creationTimestamp"] = stamp(NOW - timedelta(minutes=1))
        assert cluster.finding().state is State.WAITING

    def test_messages_decide_nothing(self) -> None:
        """Events about another fault change no finding."""
        cluster = Cluster.right().add(application(claim="demo-src"))
        before = cluster.finding()
        event = make(kinds.EVENT, "demo", "e", type="Warning", reason="ErrorProcessRuntime", message="quota")
        event["involvedObject"] = {"kind": "AlluxioRuntime", "namespace": "demo", "name": "demo"}
        assert cluster.add(event).finding() == before
