"""Faults of objects in the cluster: a deleted Pod, a node without a label."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, RefusalError
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.kinds import NODE, POD
from clusters.kubernetes.undo import NodeLabel
from clusters.waiting import wait
from workloads.faults.base import Fault, FaultError, Objects


def delete_pod(
    objects: Objects,
    namespace: str,
    name: str,
    *,
    because: str,
    grace_seconds: int | None = None,
    timeout: float = 120.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Fault:
    """Delete a Pod and wait until it is gone; its controller creates another one.

    Args:
        objects: access to the cluster.
        namespace: of the Pod.
        name: of the Pod.
        because: why a Pod that may not be managed by the harness is deleted.
        grace_seconds: overrides the Pod's own.
        timeout: seconds until it must be deleted.
        clock: replaced by tests.

    Raises:
        FaultError: there is no such Pod.
        WaitTimeoutError: it is still there.
    """
    pod = objects.get(POD, name, namespace)
    if pod is None:
        raise FaultError(f"there is no Pod {namespace}/{name} to delete")
    uid = pod["metadata"]["uid"]
    objects.delete(POD, name, namespace, because=because, grace_seconds=grace_seconds)
    wait(
        lambda: objects.get(POD, name, namespace),
        lambda now: now is None or now["metadata"]["uid"] != uid,
        subject=f"Pod {namespace}/{name}",
        condition="deletion",
        timeout=timeout,
        describe=lambda now: "gone" if now is None else f"there, UID {now['metadata']['uid']}",
        failure_class=FailureClass.INFRASTRUCTURE,
        clock=clock,
    )
    return Fault(f"Pod {namespace}/{name} was deleted")


@contextmanager
def without_node_label(journal: Journal, node: str, key: str) -> Iterator[Fault]:
    """Remove a label from a node while the context lasts, and restore it unless it was restored.

    Raises:
        RefusalError: the node has no such label.
        FaultError: it could not be removed.
        HarnessError: it could not be restored.
    """
    objects = journal.kube
    value = _label(objects, node, key)
    if value is None:
        raise RefusalError(f"node {node} has no label {key} to remove")
    with journal.undoing(f"node {node} lost its label {key}", NodeLabel(node, key, value)):
        objects.patch(NODE, node, None, {"metadata": {"labels": {key: None}}})
        if _label(objects, node, key) is not None:
            raise FaultError(f"label {key} of node {node} was restored at once", subject=f"Node {node}")
        yield Fault(f"node {node} lost its label {key}")


def _label(objects: Objects, node: str, key: str) -> str | None:
    found = objects.get(NODE, node)
    if found is None:
        raise FaultError(f"there is no node {node}")
    value: str | None = (found["metadata"].get("labels") or {}).get(key)
    return value
