"""Masters that Fluid has deleted: when they receive the signal to end."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.system import System
from suites.record.evidence import Evidence
from suites.steps.deleted_masters import DeletedMasters
from suites.steps.user import User
from workloads.data import one_file


class Kubelet:
    """A Kubernetes access with a manual clock that records signals."""

    def __init__(self, *, refuses: bool = False) -> None:
        """Nothing was done, at second 0."""
        self.seconds = 0.0
        self.refuses = refuses
        self.done: list[tuple[str, str, float]] = []
        self.clock = SimpleNamespace(now=lambda: self.seconds)

    def exec(self, namespace: str, pod: str, container: str, argv: Sequence[str], **_: Any) -> None:
        """Note a signal, or refuse."""
        assert (namespace, container) == ("fc-1", "alluxio-master")
        assert "kill -TERM -1" in argv
        self._note("signal", pod)

    def _note(self, what: str, pod: str) -> None:
        if self.refuses:
            message = "the container is not running"
            raise InfrastructureError(message)
        self.done.append((what, pod, self.seconds))


def a_pod(name: str, *, deleting: bool = True, uid: str = "u-1") -> PodSnapshot:
    """A Pod of the Dataset."""
    meta = {"name": name, "namespace": "fc-1", "uid": uid}
    return PodSnapshot.of(
        {"metadata": {**meta, **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})}}
    )


def a_user(kube: Kubelet, *, requests_reconciles: bool = True) -> User:
    """A user on that access."""
    system = cast("System", SimpleNamespace(kube=kube))
    return User(
        system,
        Evidence(silent=True),
        "fc-1",
        folder="/export/smoke",
        files=one_file("data", 10),
        requests_reconciles=requests_reconciles,
    )


def observed(masters: DeletedMasters, kube: Kubelet, pods: Sequence[PodSnapshot], seconds: int) -> None:
    """The same Pods are observed once a second."""
    for second in range(seconds):
        kube.seconds = float(second)
        masters.end(pods, "demo")


def test_master_receives_one_signal() -> None:
    """It is counted as help, and other Pods receive none."""
    kube = Kubelet()
    user = a_user(kube)
    observed(DeletedMasters(user), kube, [a_pod("demo-master-0"), a_pod("demo-worker-0", uid="u-2")], 30)
    assert kube.done == [("signal", "demo-master-0", 0.0)]
    assert user.evidence.signals == 1


def test_master_that_fluid_has_not_deleted_is_left_alone() -> None:
    """A Pod that Fluid forgets stays, so that the leak check sees it."""
    kube = Kubelet()
    observed(DeletedMasters(a_user(kube)), kube, [a_pod("demo-master-0", deleting=False)], 30)
    assert not kube.done


def test_user_who_leaves_fluid_alone_waits_for_the_whole_grace() -> None:
    """Where all times must be Fluid's own there is no signal."""
    kube = Kubelet()
    user = a_user(kube, requests_reconciles=False)
    observed(DeletedMasters(user), kube, [a_pod("demo-master-0")], 30)
    assert not kube.done
    assert not user.evidence.signals


@pytest.mark.parametrize("seconds", [1, 30])
def test_refused_help_changes_nothing(seconds: int) -> None:
    """Help only saves time: without it the wait goes on, and nothing is counted."""
    kube = Kubelet(refuses=True)
    user = a_user(kube)
    observed(DeletedMasters(user), kube, [a_pod("demo-master-0")], seconds)
    assert not user.evidence.signals
