"""Named conditions over snapshots of Kubernetes' objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clusters.kubernetes import predicates
from clusters.kubernetes.snapshots.controllers import DeploymentSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot

READY = {"type": "Ready", "status": "True"}
REFUSED = {"type": "PodScheduled", "status": "False", "message": "no node fits"}


def pod(phase: str = "Running", node: str = "n1", *states: dict[str, str], **metadata: Any) -> PodSnapshot:
    """A Pod."""
    return PodSnapshot.of(
        {
            "metadata": {"name": "p", "uid": "u1", "labels": {"app": "a"}, **metadata},
            "spec": {"nodeName": node},
            "status": {"phase": phase, "conditions": list(states)},
        }
    )


DELETED = pod(deletionTimestamp="2026-11-22T15:20:01Z")

Condition = Callable[[PodSnapshot | None], bool]


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        (predicates.is_deleting, [None, DELETED], [pod()]),
        (predicates.is_replaced("u1"), [None, pod(uid="u2")], [pod(), DELETED]),
        (predicates.has_label("app", "a"), [pod()], [None, pod(labels={"app": "b"}), pod(labels={})]),
        (predicates.has_label("app", None), [pod(labels={})], [None, pod()]),
        (predicates.has_phase("Running", "Failed"), [pod(), pod("Failed")], [None, pod("Pending")]),
        (predicates.has_any_phase, [pod("Pending")], [None, pod("")]),
        (predicates.has_ended, [pod("Failed"), pod("Succeeded")], [None, pod()]),
        (predicates.is_ready, [pod("Running", "n1", READY)], [None, pod()]),
        (
            predicates.is_ready_on("n1"),
            [pod("Running", "n1", READY)],
            [None, pod(), pod("Running", "n2", READY)],
        ),
        (predicates.is_on("n1"), [pod("Pending")], [None, pod("Pending", "n2"), pod("Pending", "")]),
        (predicates.is_decided, [pod("Pending"), pod("Pending", "", REFUSED)], [None, pod("Pending", "")]),
    ],
)
def test_conditions_of_pods(
    condition: Condition, true: list[PodSnapshot | None], false: list[PodSnapshot | None]
) -> None:
    """Each is true of these Pods and false of those; None is a missing Pod."""
    assert [condition(seen) for seen in true] == [True] * len(true)
    assert [condition(seen) for seen in false] == [False] * len(false)


def test_a_roll_out_needs_all_pods_of_the_newest_specification() -> None:
    """A missing Deployment is not rolled out either."""
    status = {"updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 1}
    done = {"metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": status}
    assert predicates.is_rolled_out(DeploymentSnapshot.of(done))
    assert not predicates.is_rolled_out(DeploymentSnapshot.of(done | {"metadata": {"generation": 2}}))
    assert not predicates.is_rolled_out(None)
