"""The workers' StatefulSet is deleted."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect, Leftover
from suites.steps import checks, leaks, page_cache, runtime_parts, workers
from suites.steps.object_copies import as_written
from suites.steps.user import DATASET, User

BLAMES_MASTER: Final = "lost-workers-blamed-on-the-master"


@scenario(
    "D7",
    Level.FULL,
    alone=True,
    defects=(
        Defect(
            BLAMES_MASTER,
            "When the workers' StatefulSet was deleted, the event says that the master does not exist.",
            "pkg/ddc/alluxio/replicas.go:83 (1.0.8)",
        ),
        workers.BLOCKS_LEFT,
    ),
    leftovers=(Leftover(workers.BLOCKS_LEFT.key, r"/alluxioworker/"),),
    writes=(kinds.STATEFUL_SET,),
)
def test_dataset_without_its_workers_is_failed_until_they_are_restored(dataset_owner: User) -> None:
    """A Dataset whose workers' StatefulSet was deleted is Failed, and serves again once it is restored.

    The user deletes the StatefulSet while an application runs, and restores it from a copy.
    """
    pod = dataset_owner.starts(dataset_owner.application("d7-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    name = fluid_names.worker_name(DATASET)
    kube, namespace = dataset_owner.system.kube, dataset_owner.namespace
    found = kube.get(kinds.STATEFUL_SET, name, namespace)
    assert found is not None
    leaks.expect_on_nodes(dataset_owner, (workers.find(dataset_owner, DATASET).node,))
    before = runtime_parts.warnings(dataset_owner)
    runtime_parts.delete(dataset_owner, kinds.STATEFUL_SET, name)
    runtime_parts.wait_for_phase(dataset_owner, "Failed")
    runtime_parts.check_not_created_again(dataset_owner, kinds.STATEFUL_SET, name)
    said = sorted(runtime_parts.warnings(dataset_owner) - before)
    dataset_owner.evidence.defect(
        BLAMES_MASTER,
        seen=bool(said) and not any("worker" in message for message in said),
        says=f"warnings of the runtime: {'; '.join(said)[:400] or 'none'}",
    )
    page_cache.drop_files(dataset_owner, pod)
    read = dataset_owner.observer.read(pod)
    outcome = read.message or f"{len(read.checksums)} files are read"
    dataset_owner.evidence.fact("application", f"without workers, pages dropped: {outcome}", hung=read.hung)
    difference = dataset_owner.files.difference(read.checksums)
    if difference.changed or difference.unexpected:
        checks.fail(
            "an application read wrong data without workers",
            subject=f"Pod {namespace}/{pod.name}",
            expected="the files at the source, an error, or no answer",
            seen=str(difference),
        )
    dataset_owner.applies(as_written(found))
    runtime_parts.wait_for_phase(dataset_owner, "Bound")
    checks.reads_again(dataset_owner, pod, workers.SCALE_SECONDS, advice="check the worker's log")
    dataset_owner.reads_right(pod, who="application, workers restored")
