"""Group E: deleting what is in use, together with its surroundings, or while Fluid itself breaks down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from clusters.errors import FailureClass, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import is_deleting, is_rolled_out
from clusters.kubernetes.snapshots.controllers import DeploymentSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product import fluid, fluid_names, nfs
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DatasetSnapshot
from clusters.waiting import hold, is_gone, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.steps import checks, leaks
from suites.steps.user import DATASET, SOURCE, User, fluid_volume
from workloads.data import DataFile, Files
from workloads.faults import delete_pod
from workloads.models.dataset import Dataset

#: Seconds until a namespace with a Dataset in use is gone; Fluid tries to free the cache up to three times.
NAMESPACE_SECONDS: Final = 360.0
#: Seconds for what goes a moment after its namespace.
AFTER_SECONDS: Final = 20.0
#: Seconds until Dataset and runtime are gone from the API.
OBJECTS_SECONDS: Final = 240.0
#: Seconds for which a source claim that must not go is watched.
KEPT_SECONDS: Final = 25.0
#: Seconds until a claim that nobody uses any more is gone.
CLAIM_SECONDS: Final = 60.0
#: Seconds until the runtime is being deleted once its Dataset is: garbage collection.
COLLECTED_SECONDS: Final = 60.0
#: Seconds until a killed controller is ready again.
CONTROLLER_SECONDS: Final = 120.0
RUNTIME_CONTROLLER: Final = "alluxioruntime-controller"
#: A claim whose files have the names and sizes of the others, and other contents.
AGAIN: Final = "nfs-again"
#: Seconds to make them.
DATA_SECONDS: Final = 300.0


@scenario(
    "E5",
    Level.FULL,
    issues=(176, 535, 2283),
    defects=(
        Defect(
            "cache-outlives-its-namespace",
            "When a namespace is deleted as a whole, the cached data of its Datasets stay on the nodes, in "
            "memory: its Pods go first, and without a master Fluid does not free the cache.",
            "pkg/ddc/alluxio/shutdown.go:113-155, cache.go:35-45 (1.0.8)",
        ),
    ),
)
def test_deleting_the_namespace_removes_what_fluid_made(dataset_owner: User) -> None:
    """Deleting the namespace of a Dataset in use comes to an end and leaves no volume, node label or mount.

    The user deletes the namespace as a whole while an application reads from the Dataset.
    """
    kube = dataset_owner.system.kube
    pod = dataset_owner.starts(dataset_owner.application("e5-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    leaks.expect_on_worker_nodes(dataset_owner)
    kube.delete(kinds.NAMESPACE, dataset_owner.namespace)
    with (
        dataset_owner.evidence.phase("teardown", "the namespace goes"),
        kube.changes(kinds.NAMESPACE) as changed,
    ):
        wait(
            lambda: kube.get(kinds.NAMESPACE, dataset_owner.namespace),
            is_gone,
            subject=f"namespace {dataset_owner.namespace}",
            condition="deletion with all its objects",
            timeout=NAMESPACE_SECONDS * dataset_owner.timeout_factor,
            changes=changed,
            describe=_what_remains,
            advice="look at the finalizers of Dataset, AlluxioRuntime and claims",
        )
    dataset_owner.evidence.fact("namespace", "gone, and nothing in it held it up")
    left = leaks.after_a_while(dataset_owner, AFTER_SECONDS)
    nodes = dataset_owner.evidence.leftover_nodes
    known = [file for file in left.tier_files if file.partition(": ")[0] in nodes]
    try:
        dataset_owner.evidence.defect(
            "cache-outlives-its-namespace",
            seen=bool(known),
            says=f"in the tier on the workers' nodes: {leaks.listed(known) or 'nothing'}",
            files=len(known),
        )
        other = replace(left, tier_files=tuple(file for file in left.tier_files if file not in known))
        if not other.nothing:
            checks.fail(
                "something of a Dataset outlives the deletion of its namespace",
                subject=f"namespace {dataset_owner.namespace}",
                expected="no volume, node label or mount of it, and nothing in the tier of other nodes",
                seen=str(other),
            )
        dataset_owner.evidence.fact("leak check", "no volume, node label or mount is left")
        checks.source_unchanged(dataset_owner)
    finally:
        _frees_by_hand(dataset_owner)


def _what_remains(namespace: dict[str, Any] | None) -> str:
    """What holds a namespace up, as Kubernetes tells it."""
    if namespace is None:
        return "gone"
    status = namespace.get("status", {})
    told = [
        condition.get("message", "")
        for condition in status.get("conditions", [])
        if condition.get("status") == "True"
    ]
    return "; ".join([str(status.get("phase", "")), *told])


def _frees_by_hand(user: User) -> None:
    """Remove cached data that nobody else will: they take the node's memory."""
    folder = fluid_names.tier_folder(user.namespace, DATASET)
    for node in user.system.nodes:
        user.system.provider.node_exec(node, ["rm", "-rf", folder])


@scenario("E6", Level.FULL)
def test_dataset_of_the_same_name_made_again_at_once_has_nothing_of_the_old_one(dataset_owner: User) -> None:
    """A Dataset made again at once under its old name has a new volume, new data, and nothing cached.

    The user deletes a Dataset that is cached as a whole, and as soon as it and its runtime are gone makes
    it again over another claim, whose files have the same names and sizes and other contents.
    """
    objects = dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e6-before", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    old = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
    assert old is not None
    dataset_owner.stops(pod)
    with _other_data(dataset_owner) as other:
        _deletes_objects(dataset_owner)
        dataset_owner.creates_dataset(
            Dataset.over_claim(dataset_owner.namespace, DATASET, AGAIN).evolve(placement="Shared")
        )
        dataset_owner.waits_until_bound()
        new = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
        if new is None or new.uid == old.uid:
            checks.fail(
                "the volume is still that of the Dataset that was deleted",
                subject=f"volume {fluid_volume(dataset_owner)}",
                expected="a new volume",
                seen=f"before {old} {old.uid}, now {new} {new.uid if new else ''}",
            )
        checks.claim_and_volume_of_fluid(other)
        checks.fuse_absent(other, other.observer.fuse(other.namespace, DATASET))
        checks.nothing_cached(other)
        reader = other.starts(other.application("e6-after", DATASET))
        checks.served_by_fluid(other, reader)
        other.reads_right(reader, who="application on the Dataset that was made again")
        checks.all_cached(other)
        other.stops(reader)


@contextmanager
def _other_data(user: User) -> Iterator[User]:
    """The same user over a second claim, with files of the same names and sizes and of other contents."""
    folder = f"/export/again-{user.namespace}"
    files = Files(tuple(DataFile(file.path, file.size, f"again-{file.seed}") for file in user.files.files))
    script = files.shell(folder).encode()
    kube = user.system.kube
    try:
        kube.exec(nfs.NAMESPACE, nfs.NAME, nfs.CONTAINER, ["bash", "-s"], stdin=script, timeout=DATA_SECONDS)
        user.creates_source(AGAIN, folder=folder)
        yield replace(user, folder=folder, files=files)
    finally:
        # The folder itself stays: it is mounted until the Dataset is gone.
        user.system.nfs.run("find", folder, "-mindepth", "1", "-delete")


def _deletes_objects(user: User) -> None:
    """Delete the Dataset, and wait for it and its runtime alone, as ``kubectl delete`` of both does."""
    kube, objects = user.system.kube, user.observer.objects
    kube.delete(kinds.DATASET, DATASET, user.namespace)
    with (
        user.evidence.phase("teardown", "Dataset and runtime go"),
        kube.changes(
            kinds.DATASET, user.namespace, more=[Topic(kinds.ALLUXIO_RUNTIME, user.namespace)]
        ) as changed,
    ):
        wait(
            lambda: (
                objects.get(DatasetSnapshot, DATASET, user.namespace),
                objects.get(AlluxioRuntimeSnapshot, DATASET, user.namespace),
            ),
            lambda seen: seen == (None, None),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="deletion with its runtime",
            timeout=OBJECTS_SECONDS * user.timeout_factor,
            changes=changed,
            describe=lambda seen: "; ".join(str(item) for item in seen if item) or "both gone",
        )
    left = objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}")
    user.evidence.fact("Pods", f"of the old runtime there are still {len(left)} when it is made again")


@scenario("E9", Level.FULL)
def test_source_claim_stays_until_the_dataset_over_it_is_gone(dataset_owner: User) -> None:
    """A source claim that is deleted while a Dataset uses it stays and serves, and goes after the Dataset.

    The user deletes the NFS claim under a Bound Dataset before anything is cached, and the Dataset later.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e9-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    checks.nothing_cached(dataset_owner)
    kube.delete(kinds.CLAIM, SOURCE, dataset_owner.namespace)

    def look() -> ClaimSnapshot | None:
        dataset_owner.reads_right_quietly(pod)
        return objects.get(ClaimSnapshot, SOURCE, dataset_owner.namespace)

    def wrong(claim: ClaimSnapshot | None) -> str | None:
        if claim is None:
            return "the claim went although the Dataset's Pods use it"
        if not claim.deleting:
            return "the claim is not being deleted"
        dataset = dataset_owner.observer.dataset(dataset_owner.namespace, DATASET)
        return None if dataset.bound else f"the Dataset's phase is {dataset.phase}"

    with dataset_owner.evidence.phase("window", "the source claim stays"):
        looks = hold(
            look,
            wrong,
            subject=f"claim {dataset_owner.namespace}/{SOURCE}",
            condition="pending deletion with a Bound Dataset and correct reads",
            window=KEPT_SECONDS,
        )
    last = looks[-1]
    assert last is not None
    dataset_owner.evidence.fact(
        "source claim",
        f"being deleted, and kept by {', '.join(last.meta.finalizers)}; the first read came from NFS",
        looks=len(looks),
    )
    dataset_owner.stops(pod)
    dataset_owner.deletes_dataset()
    with kube.changes(kinds.CLAIM, dataset_owner.namespace) as changed:
        wait(
            lambda: objects.get(ClaimSnapshot, SOURCE, dataset_owner.namespace),
            is_gone,
            subject=f"claim {dataset_owner.namespace}/{SOURCE}",
            condition="deletion",
            timeout=CLAIM_SECONDS * dataset_owner.timeout_factor,
            changes=changed,
        )
    dataset_owner.evidence.fact("source claim", "went after the Dataset")
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


@scenario("E13", Level.FULL, alone=True)
def test_deletion_is_finished_after_fluids_controller_was_killed(dataset_owner: User) -> None:
    """A deletion in the midst of which Fluid's controller is killed is finished once it is back.

    The controller's Pod is killed while it removes a Dataset that was cached as a whole.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e13-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    dataset_owner.stops(pod)
    kube.delete(kinds.DATASET, DATASET, dataset_owner.namespace)
    with kube.changes(kinds.ALLUXIO_RUNTIME, dataset_owner.namespace) as changed:
        wait(
            lambda: objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace),
            is_deleting,
            subject=f"AlluxioRuntime {dataset_owner.namespace}/{DATASET}",
            condition="a deletion timestamp",
            timeout=COLLECTED_SECONDS * dataset_owner.timeout_factor,
            changes=changed,
        )
    for controller in objects.list(
        PodSnapshot, fluid.NAMESPACE, labels=f"control-plane={RUNTIME_CONTROLLER}"
    ):
        fault = delete_pod(
            kube, fluid.NAMESPACE, controller.name, because="the scenario's fault", grace_seconds=0
        )
        dataset_owner.evidence.fact("fault", fault.says)
    try:
        runtime = objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace)
        if runtime is None:
            # With data in the cache, Fluid needs two rounds of 20 s (shutdown.go:155 of 1.0.8).
            raise InfrastructureError("the deletion was over before the controller could be killed")
        dataset_owner.evidence.fact("AlluxioRuntime", f"the controller died over {runtime}")
    finally:
        _controller_is_back(dataset_owner)
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


def _controller_is_back(user: User) -> None:
    kube = user.system.kube
    with user.evidence.phase("waiting", "the controller is back"), kube.changes(kinds.DEPLOYMENT) as changed:
        wait(
            lambda: user.observer.objects.get(DeploymentSnapshot, RUNTIME_CONTROLLER, fluid.NAMESPACE),
            is_rolled_out,
            subject=f"Deployment {fluid.NAMESPACE}/{RUNTIME_CONTROLLER}",
            condition="readiness",
            timeout=CONTROLLER_SECONDS,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
