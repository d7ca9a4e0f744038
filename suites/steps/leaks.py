"""What a Dataset leaves behind: objects, node labels, mounts on nodes, data in memory.

Only what Fluid creates for the Dataset is searched, so nothing of the harness itself is ever counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import FailureClass, HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import text
from clusters.kubernetes.ownership import is_managed
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.storage import VolumeSnapshot
from clusters.kubernetes.undo import NodeCommand, NodeFolders
from clusters.product import fluid_folders, fluid_names
from clusters.product.fluid_snapshots import made_by_fluid
from clusters.waiting import WaitError, wait
from suites.steps.user import DATASET, User

log = logging.getLogger(__name__)

#: Seconds until all is gone after the Dataset is.
GONE_SECONDS: Final = 90.0
#: Leftovers that one line names.
NAMED: Final = 12

_LABELLED: Final = (
    kinds.POD,
    kinds.CLAIM,
    kinds.SERVICE,
    kinds.CONFIG_MAP,
    kinds.DAEMON_SET,
    kinds.STATEFUL_SET,
    kinds.JOB,
    kinds.SECRET,
    kinds.SERVICE_ACCOUNT,
    kinds.ROLE,
    kinds.ROLE_BINDING,
)


@dataclass(frozen=True, slots=True)
class Leaks:
    """What is left of a Dataset.

    Attributes:
        objects: ``Kind name`` of API objects that Fluid made for it.
        node_labels: ``node: label``.
        host_mounts: ``node: mount point``.
        tier_files: ``node: path`` of files in the tier folder; empty folders stay and do no harm.
    """

    objects: tuple[str, ...]
    node_labels: tuple[str, ...]
    host_mounts: tuple[str, ...]
    tier_files: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """All that is left, a few words each."""
        return (*self.objects, *self.node_labels, *self.host_mounts, *self.tier_files)

    @property
    def nothing(self) -> bool:
        """There is nothing left."""
        return not self.parts

    @property
    def counts(self) -> str:
        """How many of each."""
        return (
            f"{len(self.objects)} objects, {len(self.node_labels)} node labels, "
            f"{len(self.host_mounts)} mounts, {len(self.tier_files)} files in the tier"
        )

    def __str__(self) -> str:
        if self.nothing:
            return "nothing left"
        return f"{self.counts}: {listed(self.parts)}"


def listed(parts: Sequence[str]) -> str:
    """Leftovers in one line; of many only the first."""
    return ", ".join(parts[:NAMED]) + (f" and {len(parts) - NAMED} more" if len(parts) > NAMED else "")


def of_dataset(user: User, name: str = DATASET) -> Leaks:
    """What there is of a Dataset at this moment."""
    return Leaks(
        objects=tuple(sorted(_objects(user, name))),
        node_labels=tuple(_node_labels(user, name)),
        host_mounts=tuple(_host_mounts(user, name)),
        tier_files=tuple(_tier_files(user, name)),
    )


def nothing_left(user: User, name: str = DATASET, but: frozenset[str] = frozenset()) -> None:
    """Nothing of the Dataset is left; what is deleted a moment later is waited for.

    Args:
        user: whose Dataset it was.
        name: of the Dataset.
        but: ``Kind name`` of objects that may be left, because the scenario judges them itself.
    """
    with user.evidence.phase("waiting", "all of the Dataset is deleted"):
        wait(
            lambda: of_dataset(user, name),
            lambda seen: but.issuperset(seen.parts),
            subject=f"Dataset {user.namespace}/{name}",
            condition="complete removal",
            timeout=GONE_SECONDS * user.timeout_factor,
            delay=1.0,
            advice="see the leftovers named above",
        )
    other = "other " if but else ""
    user.evidence.fact("leak check", f"no {other}object, node label, mount or cached file is left")


def expect_on_worker_nodes(user: User, name: str = DATASET) -> None:
    """Name the nodes of the Dataset's workers as those on which the scenario's known leftovers may stay."""
    workers = user.system.kube.list(kinds.POD, user.namespace, labels=f"release={name},role=alluxio-worker")
    expect_on_nodes(user, [node for pod in workers if (node := text(pod, "spec", "nodeName"))], name)


def expect_on_nodes(user: User, nodes: Iterable[str], name: str = DATASET) -> None:
    """Name the nodes on which the scenario's known leftovers may stay.

    Cached files that stay there use memory of the node, so they are removed at the end of the run.
    """
    folder = fluid_names.tier_folder(user.namespace, name)
    removals = [NodeFolders(node, (folder,)) for node in dict.fromkeys(nodes)]
    user.evidence.leftovers_on(*(one.node for one in removals))
    user.system.journal.undo_at_the_end(f"cached files stay in {folder}", *removals)


def remove_empty_at_the_end(user: User, folder: str) -> None:
    """Let a folder of the tier on disk be removed from the nodes at the end of the run, if it is empty."""
    removals = [NodeCommand(node, fluid_folders.remove_empty([folder])) for node in user.system.nodes]
    user.system.journal.undo_at_the_end(f"folder {folder} is created on nodes", *removals)


def of_user(user: User) -> Leaks:
    """What there is at this moment of all that Fluid made in a user's namespace.

    It holds all Datasets and runtimes that the user ever sent there, and what Fluid's charts made there
    for anything else, such as the Jobs of a DataLoad.
    """
    names = dict.fromkeys(
        manifest["metadata"]["name"]
        for manifest in user.sent
        if manifest["kind"] in {kinds.DATASET.name, kinds.ALLUXIO_RUNTIME.name}
        and manifest["metadata"].get("namespace") == user.namespace
    )
    each = [of_dataset(user, name) for name in names]
    objects = _of_charts(user).union(*(set(one.objects) for one in each))
    return Leaks(
        objects=tuple(sorted(objects)),
        node_labels=tuple(label for one in each for label in one.node_labels),
        host_mounts=tuple(mount for one in each for mount in one.host_mounts),
        tier_files=tuple(file for one in each for file in one.tier_files),
    )


def after_a_while(user: User, seconds: float = GONE_SECONDS) -> Leaks:
    """What is left of all that Fluid made in a user's namespace, once there was time for it to go.

    It returns as soon as nothing is left. A check that fails is repeated, because something may
    be broken on purpose at that moment.

    Raises:
        WaitTimeoutError: it could not be read, an infrastructure failure.
    """
    last: list[Leaks] = []

    def observe() -> Leaks | None:
        last.clear()
        try:
            last.append(of_user(user))
        except HarnessError as error:
            log.info("%s: cannot be read just now: %s", user.namespace, error.message)
            return None
        return last[0]

    try:
        return _waited(user, observe, seconds)
    except WaitError:
        if not last:
            raise
        return last[0]


def _waited(user: User, observe: Callable[[], Leaks | None], seconds: float) -> Leaks:
    found = wait(
        observe,
        lambda seen: seen is not None and seen.nothing,
        subject=f"what Fluid made in {user.namespace}",
        condition="complete removal",
        timeout=seconds,
        delay=1.0,
        describe=lambda seen: "cannot be read" if seen is None else str(seen),
        failure_class=FailureClass.INFRASTRUCTURE,
    )
    assert found is not None
    return found


def _of_charts(user: User) -> set[str]:
    """Objects of any of Fluid's charts, and helm's own records of them."""
    found = set()
    for kind in _LABELLED:
        for obj in user.system.kube.list(kind, user.namespace):
            labels = obj["metadata"].get("labels") or {}
            if ("release" in labels or labels.get("owner") == "helm") and not is_managed(obj):
                found.add(f"{kind} {obj['metadata']['name']}")
    return found


def _objects(user: User, name: str) -> set[str]:
    kube, namespace = user.system.kube, user.namespace
    identity = fluid_names.dataset_id(namespace, name)
    found = set()
    for kind in _LABELLED:
        for obj in kube.list(kind, namespace):
            meta = obj["metadata"]
            labels = meta.get("labels") or {}
            fluids = (
                labels.get("fluid.io/dataset-id") == identity
                or labels.get("release") == name
                # helm's record of the release: a ConfigMap, or with Fluid up to 0.9 a Secret.
                or (labels.get("owner") == "helm" and labels.get("name") == name)
                or (kind is kinds.CONFIG_MAP and meta["name"] in fluid_names.config_maps(name))
                # The claim, which has the Dataset's name.
                or (meta["name"] == name and (meta.get("annotations") or {}).get("CreatedBy") == "fluid")
            )
            if fluids and not is_managed(obj):
                found.add(f"{kind} {meta['name']}")
    volume = user.observer.objects.get(VolumeSnapshot, fluid_names.volume_name(namespace, name))
    if volume is not None and made_by_fluid(volume):
        found.add(f"PersistentVolume {volume.name}")
    for kind in (kinds.DATASET, kinds.ALLUXIO_RUNTIME):
        if kube.get(kind, name, namespace) is not None:
            found.add(f"{kind} {name}")
    return found


def _node_labels(user: User, name: str) -> list[str]:
    expected = set(fluid_names.node_labels(user.namespace, name))
    exclusive = fluid_names.exclusive_value(user.namespace, name)
    return [
        f"{node.name}: {key}"
        for node in user.observer.objects.list(NodeSnapshot)
        for key, value in sorted(node.labels.items())
        if key in expected or (key == "fluid_exclusive" and value == exclusive)
    ]


def _host_mounts(user: User, name: str) -> list[str]:
    return [
        f"{node}: {mount.mount_point}"
        for node in user.system.nodes
        for mount in user.observer.host_mounts(node, user.namespace, name)
    ]


def _tier_files(user: User, name: str) -> list[str]:
    folders = [fluid_names.tier_folder(user.namespace, name, medium) for medium in _media(user, name)]
    found = []
    for node in user.system.nodes:
        listed_files = user.observer.find_on_node(node, ["find", *folders, "-type", "f"])
        found += [f"{node}: {path}" for path in listed_files.splitlines()]
    return found


def _media(user: User, name: str) -> tuple[str, ...]:
    """Where the tiers of a runtime lie on a node: in memory, and wherever else the user said."""
    paths = [
        path
        for manifest in user.sent
        if manifest["kind"] == kinds.ALLUXIO_RUNTIME.name and manifest["metadata"]["name"] == name
        for level in manifest["spec"].get("tieredstore", {}).get("levels", ())
        for path in str(level.get("path") or "").split(",")
        if path
    ]
    return tuple(dict.fromkeys(["/dev/shm", *paths]))  # noqa: S108 - a tier may be memory
