"""A Dataset over a folder that its node does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import InfrastructureError
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.undo import NodeFolders
from clusters.product import fluid_names
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, predicates
from suites.steps.reconcile import TWO_RETRIES
from suites.steps.user import DATASET, User
from workloads.models.dataset import Dataset, Mount, NodeAffinity

#: Seconds until the master's Pod runs, or its volume is refused.
MASTER_SECONDS: Final = 180.0


@scenario(
    "B27",
    Level.FULL,
    disturbs={Disruption.NODE: "lets an empty folder be created on a node, and removes it"},
    issues=(1935, 1726),
    defects=(
        Defect(
            "missing-local-folder-made-empty",
            "A Dataset over a folder that does not exist on its node gets Bound, and is empty: the folder is "
            "created, because Fluid's Pods mount it without requiring that it exists.",
            "charts/alluxio/templates/master/statefulset.yaml:480-487 (1.0.8)",
        ),
    ),
)
def test_dataset_over_a_missing_local_folder_shows_no_data(user: User) -> None:
    """A Dataset over a folder that does not exist on its node shows no data, or does not get Bound.

    The user's mount point is local:// and a folder that is misspelt, or was never mounted on the node.
    """
    node = user.system.nodes[0]
    folder = f"/var/lib/fluid-conformance-missing-{user.namespace}"
    if _is_folder(user, node, folder):
        raise InfrastructureError(f"node {node} has a folder {folder}, which no run has created before")
    # It may still be mounted in Fluid's Pods; an empty folder can be removed nevertheless.
    removal = NodeFolders(node, (folder,), only_empty=True)
    with user.system.journal.undoing(f"folder {folder} is created on node {node}", removal):
        mount = Mount(mount_point=f"local://{folder}", name="local", path="/")
        affinity = NodeAffinity.on(node)
        dataset = Dataset(namespace=user.namespace, name=DATASET, mounts=(mount,), placement="Shared")
        user.creates_dataset(dataset.evolve(node_affinity=affinity))
        if not _master_starts(user, folder):
            _check_stays_unbound(user)
            return
        bound = user.waits_until_bound()
        made = _is_folder(user, node, folder)
        user.evidence.fact("node", f"{folder} {'exists now' if made else 'still does not exist'}")
        user.evidence.fact("Dataset status", f"Bound, {bound.ufs_total or 'no size shown'}")
        _check_sees_nothing(user)
        user.evidence.defect(
            "missing-local-folder-made-empty",
            seen=made,
            says=f"the Dataset is Bound and empty; the folder was created on {node}"
            if made
            else f"the Dataset is Bound and empty, and there is no folder on {node}",
        )


def _is_folder(user: User, node: str, folder: str) -> bool:
    return user.system.provider.node_exec(node, ["test", "-e", folder]).exit_code == 0


def refusals_of_folder(events: Iterable[EventSnapshot], folder: str) -> tuple[EventSnapshot, ...]:
    """The events by which the kubelet refuses to mount a folder because it does not exist.

    Other failed mounts, such as a Secret that is not there yet, say nothing about the folder.
    """
    return tuple(
        event
        for event in events
        if event.reason == "FailedMount" and folder in event.message and "hostPath" in event.message
    )


def _master_starts(user: User, folder: str) -> bool:
    """Whether the master's Pod runs; if not, the kubelet refused to mount the folder that does not exist."""
    objects, name = user.observer.objects, fluid_names.master_pod(DATASET)

    def observe() -> tuple[PodSnapshot | None, tuple[EventSnapshot, ...]]:
        events = objects.events(user.namespace, name, "Pod")
        return objects.get(PodSnapshot, name, user.namespace), refusals_of_folder(events, folder)

    def is_decided(seen: tuple[PodSnapshot | None, tuple[EventSnapshot, ...]]) -> bool:
        pod, refused = seen
        return bool(refused) or (pod is not None and pod.phase == "Running")

    with user.evidence.phase("waiting", "the master starts, or its volume is refused"):
        pod, refused = wait(
            observe,
            is_decided,
            subject=f"Pod {user.namespace}/{name}",
            condition="phase Running or refusal of its volume",
            timeout=MASTER_SECONDS,
            describe=lambda seen: f"{seen[0] or 'no Pod'}; {len(seen[1])} refusals",
        )
    if pod is not None and pod.phase == "Running":
        return True
    user.evidence.fact("event", str(refused[-1]))
    return False


def _check_stays_unbound(user: User) -> None:
    with user.evidence.phase("window", "the Dataset does not get Bound"):
        observations = hold(
            lambda: user.observer.dataset(user.namespace, DATASET),
            predicates.why_bound,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="another phase than Bound",
            window=TWO_RETRIES,
        )
    user.evidence.defect(
        "missing-local-folder-made-empty",
        seen=False,
        says=f"it is refused: {observations[-1]}",
        looks=len(observations),
    )


def _check_sees_nothing(user: User) -> None:
    pod = user.starts(user.application("b27-reader", DATASET))
    checks.served_by_fluid(user, pod)
    result = user.reads(pod)
    if result.checksums:
        checks.fail(
            "a Dataset over a folder that does not exist is not empty",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="no file",
            seen=", ".join(result.checksums),
        )
    user.evidence.fact("application", f"{pod.name} sees an empty folder", files=0)
