"""Waits on a real cluster that the programs of this folder share."""

from __future__ import annotations

from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import is_empty, is_gone, wait
from tests.killed_runs.dump import unsettled

#: Seconds until the components of a cluster run as before.
SETTLED_SECONDS: Final = 240.0


def settle(kube: Kube) -> None:
    """Wait until the components of the cluster run as they should."""
    wait(
        lambda: unsettled(kube),
        is_empty,
        subject="Deployments and DaemonSets",
        condition="readiness",
        timeout=SETTLED_SECONDS,
        successes=3,
        delay=2.0,
        describe=lambda left: ", ".join(left) or "all ready",
        failure_class=FailureClass.INFRASTRUCTURE,
    )


def wait_for_pod(kube: Kube, namespace: str, name: str, seconds: float) -> None:
    """Wait until a Pod is ready."""
    wait(
        lambda: PodSnapshot.of(kube.get(kinds.POD, name, namespace) or {}),
        lambda seen: seen.ready,
        subject=f"Pod {namespace}/{name}",
        condition="condition Ready",
        timeout=seconds,
        failure_class=FailureClass.INFRASTRUCTURE,
    )


def wait_for_deletion(kube: Kube, kind: Kind, name: str, namespace: str | None, seconds: float) -> None:
    """Wait until an object is gone."""
    wait(
        lambda: kube.get(kind, name, namespace),
        is_gone,
        subject=f"{kind} {name}",
        condition="deletion",
        timeout=seconds,
        delay=1.0,
        describe=lambda seen: "there" if seen else "gone",
        failure_class=FailureClass.INFRASTRUCTURE,
    )
