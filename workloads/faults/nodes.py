"""Faults of a node: it accepts no Pods, or none may stay; its kubelet restarts; its shared memory is full."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.errors import RefusalError
from clusters.host.commands import Completed
from clusters.kubernetes.fields import items, text
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.kinds import NODE, POD
from clusters.kubernetes.undo import NodeCommand
from workloads.faults.base import COMMAND_SECONDS, Fault, FaultError
from workloads.faults.objects import delete_pod

#: Key of the taint of a node in maintenance.
TAINT_KEY: Final = "fluid-conformance/maintenance"
#: Where the memory tier is on a node.
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - the tier
#: Bytes that stay free in a full tier: less than one block of any file counts as full.
FREE_BYTES: Final = 1024 * 1024

_KUBECTL: Final = "kubectl --kubeconfig /etc/kubernetes/admin.conf"


@contextmanager
def drained(journal: Journal, node: str, namespace: str) -> Iterator[Fault]:
    """A node is cordoned, and the Pods of one namespace are deleted from it, while the context lasts.

    Like ``kubectl drain --ignore-daemonsets --force --disable-eviction`` for the Pods of that namespace: the
    Pods of DaemonSets stay.

    Raises:
        InfrastructureError: there is no such node.
        HarnessError: a Pod was not deleted, or the node could not be uncordoned.
    """
    with journal.patched(NODE, node, None, {"spec": {"unschedulable": True}}):
        gone = []
        for pod in journal.kube.list(POD, namespace, fields=f"spec.nodeName={node}"):
            owners = {text(owner, "kind") for owner in items(pod, "metadata", "ownerReferences")}
            if "DaemonSet" in owners:
                continue
            name = text(pod, "metadata", "name")
            delete_pod(journal.kube, namespace, name, because=f"node {node} is drained")
            gone.append(name)
        yield Fault(f"node {node} is drained of {', '.join(sorted(gone)) or 'no Pod'}")


@contextmanager
def tainted(journal: Journal, node: str) -> Iterator[Fault]:
    """A node has a taint with the effect NoExecute while the context lasts.

    Raises:
        InfrastructureError: there is no such node.
        HarnessError: it could not be restored.
    """
    found = journal.kube.get(NODE, node) or {}
    taints: list[Any] = [*items(found, "spec", "taints")]
    taint = {"key": TAINT_KEY, "value": "true", "effect": "NoExecute"}
    with journal.patched(NODE, node, None, {"spec": {"taints": [*taints, taint]}}):
        yield Fault(f"node {node} is tainted {TAINT_KEY}:NoExecute")


def restart_kubelet(journal: Journal, node: str) -> Fault:
    """Restart the kubelet of a node; its Pods go on.

    There is nothing to undo: systemd starts it again, also if this process is killed meanwhile.

    Raises:
        FaultError: the node has no such unit, or the kubelet did not start.
    """
    before = _started(journal, node)
    done = _run(journal, node, "systemctl", "restart", "kubelet")
    if done.exit_code != 0 or _started(journal, node) == before:
        raise FaultError(
            f"the kubelet of node {node} was not restarted",
            last_seen=(done.stdout + done.stderr).strip()[-1_000:],
            advice="the node must run the kubelet as a unit of systemd",
        )
    return Fault(f"the kubelet of node {node} is restarted")


@contextmanager
def shared_memory_full(journal: Journal, node: str) -> Iterator[Fault]:
    """The file system of the memory tier has no room for another block while the context lasts.

    It is made smaller, to what it holds at that moment: this uses no memory of the node.

    Raises:
        FaultError: its size is not known, or could not be changed.
        HarnessError: it could not be restored.
    """
    size, used = _size_and_used(journal, node)
    restore = NodeCommand(node, ("mount", "-o", f"remount,size={size}", SHARED_MEMORY))
    with journal.undoing(f"{SHARED_MEMORY} of node {node} is full", restore):
        done = _run(journal, node, "mount", "-o", f"remount,size={used + FREE_BYTES}", SHARED_MEMORY)
        now, _ = _size_and_used(journal, node)
        if done.exit_code != 0 or now >= size:
            raise FaultError(
                f"{SHARED_MEMORY} of node {node} could not be made smaller", last_seen=done.stderr.strip()
            )
        yield Fault(f"{SHARED_MEMORY} of node {node} is full: {used} of {now} bytes are used")


def _size_and_used(journal: Journal, node: str) -> tuple[int, int]:
    done = _run(journal, node, "df", "--block-size=1", "--output=size,used", SHARED_MEMORY)
    words = done.stdout.split()[-2:]
    if done.exit_code != 0 or len(words) != 2 or not all(map(str.isdecimal, words)):  # noqa: PLR2004 - size, used
        raise FaultError(
            f"the size of {SHARED_MEMORY} of node {node} is not known", last_seen=done.stdout + done.stderr
        )
    return int(words[0]), int(words[1])


def _started(journal: Journal, node: str) -> str:
    """When the kubelet's process was started, as systemd says it.

    Raises:
        FaultError: there is no such unit.
    """
    done = _run(journal, node, "systemctl", "show", "kubelet", "--property=ExecMainStartTimestampMonotonic")
    _, _, value = done.stdout.strip().partition("=")
    if done.exit_code != 0 or value in {"", "0"}:
        raise FaultError(
            f"node {node} has no unit kubelet of systemd", advice="restart its kubelet in another way"
        )
    return value


def _run(journal: Journal, node: str, *argv: str) -> Completed:
    return journal.node_exec(node, argv, timeout=COMMAND_SECONDS, changes=Disruption.NODE)


@contextmanager
def deleted(journal: Journal, node: str, control_plane: str) -> Iterator[Fault]:
    """A node is deleted from the API while the context lasts, and then registered again.

    It is created again as it was, with its labels and its range of addresses, by the administrator's
    credentials on the control plane: an object that the harness itself creates carries its label. Then its
    kubelet is restarted, which registers its drivers.

    Args:
        journal: creates it again, also if this process is killed.
        node: to delete; not that of the control plane.
        control_plane: a node of kubeadm's control plane.

    Raises:
        RefusalError: it is the node of the control plane.
        FaultError: there is no such node.
    """
    if node == control_plane:
        raise RefusalError(f"node {node} is the control plane, and is not deleted")
    found = journal.kube.get(NODE, node)
    if found is None:
        raise FaultError(f"there is no node {node}")
    kept = {
        key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]
    }
    spec = {key: value for key, value in found.get("spec", {}).items() if key != "taints"}
    body = json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": kept, "spec": spec})
    create = f'{_KUBECTL} get node "$1" > /dev/null 2>&1 || printf %s "$2" | {_KUBECTL} create -f -'
    undo = (
        NodeCommand(control_plane, ("sh", "-c", create, "create", node, body)),
        NodeCommand(node, ("systemctl", "restart", "kubelet")),
    )
    with journal.undoing(f"node {node} is deleted", *undo):
        journal.kube.delete(NODE, node, because="the scenario's fault")
        yield Fault(f"node {node} is deleted")
