"""Group B: objects of Fluid's that are copied, changed or deleted by hand."""

from __future__ import annotations

import copy
from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.predicates import has_phase
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.predicates import fuse_has_no_pods, is_bound
from clusters.waiting import WaitError, hold, objection, wait
from suites.catalogue.scenario import Defect, Leftover, Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.steps import checks, leaks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.reconcile import FULL_RECONCILE_DELAY
from suites.steps.user import DATASET, PHASE_SECONDS, User, fluid_volume, unique
from workloads.faults import without_node_label
from workloads.models.base import Manifest

#: Seconds until a Fuse Pod that is not wanted any more is gone (its grace period is 30).
FUSE_GONE_SECONDS: Final = 90.0
#: Seconds for which something that must not come back by itself is watched; Fluid looks again each 20 s.
WATCH_SECONDS: Final = 25.0
#: Seconds until the Dataset's phase shows what was deleted, or put back.
SHOWN_SECONDS: Final = 120.0
#: Seconds from a look of the controller in which it surely does not look again by itself (it does after 90).
QUIET_SECONDS: Final = 60.0
#: Seconds until it has looked by itself, and told.
LOOKED_SECONDS: Final = 150.0


@scenario(
    "B4",
    Level.FULL,
    issues=(2260,),
    defects=(
        Defect(
            "copied-volume-unprotected",
            "A Dataset is deleted although an application uses it through a copy of Fluid's volume: only "
            "Pods on Fluid's own claim are looked for.",
            "pkg/utils/kubeclient/volume.go:281-302 (1.0.8)",
        ),
    ),
)
def test_copy_of_fluids_volume_serves_another_namespace_without_protection(dataset_owner: User) -> None:
    """A copy of Fluid's volume serves an application of another namespace, and does not keep its Dataset.

    The user copies volume and claim of Fluid's by hand, with other names, into a namespace beside the
    Dataset's, and later deletes the Dataset while the application there reads.
    """
    elsewhere = dataset_owner.creates_extra_namespace(unique("fc-elsewhere"))
    volume = unique("b4-copy")
    pod: PodSnapshot | None = None
    try:
        _copies_volume(dataset_owner, elsewhere, volume)
        pod = dataset_owner.starts(dataset_owner.application("b4-elsewhere", DATASET, namespace=elsewhere))
        checks.served_by_fluid(dataset_owner, pod)
        dataset_owner.reads_right(pod)
        assert_diagnosis(
            dataset_owner,
            pod.name,
            FindingCode.HAND_MADE_VOLUME,
            names=(
                volume,
                "made by hand",
                "neither protects nor mends",
                f"dataset://{dataset_owner.namespace}",
            ),
            namespace=elsewhere,
        )
        if _deleted_in_use(dataset_owner):
            checks.dead_mount(dataset_owner, pod)
            dataset_owner.stops(pod)
            pod = None
            leaks.nothing_left(dataset_owner)
    finally:
        if pod is not None:
            dataset_owner.stops(pod)
        dataset_owner.system.kube.delete(kinds.CLAIM, DATASET, elsewhere)
        dataset_owner.system.kube.delete(kinds.VOLUME, volume)
        dataset_owner.removes_namespace(elsewhere)


def _copies_volume(user: User, elsewhere: str, name: str) -> None:
    """Copy Fluid's volume and claim, as a user does with an editor: other names, the same attributes."""
    kube, objects = user.system.kube, user.observer.objects
    volume = kube.get(kinds.VOLUME, fluid_volume(user))
    claim = kube.get(kinds.CLAIM, DATASET, user.namespace)
    assert volume is not None
    assert claim is not None
    copied = _as_written(volume)
    copied["metadata"]["name"] = name
    copied["spec"]["claimRef"] = {"namespace": elsewhere, "name": DATASET}
    copied["spec"]["csi"]["volumeHandle"] = name
    beside = _as_written(claim)
    beside["metadata"]["namespace"] = elsewhere
    beside["metadata"].pop("ownerReferences", None)  # an owner of another namespace would be none
    beside["spec"]["volumeName"] = name
    user.applies(copied, beside)
    with kube.changes(kinds.CLAIM, elsewhere) as changed:
        wait(
            lambda: objects.get(ClaimSnapshot, DATASET, elsewhere),
            has_phase("Bound"),
            subject=f"claim {elsewhere}/{DATASET}",
            condition="phase Bound",
            timeout=PHASE_SECONDS,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    user.evidence.fact("claim and volume", f"copied by hand into {elsewhere}", volume=name)


def _as_written(found: Manifest) -> Manifest:
    """An object of the API as a user would write it anew: without what the API and controllers add."""
    labels = found["metadata"].get("labels") or {}
    annotations = found["metadata"].get("annotations") or {}
    metadata = {
        "name": found["metadata"]["name"],
        "namespace": found["metadata"].get("namespace"),
        "labels": dict(labels),
        "annotations": {
            key: value
            for key, value in annotations.items()
            if "kubernetes.io/" not in key and not key.startswith("deprecated.")
        },
        "ownerReferences": found["metadata"].get("ownerReferences"),
    }
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": copy.deepcopy(found["spec"]),
    }


def _deleted_in_use(user: User) -> bool:
    """Whether the Dataset goes while the application reads through the copy."""
    try:
        user.deletes_dataset()
    except WaitError as error:
        says = f"it is kept while a Pod uses the copy: {error.last_seen[:300]}"
        user.evidence.defect("copied-volume-unprotected", seen=False, says=says)
        return False
    user.evidence.defect(
        "copied-volume-unprotected",
        seen=True,
        says="the Dataset was deleted at once while an application of another namespace used the copy",
    )
    return True


@scenario("B31", Level.FULL)
def test_node_that_loses_the_fuses_label_kills_the_mounts_on_it(dataset_owner: User) -> None:
    """A node that loses the Fuse's label loses the Fuse Pod; mounts there are dead until Pods are made anew.

    The user takes the label off the node while an application reads, and later makes the application's
    Pod anew, which labels the node again.
    """
    old = dataset_owner.starts(dataset_owner.application("b31-reader", DATASET))
    before = checks.served_by_fluid(dataset_owner, old)
    dataset_owner.reads_right(old)
    with without_node_label(dataset_owner.system.kube, old.node, before.label) as fault:
        dataset_owner.evidence.fact("fault", fault.says)
        _fuse_goes(dataset_owner)
        checks.dead_mount(dataset_owner, old)
        checks.no_fuse_over_window(dataset_owner, WATCH_SECONDS, lambda: None)
        assert_diagnosis(
            dataset_owner,
            old.name,
            FindingCode.FUSE_NOT_READY,
            names=(old.name, old.node, "lost the label", f"Delete Pod `{old.name}`"),
        )
        dataset_owner.stops(old)
        new = dataset_owner.starts(dataset_owner.application("b31-reader", DATASET, node=old.node))
        checks.served_by_fluid(dataset_owner, new)
        dataset_owner.reads_right(new, who="application, made anew")


def _fuse_goes(user: User) -> None:
    with user.evidence.phase("waiting", "the Fuse Pod goes"):
        wait(
            lambda: user.observer.fuse(user.namespace, DATASET),
            fuse_has_no_pods,
            subject=f"Fuse of {user.namespace}/{DATASET}",
            condition="removal of all Pods",
            timeout=FUSE_GONE_SECONDS,
        )
    user.evidence.fact("Fuse DaemonSet", "its Pod is gone")


@scenario(
    "B36",
    Level.FULL,
    issues=(2389,),
    defects=(
        Defect(
            "master-loss-unseen",
            "A Dataset whose master's StatefulSet was deleted stays Bound: Fluid's look at the figures "
            "fails first, and its look at the parts is never reached.",
            "pkg/ddc/base/syncs.go:36-45, pkg/ddc/alluxio/metadata.go:36-43 (1.0.8)",
        ),
        Defect(
            "blocks-left-without-master",
            "Cached blocks stay in the memory of the workers' nodes when a Dataset is deleted that has lost "
            "its master: only the master can free them.",
            "pkg/ddc/alluxio/shutdown.go:103-150, pkg/ddc/alluxio/cache.go:194-213 (1.0.8)",
        ),
    ),
    leftovers=(Leftover("blocks-left-without-master", r"/alluxioworker/"),),
)
def test_parts_that_are_deleted_by_hand_are_not_made_again(dataset_owner: User) -> None:
    """A Fuse DaemonSet, or a master's StatefulSet, that is deleted by hand is not made again.

    Without the DaemonSet the Dataset is Failed and mounts are dead, until the user puts it back from
    a copy. Then the user deletes the master's StatefulSet.
    """
    application = dataset_owner.application("b36-reader", DATASET)
    pod = dataset_owner.starts(application)
    checks.served_by_fluid(dataset_owner, pod)
    name = fluid_names.fuse_name(DATASET)
    kept = _kept(dataset_owner, kinds.DAEMON_SET, name)
    _deletes(dataset_owner, kinds.DAEMON_SET, name)
    _fuse_goes(dataset_owner)
    checks.dead_mount(dataset_owner, pod)
    _phase_becomes(dataset_owner, "Failed")
    _not_made_again(dataset_owner, kinds.DAEMON_SET, name)
    assert_diagnosis(
        dataset_owner,
        pod.name,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.FUSE_GONE,
        names=(pod.name, DATASET, name),
    )
    dataset_owner.stops(pod)
    dataset_owner.applies(kept)
    _phase_becomes(dataset_owner, "Bound")
    bound_at = dataset_owner.system.kube.clock.now()
    again = dataset_owner.starts(application)
    checks.served_by_fluid(dataset_owner, again)
    dataset_owner.reads_right(again, who="application, DaemonSet put back")
    checks.all_cached(dataset_owner)
    leaks.expect_on_worker_nodes(dataset_owner)
    _loses_its_master(dataset_owner, bound_at)


def _kept(user: User, kind: Kind, name: str) -> Manifest:
    """A copy of an object, as the user keeps it before deleting."""
    found = user.system.kube.get(kind, name, user.namespace)
    if found is None:
        checks.fail(
            f"there is no {kind} {name}",
            subject=f"{kind} {user.namespace}/{name}",
            expected="made by Fluid",
            seen="nothing",
        )
    return _as_written(found)


def _deletes(user: User, kind: Kind, name: str) -> None:
    user.system.kube.delete(kind, name, user.namespace, because="the user deletes a part of Fluid's by hand")
    user.evidence.fact("fault", f"the user deletes {kind} {name}")


def _phase_becomes(user: User, phase: str) -> DatasetSnapshot:
    """Wait until the Dataset's phase shows it; the controller is asked to look."""
    with user.evidence.phase("waiting", f"the Dataset is {phase}"):
        dataset = wait(
            user.with_reconcile_requests(lambda: user.observer.dataset(user.namespace, DATASET)),
            has_phase(phase),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"phase {phase}",
            timeout=SHOWN_SECONDS,
            advice="look at the events of the AlluxioRuntime",
        )
    user.evidence.fact("Dataset status", str(dataset))
    return dataset


def _not_made_again(user: User, kind: Kind, name: str) -> tuple[str, ...]:
    """The object stays away all through a window; the Dataset's phases meanwhile."""
    kube = user.system.kube

    def look() -> tuple[bool, str]:
        there = kube.get(kind, name, user.namespace) is not None
        return there, user.observer.dataset(user.namespace, DATASET).phase

    with user.evidence.phase("window", f"{kind} {name} is not made again"):
        looks = hold(
            look,
            lambda seen: "it was made again" if seen[0] else None,
            subject=f"{kind} {user.namespace}/{name}",
            condition="absence",
            window=WATCH_SECONDS,
        )
    phases = tuple(dict.fromkeys(phase for _, phase in looks))
    user.evidence.fact(str(kind), f"{name} is not made again; phase {', '.join(phases)}", looks=len(looks))
    return phases


def _loses_its_master(user: User, bound_at: float) -> None:
    """Delete the master's StatefulSet: it is not made again, and whether the Dataset's status shows it."""
    with user.evidence.phase("window", "the Dataset stays Bound with all its parts"):
        hold(
            lambda: user.observer.dataset(user.namespace, DATASET),
            objection(is_bound),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound",
            window=FULL_RECONCILE_DELAY,
        )
    name = fluid_names.master_name(DATASET)
    before = _warnings(user)
    _deletes(user, kinds.STATEFUL_SET, name)
    if user.system.kube.clock.now() - bound_at < QUIET_SECONDS:
        user.request_reconcile()

    def look() -> tuple[frozenset[str], str]:
        return _warnings(user) - before, user.observer.dataset(user.namespace, DATASET).phase

    with user.evidence.phase("waiting", "Fluid looks at the Dataset"):
        told, _ = wait(
            look,
            lambda seen: bool(seen[0]) or seen[1] != "Bound",
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            condition="a warning or another phase",
            timeout=LOOKED_SECONDS,
            describe=lambda seen: f"{'; '.join(seen[0]) or 'no new warning'}; phase {seen[1]}",
            advice="look whether the alluxioruntime-controller runs",
        )
    phases = _not_made_again(user, kinds.STATEFUL_SET, name)
    said = "; ".join(sorted(told))[:300] or "nothing"
    user.evidence.defect(
        "master-loss-unseen",
        seen=phases == ("Bound",),
        says=f"without its master the Dataset is {', then '.join(phases)}; told at the runtime: {said}",
    )


def _warnings(user: User) -> frozenset[str]:
    """What warnings at the runtime say."""
    events = user.observer.objects.events(user.namespace, DATASET, "AlluxioRuntime")
    return frozenset(event.message for event in events if event.type == "Warning")
