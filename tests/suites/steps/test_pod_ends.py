"""How long Pods that are deleted take to end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from clusters.clock import Clock
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.steps.pod_ends import PodEnds


def a_pod(name: str, *, deleting: bool = True) -> PodSnapshot:
    """A Pod of the Dataset."""
    deletion = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {}
    return PodSnapshot.of({"metadata": {"name": name, "namespace": "fc-1", "uid": name, **deletion}})


def observed(*observations: tuple[float, tuple[PodSnapshot, ...]]) -> PodEnds:
    """What was observed at these seconds."""
    seconds = 0.0
    ends = PodEnds(cast("Clock", SimpleNamespace(now=lambda: seconds)))
    for seconds, pods in observations:  # noqa: B007 - the clock reads it
        ends.observe(pods)
    return ends


def test_each_pod_has_the_seconds_from_its_deletion_to_its_end_and_the_last_one_is_last() -> None:
    """A worker that outlives its master is named, so that a slow deletion explains itself."""
    master, worker = a_pod("demo-master-0"), a_pod("demo-worker-0")
    ends = observed(
        (0.0, (a_pod("demo-master-0", deleting=False), a_pod("demo-worker-0", deleting=False))),
        (1.0, (master, worker)),
        (3.5, (worker,)),
        (31.1, ()),
    )
    assert ends.seconds == {"demo-master-0": 2.5, "demo-worker-0": 30.1}
    assert str(ends) == (
        "demo-master-0 ended 2.5 s after it was seen to be deleted, "
        "demo-worker-0 ended 30.1 s after it was seen to be deleted"
    )


def test_pods_that_were_never_seen_to_be_deleted_have_no_seconds() -> None:
    """A Pod that was gone at once, and one that is still there."""
    ends = observed((0.0, (a_pod("demo-master-0", deleting=False), a_pod("demo-worker-0"))), (5.0, ()))
    assert ends.seconds == {"demo-worker-0": 5.0}
    assert not observed((0.0, (a_pod("demo-worker-0"),))).seconds
