"""Group A: a Fuse Pod that is there before any application is."""

from __future__ import annotations

from typing import Final

from clusters.host.mountinfo import Mount
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fuse import FuseSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.user import DATASET, User
from workloads.node_setup import labelled

#: Seconds until the Fuse Pod of a node that was labelled serves there.
AHEAD_SECONDS: Final = 180.0
#: Seconds until it is gone once the label is.
GOES_SECONDS: Final = 90.0


@scenario("A8", Level.FULL)
def test_fuse_pod_of_a_node_labelled_by_hand_is_there_ahead(dataset_owner: User) -> None:
    """A node labelled by hand has a Fuse Pod ahead, and the first application there uses that very one.

    The user labels a node as Fluid would, ``fluid.io/f-<namespace>-<dataset>=true``, starts an
    application on it later, ends it, and takes the label off again.
    """
    node = dataset_owner.system.nodes[0]
    label = dataset_owner.observer.fuse(dataset_owner.namespace, DATASET).label
    checks.fuse_absent(dataset_owner, dataset_owner.observer.fuse(dataset_owner.namespace, DATASET))
    application = dataset_owner.application("a8-first", DATASET, node=node)
    with labelled(dataset_owner.system.kube, node, label):
        dataset_owner.evidence.fact("node labels", f"the user sets {label}=true on {node}")
        try:
            ahead = _comes_ahead(dataset_owner, node)
            pod = dataset_owner.starts(application)
            checks.served_by_fluid(dataset_owner, pod)
            dataset_owner.reads_right(pod)
            _the_same(dataset_owner, ahead, node)
        finally:
            # Before the label goes, or its mount would die under it.
            left = dataset_owner.observer.objects.get(PodSnapshot, application.name, dataset_owner.namespace)
            if left is not None:
                dataset_owner.stops(left)
    _goes_with_the_label(dataset_owner, node)


def _comes_ahead(user: User, node: str) -> PodSnapshot:
    """Wait until the labelled node has a ready Fuse Pod and its mount, and no other node has either."""
    path = fluid_names.host_mount(user.namespace, DATASET)
    with user.evidence.phase("waiting", "a Fuse Pod comes ahead"):
        fuse, mounts = wait(
            lambda: _look(user, node),
            lambda seen: seen[0].ready_on(node) and any(mount.serves == "fluid" for mount in seen[1]),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"a ready Fuse Pod and its mount on {node}, without an application,",
            timeout=AHEAD_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: "; ".join(map(str, (seen[0], *seen[1]))),
            advice="look at the Fuse DaemonSet's node selector and at the Fuse Pod's log",
        )
    users = [
        pod.name
        for pod in user.observer.objects.list(PodSnapshot, user.namespace)
        if DATASET in pod.claim_names
    ]
    if users or fuse.labelled != (node,) or {mount.mount_point for mount in mounts} != {path}:
        checks.fail(
            "a Fuse Pod that was asked for ahead is not there alone",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"one mount, {path}, on the one labelled node {node}, and no application",
            seen=f"applications: {', '.join(users) or 'none'}; {fuse}; {'; '.join(map(str, mounts))}",
        )
    user.evidence.fact("node's mounts", f"{path} is of type {mounts[0].fs_type}, with no application")
    ahead = checks.one_fuse_pod(user, node).pod_on(node)
    assert ahead is not None
    return ahead


def _look(user: User, node: str) -> tuple[FuseSnapshot, tuple[Mount, ...]]:
    """The Fuse, and the Dataset's mounts on the node itself."""
    fuse = user.observer.fuse(user.namespace, DATASET)
    return fuse, user.observer.host_mounts(node, user.namespace, DATASET)


def _the_same(user: User, ahead: PodSnapshot, node: str) -> None:
    """The node still has just that Fuse Pod, and it never started anew."""
    now = checks.one_fuse_pod(user, node).pod_on(node)
    if now is None or (now.uid, now.restarts) != (ahead.uid, ahead.restarts):
        checks.fail(
            "the application does not use the Fuse Pod that was there ahead",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{ahead}, uid {ahead.uid}",
            seen=f"{now}, uid {now.uid if now else ''}",
        )
    user.evidence.fact("Fuse DaemonSet", f"the application uses {ahead.name}, which was there before it")


def _goes_with_the_label(user: User, node: str) -> None:
    """The Fuse Pod goes once the label is off, and leaves no mount on the node."""
    with user.evidence.phase("waiting", "the Fuse Pod goes with the label"):
        wait(
            lambda: _look(user, node),
            lambda seen: seen[0].absent and not seen[1],
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"removal of Fuse Pod and mount on {node}",
            timeout=GOES_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: "; ".join(map(str, (seen[0], *seen[1]))),
            advice="look whether something set the label again",
        )
    user.evidence.fact("node labels", f"the user took the label off {node}, and the Fuse Pod went with it")
