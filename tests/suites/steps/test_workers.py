"""Labels that Fluid gives to the nodes of a Dataset's workers, and takes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.clock import SYSTEM_CLOCK
from clusters.errors import ProductFailureError
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import ProductTimeoutError
from suites.record.evidence import Evidence
from suites.steps import workers
from suites.steps.user import User
from workloads.data import one_file

OTHER = {"fluid.io/s-other-demo": "true", "zone": "one"}


def a_user(monkeypatch: pytest.MonkeyPatch, *labels: Mapping[str, str]) -> User:
    """A user who sees a node with these labels, one after the other; the last ones stay."""
    seen: Iterator[Mapping[str, str]] = iter(labels)
    last: list[Mapping[str, str]] = []

    def get(kind: type, name: str) -> NodeSnapshot:
        assert (kind, name) == (NodeSnapshot, "node-1")
        last[:] = [next(seen, last[0] if last else {})]
        return NodeSnapshot.of({"metadata": {"name": name, "labels": dict(last[0])}})

    observer = SimpleNamespace(objects=SimpleNamespace(get=get))
    monkeypatch.setattr(User, "observer", property(lambda _: observer))
    kube = SimpleNamespace(clock=SYSTEM_CLOCK, patch=lambda *_: None)
    system = cast("Any", SimpleNamespace(kube=kube))
    return User(
        system, Evidence(silent=True), "fc-1", folder="", files=one_file("data", 10), timeout_factor=0.005
    )


def test_labels_of_a_worker_that_left_are_waited_for_until_they_are_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Labels of other Datasets stay."""
    labels = dict.fromkeys(fluid_names.worker_labels("fc-1", "demo"), "true")
    user = a_user(monkeypatch, {**labels, **OTHER}, OTHER)
    workers.check_node_labels_removed(user, "node-1")
    assert "no label of the Dataset's cache" in user.evidence.facts[-1].says


def test_label_that_stays_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is the product's."""
    label = fluid_names.cache_size_label("fc-1", "demo")
    assert label in fluid_names.worker_labels("fc-1", "demo")
    with pytest.raises(ProductTimeoutError, match=label):
        workers.check_node_labels_removed(a_user(monkeypatch, {label: "512MiB"}), "node-1")


def test_workers_are_waited_for_until_all_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dataset is Bound as soon as one of them is."""

    def pod(name: str, ready: str) -> PodSnapshot:
        condition = {"type": "Ready", "status": ready}
        return PodSnapshot.of({"metadata": {"name": name}, "status": {"conditions": [condition]}})

    looks = iter([(pod("w-0", "True"),), (pod("w-0", "True"), pod("w-1", "True"))])
    monkeypatch.setattr(workers, "of_dataset", lambda *_: next(looks))
    monkeypatch.setattr("clusters.clock.SystemClock.sleep", lambda *_: None)
    found = workers.wait_for_ready(a_user(monkeypatch), 2)
    assert [one.name for one in found] == ["w-0", "w-1"]


@pytest.mark.parametrize("labels", [{}, {"fluid.io/dataset-placement": "Shared"}])
def test_worker_that_is_labelled_with_another_placement_is_a_failure(labels: dict[str, str]) -> None:
    """So is one without the label; the right label is accepted."""

    def worker(found: dict[str, str]) -> PodSnapshot:
        return PodSnapshot.of({"metadata": {"name": "demo-worker-0", "namespace": "fc-1", "labels": found}})

    workers.check_placement_label(worker({"fluid.io/dataset-placement": "Exclusive"}), "Exclusive")
    with pytest.raises(ProductFailureError, match="another placement") as failed:
        workers.check_placement_label(worker(labels), "Exclusive")
    assert (labels.get("fluid.io/dataset-placement") or "(none)") in str(failed.value)
