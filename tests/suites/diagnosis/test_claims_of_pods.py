"""Pods on the right claim, and on any other; from objects alone."""

from __future__ import annotations

import pytest

from clusters.kubernetes import kinds
from clusters.product import fluid_names
from suites.diagnosis import CauseCode, Finding, FindingCode, State
from tests.suites.doctor.doctor_cluster import (
    Cluster,
    all_evidence,
    application,
    claim,
    dataset,
    fluid_claim,
    fluid_volume,
    make,
    nfs_volume,
    served,
    unscheduled,
)


class TestThroughFluid:
    """Pods that use the claim of Fluid."""

    def test_served(self) -> None:
        """A Pod on Fluid's claim, with a labelled node and a ready Fuse, uses Fluid."""
        found = Cluster.right().add(application()).finding()
        assert (found.code, found.state, found.dataset) == (FindingCode.SERVED, State.OK, ("demo", "demo"))
        assert found.says == "Pod `train-0` mounts claim `demo` of Dataset `demo`: it goes through Fluid."
        assert found.change == ""
        assert "has label fluid.io/f-demo-demo" in all_evidence(found)
        assert "demo-fuse-x1" in all_evidence(found)

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
    """Pods that use something else than the claim of Fluid."""

    def test_original_claim(self) -> None:
        """B1: a Pod on the source of a Dataset reads past Fluid; the claim to mount is named."""
        found = Cluster.right().add(application(claim="demo-src")).finding()
        assert (found.code, found.rows, found.wrong) == (FindingCode.ORIGINAL_CLAIM, ("B1",), True)
        assert str(found) == (
            "Pod `train-0` mounts claim `demo-src`, which is the source of Dataset `demo`: "
            "it reads past Fluid. Mount claim `demo` instead, unless this Pod is to write to the source: "
            "then leave it as it is."
        )
        assert found.dataset == ("demo", "demo")

    def test_original_claim_of_unbound_dataset(self) -> None:
        """B1 before the Dataset is Bound: what has to be corrected first is named."""
        cluster = Cluster.right().add(application(claim="demo-src")).drop("AlluxioRuntime", "demo")
        cluster.get("Dataset", "demo")["status"]["phase"] = "NotBound"
        found = cluster.finding()
        assert found.code is FindingCode.ORIGINAL_CLAIM
        assert "is created when Dataset `demo` is Bound. Create an AlluxioRuntime `demo`" in found.change
        assert [cause.code for cause in found.causes] == [CauseCode.NO_RUNTIME]

    def test_both_claims(self) -> None:
        """A Pod on both claims is advised to read from the Dataset's."""
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
        """Pods that use the export from another namespace are not reported."""
        cluster = Cluster.right().add(
            application(claim="copy", namespace="team"),
            claim("copy", "pv-copy", "team"),
            nfs_volume("pv-copy", ("team", "copy"), "/export/demo/demo"),
        )
        assert cluster.findings() == ()

    def test_dataset_over_a_dataset(self) -> None:
        """The claim of one Dataset may be the source of another: a Pod on it uses the first."""
        cluster = Cluster.right().add(application(), dataset("second", source="demo"))
        assert cluster.finding().code is FindingCode.SERVED

    def test_namesake(self) -> None:
        """B2: a foreign claim with the Dataset's name is distinguished from Fluid's."""
        cluster = Cluster.right().add(application(), claim("demo", "pv-own"))
        cluster.add(nfs_volume("pv-own", ("demo", "demo"), "/own"))
        found = cluster.finding()
        assert (found.code, found.rows) == (FindingCode.NAMESAKE_CLAIM, ("B2",))
        assert "lacks the annotation CreatedBy=fluid" in all_evidence(found)
        assert "Keep claim `demo`" in found.change
        assert "Delete" not in found.change

    def test_source_of_the_same_name(self) -> None:
        """B2: a Dataset with the name of its own source needs another name."""
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
        """B3: a hand-written volume for Fluid's driver, with its errors."""
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
        """B5: a claim in the wrong namespace: the right one is named."""
        found = Cluster.right().add(unscheduled(application(namespace="team"))).finding()
        assert (found.code, found.rows) == (FindingCode.OTHER_NAMESPACE, ("B5",))
        assert "Dataset `demo` is in `demo`" in found.says
        assert "Run the Pod in namespace `demo`" in found.change
        assert "scheduler: 0/1 nodes are available" in all_evidence(found)

    @pytest.mark.parametrize("name", ["dmeo", "demo1", "dem"])
    def test_misspelt(self, name: str) -> None:
        """B6: the nearest right name is offered."""
        found = Cluster.right().add(unscheduled(application(claim=name))).finding()
        assert (found.code, found.change) == (FindingCode.MISSPELT, "Mount claim `demo` instead.")

    def test_misspelt_source(self) -> None:
        """B6 and B1: a misspelt source is answered with the Dataset's claim."""
        found = Cluster.right().add(unscheduled(application(claim="demosrc"))).finding()
        assert found.code is FindingCode.MISSPELT
        assert "`demo-src` does, the source of Dataset `demo`" in found.says
        assert found.change == "Mount claim `demo` instead."

    def test_labelled_for_fluid(self) -> None:
        """A Pod that requests Fluid by its label, and no Dataset has the name."""
        labels = {"fuse.serverful.fluid.io/inject": "true"}
        pod = application(claim="imagenet", metadata={"labels": labels})
        found = Cluster.right().add(unscheduled(pod)).finding()
        assert found.code is FindingCode.NO_SUCH_DATASET
        assert "there are `demo`" in found.says

    def test_left_over_claim(self) -> None:
        """A claim of Fluid whose Dataset does not exist any more."""
        cluster = Cluster.right().add(application())
        cluster.drop("Dataset", "demo").drop("AlluxioRuntime", "demo")
        found = [f for f in cluster.findings() if f.pod == ("demo", "train-0")]
        assert [(f.code, f.dataset) for f in found] == [(FindingCode.DATASET_NOT_BOUND, None)]
