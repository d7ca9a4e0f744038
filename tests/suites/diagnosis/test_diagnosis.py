"""Who goes through Fluid and who does not, told from objects alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.product import fluid_names
from suites.diagnosis import CauseCode, Finding, FindingCode, State, diagnose, prove_in_pods, why_not_bound
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    Object,
    application,
    claim,
    csi_node,
    dataset,
    fluid_claim,
    fluid_volume,
    make,
    nfs_volume,
    node,
    part,
    running,
    runtime,
    served,
    stamp,
    unscheduled,
    waiting,
)


def sources(finding: Finding) -> str:
    """All of a finding's evidence as one text."""
    return "\n".join(map(str, finding.evidence))


class TestThroughFluid:
    """Pods that use the claim that Fluid made."""

    def test_served(self) -> None:
        """A Pod on Fluid's claim, with a labelled node and a ready Fuse, goes through Fluid."""
        found = Cluster.right().add(application()).finding()
        assert (found.code, found.state, found.dataset) == (FindingCode.SERVED, State.OK, ("demo", "demo"))
        assert found.says == "Pod `train-0` mounts claim `demo` of Dataset `demo`: it goes through Fluid."
        assert found.change == ""
        assert "has label fluid.io/f-demo-demo" in sources(found)
        assert "demo-fuse-x1" in sources(found)

    def test_pods_of_the_runtime_use_the_source_by_right(self) -> None:
        """Master, worker and Fuse are never reported, though two of them mount the source."""
        assert Cluster.right().findings() == ()

    def test_other_pods_are_none_of_its_business(self) -> None:
        """A Pod with a claim that has nothing to do with a Dataset is not mentioned."""
        cluster = Cluster.right().add(
            application("db-0", "db"), claim("db", "pv-db"), nfs_volume("pv-db", ("demo", "db"), "/other")
        )
        assert cluster.findings() == ()

    def test_waiting_for_a_claim_unlike_any_dataset(self) -> None:
        """A Pod that waits for its own missing claim is not taken for a user of Fluid."""
        assert Cluster.right().add(unscheduled(application("db-0", "postgres"))).findings() == ()

    def test_ended(self) -> None:
        """A Pod that has ended on the right claim is well, whatever became of the Fuse."""
        cluster = Cluster.right().add(application(status={"phase": "Succeeded"}))
        cluster.drop("Pod", "demo-fuse-x1")
        found = cluster.finding()
        assert (found.code, found.state) == (FindingCode.ENDED, State.OK)

    def test_updating_serves_on(self) -> None:
        """A Dataset whose mounts are being changed serves its Pods all the while."""
        cluster = Cluster.right().add(application())
        cluster.get("Dataset", "demo")["status"]["phase"] = "Updating"
        assert cluster.finding().code is FindingCode.SERVED

    def test_reference(self) -> None:
        """A Pod on a Dataset that refers to another is served by the Fuse of that other."""
        ref = fluid_volume("ref", "team", attributes={"runtime_namespace": "demo", "runtime_name": "demo"})
        cluster = Cluster.right().add(
            application(claim="ref", namespace="team"),
            dataset("ref", "team", spec={"mounts": [{"mountPoint": "dataset://demo/demo"}]}),
            make(kinds.THIN_RUNTIME, "team", "ref"),
            fluid_claim("ref", "team"),
            ref,
        )
        found = cluster.finding()
        assert (found.code, found.dataset) == (FindingCode.SERVED, ("team", "ref"))

    def test_long_names(self) -> None:
        """For long names the label of the node has the Dataset's uid in it."""
        name = "imagenet-training-set-with-a-very-long-name-indeed"
        cluster = Cluster.right().add(*served(name), application(claim=name))
        label = fluid_names.fuse_label("demo", name, f"uid-demo-{name}")
        assert cluster.finding().code is FindingCode.FUSE_NOT_READY
        cluster.get("Node", "n1")["metadata"]["labels"][label] = "true"
        assert cluster.finding().code is FindingCode.SERVED

    def test_other_runtimes(self) -> None:
        """A Dataset with a runtime other than Alluxio is judged by the same facts."""
        cluster = Cluster.right().add(application()).drop("AlluxioRuntime", "demo")
        cluster.objects.append(
            {"apiVersion": "data.fluid.io/v1alpha1", "kind": "JuiceFSRuntime"}
            | {"metadata": {"namespace": "demo", "name": "demo"}}
        )
        assert cluster.finding().code is FindingCode.SERVED


class TestAnotherClaim:
    """Pods that ask for something else than the claim that Fluid made."""

    def test_original_claim(self) -> None:
        """B1: a Pod on the source of a Dataset reads past Fluid, and is told which claim to mount."""
        found = Cluster.right().add(application(claim="demo-src")).finding()
        assert (found.code, found.rows, found.wrong) == (FindingCode.ORIGINAL_CLAIM, ("B1",), True)
        assert str(found) == (
            "Pod `train-0` mounts claim `demo-src`, which is the source of Dataset `demo`: "
            "it reads past Fluid. Mount claim `demo` instead, unless this Pod is to write to the source: "
            "then leave it as it is."
        )
        assert found.dataset == ("demo", "demo")

    def test_original_claim_of_unbound_dataset(self) -> None:
        """B1 before the Dataset is Bound: the Pod is told what else to mend first."""
        cluster = Cluster.right().add(application(claim="demo-src")).drop("AlluxioRuntime", "demo")
        cluster.get("Dataset", "demo")["status"]["phase"] = "NotBound"
        found = cluster.finding()
        assert found.code is FindingCode.ORIGINAL_CLAIM
        assert "is created when Dataset `demo` is Bound. Create an AlluxioRuntime `demo`" in found.change
        assert [cause.code for cause in found.causes] == [CauseCode.NO_RUNTIME]

    def test_both_claims(self) -> None:
        """A Pod on both claims is told to read from the Dataset's."""
        pod = application()
        pod["spec"]["volumes"].append({"name": "s", "persistentVolumeClaim": {"claimName": "demo-src"}})
        found = {f.claim: f for f in Cluster.right().add(pod).findings()}
        assert found["demo"].code is FindingCode.SERVED
        assert found["demo-src"].code is FindingCode.ORIGINAL_CLAIM
        assert found["demo-src"].change == "Read from claim `demo`, and keep `demo-src` only to write."

    def test_other_claim_of_the_same_export(self) -> None:
        """B1 in disguise: another claim of the same NFS export reads past Fluid as well."""
        cluster = Cluster.right().add(
            application(claim="copy"),
            claim("copy", "pv-copy"),
            nfs_volume("pv-copy", ("demo", "copy"), "/export/demo/demo/"),
        )
        found = cluster.finding()
        assert found.code is FindingCode.OTHER_CLAIM_OF_SOURCE
        assert found.change.startswith("Mount claim `demo` instead")

    def test_export_without_a_claim(self) -> None:
        """B1 in disguise: a Pod that mounts the NFS export itself reads past Fluid."""
        nfs = {"server": "nfs.example", "path": "/export/demo/demo"}
        found = Cluster.right().add(application(spec={"volumes": [{"name": "data", "nfs": nfs}]})).finding()
        assert found.code is FindingCode.OTHER_CLAIM_OF_SOURCE
        assert found.claim == ""

    def test_same_export_in_another_namespace(self) -> None:
        """Whoever uses the export from another namespace is left alone."""
        cluster = Cluster.right().add(
            application(claim="copy", namespace="team"),
            claim("copy", "pv-copy", "team"),
            nfs_volume("pv-copy", ("team", "copy"), "/export/demo/demo"),
        )
        assert cluster.findings() == ()

    def test_dataset_over_a_dataset(self) -> None:
        """The claim of one Dataset may be the source of another: who mounts it goes through the first."""
        cluster = Cluster.right().add(application(), dataset("second", source="demo"))
        assert cluster.finding().code is FindingCode.SERVED

    def test_namesake(self) -> None:
        """B2: a claim of the Dataset's name that Fluid did not make is told from Fluid's."""
        cluster = Cluster.right().add(application(), claim("demo", "pv-own"))
        cluster.add(nfs_volume("pv-own", ("demo", "demo"), "/own"))
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.NAMESAKE_CLAIM, ("B2",))
        assert "lacks the annotation CreatedBy=fluid" in sources(found)
        assert "Keep claim `demo`" in found.change
        assert "Delete" not in found.change

    def test_source_of_the_same_name(self) -> None:
        """B2: a Dataset named as its own source is told to take another name."""
        cluster = Cluster.right().add(
            application(),
            dataset(source="demo"),
            claim("demo", "pv-own"),
            nfs_volume("pv-own", ("demo", "demo")),
        )
        found = cluster.finding()
        assert found.code is FindingCode.NAMESAKE_CLAIM
        assert "under another name" in found.change

    @pytest.mark.parametrize(
        ("attributes", "fault"),
        [
            ({"fluid_path": ""}, "no fluid_path"),
            ({"runtime_name": ""}, "do not name the runtime"),
            ({"runtime_name": "gone"}, "which does not exist"),
            ({"fluid_path": "/runtime-mnt/wrong"}, "fluid_path is /runtime-mnt/wrong"),
            ({"mount_type": "fuse.juicefs"}, "mount_type is fuse.juicefs"),
        ],
    )
    def test_broken_hand_made_volume(self, attributes: dict[str, str], fault: str) -> None:
        """B3: a volume made by hand for Fluid's driver, with what is wrong in it."""
        found = self._hand_made("mine", "demo", attributes)
        assert found.code is FindingCode.HAND_MADE_VOLUME
        assert "and cannot work: its " in found.says
        assert fault in found.says

    def test_working_hand_made_volume(self) -> None:
        """B4: a complete copy of Fluid's volume may work, and is not protected."""
        found = self._hand_made("mine", "team", {})
        assert (found.code, found.dataset) == (FindingCode.HAND_MADE_VOLUME, ("demo", "demo"))
        assert "may work, but Fluid neither protects nor mends it" in found.says
        assert "dataset://demo/demo" in found.change

    def _hand_made(self, name: str, namespace: str, attributes: dict[str, str]) -> Finding:
        copied = fluid_volume(attributes=attributes, volume="pv-mine")
        copied["spec"]["claimRef"] = {"namespace": namespace, "name": name}
        cluster = Cluster.right().add(
            application(claim=name, namespace=namespace), claim(name, "pv-mine", namespace), copied
        )
        return cluster.finding()

    def test_other_namespace(self) -> None:
        """B5: a Dataset's claim that is asked for in another namespace is told where it is."""
        found = Cluster.right().add(unscheduled(application(namespace="team"))).finding()
        assert (found.code, found.rows) == (FindingCode.OTHER_NAMESPACE, ("B5",))
        assert "Dataset `demo` is in `demo`" in found.says
        assert "Run the Pod in namespace `demo`" in found.change
        assert "scheduler: 0/1 nodes are available" in sources(found)

    @pytest.mark.parametrize("name", ["dmeo", "demo1", "dem"])
    def test_misspelt(self, name: str) -> None:
        """B6: the nearest right name is offered."""
        found = Cluster.right().add(unscheduled(application(claim=name))).finding()
        assert (found.code, found.change) == (FindingCode.MISSPELT, "Mount claim `demo` instead.")

    def test_misspelt_source(self) -> None:
        """B6 on the way to B1: who misspells the source is told of the Dataset's claim."""
        found = Cluster.right().add(unscheduled(application(claim="demosrc"))).finding()
        assert found.code is FindingCode.MISSPELT
        assert "`demo-src` does, the source of Dataset `demo`" in found.says
        assert found.change == "Mount claim `demo` instead."

    def test_labelled_for_fluid(self) -> None:
        """A Pod that asks for Fluid by its label is told that no Dataset has the name."""
        labels = {"fuse.serverful.fluid.io/inject": "true"}
        pod = application(claim="imagenet", metadata={"labels": labels})
        found = Cluster.right().add(unscheduled(pod)).finding()
        assert found.code is FindingCode.NO_SUCH_DATASET
        assert "there are `demo`" in found.says

    def test_left_over_claim(self) -> None:
        """A claim of Fluid's whose Dataset is gone is told as such."""
        cluster = Cluster.right().add(application())
        cluster.drop("Dataset", "demo").drop("AlluxioRuntime", "demo")
        found = [f for f in cluster.findings() if f.pod == ("demo", "train-0")]
        assert [(f.code, f.dataset) for f in found] == [(FindingCode.DATASET_NOT_BOUND, None)]


class TestBehindTheClaim:
    """Pods that ask for the right claim, and what is behind it is not there."""

    def test_claim_deleted_while_used(self) -> None:
        """B8: a claim of Fluid's that somebody deleted goes when its last Pod ends."""
        cluster = Cluster.right().add(application())
        cluster.get("PersistentVolumeClaim", "demo")["metadata"]["deletionTimestamp"] = stamp(NOW)
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.CLAIM_DELETED, ("B8",))
        assert "delete volume `demo-demo`" in found.change

    def test_claim_deleted_and_made_anew(self) -> None:
        """B8: the claim that Fluid made anew stays Pending, as its volume is held for the old one."""
        cluster = Cluster.right().add(unscheduled(application()))
        cluster.get("PersistentVolumeClaim", "demo")["status"]["phase"] = "Pending"
        cluster.get("PersistentVolume", "demo-demo")["spec"]["claimRef"]["uid"] = "older"
        found = cluster.finding()
        assert found.code is FindingCode.CLAIM_DELETED
        assert found.change == "Delete claim `demo` and volume `demo-demo`: Fluid creates both again."

    def test_claim_deleted_and_not_made_anew(self) -> None:
        """B8: without a claim, the volume that was bound tells that there was one."""
        cluster = Cluster.right().add(unscheduled(application())).drop("PersistentVolumeClaim", "demo")
        found = cluster.finding()
        assert found.code is FindingCode.CLAIM_DELETED
        assert "Delete volume `demo-demo` as well" in found.change

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
        assert "CSINode n1: has drivers ebs.csi.aws.com, not fuse.csi.fluid.io" in sources(found)

    def test_running_pod_needs_no_plugin(self) -> None:
        """A Pod that has its mount goes on without the plugin."""
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
        """A Pod without a node, where the volume fits, is told to ask the scheduler; not at once."""
        cluster = Cluster.right().add(unscheduled(application(), "Insufficient cpu"))
        found = cluster.finding()
        assert (found.code, found.state) == (FindingCode.NOT_SCHEDULED, State.WRONG)
        assert "scheduler: Insufficient cpu" in sources(found)
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
        """A ready Fuse on another node serves nobody here."""
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
        """D2: with FuseRecovery and a mount that lets it through, the Pod goes on through Fluid."""
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
        """A running sidecar of a Dataset that is Bound goes through Fluid, without claim or node label."""
        found = Cluster.right().add(self._pod()).finding()
        assert (found.code, found.state, found.dataset) == (FindingCode.SIDECAR, State.OK, ("demo", "demo"))

    def test_sidecar_without_a_label_of_its_dataset(self) -> None:
        """Up to Fluid 0.9 nothing but the sidecar's own mount point tells whose it is."""
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
        assert "CrashLoopBackOff" in sources(found)

    def test_dataset_of_sidecar_gone(self) -> None:
        """A sidecar whose Dataset is gone is told so: it protects nothing."""
        cluster = Cluster.right().add(self._pod()).drop("Dataset", "demo")
        found = [f for f in cluster.findings() if f.pod == ("demo", "train-0")]
        assert [f.code for f in found] == [FindingCode.DATASET_NOT_BOUND]


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
        """B11: a runtime with a like name is told to take the Dataset's."""
        cluster = unbound().drop("AlluxioRuntime", "demo").add(runtime("demos"))
        found = self._only(cluster, CauseCode.NO_RUNTIME)
        assert found.change.startswith("Give `AlluxioRuntime demos` the name of the Dataset, `demo`")

    def test_runtime_in_another_namespace(self) -> None:
        """B11: a runtime of the name in another namespace is no use."""
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
        kinds_found = [c.code for c in why_not_bound(unbound(mounts=mounts(point)).picture(), "demo", "demo")]
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
        """B18: one claim in two mounts makes two volumes of one name."""
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
        assert why_not_bound(cluster.picture(), "demo", "demo") == ()

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
        causes = why_not_bound(cluster.picture(), "demo", "1abc")
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
        """B21: no node has as much memory as the worker asks for."""
        found = self._only(self._with_worker("5Gi"), CauseCode.TOO_LITTLE_MEMORY, "B21")
        assert "requests 5.0 GiB of memory" in found.says
        assert "not scheduled: 0/1 nodes are available" in sources(found)

    def test_memory_that_others_asked_for(self) -> None:
        """B21: what other Pods of the node asked for is not free."""
        cluster = self._with_worker("3Gi")
        request = {"resources": {"requests": {"memory": "2Gi"}}}
        cluster.add(application("other", "", spec={"volumes": [], "containers": [{"name": "m", **request}]}))
        self._only(cluster, CauseCode.TOO_LITTLE_MEMORY)
        picture = cluster.picture(scope={"Pod": frozenset({"demo"})})
        assert why_not_bound(picture, "demo", "demo")[0].code is CauseCode.PART_NOT_SCHEDULED

    def test_no_node_fits(self) -> None:
        """B26: the worker asks for a label that no node has."""
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
        assert "has taints gpu:NoSchedule" in sources(found)
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
        assert "Startup probe failed" in sources(found)

    def test_controller_missing(self) -> None:
        """Nobody sets a Dataset up while Fluid's controller does not run."""
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
        """D6-D8: what was deleted of a Dataset that was Bound is not made again."""
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
        """Events that tell of another fault change no verdict; they are only quoted."""
        cluster = Cluster.right().add(application(claim="demo-src"))
        before = cluster.finding()
        event = make(kinds.EVENT, "demo", "e", type="Warning", reason="ErrorProcessRuntime", message="quota")
        event["involvedObject"] = {"kind": "AlluxioRuntime", "namespace": "demo", "name": "demo"}
        assert cluster.add(event).finding() == before


FUSE_LINE = "36 35 0:40 / /data rw shared:1 - fuse.alluxio-fuse alluxio-fuse rw\n"
NFS_LINE = "36 35 0:41 / /data rw - nfs4 nfs.example:/export rw\n"
ROOT_LINE = "1 0 0:1 / / rw - overlay overlay rw\n"


class Inside:
    """What Pods answer to the commands of a look inside."""

    def __init__(self, mounts: str = ROOT_LINE + FUSE_LINE, read: int = 0, says: str = "") -> None:
        self.mounts = mounts
        self.read = read
        self.says = says
        self.commands: list[tuple[str, ...]] = []

    def __call__(
        self, namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
    ) -> Completed:
        """Answer one command."""
        self.commands.append(argv)
        if argv[0] == "cat":
            return Completed(argv, 0, self.mounts, "")
        return Completed(argv, self.read, "", self.says)


class TestInside:
    """The proof from inside a Pod."""

    def _look(self, cluster: Cluster, inside: Inside) -> Finding:
        picture = cluster.picture()
        (found,), missing = prove_in_pods(inside, picture, diagnose(picture))
        assert missing == ()
        return found

    def test_proof(self) -> None:
        """A Pod that is served shows a Fuse mount and a read."""
        found = self._look(Cluster.right().add(application()), Inside())
        assert (found.code, found.state) == (FindingCode.SERVED, State.OK)
        assert "mountinfo in container main: /data is fuse.alluxio-fuse" in sources(found)
        assert "a file under /data was read" in sources(found)

    def test_original_claim_is_nfs(self) -> None:
        """B1 is borne out by the mount's type."""
        found = self._look(Cluster.right().add(application(claim="demo-src")), Inside(ROOT_LINE + NFS_LINE))
        assert found.code is FindingCode.ORIGINAL_CLAIM
        assert "/data is nfs4 nfs.example:/export" in sources(found)

    @pytest.mark.parametrize("says", ["Transport endpoint is not connected", "Socket not connected"])
    def test_dead(self, says: str) -> None:
        """A mount behind which no Fuse is alive is told as dead, whatever the objects say."""
        inside = Inside(read=11, says=f"ls: can't open '/data': {says}")
        found = self._look(Cluster.right().add(application()), inside)
        assert (found.code, found.wrong) == (FindingCode.DEAD_MOUNT, True)

    @pytest.mark.parametrize("line", [NFS_LINE, "", "36 35 0:9 / /data rw - fuse.sshfs me@host: rw\n"])
    def test_not_through_fuse(self, line: str) -> None:
        """A Pod that looks served and has no mount of Fluid's is found out."""
        found = self._look(Cluster.right().add(application()), Inside(ROOT_LINE + line))
        assert (found.code, found.wrong) == (FindingCode.NOT_THROUGH_FUSE, True)

    def test_read_fails(self) -> None:
        """A mount that lives and cannot be read is told with the reason."""
        inside = Inside(read=12, says="dd: /data/a: Input/output error")
        found = self._look(Cluster.right().add(application()), inside)
        assert found.code is FindingCode.READ_FAILS
        assert "Input/output error" in found.says

    def test_restarted_and_alive(self) -> None:
        """A Fuse that began anew is no fault once a read succeeds."""
        cluster = Cluster.right().add(application())
        cluster.get("Pod", "demo-fuse-x1")["status"]["containerStatuses"] = [running(since=NOW)]
        found = self._look(cluster, Inside())
        assert (found.code, found.state) == (FindingCode.SERVED, State.OK)

    def test_hangs(self) -> None:
        """A read that does not end is told, after a limit."""

        def run(
            namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
        ) -> Completed:
            done = Completed(argv, 0, ROOT_LINE + FUSE_LINE, "")
            if argv[0] == "cat":
                return done
            raise ExecTimeoutError("did not end", done, timeout)

        picture = Cluster.right().add(application()).picture()
        (found,), _ = prove_in_pods(run, picture, diagnose(picture))
        assert found.code is FindingCode.READ_FAILS
        assert "no answer within 20 s" in found.says

    def test_no_tools(self) -> None:
        """An image without cat or shell leaves the finding as it was, with a note."""
        cluster = Cluster.right().add(application())
        assert self._look(cluster, Inside(read=127)).code is FindingCode.SERVED

        def refuses(
            namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
        ) -> Completed:
            raise KubeError("run cat", status=500, said='exec: "cat": executable file not found')

        picture = cluster.picture()
        (found,), missing = prove_in_pods(refuses, picture, diagnose(picture))
        assert (found.code, missing) == (FindingCode.SERVED, ())
        assert "no command could be run there" in sources(found)

    def test_missing_right(self) -> None:
        """Who may not run programs in Pods is told which right is missing."""

        def forbidden(
            namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
        ) -> Completed:
            raise KubeError("run cat", status=403, reason="Forbidden")

        picture = Cluster.right().add(application()).picture()
        _, missing = prove_in_pods(forbidden, picture, diagnose(picture))
        assert missing == ("get or create pods/exec in namespace demo",)

    def test_looks_only_where_something_runs(self) -> None:
        """A Pod that waits is not looked into."""
        inside = Inside()
        self._look(Cluster.right().add(unscheduled(application(claim="dmeo"))), inside)
        assert inside.commands == []
