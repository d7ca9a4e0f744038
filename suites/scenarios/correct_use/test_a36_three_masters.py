"""Three masters that elect a leader."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, masters, page_cache
from suites.steps.user import DATASET, User
from workloads.models.alluxio_runtime import Component
from workloads.models.small_runtime import laptop_runtime

MASTERS: Final = 3
#: Seconds until the application reads again without the former leader.
READS_SECONDS: Final = 240.0


def _three_masters(user: User) -> None:
    """Masters in the container network need no ports of nodes, so that they may share one."""
    runtime = laptop_runtime(user.namespace, DATASET)
    master = (runtime.master or Component()).evolve(replicas=MASTERS, network_mode="ContainerNetwork")
    user.creates_dataset(runtime=runtime.evolve(master=master))


@scenario(
    "A36",
    Level.FULL,
    alone=True,
    dataset=_three_masters,
    fields=("AlluxioRuntime.spec.master.replicas",),
)
def test_dataset_with_three_masters_serves_without_its_leader(dataset_owner: User) -> None:
    """With three masters another one leads when the leader is deleted, reads go on, and the cache stays.

    The user sets ``master.replicas: 3``, and the leading master's Pod is deleted while an application runs
    and everything is cached.
    """
    user = dataset_owner
    pod = user.starts(user.application("a36-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    checks.all_cached(user)
    _check_number(user)
    leader = user.observer.alluxio(user.namespace, DATASET).leader()
    user.evidence.fact("Alluxio masters", f"{leader} leads")
    was = masters.delete(user, leader)
    others = [n for n in range(MASTERS) if fluid_names.master_pod(DATASET, n) != leader]
    masters.wait_for_another_leader(user, leader, asked=others[0])
    page_cache.drop_files(user, pod)
    checks.reads_again(user, pod, READS_SECONDS, advice="check the masters' logs")
    masters.wait_until_replaced(user, was)
    _check_number(user)
    checks.all_cached(user)
    page_cache.drop_files(user, pod)
    user.reads_right(pod, who="application, three masters again")


def _check_number(user: User) -> None:
    """There are three masters, and all of them are ready."""
    found = user.observer.objects.list(
        PodSnapshot, user.namespace, labels=fluid_names.pod_labels(DATASET, "master")
    )
    if len(found) != MASTERS or not all(pod.ready for pod in found):
        checks.fail(
            f"the Dataset does not have {MASTERS} masters that are ready",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"{MASTERS} ready Pods",
            seen="; ".join(map(str, found)) or "none",
        )
    user.evidence.fact("Pods", f"{MASTERS} masters are ready")
