"""Pods on the right claim, and what is behind it; Pods with a sidecar."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from suites.diagnosis import CauseCode, FindingCode, State
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    Object,
    all_evidence,
    application,
    csi_node,
    node,
    running,
    stamp,
    unscheduled,
    waiting,
)


class TestBehindTheClaim:
    """Pods with the right claim, while something behind it is missing."""

    def test_claim_deleted_while_used(self) -> None:
        """B8: a claim of Fluid that was deleted stays until its last Pod ends."""
        cluster = Cluster.right().add(application())
        cluster.get("PersistentVolumeClaim", "demo")["metadata"]["deletionTimestamp"] = stamp(NOW)
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.CLAIM_DELETED, ("B8",))
        assert "delete volume `demo-demo`" in found.change

    def test_claim_deleted_and_created_again(self) -> None:
        """B8: the claim that Fluid created again stays Pending: its volume is reserved for the old one."""
        cluster = Cluster.right().add(unscheduled(application()))
        cluster.get("PersistentVolumeClaim", "demo")["status"]["phase"] = "Pending"
        cluster.get("PersistentVolume", "demo-demo")["spec"]["claimRef"]["uid"] = "older"
        found = cluster.finding()
        assert found.code is FindingCode.CLAIM_DELETED
        assert found.change == "Delete claim `demo` and volume `demo-demo`: Fluid creates both again."

    def test_claim_deleted_and_not_created_again(self) -> None:
        """B8: without a claim, the volume that was bound proves that there was one."""
        cluster = Cluster.right().add(unscheduled(application())).drop("PersistentVolumeClaim", "demo")
        found = cluster.finding()
        assert found.code is FindingCode.CLAIM_DELETED
        assert "Delete volume `demo-demo` as well" in found.change

    def test_volume_deleted(self) -> None:
        """A claim whose volume was deleted is Lost, and is to be deleted as well, since Fluid created it."""
        cluster = Cluster.right().add(application()).drop("PersistentVolume", "demo-demo")
        cluster.get("PersistentVolumeClaim", "demo")["status"]["phase"] = "Lost"
        found = cluster.finding()
        assert (found.code, found.wrong) == (FindingCode.CLAIM_DELETED, True)
        assert "whose volume was deleted by hand" in found.says
        assert "delete claim `demo` as well" in found.change

    def test_claim_not_made_yet(self) -> None:
        """Just after a Dataset is Bound its claim may be missing, for a while."""
        cluster = Cluster.right().add(unscheduled(application())).drop("PersistentVolumeClaim", "demo")
        cluster.drop("PersistentVolume", "demo-demo")
        assert cluster.finding().state is State.WRONG
        soon = stamp(NOW - timedelta(seconds=20))
        cluster.get("Dataset", "demo")["status"]["conditions"][0]["lastTransitionTime"] = soon
        found = cluster.finding()
        assert (found.code, found.state) == (FindingCode.CLAIM_NOT_MADE, State.WAITING)

    def test_dataset_being_deleted(self) -> None:
        """B10: a Dataset that is to go waits for the Pods that use it."""
        cluster = Cluster.right().add(application())
        cluster.get("Dataset", "demo")["metadata"]["deletionTimestamp"] = stamp(NOW)
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.DATASET_BEING_DELETED, ("B10",))

    def test_plugin_not_registered(self) -> None:
        """B24: a Pod waits on a node where Fluid's CSI plugin is not registered."""
        cluster = Cluster.right().add(waiting(application()), csi_node("n1", "ebs.csi.aws.com"))
        cluster.drop("Pod", "csi-nodeplugin-fluid-a", "fluid-system")
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.CSI_PLUGIN_MISSING, ("B24",))
        assert "CSINode n1: has drivers ebs.csi.aws.com, not fuse.csi.fluid.io" in all_evidence(found)

    def test_running_pod_needs_no_plugin(self) -> None:
        """A Pod that has its mount does not need the plugin."""
        cluster = Cluster.right().add(application(), csi_node("n1"))
        assert cluster.finding().code is FindingCode.SERVED

    def test_volume_elsewhere(self) -> None:
        """B25: the volume is only for nodes where this Pod may not run."""
        cluster = Cluster.right().add(
            unscheduled(application(spec={"nodeSelector": {"kubernetes.io/hostname": "n2"}})),
            node("n1", labels={"disk": "ssd"}),
            node("n2"),
        )
        expression = {"key": "disk", "operator": "In", "values": ["ssd"]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        cluster.get("PersistentVolume", "demo-demo")["spec"]["nodeAffinity"] = {"required": terms}
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.VOLUME_ELSEWHERE, ("B25",))
        assert "only on nodes with disk In (ssd), and this Pod may run only on `n2`" in found.says

    def test_not_scheduled_for_another_reason(self) -> None:
        """A Pod without a node for another reason than its volume: the scheduler is quoted."""
        cluster = Cluster.right().add(unscheduled(application(), "Insufficient cpu"))
        found = cluster.finding()
        assert (found.code, found.state) == (FindingCode.NOT_SCHEDULED, State.WRONG)
        assert "scheduler: Insufficient cpu" in all_evidence(found)
        fresh = application(metadata={"created": NOW - timedelta(seconds=5)})
        assert cluster.add(unscheduled(fresh)).finding().state is State.WAITING

    @pytest.mark.parametrize(
        ("since", "expected"),
        [
            (timedelta(seconds=30), (FindingCode.STARTING, State.WAITING)),
            (timedelta(minutes=9), (FindingCode.FUSE_NOT_READY, State.WRONG)),
        ],
    )
    def test_starting(self, since: timedelta, expected: tuple[FindingCode, State]) -> None:
        """While a Pod's volumes are set up nothing is wrong, until it has taken too long."""
        cluster = Cluster.right().add(waiting(application(), NOW - since)).drop("Pod", "demo-fuse-x1")
        found = cluster.finding()
        assert (found.code, found.state) == expected
        assert "no Fuse Pod is on node `n1`" in found.says

    def test_label_lost(self) -> None:
        """B31: a node that lost its label has no Fuse, and the Pod's reads fail."""
        cluster = Cluster.right().add(application(), node()).drop("Pod", "demo-fuse-x1")
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.FUSE_NOT_READY, ("B31",))
        assert "has lost the label" in found.says

    def test_fuse_not_ready(self) -> None:
        """A Fuse Pod that is not ready is named."""
        cluster = Cluster.right().add(application())
        cluster.get("Pod", "demo-fuse-x1")["status"]["conditions"][0]["status"] = "False"
        found = cluster.finding()
        assert found.code is FindingCode.FUSE_NOT_READY
        assert found.change == "See the logs of Pod `demo-fuse-x1`."

    def test_fuse_elsewhere(self) -> None:
        """A ready Fuse on another node does not serve this one."""
        cluster = Cluster.right().add(application())
        cluster.get("Pod", "demo-fuse-x1")["spec"]["nodeName"] = "n2"
        found = cluster.finding()
        assert "no Fuse Pod is on node `n1`" in found.says

    def test_fuse_restarted(self) -> None:
        """D1: a Fuse that is younger than the Pod's container left it a dead mount."""
        cluster = Cluster.right().add(application())
        cluster.get("Pod", "demo-fuse-x1")["status"]["containerStatuses"] = [running(since=NOW)]
        found = cluster.finding()
        assert (found.code, found.wrong) == (FindingCode.FUSE_RESTARTED, True)
        assert found.change == "Delete Pod `train-0` and create it again, for no controller does."

    def test_fuse_restarted_and_recovered(self) -> None:
        """D2: with FuseRecovery and mount propagation, the Pod is served again."""
        mounts = [{"name": "data", "mountPath": "/data", "mountPropagation": "HostToContainer"}]
        containers = [{"name": "main", "volumeMounts": mounts}]
        cluster = Cluster.right().add(application(spec={"containers": containers}))
        cluster.get("Pod", "demo-fuse-x1")["status"]["containerStatuses"] = [running(since=NOW)]
        assert cluster.finding().code is FindingCode.FUSE_RESTARTED
        plugin = cluster.get("Pod", "csi-nodeplugin-fluid-a")
        plugin["spec"]["containers"][0]["args"] = ["--feature-gates=FuseRecovery=true"]
        assert cluster.finding().code is FindingCode.SERVED


class TestSidecar:
    """Pods that carry their Fuse with them."""

    def _pod(self, **status: Any) -> Object:
        labels = {
            "serverless.fluid.io/inject": "true",
            "done.sidecar.fluid.io/inject": "true",
            "container-dataset-mapping.sidecar.fluid.io/fluid-fuse-0": "demo_demo",
        }
        spec = {"containers": [{"name": "fluid-fuse-0"}, {"name": "main"}], "volumes": []}
        both = {"containerStatuses": [running("fluid-fuse-0"), running()], **status}
        return application(spec=spec, status=both, metadata={"labels": labels})

    def test_sidecar(self) -> None:
        """A Pod with a running sidecar of a Bound Dataset uses Fluid, without claim or node label."""
        found = Cluster.right().add(self._pod()).finding()
        assert (found.code, found.state, found.dataset) == (FindingCode.SIDECAR, State.OK, ("demo", "demo"))

    def test_sidecar_without_a_label_of_its_dataset(self) -> None:
        """Up to Fluid 0.9 only the sidecar's own mount point names its Dataset."""
        pod = self._pod()
        pod["metadata"]["labels"].pop("container-dataset-mapping.sidecar.fluid.io/fluid-fuse-0")
        pod["spec"]["containers"][0]["args"] = ["fuse", "/runtime-mnt/alluxio/demo/demo/alluxio-fuse", "/"]
        found = Cluster.right().add(pod).finding()
        assert (found.code, found.dataset) == (FindingCode.SIDECAR, ("demo", "demo"))

    def test_sidecar_down(self) -> None:
        """A sidecar that crashes is named."""
        crashed = {
            "name": "fluid-fuse-0",
            "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        }
        found = Cluster.right().add(self._pod(containerStatuses=[crashed, running()])).finding()
        assert (found.code, found.wrong) == (FindingCode.SIDECAR_NOT_READY, True)
        assert "CrashLoopBackOff" in all_evidence(found)

    def test_dataset_of_sidecar_gone(self) -> None:
        """A sidecar does not protect its Dataset: that may be deleted."""
        cluster = Cluster.right().add(self._pod()).drop("Dataset", "demo")
        found = [f for f in cluster.findings() if f.pod == ("demo", "train-0")]
        assert [f.code for f in found] == [FindingCode.DATASET_NOT_BOUND]

    def test_runtime_behind_a_sidecar(self) -> None:
        """A sidecar runs, and the master of its Dataset was deleted."""
        cluster = (
            Cluster.right().add(self._pod()).drop("StatefulSet", "demo-master").drop("Pod", "demo-master-0")
        )
        found = cluster.finding()
        assert (found.code, found.wrong) == (FindingCode.RUNTIME_NOT_WORKING, True)
        assert [cause.code for cause in found.causes] == [CauseCode.MASTER_GONE]
