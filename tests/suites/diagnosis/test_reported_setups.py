"""Kinds of cases that users have reported: deletion, plugin, refused Pods, references, what was not read.

Each test is named for what is true of the cluster; the issue that reported it is in its docstring.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clusters.kubernetes import kinds
from suites.diagnosis import CauseCode, Finding, FindingCode, State, diagnose
from tests.suites.diagnosis.reported_objects import crashing, fuse_started, minutes, warning
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    Object,
    all_evidence,
    application,
    csi_node,
    dataset,
    fuse_labels,
    node,
    owned_by,
    part,
    runtime,
    stamp,
    unscheduled,
    waiting,
)


class TestPodBeingDeleted:
    """fluid#4002: a Pod that is being deleted and is still there."""

    def pod(self, deadline: timedelta, grace: int = 1800) -> Object:
        """An application whose grace period ends at a time from now."""
        metadata = {"deletionTimestamp": stamp(NOW + deadline), "deletionGracePeriodSeconds": grace}
        return application(metadata=metadata)

    def test_in_its_grace_period(self) -> None:
        """It is reported since when, until when, and that its mount is dead; not to delete it."""
        found = fuse_started(Cluster.right().add(self.pod(minutes(20))), 5).finding()
        assert (found.code, found.state, found.change) == (FindingCode.POD_BEING_DELETED, State.WAITING, "")
        assert "is being deleted since 11:50:00; its containers have until 12:20:00 to end" in found.says
        assert "Its mount is dead" in found.says

    def test_overdue(self) -> None:
        """After its grace period it is wrong, and what holds it is named."""
        cluster = Cluster.right().add(self.pod(minutes(-20), grace=30))
        found = cluster.finding()
        assert (found.code, found.state) == (FindingCode.POD_BEING_DELETED, State.WRONG)
        assert "and is still there" in found.says
        assert "kubelet on node `n1`" in found.change
        cluster.get("Pod", "train-0")["metadata"]["finalizers"] = ["example.com/hold"]
        assert "example.com/hold" in cluster.finding().change

    def test_wrong_claim(self) -> None:
        """A Pod on a wrong claim that is being deleted need not be changed any more."""
        pod = self.pod(minutes(1))
        pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = "demo-src"
        assert Cluster.right().add(pod).finding().state is State.WAITING


class TestPluginThatIsNotRegistered:
    """fluid#3327, #1112: the kubelet does not know the driver."""

    def test_although_its_pod_is_ready(self) -> None:
        """The kubelet's root folder is to be compared; the plugin is not said to have no ready Pod."""
        found = Cluster.right().add(waiting(application()), csi_node("n1")).finding()
        assert (found.code, found.state) == (FindingCode.CSI_PLUGIN_MISSING, State.WRONG)
        assert "csi-nodeplugin-fluid-a" in found.says
        assert "csi.kubelet.rootDir" in found.change
        assert "no ready Pod" not in str(found)

    def test_pod_not_ready(self) -> None:
        """The logs of the plugin's Pod."""
        cluster = Cluster.right().add(waiting(application()), csi_node("n1"))
        cluster.get("Pod", "csi-nodeplugin-fluid-a")["status"]["conditions"][0]["status"] = "False"
        assert "logs of Pod `csi-nodeplugin-fluid-a`" in cluster.finding().change

    def test_no_pod_on_a_tainted_node(self) -> None:
        """A node that excludes the plugin."""
        tainted = node(
            labels=fuse_labels(("demo", "demo")), spec={"taints": [{"key": "gpu", "effect": "NoSchedule"}]}
        )
        cluster = Cluster.right().add(waiting(application()), csi_node("n1"), tainted)
        found = cluster.drop("Pod", "csi-nodeplugin-fluid-a", "fluid-system").finding()
        assert "has no Pod there" in found.says
        assert "has taints gpu:NoSchedule" in all_evidence(found)

    def test_just_started(self) -> None:
        """A plugin whose Pod is there needs a moment to register."""
        cluster = Cluster.right().add(waiting(application(), NOW - minutes(1)), csi_node("n1"))
        assert cluster.finding().state is State.WAITING


class TestWhyThereIsNoPod:
    """fluid#1573: admission refuses Fluid's Pods, or the scheduler has no room for them."""

    REFUSAL = 'pods "demo-fuse-" is forbidden: violates PodSecurity "baseline:latest": host namespaces'

    def waits(self) -> Cluster:
        """An application that waits for the Fuse on its node, for too long."""
        return Cluster.right().add(waiting(application())).drop("Pod", "demo-fuse-x1")

    def test_fuse_refused(self) -> None:
        """The event FailedCreate of the DaemonSet, and no Pod that does not exist."""
        cluster = self.waits().add(warning(kinds.DAEMON_SET, "demo-fuse", "FailedCreate", self.REFUSAL))
        found = cluster.finding()
        assert (found.code, found.state) == (FindingCode.FUSE_NOT_READY, State.WRONG)
        assert self.REFUSAL in found.says
        assert "pod-security.kubernetes.io/enforce" in found.change
        assert [cause.code for cause in found.causes] == [CauseCode.POD_NOT_CREATED]
        assert "See Pod" not in str(found)

    def test_fuse_without_a_node(self) -> None:
        """A Fuse Pod that has no node yet, with the scheduler's words."""
        fuse = part("DaemonSet", "demo-fuse", "demo-fuse-x2")
        found = (
            self.waits().add(unscheduled(fuse, "0/1 nodes are available: 1 Insufficient memory.")).finding()
        )
        assert "Fuse Pod `demo-fuse-x2` has no node yet; the scheduler says: 0/1 nodes" in found.says

    def test_fuse_for_other_nodes(self) -> None:
        """A DaemonSet whose nodeSelector excludes the node."""
        cluster = self.waits()
        selector = {"disk": "ssd", "fluid.io/f-demo-demo": "true"}
        cluster.get("DaemonSet", "demo-fuse")["spec"] = {"template": {"spec": {"nodeSelector": selector}}}
        found = cluster.finding()
        assert "which lacks disk=ssd" in found.says
        assert "spec.fuse.nodeSelector" in found.change

    def test_crashing_fuse(self) -> None:
        """The state of the Fuse's container is in the sentence."""
        crashed = part("DaemonSet", "demo-fuse", "demo-fuse-x1", status={"conditions": []})
        crashed["status"]["containerStatuses"] = [crashing()]
        assert "CrashLoopBackOff" in self.waits().add(crashed).finding().says

    @pytest.mark.parametrize(
        ("refusal", "change"),
        [
            ('error looking up service account demo/x: serviceaccount "x" not found', "ServiceAccount"),
            ("no PriorityClass with name high was found", "PriorityClass"),
            ('admission webhook "policy" denied the request', "Correct what Kubernetes reports"),
        ],
    )
    def test_master_refused(self, refusal: str, change: str) -> None:
        """A Dataset that is not Bound because its master's Pod is refused."""
        cluster = Cluster.right().add(unscheduled(application())).drop("Pod", "demo-master-0")
        cluster.drop("PersistentVolumeClaim", "demo").drop("PersistentVolume", "demo-demo")
        cluster.get("Dataset", "demo")["status"]["phase"] = "NotBound"
        cluster.add(warning(kinds.STATEFUL_SET, "demo-master", "FailedCreate", refusal))
        found = cluster.finding()
        assert [cause.code for cause in found.causes] == [CauseCode.POD_NOT_CREATED]
        assert refusal in found.says
        assert change in found.change

    def test_last_event_of_fluid(self) -> None:
        """Without a cause, what Fluid reported last is quoted in the sentence."""
        cluster = Cluster.right().add(unscheduled(application()))
        for kind, name in (
            ("StatefulSet", "demo-master"),
            ("StatefulSet", "demo-worker"),
            ("Pod", "demo-master-0"),
        ):
            cluster.drop(kind, name)
        cluster.drop("Pod", "demo-worker-0").drop("PersistentVolumeClaim", "demo")
        cluster.get("Dataset", "demo")["status"]["phase"] = "NotBound"
        cluster.add(
            warning(kinds.ALLUXIO_RUNTIME, "demo", "ErrorProcessRuntimeReason", "helm: cannot re-use a name")
        )
        found = cluster.finding()
        assert "helm: cannot re-use a name" in found.says
        assert "the objects do not show why" not in found.says

    def test_unscheduled_application(self) -> None:
        """The scheduler's words are in the sentence about the application itself."""
        found = Cluster.right().add(unscheduled(application(), "0/1 nodes: Insufficient cpu")).finding()
        assert "the scheduler says: 0/1 nodes: Insufficient cpu" in found.says


class TestReferences:
    """fluid#2061, #3581: a Dataset that refers to another and cannot be served."""

    def finding(self, *points: str, change: Cluster | None = None) -> Finding:
        """About an application of namespace team, on a Dataset there with these mount points."""
        spec = {"mounts": [{"mountPoint": point} for point in points]}
        reference = dataset("ref", "team", spec=spec, status={"phase": "NotBound"})
        waits = unscheduled(application(claim="ref", namespace="team"))
        cluster = (change or Cluster.right()).add(reference, waits)
        (found,) = [finding for finding in cluster.findings() if finding.pod[0] == "team"]
        assert (found.code, found.state) == (FindingCode.DATASET_NOT_BOUND, State.WRONG)
        return found

    def cause(self, finding: Finding) -> CauseCode:
        """The only cause of a finding, which its sentence contains."""
        (cause,) = finding.causes
        assert cause.says in finding.says
        return cause.code

    def test_misspelt(self) -> None:
        """No Dataset of that name; the similar one is named."""
        found = self.finding("dataset://demo/demmo")
        assert self.cause(found) is CauseCode.REFERENCE_MISSING
        assert "Dataset `demo/demmo`, which does not exist; Dataset `demo/demo` does" in found.says

    def test_namespace(self) -> None:
        """No such namespace; where a Dataset of that name is, is named."""
        found = self.finding("dataset://dem/demo")
        assert "Dataset `demo/demo` does" in found.says
        assert found.change == "Write mountPoint `dataset://demo/demo`, if that is the one meant."

    def test_nothing_similar(self) -> None:
        """A Dataset that is to be created."""
        found = self.finding("dataset://lake/warehouse")
        assert found.change.startswith("Create Dataset `warehouse` in namespace `lake`")

    def test_not_bound(self) -> None:
        """The other Dataset has no runtime: that is what to change."""
        bare = Cluster.right().add(dataset("bare", source="demo-src", status={"phase": "NotBound"}))
        found = self.finding("dataset://demo/bare/sub", change=bare)
        assert self.cause(found) is CauseCode.REFERENCE_NOT_SERVED
        assert "Dataset `demo/bare`, which is NotBound: it has no runtime" in found.says
        assert found.change.startswith("Create an AlluxioRuntime `bare`")

    def test_being_deleted(self) -> None:
        """The other Dataset is being deleted."""
        cluster = Cluster.right()
        cluster.get("Dataset", "demo")["metadata"]["deletionTimestamp"] = stamp(NOW)
        assert (
            self.cause(self.finding("dataset://demo/demo", change=cluster)) is CauseCode.REFERENCE_NOT_SERVED
        )

    def test_malformed(self) -> None:
        """A mount point without a namespace."""
        assert self.cause(self.finding("dataset://demo")) is CauseCode.REFERENCE_MALFORMED

    def test_not_alone(self) -> None:
        """A reference and another mount in one Dataset."""
        found = self.finding("dataset://demo/demo", "pvc://nfs-src")
        assert self.cause(found) is CauseCode.REFERENCE_NOT_ALONE

    def test_itself(self) -> None:
        """A Dataset that refers to itself does not lead in a circle."""
        assert self.cause(self.finding("dataset://team/ref")) is CauseCode.REFERENCE_NOT_SERVED

    def test_controller(self) -> None:
        """All is there but the controller that sets up references."""
        assert self.cause(self.finding("dataset://demo/demo")) is CauseCode.CONTROLLER_MISSING

    def test_namespace_that_was_not_read(self) -> None:
        """Nothing is said to be missing that could not be read."""
        spec = {"mounts": [{"mountPoint": "dataset://far/away"}]}
        cluster = Cluster.right().add(dataset("ref", "team", spec=spec, status={"phase": "NotBound"}))
        cluster.add(unscheduled(application(claim="ref", namespace="team")))
        state = cluster.state(scope={"Dataset": frozenset({"team", "demo"})})
        (found,) = [finding for finding in diagnose(state) if finding.pod[0] == "team"]
        assert self.cause(found) is CauseCode.REFERENCE_NOT_SEEN


class TestOtherWaysToTheData:
    """Users reach the source, or the Fuse's folder, without any claim."""

    def pod(self, volume: Object, **metadata: Any) -> Object:
        """An application with a volume that is no claim."""
        return application(spec={"volumes": [{"name": "data", **volume}]}, metadata=metadata)

    def test_folder_of_the_export(self) -> None:
        """A folder below the exported one is the source as well; a neighbour of like name is not."""
        for path, count in (("/export/demo/demo/2024", 1), ("/export/demo/demo-2", 0)):
            pod = self.pod({"nfs": {"server": "nfs.example", "path": path}})
            assert len(Cluster.right().add(pod).findings()) == count

    def test_inline_csi_volume(self) -> None:
        """The NFS CSI driver without a claim."""
        attributes = {"server": "nfs.example", "share": "/export/demo/demo"}
        pod = self.pod({"csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": attributes}})
        assert Cluster.right().add(pod).finding().code is FindingCode.OTHER_CLAIM_OF_SOURCE

    @pytest.mark.parametrize("below", ["", "/sub/folder"])
    def test_folder_of_the_fuse(self, below: str) -> None:
        """A hostPath at which the Fuse mounts: nothing starts a Fuse for such a Pod."""
        path = f"/runtime-mnt/alluxio/demo/demo/alluxio-fuse{below}"
        found = Cluster.right().add(self.pod({"hostPath": {"path": path}})).finding()
        assert (found.code, found.state) == (FindingCode.FUSE_FOLDER, State.WRONG)
        assert found.change == "Use claim `demo` instead of the hostPath volume."

    def test_folder_of_the_fuse_after_injection(self) -> None:
        """The webhook itself puts such a volume into a Pod with a sidecar."""
        path = "/runtime-mnt/alluxio/demo/demo/alluxio-fuse"
        labels = {"done.sidecar.fluid.io/inject": "true"}
        assert Cluster.right().add(self.pod({"hostPath": {"path": path}}, labels=labels)).findings() == ()

    def test_local_source(self) -> None:
        """A hostPath that a Dataset mounts as local://."""
        cluster = Cluster.right().add(self.pod({"hostPath": {"path": "/mnt/data/a/"}}))
        cluster.get("Dataset", "demo")["spec"]["mounts"] = [{"mountPoint": "local:///mnt/data"}]
        assert cluster.finding().code is FindingCode.OTHER_CLAIM_OF_SOURCE


def test_advice_names_the_controller() -> None:
    """The controller of a Pod is named, because a Pod without one is not created again."""
    metadata = {"ownerReferences": owned_by("StatefulSet", "train")}
    cluster = fuse_started(Cluster.right().add(application(metadata=metadata)), 5)
    assert cluster.finding().change == "Delete Pod `train-0`: its StatefulSet creates it again."
    cluster = fuse_started(Cluster.right().add(application(), runtime()), 5)
    assert "create it again, for no controller does" in cluster.finding().change
