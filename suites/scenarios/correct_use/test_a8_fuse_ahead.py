"""A Fuse Pod that exists before any application."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
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
#: Seconds until it is deleted after the label was removed.
DELETED_SECONDS: Final = 90.0


@scenario(
    "A8",
    Level.FULL,
    disturbs={Disruption.NODE_LABELS: "labels a node for the Fuse of its Dataset"},
)
def test_node_labelled_by_its_user_has_a_fuse_pod_before_any_application(dataset_owner: User) -> None:
    """A node that its user labels has a Fuse Pod before any application, and the first application uses it.

    The user labels a node as Fluid does, ``fluid.io/f-<namespace>-<dataset>=true``, later starts an
    application on it, deletes it, and removes the label.
    """
    node = dataset_owner.system.nodes[0]
    label = dataset_owner.observer.fuse(dataset_owner.namespace, DATASET).label
    checks.fuse_absent(dataset_owner, dataset_owner.observer.fuse(dataset_owner.namespace, DATASET))
    application = dataset_owner.application("a8-first", DATASET, node=node)
    with labelled(dataset_owner.system.journal, node, label):
        dataset_owner.evidence.fact("node labels", f"the user sets {label}=true on {node}")
        try:
            ahead = _wait_for_fuse_ahead(dataset_owner, node)
            pod = dataset_owner.starts(application)
            checks.served_by_fluid(dataset_owner, pod)
            dataset_owner.reads_right(pod)
            _check_same_fuse_pod(dataset_owner, ahead, node)
        finally:
            # Before the label is removed: otherwise its mount would die.
            left = dataset_owner.observer.objects.get(PodSnapshot, application.name, dataset_owner.namespace)
            if left is not None:
                dataset_owner.stops(left)
    _wait_until_gone_with_label(dataset_owner, node)


def _wait_for_fuse_ahead(user: User, node: str) -> PodSnapshot:
    """Wait until the labelled node has a ready Fuse Pod and its mount, and no other node has either."""
    path = fluid_names.host_mount(user.namespace, DATASET)

    def serves(seen: tuple[FuseSnapshot, tuple[Mount, ...]]) -> bool:
        fuse, mounts = seen
        return fuse.ready_on(node) and any(mount.serves == "fluid" for mount in mounts)

    with user.evidence.phase("waiting", "the labelled node has a Fuse Pod"):
        fuse, mounts = wait(
            lambda: _look(user, node),
            serves,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"a ready Fuse Pod on {node}, and its mount there, with no application",
            timeout=AHEAD_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: "; ".join(map(str, (seen[0], *seen[1]))),
            advice="check the Fuse DaemonSet's node selector and the Fuse Pod's log",
        )
    users = [
        pod.name
        for pod in user.observer.objects.list(PodSnapshot, user.namespace)
        if DATASET in pod.claim_names
    ]
    if users or fuse.labelled != (node,) or {mount.mount_point for mount in mounts} != {path}:
        checks.fail(
            "the node that was labelled ahead has not just its Fuse Pod",
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


def _check_same_fuse_pod(user: User, ahead: PodSnapshot, node: str) -> None:
    """The node still has the same Fuse Pod, which was not restarted."""
    now = checks.one_fuse_pod(user, node).pod_on(node)
    if now is None or (now.uid, now.restarts) != (ahead.uid, ahead.restarts):
        checks.fail(
            "the application does not use the Fuse Pod that existed before",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{ahead}, uid {ahead.uid}",
            seen=f"{now}, uid {now.uid if now else ''}",
        )
    user.evidence.fact("Fuse DaemonSet", f"the application uses {ahead.name}, which existed before it")


def _wait_until_gone_with_label(user: User, node: str) -> None:
    """The Fuse Pod is deleted once the label is removed, and leaves no mount on the node."""

    def is_gone(seen: tuple[FuseSnapshot, tuple[Mount, ...]]) -> bool:
        fuse, mounts = seen
        return fuse.absent and not mounts

    with user.evidence.phase("waiting", "the Fuse Pod is deleted with the label"):
        wait(
            lambda: _look(user, node),
            is_gone,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"the absence of Fuse Pods and mounts on {node} after the label was removed",
            timeout=DELETED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: "; ".join(map(str, (seen[0], *seen[1]))),
            advice="check whether something set the label again",
        )
    user.evidence.fact("node labels", f"the user removed the label from {node}, and the Fuse Pod was deleted")
