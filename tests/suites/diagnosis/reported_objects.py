"""Objects of Pods in trouble, as their reports have them: dead mounts, crash loops, events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    Object,
    make,
    running,
    stamp,
)

DEAD = "transport endpoint is not connected"
HOUR = timedelta(hours=1)


def minutes(count: float) -> timedelta:
    """Minutes."""
    return timedelta(minutes=count)


def warning(kind: Kind, name: str, reason: str, message: str, namespace: str = "demo") -> Object:
    """An event about an object."""
    event = make(kinds.EVENT, namespace, f"{name}.{reason}", type="Warning", reason=reason, message=message)
    return event | {"involvedObject": {"kind": kind.name, "namespace": namespace, "name": name}}


def fuse_started(cluster: Cluster, minutes_ago: float) -> Cluster:
    """The Fuse on the node started that long ago."""
    started = running(since=NOW - minutes(minutes_ago), restartCount=1)
    cluster.get("Pod", "demo-fuse-x1")["status"]["containerStatuses"] = [started]
    return cluster


def crashing(
    reason: str = "CrashLoopBackOff", message: str = "", *, restarts: int = 4, last: float = 2.0, **more: Any
) -> Object:
    """The status of a container that cannot run; its last run ended that many minutes ago."""
    run = {"startedAt": stamp(NOW - minutes(last)), "finishedAt": stamp(NOW - minutes(last)), "exitCode": 1}
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "name": "main",
        "ready": False,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": run},
        **more,
    }


def conditions(*, accepted: timedelta = HOUR, ready: str = "False") -> Object:
    """A Pod's status: accepted by the kubelet that long ago, its sandbox ready soon after."""
    return {
        "phase": "Running",
        "startTime": stamp(NOW - accepted),
        "conditions": [{"type": "Ready", "status": ready}, {"type": "PodScheduled", "status": "True"}],
    }
