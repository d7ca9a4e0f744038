"""Files that are read on two nodes, each with a worker."""

from __future__ import annotations

from typing import Final

from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, workers
from suites.steps.user import DATASET, User
from workloads.models.small_runtime import laptop_runtime

#: Seconds for which the cache is watched: Alluxio copies in the background while a file is read.
WINDOW_SECONDS: Final = 15.0


def _two_workers(user: User) -> None:
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET, replicas=2))


@scenario("C9", Level.FULL, nodes=2, dataset=_two_workers)
def test_file_that_is_read_on_another_node_is_cached_once(dataset_owner: User) -> None:
    """What one node has cached is not cached again when an application on another node reads it.

    The user creates a Dataset with two workers. One application reads all files on the node of the first
    worker, and then another one on the node of the second. Fluid switches Alluxio's passive cache off
    (pkg/ddc/alluxio/transform_optimization.go:64 of 1.0.8), so that the cache holds as much as it can.
    """
    total = dataset_owner.files.total_bytes
    nodes = _wait_for_nodes(dataset_owner)
    for number, node in enumerate(nodes, 1):
        application = dataset_owner.application(f"c9-reader-{number}", DATASET, node=node)
        pod = dataset_owner.starts(application)
        checks.served_by_fluid(dataset_owner, pod)
        dataset_owner.reads_right(pod, who=f"application on {node}")
        checks.all_cached(dataset_owner)

    def why_copied(cached: int) -> str | None:
        return f"the workers hold {cached} bytes of files that have {total}" if cached > total else None

    with dataset_owner.evidence.phase("window", "nothing is cached a second time"):
        observations = hold(
            lambda: sum(
                block.bytes for block in dataset_owner.observer.blocks(dataset_owner.namespace, DATASET)
            ),
            why_copied,
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            condition="each byte in the cache of one worker only",
            window=WINDOW_SECONDS,
            advice="check alluxio.user.file.passive.cache.enabled",
        )
    dataset_owner.evidence.fact(
        "workers' tier folders",
        f"{observations[-1]} bytes after reads on {' and '.join(nodes)}, as many as the files have",
        looks=len(observations),
    )


def _wait_for_nodes(user: User) -> tuple[str, str]:
    """The nodes of both workers; a Dataset is Bound as soon as one of them is ready."""
    first, second = workers.wait_for_ready(user, 2)
    if first.node == second.node:
        checks.fail(
            "two workers of one Dataset run on the same node",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="a node for each worker (pkg/ctrl/affinity.go of 1.0.8)",
            seen=f"{first}; {second}",
        )
    return first.node, second.node
