"""Kinds of cases that users have reported: the right answer, or none, and never advice that does harm.

Each test is named for what is true of the cluster; the issue that reported it is in its docstring.
"""

from __future__ import annotations

import pytest

from clusters.kubernetes import kinds
from suites.diagnosis import CauseCode, Finding, FindingCode, State
from tests.suites.diagnosis.reported_objects import DEAD, conditions, crashing, fuse_started, minutes, warning
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    all_evidence,
    application,
    claim,
    dataset,
    fluid_claim,
    fluid_volume,
    fuse_labels,
    nfs_volume,
    node,
    owned_by,
    part,
    running,
    served,
    stamp,
    unscheduled,
)


class TestContainersOnADeadMount:
    """fluid#1831, kubernetes#96361: the Fuse ended, then the container ended and cannot run again."""

    def test_crash_loop_after_the_fuse_started_again(self) -> None:
        """The runs that are known are younger than the Fuse, and the Pod is much older."""
        status = {**conditions(), "containerStatuses": [crashing()]}
        found = fuse_started(Cluster.right().add(application(status=status)), 30).finding()
        assert (found.code, found.state) == (FindingCode.FUSE_RESTARTED, State.WRONG)
        assert "started again at 11:30:00" in found.says
        assert "CrashLoopBackOff, 4 restarts" in found.says
        assert found.change.startswith("Delete Pod `train-0`")

    def test_sandbox_shows_when_volumes_were_mounted(self) -> None:
        """The kubelet's condition of Kubernetes 1.29 is exact, also for a Pod that is young."""
        status = {**conditions(accepted=minutes(4)), "containerStatuses": [crashing(last=0.5)]}
        sandbox = {
            "type": "PodReadyToStartContainers",
            "status": "True",
            "lastTransitionTime": stamp(NOW - minutes(3.5)),
        }
        status["conditions"].append(sandbox)
        cluster = Cluster.right().add(application(status=status))
        assert fuse_started(cluster, 1).finding().code is FindingCode.FUSE_RESTARTED
        assert fuse_started(cluster, 3.8).finding().code is FindingCode.CONTAINER_NOT_RUNNING

    def test_container_cannot_be_created(self) -> None:
        """The kubelet's own words prove the dead mount, whatever is known of the Fuse."""
        message = f'failed to generate spec: failed to stat "/var/lib/kubelet/x/mount": {DEAD}'
        status = {
            **conditions(),
            "containerStatuses": [crashing("CreateContainerError", message, restarts=0, lastState={})],
        }
        found = Cluster.right().add(application(status=status)).finding()
        assert (found.code, found.state) == (FindingCode.DEAD_MOUNT, State.WRONG)
        assert DEAD in found.says

    def test_crash_loop_of_its_own(self) -> None:
        """The Fuse is older than the Pod: that the container crashes is not shown to be Fluid's fault."""
        status = {**conditions(accepted=minutes(20)), "containerStatuses": [crashing()]}
        found = Cluster.right().add(application(status=status)).finding()
        assert (found.code, found.state) == (FindingCode.CONTAINER_NOT_RUNNING, State.UNKNOWN)
        assert "kubectl logs --previous train-0 --container main" in found.change

    def test_container_that_started_again_has_the_old_mount(self) -> None:
        """A container that runs again after the Fuse did still has the mount of its Pod."""
        again = running(since=NOW - minutes(5), restartCount=1)
        again["lastState"] = {
            "terminated": {"startedAt": stamp(NOW - minutes(50)), "finishedAt": stamp(NOW - minutes(29))}
        }
        cluster = Cluster.right().add(application(status={**conditions(), "containerStatuses": [again]}))
        assert fuse_started(cluster, 30).finding().code is FindingCode.FUSE_RESTARTED

    def test_job_that_failed_because_of_it(self) -> None:
        """A Pod that failed after its Fuse had ended says so next to that it has ended."""
        run = {
            "exitCode": 1,
            "startedAt": stamp(NOW - minutes(40)),
            "finishedAt": stamp(NOW - minutes(31)),
        }
        status = {"phase": "Failed", "containerStatuses": [{"name": "main", "state": {"terminated": run}}]}
        cluster = fuse_started(Cluster.right().add(application(status=status)), 30)
        found = cluster.finding()
        assert (found.code, found.state) == (FindingCode.ENDED_WITH_FUSE, State.UNKNOWN)
        assert "ended with exit code 1 at 11:29:00" in found.says
        run["exitCode"] = 0
        assert cluster.finding().code is FindingCode.ENDED
        run["exitCode"], run["finishedAt"] = 1, stamp(NOW - minutes(39))
        assert cluster.finding().code is FindingCode.ENDED

    def test_other_container_of_the_fuse_pod(self) -> None:
        """A proxy in the Fuse Pod that started again does not end the mount."""
        cluster = Cluster.right().add(application())
        proxy = running("istio-proxy", since=NOW - minutes(1), restartCount=3)
        fuse = running("alluxio-fuse", since=NOW - minutes(50))
        cluster.get("Pod", "demo-fuse-x1")["status"]["containerStatuses"] = [fuse, proxy]
        assert cluster.finding().code is FindingCode.SERVED
        fuse["state"]["running"]["startedAt"] = stamp(NOW - minutes(1))
        assert cluster.finding().code is FindingCode.FUSE_RESTARTED

    def test_node_that_is_not_ready(self) -> None:
        """What a node reported before it was lost is not called served."""
        lost = node(labels=fuse_labels(("demo", "demo")))
        lost["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
        found = Cluster.right().add(application(), lost).finding()
        assert (found.code, found.state) == (FindingCode.NODE_NOT_READY, State.UNKNOWN)


class TestRuntimeBehindABoundDataset:
    """fluid#2389, #823, #4257: the Dataset says Bound, and a part of its runtime does not work."""

    def finding(self, cluster: Cluster, cause: CauseCode, state: State = State.WRONG) -> Finding:
        """The finding about the application, which is that of its runtime."""
        found = cluster.add(application()).finding()
        assert (found.code, found.state) == (FindingCode.RUNTIME_NOT_WORKING, state)
        assert [one.code for one in found.causes] == [cause]
        assert found.causes[0].says in found.says
        return found

    @pytest.mark.parametrize(
        ("name", "cause"),
        [("demo-master", CauseCode.MASTER_GONE), ("demo-worker", CauseCode.WORKERS_GONE)],
    )
    def test_stateful_set_deleted(self, name: str, cause: CauseCode) -> None:
        """A StatefulSet that was deleted, its Pods with it."""
        cluster = Cluster.right().drop("StatefulSet", name).drop("Pod", f"{name}-0")
        found = self.finding(cluster, cause)
        assert "which is Bound, but StatefulSet" in found.says
        assert "Delete the runtime and create it again" in found.change

    @pytest.mark.parametrize("part_name", ["master", "worker"])
    def test_scaled_to_zero(self, part_name: str) -> None:
        """A StatefulSet without replicas."""
        cluster = Cluster.right().drop("Pod", f"demo-{part_name}-0")
        cluster.get("StatefulSet", f"demo-{part_name}")["spec"]["replicas"] = 0
        self.finding(cluster, CauseCode.SCALED_TO_ZERO)

    @pytest.mark.parametrize(
        ("part_name", "cause"),
        [("master", CauseCode.MASTER_NOT_READY), ("worker", CauseCode.WORKER_NOT_READY)],
    )
    def test_crashing(self, part_name: str, cause: CauseCode) -> None:
        """A Pod that is not ready for longer than it needs to start, with what its container reports."""
        cluster = Cluster.right()
        pod = cluster.get("Pod", f"demo-{part_name}-0")
        since = {"lastTransitionTime": stamp(NOW - minutes(9))}
        pod["status"] = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False", **since}],
            "containerStatuses": [crashing("ImagePullBackOff", "not found")],
        }
        found = self.finding(cluster, cause)
        assert "ImagePullBackOff" in found.says
        pod["status"]["conditions"][0]["lastTransitionTime"] = stamp(NOW - minutes(1))
        self.finding(cluster, cause, State.WAITING)

    def test_no_node_for_a_worker(self) -> None:
        """A worker that lost its node, with the scheduler's words."""
        cluster = Cluster.right()
        lost = unscheduled(cluster.get("Pod", "demo-worker-0"), "0/1 nodes are available: disk pressure")
        found = self.finding(cluster.add(lost), CauseCode.PART_NOT_SCHEDULED)
        assert "the scheduler says: 0/1 nodes are available: disk pressure" in found.says

    def test_pods_refused(self) -> None:
        """A StatefulSet whose Pods Kubernetes refuses, with the event's words."""
        refusal = 'pods "demo-worker-0" is forbidden: exceeded quota: team, requested: memory=2Gi'
        cluster = Cluster.right().drop("Pod", "demo-worker-0")
        cluster.add(warning(kinds.STATEFUL_SET, "demo-worker", "FailedCreate", refusal))
        found = self.finding(cluster, CauseCode.POD_NOT_CREATED)
        assert refusal in found.says
        assert found.change.startswith("Raise the ResourceQuota")

    def test_master_that_is_being_replaced(self) -> None:
        """A master's Pod that is being deleted for a moment is waited for."""
        cluster = Cluster.right()
        metadata = cluster.get("Pod", "demo-master-0")["metadata"]
        metadata |= {"deletionTimestamp": stamp(NOW), "deletionGracePeriodSeconds": 30}
        self.finding(cluster, CauseCode.MASTER_NOT_READY, State.WAITING)

    def test_one_of_two_workers_is_enough(self) -> None:
        """The others serve on."""
        second = part("StatefulSet", "demo-worker", "demo-worker-1", status={"conditions": []})
        assert Cluster.right().add(application(), second).finding().code is FindingCode.SERVED

    def test_behind_a_reference(self) -> None:
        """A Dataset that refers to another depends on the runtime of that one."""
        attributes = {"runtime_namespace": "demo", "runtime_name": "demo"}
        cluster = Cluster.right().drop("StatefulSet", "demo-master").drop("Pod", "demo-master-0")
        cluster.add(
            application(claim="ref", namespace="team"),
            dataset("ref", "team", spec={"mounts": [{"mountPoint": "dataset://demo/demo"}]}),
            fluid_claim("ref", "team"),
            fluid_volume("ref", "team", attributes=attributes),
        )
        found = cluster.finding()
        assert found.code is FindingCode.RUNTIME_NOT_WORKING
        assert "Dataset `demo/demo`, which it refers to" in found.says


class TestAdviceToDelete:
    """fluid#695: advice to delete is given only for what is proved to be this Dataset's."""

    @staticmethod
    def two_of_one_name() -> Cluster:
        """Dataset team/a-data, which works, and team-a/data, whose volume would have the same name."""
        late = [obj for obj in served("data", "team-a") if obj["kind"] != "PersistentVolume"]
        cluster = Cluster.right().add(*served("a-data", "team"), *late)
        cluster.add(node(labels=fuse_labels(("team", "a-data"))))
        pending = fluid_claim("data", "team-a")
        pending["status"]["phase"] = "Pending"
        working = application("app", "a-data", "team")
        return cluster.add(pending, unscheduled(application("app", "data", "team-a")), working)

    def found(self, cluster: Cluster) -> dict[str, Finding]:
        """The findings by namespace."""
        return {finding.pod[0]: finding for finding in cluster.findings()}

    def test_volume_of_another_dataset(self) -> None:
        """The volume of another, working team is not to be deleted."""
        found = self.found(self.two_of_one_name())["team-a"]
        assert (found.code, found.state) == (FindingCode.VOLUME_NAME_TAKEN, State.WRONG)
        assert "the volume of Dataset `team/a-data` already" in found.says
        assert "Leave volume `team-a-data` alone" in found.change
        assert "elete" not in found.change

    def test_the_other_one_is_served(self) -> None:
        """The Dataset that has the volume works, and that it shares its node label is said."""
        found = self.found(self.two_of_one_name())["team"]
        assert (found.code, found.state) == (FindingCode.SERVED, State.OK)
        assert "is also that of Dataset team-a/data" in all_evidence(found)

    def test_claim_not_there(self) -> None:
        """The same while Fluid has not created the second claim."""
        cluster = self.two_of_one_name().drop("PersistentVolumeClaim", "data", "team-a")
        assert self.found(cluster)["team-a"].code is FindingCode.VOLUME_NAME_TAKEN

    def test_volume_that_fluid_did_not_create(self) -> None:
        """A claim that was deleted, and a foreign volume of that name created for it."""
        cluster = Cluster.right().add(unscheduled(application())).drop("PersistentVolumeClaim", "demo")
        cluster.get("PersistentVolume", "demo-demo")["metadata"]["annotations"] = {}
        found = cluster.finding()
        assert found.code is FindingCode.CLAIM_DELETED
        assert "do not delete it before you know" in found.change

    def test_claims_of_users_are_kept(self) -> None:
        """A claim with the Dataset's name and a hand-written one stay: they may hold data."""
        own = Cluster.right().add(
            application(), claim("demo", "pv-own"), nfs_volume("pv-own", ("demo", "demo"))
        )
        copy = fluid_volume(volume="pv-mine", attributes={"fluid_path": ""})
        copy["spec"]["claimRef"] = {"namespace": "demo", "name": "mine"}
        by_hand = Cluster.right().add(application(claim="mine"), claim("mine", "pv-mine"), copy)
        for found in (own.finding(), by_hand.finding()):
            assert found.wrong
            assert "elete" not in found.change


class TestRightUseOfTheSource:
    """fluid#4388: Pods that fill the source or write to it may use its claim."""

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_ended(self, phase: str) -> None:
        """A task that has ended is no reason to change anything."""
        job = application("fill-x", "demo-src", metadata={"ownerReferences": owned_by("Job", "fill")})
        job["status"] = {"phase": phase}
        found = Cluster.right().add(job).finding()
        assert (found.code, found.state, found.change) == (FindingCode.ENDED, State.OK, "")
        assert "which is the source of Dataset `demo`, and has ended" in found.says

    def test_ended_on_the_export(self) -> None:
        """The same without the claim."""
        nfs = {"server": "nfs.example", "path": "/export/demo/demo"}
        pod = application(spec={"volumes": [{"name": "data", "nfs": nfs}]}, status={"phase": "Succeeded"})
        found = Cluster.right().add(pod).finding()
        assert (found.code, found.state) == (FindingCode.ENDED, State.OK)

    def test_ended_on_any_wrong_claim(self) -> None:
        """Whatever claim a Pod used, nothing can be changed after it has ended."""
        cluster = Cluster.right().add(application(status={"phase": "Succeeded"}), claim("demo", "pv-own"))
        found = cluster.add(nfs_volume("pv-own", ("demo", "demo"), "/own")).finding()
        assert (found.code, found.state, found.change) == (FindingCode.ENDED, State.OK, "")

    def test_may_write(self) -> None:
        """The advice to a Pod that may write has a condition, that to one that cannot has none."""
        writer = Cluster.right().add(application(claim="demo-src"))
        assert "unless this Pod is to write to the source" in writer.finding().change
        pod = application(claim="demo-src")
        pod["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] = True
        assert Cluster.right().add(pod).finding().change == "Mount claim `demo` instead."

    def test_reads_and_writes(self) -> None:
        """A Pod on both claims is right if it may write to the source, and wrong if it cannot."""
        pod = application()
        pod["spec"]["volumes"].append({"name": "s", "persistentVolumeClaim": {"claimName": "demo-src"}})
        pod["spec"]["containers"][0]["volumeMounts"].append({"name": "s", "mountPath": "/raw"})
        found = {f.claim: f for f in Cluster.right().add(pod).findings()}["demo-src"]
        assert (found.code, found.state) == (FindingCode.READS_AND_WRITES, State.OK)
        pod["spec"]["containers"][0]["volumeMounts"][1]["readOnly"] = True
        found = {f.claim: f for f in Cluster.right().add(pod).findings()}["demo-src"]
        assert (found.code, found.state) == (FindingCode.ORIGINAL_CLAIM, State.WRONG)

    def test_data_operations_of_fluid(self) -> None:
        """The Pod of a DataMigrate uses the source rightly."""
        labels = {"role": "datamigrate-pod", "targetDataset": "demo"}
        metadata = {"ownerReferences": owned_by("Job", "move-migrate"), "labels": labels}
        assert Cluster.right().add(application(claim="demo-src", metadata=metadata)).findings() == ()
