"""Things that still exist after the Dataset was deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters.kubernetes import kinds
from clusters.kubernetes.undo import NodeCommand
from clusters.product import fluid_names
from suites.sabotage.breaks.applications import DELETED_BY_SABOTAGE
from suites.sabotage.breaks.nodes import run_on_every_node, run_on_node
from suites.sabotage.model import Environment, Tampering, Users
from suites.steps.user import DATASET, User


@contextmanager
def config_map_left(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A ConfigMap of the deleted runtime still exists."""
    namespace, name = users.only.namespace, f"{DATASET}-config"
    kube = environment.system.kube
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}})
    # The harness labels what it creates; the leak check counts only what others created.
    labels = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    kube.patch(kinds.CONFIG_MAP, name, namespace, labels)
    try:
        yield Tampering()
    finally:
        kube.delete(kinds.CONFIG_MAP, name, namespace, because=DELETED_BY_SABOTAGE)


@contextmanager
def cached_file_left(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A block file is still in the memory of the node."""
    folder = fluid_names.tier_folder(users.only.namespace, DATASET)
    leave = ("bash", "-c", 'mkdir -p "$1" && echo left > "$1/1"', "leave", folder)
    with run_on_every_node(environment, leave, ("rm", "-f", f"{folder}/1")) as tampering:
        yield tampering


@contextmanager
def cached_file_not_removed(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A file that Alluxio does not know appears next to its blocks once the scenario has seen these."""
    folder = fluid_names.tier_folder(users.only.namespace, DATASET)

    def leave(_: User) -> None:
        for node in environment.system.nodes:
            run_on_node(
                environment, node, "bash", "-c", 'mkdir -p "$1" && echo left > "$1/1"', "leave", folder
            )

    undo = [NodeCommand(node, ("rm", "-f", f"{folder}/1")) for node in environment.system.nodes]
    with environment.system.journal.undoing(f"a file is left in {folder}", *undo):
        yield Tampering(when="^leak check: sees the Dataset in use", then=leave)


def _unmount(folder: str) -> tuple[str, ...]:
    """Unmount a folder of a node, if it is mounted."""
    script = """if cut -d' ' -f5 /proc/self/mountinfo | grep -qxF "$1"; then umount "$1"; fi"""
    return ("bash", "-c", script, "unmount", folder)


@contextmanager
def mount_left(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A mount still exists under Fluid's folder on the node."""
    folder = fluid_names.host_mount(users.only.namespace, DATASET)
    leave = ("bash", "-c", 'mkdir -p "$1" && mount -t tmpfs left "$1"', "leave", folder)
    with run_on_every_node(environment, leave, _unmount(folder)) as tampering:
        yield tampering
