"""The Fuse Pod is deleted, several times."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, fuse_pods, fuse_recovery
from suites.steps.user import APPLICATION_SECONDS, DATASET, User
from workloads.application import CONTAINER
from workloads.faults import delete_pod

#: How often the Fuse Pod is deleted.
TIMES: Final = 3
#: Seconds until a deleted Fuse Pod is replaced (its grace period is 30 s) and has mounted.
FUSE_BACK_SECONDS: Final = 180.0
#: Seconds until a restored mount has reached the application (Fluid checks every 5 s).
RECOVERED_SECONDS: Final = 90.0


@scenario(
    "D3",
    Level.FULL,
    disturbs={Disruption.FLUID_COMPONENTS: "restarts Fluid's CSI plugin on every node twice"},
    alone=True,
    issues=(2719, 3399, 5416),
)
def test_mount_is_restored_each_time_the_fuse_pod_is_deleted(dataset_owner: User) -> None:
    """With FuseRecovery, an application reads again each time its Fuse Pod was deleted, also once restarted.

    The administrator enables the feature, and deletes the Fuse Pod three times; after the first time the
    application's container restarts in its Pod.
    """
    with fuse_recovery.enabled(dataset_owner):
        application = dataset_owner.application(
            "d3-reader", DATASET, mount_propagation="HostToContainer"
        ).manifest()
        application["spec"]["restartPolicy"] = "Always"
        dataset_owner.applies(application)
        pod = dataset_owner.waits_until_running(
            dataset_owner.application("d3-reader", DATASET, mount_propagation="HostToContainer")
        )
        checks.served_by_fluid(dataset_owner, pod)
        dataset_owner.reads_right(pod)
        for time in range(1, TIMES + 1):
            _delete_fuse_pod(dataset_owner, pod.node)
            checks.reads_again(
                dataset_owner, pod, RECOVERED_SECONDS, advice="check the CSI plugin's log for `recover`"
            )
            dataset_owner.reads_right(pod, who=f"application, Fuse Pod deleted {time} times")
            if time == 1:
                _restart_container(dataset_owner, pod)
                dataset_owner.reads_right(pod, who="application, its container restarted")
        checks.served_by_fluid(dataset_owner, pod)


def _delete_fuse_pod(user: User, node: str) -> None:
    """Delete the Fuse Pod of a node, and wait until another one has mounted there."""
    was = user.observer.fuse(user.namespace, DATASET).pod_on(node)
    assert was is not None
    fault = delete_pod(user.system.kube, user.namespace, was.name, because="the scenario's fault")
    user.evidence.fact("fault", fault.says, node=node)

    def is_another(pod: PodSnapshot) -> bool:
        return pod.uid != was.uid

    pod = fuse_pods.wait_until_mounted(
        user, node, is_another, f"another Fuse Pod on {node}, and its mount", FUSE_BACK_SECONDS
    )
    user.evidence.fact("Fuse Pod", f"{pod} has mounted")


def _restart_container(user: User, pod: PodSnapshot) -> None:
    """End the application's first process, and wait until the kubelet has started its container again."""
    objects = user.observer.objects
    user.observer.inside(pod, ("kill", "-TERM", "1"))

    def is_restarted(seen: PodSnapshot | None) -> bool:
        container = seen.container(CONTAINER) if seen is not None else None
        return seen is not None and seen.ready and container is not None and container.restarts > 0

    with user.evidence.phase("waiting", "the application's container restarts"):
        seen = wait(
            lambda: objects.get(PodSnapshot, pod.name, pod.namespace),
            is_restarted,
            subject=f"Pod {pod.namespace}/{pod.name}",
            condition="a restart of its container, and readiness",
            timeout=APPLICATION_SECONDS,
            advice="check the Pod's events for its mount",
        )
    user.evidence.fact("application", f"its container restarted: {seen}")
