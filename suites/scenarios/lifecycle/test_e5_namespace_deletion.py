"""Deletion of a namespace with a Dataset in use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.waiting import is_gone, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, leaks
from suites.steps.user import DATASET, User

#: Seconds until a namespace with a Dataset in use is gone; Fluid tries to free the cache up to three times.
NAMESPACE_SECONDS: Final = 360.0
#: Seconds for what is deleted a moment after its namespace.
AFTER_SECONDS: Final = 20.0


@scenario(
    "E5",
    Level.FULL,
    issues=(176, 535, 2283),
    defects=(
        Defect(
            "cache-outlives-its-namespace",
            "When a namespace is deleted as a whole, the cached data of its Datasets stay in the memory of "
            "the nodes: its Pods are deleted first, and without a master Fluid does not free the cache.",
            "pkg/ddc/alluxio/shutdown.go:113-155, cache.go:35-45 (1.0.8)",
        ),
    ),
)
def test_deleting_the_namespace_removes_what_fluid_created(dataset_owner: User) -> None:
    """Deleting the namespace of a Dataset in use completes and leaves no volume, node label or mount.

    The user deletes the namespace as a whole while an application reads from the Dataset.
    """
    kube = dataset_owner.system.kube
    pod = dataset_owner.starts(dataset_owner.application("e5-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    leaks.expect_on_worker_nodes(dataset_owner)
    kube.delete(kinds.NAMESPACE, dataset_owner.namespace)
    with (
        dataset_owner.evidence.phase("teardown", "the namespace is deleted"),
        kube.changes(kinds.NAMESPACE) as changed,
    ):
        wait(
            lambda: kube.get(kinds.NAMESPACE, dataset_owner.namespace),
            is_gone,
            subject=f"namespace {dataset_owner.namespace}",
            condition="deletion with all its objects",
            timeout=NAMESPACE_SECONDS * dataset_owner.timeout_factor,
            changes=changed,
            describe=_what_blocks,
            advice="check the finalizers of Dataset, AlluxioRuntime and claims",
        )
    dataset_owner.evidence.fact("namespace", "deleted; nothing in it blocked the deletion")
    left = leaks.after_a_while(dataset_owner, AFTER_SECONDS)
    nodes = dataset_owner.evidence.leftover_nodes
    known = [file for file in left.tier_files if file.partition(": ")[0] in nodes]
    dataset_owner.evidence.defect(
        "cache-outlives-its-namespace",
        seen=bool(known),
        says=f"in the tier on the workers' nodes: {leaks.listed(known) or 'nothing'}",
        files=len(known),
    )
    other = replace(left, tier_files=tuple(file for file in left.tier_files if file not in known))
    if not other.nothing:
        checks.fail(
            "something of a Dataset is left after the deletion of its namespace",
            subject=f"namespace {dataset_owner.namespace}",
            expected="no volume, node label or mount of it, and nothing in the tier of other nodes",
            seen=str(other),
        )
    dataset_owner.evidence.fact("leak check", "no volume, node label or mount is left")
    checks.source_unchanged(dataset_owner)


def _what_blocks(namespace: dict[str, Any] | None) -> str:
    """What blocks the deletion of a namespace, by its conditions."""
    if namespace is None:
        return "deleted"
    status = namespace.get("status", {})
    messages = [
        condition.get("message", "")
        for condition in status.get("conditions", [])
        if condition.get("status") == "True"
    ]
    return "; ".join([str(status.get("phase", "")), *messages])
