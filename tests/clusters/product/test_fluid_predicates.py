"""Named conditions over Fluid's objects."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import predicates
from clusters.product.fluid_snapshots import DataLoadSnapshot, DatasetSnapshot
from clusters.product.fuse import FuseSnapshot


def dataset(phase: str = "Bound", **status: Any) -> DatasetSnapshot:
    """A Dataset."""
    return DatasetSnapshot.of({"metadata": {"name": "demo"}, "status": {"phase": phase, **status}})


def test_bound_and_idle() -> None:
    """A Bound Dataset is idle unless a data operation locks it."""
    assert predicates.is_bound(dataset())
    assert not predicates.is_bound(dataset("NotBound"))
    assert not predicates.is_bound(None)
    assert predicates.is_idle(dataset(operationRef={"DataLoad": ""}))
    assert not predicates.is_idle(dataset(operationRef={"DataLoad": "warm"}))
    assert not predicates.is_idle(dataset("NotBound"))
    assert not predicates.is_idle(None)


@pytest.mark.parametrize(
    ("size", "number", "counted"),
    [
        ("42.00MiB", "7", True),
        ("[Calculating]", "7", False),
        ("42.00MiB", "[Calculating]", False),
        ("", "", False),
    ],
)
def test_counted(size: str, number: str, counted: bool) -> None:
    """Size and number of files must both be numbers."""
    assert predicates.is_counted(dataset(ufsTotal=size, fileNum=number)) is counted
    assert not predicates.is_counted(None)


def test_capacity() -> None:
    """The text is compared as Fluid writes it."""
    seen = dataset(cacheStates={"cacheCapacity": "512.00MiB"})
    assert predicates.has_capacity("512.00MiB")(seen)
    assert not predicates.has_capacity("1.00GiB")(seen)
    assert not predicates.has_capacity("1.00GiB")(None)


@pytest.mark.parametrize(("phase", "complete"), [("Complete", True), ("Failed", False), ("", False)])
def test_complete(phase: str, complete: bool) -> None:
    """Only a successful data operation is complete."""
    assert predicates.is_complete(DataLoadSnapshot.of({"status": {"phase": phase}})) is complete
    assert not predicates.is_complete(None)


def test_conditions_of_a_fuse() -> None:
    """A node label alone is no Pod, and a Pod without a label does not serve its node."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    pod = PodSnapshot.of({"metadata": {"name": "f"}, "spec": {"nodeName": "n1"}, "status": ready})
    absent = FuseSnapshot.of("demo/a", "label", None, [], [])
    labelled = FuseSnapshot.of("demo/a", "label", None, [], ["n1"])
    unlabelled = FuseSnapshot.of("demo/a", "label", None, [pod], [])
    serving = FuseSnapshot.of("demo/a", "label", None, [pod], ["n1"])
    fuses = (absent, labelled, unlabelled, serving)
    assert [predicates.fuse_is_absent(fuse) for fuse in fuses] == [True, False, False, False]
    assert [predicates.fuse_has_no_pods(fuse) for fuse in fuses] == [True, True, False, False]
