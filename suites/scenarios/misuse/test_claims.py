"""Group B: claims and volumes that are made or deleted by hand, and applications that come too early."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import has_any_phase
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product.fluid_snapshots import made_by_fluid
from clusters.waiting import WaitError, hold, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks, leaks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User, fluid_volume, unique
from workloads import volumes

#: Seconds until Fluid's volume is there once the Dataset is Bound.
VOLUME_SECONDS: Final = 90.0
#: Seconds until Fluid makes a claim again (steady reconcile: 90 s).
AGAIN_SECONDS: Final = 180.0
#: Seconds for which things that must not change are watched; Fluid tries a deletion again each 10 s.
WATCH_SECONDS: Final = 25.0


@scenario(
    "B2",
    Level.CONFORMANCE,
    issues=(4388,),
    defects=(
        Defect(
            "same-name-claim-accepted",
            "A claim that has the Dataset's name already is taken for Fluid's own: the Dataset gets Bound, "
            "and whoever mounts the claim reads past Fluid.",
            "pkg/controllers/runtime_controller.go:291-296 (1.0.8)",
        ),
        Defect(
            "same-name-claim-unprotected",
            "A Dataset whose name another claim has is deleted although applications use that claim.",
            "pkg/utils/kubeclient/volume.go:281-302 (1.0.8)",
        ),
    ),
)
def test_claim_that_has_the_datasets_name_already_is_not_accelerated(user: User, window: float) -> None:
    """An application on a claim that has the Dataset's name, and is not Fluid's, reads past Fluid.

    The user made an NFS claim ``demo`` long ago and now makes Dataset ``demo`` beside it.
    """
    user.creates_source(DATASET)
    user.creates_dataset()
    try:
        user.waits_until_bound()
    except WaitError as error:
        events = user.observer.objects.events(user.namespace)
        told = [e for e in events if e.type == "Warning" and "persistentvolumeclaim" in e.message.lower()]
        if not told:
            raise
        says = f"Fluid refuses it: {told[-1].message[:300]} ({error.message})"
        user.evidence.defect("same-name-claim-accepted", seen=False, says=says)
        return
    volume = _fluids_volume(user)
    claim = user.observer.objects.get(ClaimSnapshot, DATASET, user.namespace)
    assert claim is not None
    user.evidence.defect(
        "same-name-claim-accepted",
        seen=not made_by_fluid(claim) and volume.phase == "Available",
        says=f"the Dataset is Bound; {claim}; Fluid's own {volume}",
    )
    pod = user.starts(user.application("b2-namesake", DATASET))
    checks.reads_raw_nfs(user, pod, "the application on the user's own claim")
    user.reads_right(pod)
    checks.no_fuse_over_window(user, window, lambda: user.reads_right_quietly(pod))
    checks.nothing_cached(user)
    assert_diagnosis(
        user, pod.name, FindingCode.NAMESAKE_CLAIM, names=(pod.name, DATASET, "Fluid did not make")
    )
    _deletes_in_use(user)
    user.reads_right(pod, who="application, Dataset deleted")


def _deletes_in_use(user: User) -> None:
    try:
        user.deletes_dataset()
    except WaitError as error:
        says = f"it is kept while a Pod uses the claim: {error.last_seen[:300]}"
        user.evidence.defect("same-name-claim-unprotected", seen=False, says=says)
        return
    user.evidence.defect(
        "same-name-claim-unprotected",
        seen=True,
        says="the Dataset was deleted at once while an application used the claim of its name",
    )
    leaks.nothing_left(user)


@scenario("B3", Level.CONFORMANCE)
def test_hand_made_volume_of_fluids_driver_does_not_start_the_application(shared_user: User) -> None:
    """An application on a volume that was written by hand for Fluid's driver does not start, and is told why.

    The user writes two PersistentVolumes with driver fuse.csi.fluid.io: one without any attributes,
    one that names the runtime and lacks ``fluid_path``.
    """
    runtime = {
        "runtime_namespace": shared_user.namespace,
        "runtime_name": DATASET,
        "mount_type": "fuse.alluxio-fuse",
    }
    attributes: dict[str, dict[str, str]] = {"b3-bare": {}, "b3-pathless": runtime}
    objects = shared_user.observer.objects
    names = {name: unique(name) for name in attributes}
    try:
        for name, said in attributes.items():
            shared_user.applies(*volumes.of_fluids_driver(shared_user.namespace, names[name], said))
            shared_user.applies(shared_user.application(names[name], names[name]).manifest())
        wait_for_event(shared_user, "Pod", names["b3-bare"], reason="FailedMount", timeout=150.0)
        wait_for_event(
            shared_user,
            "Pod",
            names["b3-pathless"],
            reason="FailedMount",
            says="fluid_path is not set",
            timeout=150.0,
        )

        def look() -> tuple[PodSnapshot | None, ...]:
            return tuple(objects.get(PodSnapshot, name, shared_user.namespace) for name in names.values())

        with shared_user.evidence.phase("window", "both applications stay without their volume"):
            hold(
                look,
                lambda pods: next(
                    (
                        f"{pod or 'a Pod'} is not waiting"
                        for pod in pods
                        if pod is None or pod.phase != "Pending"
                    ),
                    None,
                ),
                subject=f"Pods {', '.join(names.values())}",
                condition="phase Pending",
                window=WATCH_SECONDS,
            )
        shared_user.evidence.fact("Pods", f"both wait for their volume, watched for {WATCH_SECONDS:g} s")
        assert_diagnosis(
            shared_user,
            names["b3-bare"],
            FindingCode.HAND_MADE_VOLUME,
            names=(names["b3-bare"], "made by hand", "fluid_path"),
        )
        assert_diagnosis(
            shared_user,
            names["b3-pathless"],
            FindingCode.HAND_MADE_VOLUME,
            names=(names["b3-pathless"], "fluid_path", f"Mount claim `{DATASET}` instead"),
        )
    finally:
        for name in names.values():
            pod = objects.get(PodSnapshot, name, shared_user.namespace)
            if pod is not None:
                shared_user.stops(pod)
            shared_user.system.kube.delete(kinds.CLAIM, name, shared_user.namespace)
            shared_user.system.kube.delete(kinds.VOLUME, name)


@scenario("B7", Level.CONFORMANCE)
def test_application_that_came_before_the_dataset_starts_by_itself(user: User) -> None:
    """An application made before its Dataset waits, and starts by itself once the Dataset is Bound.

    The user starts the Pod first, then makes Dataset and runtime, and does not touch the Pod again.
    """
    application = user.application("b7-early", DATASET)
    user.applies(application.manifest())
    user.waits_for_scheduling_verdict(user.namespace, application.name)
    before = user.observer.objects.get(PodSnapshot, application.name, user.namespace)
    if before is None or before.node or not before.scheduling:
        checks.fail(
            "an application does not wait for a claim that is not there",
            subject=f"Pod {user.namespace}/{application.name}",
            expected="Pending, not scheduled",
            seen=str(before),
        )
    user.evidence.fact("Pod condition", before.scheduling)
    user.creates_dataset()
    user.waits_for_phase(DATASET)
    assert_diagnosis(user, application.name, FindingCode.DATASET_NOT_BOUND, names=(application.name, DATASET))
    user.waits_until_bound()
    pod = user.waits_until_running(application)
    checks.same_pod(before, pod)
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)


@scenario(
    "B8",
    Level.CONFORMANCE,
    issues=(4382,),
    defects=(
        Defect(
            "deleted-claim-comes-back-pending",
            "A claim of Fluid's that was deleted is made again and stays Pending, because its volume is held "
            "for the old one; nothing says so.",
            "pkg/utils/dataset/volume/create.go:53-159 (1.0.8)",
        ),
    ),
)
def test_deleted_claim_of_fluids_can_be_had_again(dataset_owner: User) -> None:
    """After Fluid's claim was deleted by hand, claim and volume can be had again, and data are served.

    The user deletes the claim that Fluid made; where the new one stays Pending, the user follows
    the diagnosis and deletes the volume as well.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    old = objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace)
    assert old is not None
    kube.delete(kinds.CLAIM, DATASET, dataset_owner.namespace, because="the user deletes Fluid's claim")
    again = _made_again(dataset_owner, old.uid)
    application = dataset_owner.application("b8-after", DATASET)
    dataset_owner.applies(application.manifest())
    pending = _stays_pending(dataset_owner) if again.phase != "Bound" else False
    claim = objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace)
    volume = objects.get(VolumeSnapshot, fluid_volume(dataset_owner))
    dataset_owner.evidence.defect(
        "deleted-claim-comes-back-pending",
        seen=pending,
        says=f"the claim that Fluid made again: {claim}; {volume}",
    )
    if pending:
        assert_diagnosis(
            dataset_owner,
            application.name,
            FindingCode.CLAIM_DELETED,
            names=(DATASET, fluid_volume(dataset_owner), "Delete"),
        )
        current = objects.get(ClaimSnapshot, DATASET, dataset_owner.namespace)
        kube.delete(kinds.CLAIM, DATASET, dataset_owner.namespace, because="the user follows the diagnosis")
        kube.delete(kinds.VOLUME, fluid_volume(dataset_owner), because="the user follows the diagnosis")
        _made_again(dataset_owner, current.uid if current else "", bound=True)
    pod = dataset_owner.waits_until_running(application)
    checks.claim_and_volume_of_fluid(dataset_owner)
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)


def _made_again(user: User, old: str, *, bound: bool = False) -> ClaimSnapshot:
    """Wait until Fluid has made the claim again; with ``bound``, until it has its volume too."""
    objects = user.observer.objects
    with user.evidence.phase("waiting", "Fluid makes the claim again"):
        claim = wait(
            user.with_reconcile_requests(lambda: objects.get(ClaimSnapshot, DATASET, user.namespace)),
            lambda seen: (
                seen is not None
                and seen.uid != old
                and made_by_fluid(seen)
                and (seen.phase == "Bound" or not bound)
            ),
            subject=f"claim {user.namespace}/{DATASET}",
            condition="creation by Fluid" + (" and phase Bound" if bound else ""),
            timeout=AGAIN_SECONDS,
            delay=1.0,
            advice="look at the logs of the alluxioruntime-controller",
        )
    assert claim is not None
    user.evidence.fact("claim", f"made again by Fluid: {claim}")
    return claim


def _stays_pending(user: User) -> bool:
    """Whether the claim has not got its volume after a while, given that Fluid looks at it meanwhile."""
    objects = user.observer.objects
    try:
        with user.evidence.phase("window", "the claim stays Pending"):
            hold(
                lambda: objects.get(ClaimSnapshot, DATASET, user.namespace),
                lambda seen: None if seen is None or seen.phase != "Bound" else f"{seen}",
                subject=f"claim {user.namespace}/{DATASET}",
                condition="a phase other than Bound",
                window=WATCH_SECONDS,
            )
    except WaitError:
        return False
    return True


@scenario("B10", Level.CONFORMANCE)
def test_dataset_that_an_application_uses_is_not_deleted_before_it_ends(dataset_owner: User) -> None:
    """A Dataset that is deleted while an application uses it serves on, says who uses it, and goes then.

    The user deletes the Dataset while a Pod reads from it, and ends the Pod later.
    """
    pod = dataset_owner.starts(dataset_owner.application("b10-user", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.system.kube.delete(kinds.DATASET, DATASET, dataset_owner.namespace)
    wait_for_event(dataset_owner, "Dataset", DATASET, reason="ErrorDeleteDataset", says=f"Pod {pod.name}")
    checks.deletion_waits(dataset_owner, dataset_owner, pod, "its application")
    assert_diagnosis(
        dataset_owner, pod.name, FindingCode.DATASET_BEING_DELETED, names=(pod.name, DATASET, "End this Pod")
    )
    dataset_owner.stops(pod)
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


def _fluids_volume(user: User) -> VolumeSnapshot:
    """Wait for the volume that Fluid makes once the Dataset is Bound."""
    objects, name = user.observer.objects, fluid_volume(user)
    volume = wait(
        lambda: objects.get(VolumeSnapshot, name),
        has_any_phase,
        subject=f"volume {name}",
        condition="creation by Fluid",
        timeout=VOLUME_SECONDS,
    )
    assert volume is not None
    return volume
