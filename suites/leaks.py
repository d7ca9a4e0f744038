"""What a Dataset leaves behind: objects, node labels, mounts on nodes, data in memory.

Only what Fluid makes for the Dataset is looked for, so nothing of the harness itself is ever counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clusters import fluid_names, kinds
from clusters.kube import is_ours
from clusters.waiting import wait
from suites.user import DATASET, User

#: Seconds until all is gone after the Dataset is.
GONE_SECONDS: Final = 90.0

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
    def nothing(self) -> bool:
        """There is nothing left."""
        return not (self.objects or self.node_labels or self.host_mounts or self.tier_files)

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
        parts = (*self.objects, *self.node_labels, *self.host_mounts, *self.tier_files)
        return f"{self.counts}: {', '.join(parts[:12])}{' …' if len(parts) > 12 else ''}"  # noqa: PLR2004 - a line


def of_dataset(user: User, name: str = DATASET) -> Leaks:
    """What there is of a Dataset at this moment."""
    return Leaks(
        objects=tuple(sorted(_objects(user, name))),
        node_labels=tuple(_node_labels(user, name)),
        host_mounts=tuple(_host_mounts(user, name)),
        tier_files=tuple(_tier_files(user, name)),
    )


def nothing_left(user: User, name: str = DATASET) -> None:
    """Nothing of the Dataset is left; what goes a moment later is waited for."""
    with user.evidence.phase("waiting", "all of the Dataset goes"):
        wait(
            lambda: of_dataset(user, name),
            lambda seen: seen.nothing,
            subject=f"Dataset {user.namespace}/{name}",
            condition="nothing left behind",
            timeout=GONE_SECONDS * user.patience,
            delay=1.0,
            advice="see the leftovers named above",
        )
    user.evidence.fact("leak check", "no object, node label, mount or cached file is left")


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
                or (kind is kinds.CONFIG_MAP and meta["name"] in fluid_names.config_maps(name))
                or (meta.get("annotations") or {}).get("CreatedBy") == "fluid"
            )
            if fluids and not is_ours(obj):
                found.add(f"{kind} {meta['name']}")
    volume = user.observer.view.volume(fluid_names.volume_name(namespace, name))
    if volume is not None and volume.made_by_fluid:
        found.add(f"PersistentVolume {volume.name}")
    for kind in (kinds.DATASET, kinds.ALLUXIO_RUNTIME):
        if kube.get(kind, name, namespace) is not None:
            found.add(f"{kind} {name}")
    return found


def _node_labels(user: User, name: str) -> list[str]:
    wanted = set(fluid_names.node_labels(user.namespace, name))
    exclusive = fluid_names.exclusive_value(user.namespace, name)
    return [
        f"{node.name}: {key}"
        for node in user.observer.view.nodes()
        for key, value in sorted(node.labels.items())
        if key in wanted or (key == "fluid_exclusive" and value == exclusive)
    ]


def _host_mounts(user: User, name: str) -> list[str]:
    return [
        f"{node}: {mount.mount_point}"
        for node in user.system.nodes
        for mount in user.observer.host_mounts(node, user.namespace, name)
    ]


def _tier_files(user: User, name: str) -> list[str]:
    folder = fluid_names.tier_folder(user.namespace, name)
    found = []
    for node in user.system.nodes:
        done = user.system.provider.node_exec(node, ["find", folder, "-type", "f"])
        found += [f"{node}: {path}" for path in done.stdout.split()]
    return found
