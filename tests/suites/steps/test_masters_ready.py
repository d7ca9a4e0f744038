"""When the masters of a Dataset are ready, which lets the next Dataset begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.system import System
from suites.record.evidence import Evidence
from suites.steps.predicates import MASTER_ROLE, SetUp
from suites.steps.user import User
from workloads.data import one_file


def a_pod(role: str, *, ready: bool) -> PodSnapshot:
    """A Pod of a runtime."""
    condition = {"type": "Ready", "status": str(ready)}
    return PodSnapshot.of(
        {"metadata": {"name": role, "labels": {"role": role}}, "status": {"conditions": [condition]}}
    )


def a_dataset(phase: str = "") -> DatasetSnapshot:
    """A Dataset of that phase."""
    return DatasetSnapshot.of({"metadata": {"name": "demo"}, "status": {"phase": phase}})


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ((), False),
        (((MASTER_ROLE, False),), False),
        (((MASTER_ROLE, True), ("alluxio-worker", False)), True),
        (((MASTER_ROLE, True), (MASTER_ROLE, False)), False),
        ((("alluxio-worker", True),), False),
    ],
)
def test_all_masters_and_at_least_one_must_be_ready(
    pods: tuple[tuple[str, bool], ...], *, expected: bool
) -> None:
    """Other Pods do not matter."""
    seen = SetUp(a_dataset(), tuple(a_pod(role, ready=ready) for role, ready in pods), None)
    assert seen.masters_ready == expected


class Fluid:
    """A Dataset whose master is ready at the second observation, and which is Bound at the fourth."""

    def __init__(self) -> None:
        """Nothing was observed."""
        self.looks = 0
        self.objects = SimpleNamespace(list=self.pods, get=self.claim)

    def dataset(self, namespace: str, name: str) -> DatasetSnapshot:
        """The Dataset, which is read first."""
        self.looks += 1
        return a_dataset("Bound" if self.looks > 3 else "NotBound")

    def pods(self, kind: object, namespace: str, *, labels: str) -> tuple[PodSnapshot, ...]:
        """Its master."""
        return (a_pod(MASTER_ROLE, ready=self.looks > 1),)

    def claim(self, kind: object, name: str, namespace: str) -> ClaimSnapshot:
        """Its claim."""
        return ClaimSnapshot.of({"metadata": {"name": name}, "status": {"phase": "Bound"}})


@contextmanager
def changes(*_: Any, **__: Any) -> Iterator[None]:
    """No change is reported."""
    yield None


def test_ready_masters_are_reported_before_the_dataset_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the observation that shows them on."""
    fluid, reported = Fluid(), list[int]()
    monkeypatch.setattr(User, "observer", property(lambda _: fluid))
    kube = SimpleNamespace(changes=changes, clock=SimpleNamespace(now=lambda: 0.0))
    system = cast("System", SimpleNamespace(kube=kube))
    user = User(
        system,
        Evidence(silent=True),
        "fc-1",
        folder="/export/a",
        files=one_file("data", 10),
        requests_reconciles=False,
    )
    user.waits_until_bound(on_masters_ready=lambda: reported.append(fluid.looks))
    assert reported == [2, 3, 4]
