"""Deletion of a Dataset while Fluid's controller is killed."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.errors import FailureClass, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import is_deleting
from clusters.kubernetes.snapshots.controllers import DeploymentSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, leaks
from suites.steps.user import DATASET, User
from workloads.faults import delete_pod

#: Seconds until the runtime is being deleted once its Dataset is: garbage collection.
COLLECTED_SECONDS: Final = 60.0
#: Seconds until a killed controller is ready again.
CONTROLLER_SECONDS: Final = 120.0
RUNTIME_CONTROLLER: Final = "alluxioruntime-controller"


@scenario(
    "E13",
    Level.FULL,
    alone=True,
    disturbs={Disruption.FLUID_COMPONENTS: "kills Fluid's alluxioruntime-controller"},
)
def test_deletion_completes_after_fluids_controller_was_killed(dataset_owner: User) -> None:
    """A deletion during which Fluid's controller is killed completes once the controller runs again.

    The controller's Pod is killed while it deletes a Dataset that was completely cached.
    """
    kube, objects = dataset_owner.system.kube, dataset_owner.observer.objects
    pod = dataset_owner.starts(dataset_owner.application("e13-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    dataset_owner.stops(pod)
    kube.delete(kinds.DATASET, DATASET, dataset_owner.namespace)
    with kube.changes(kinds.ALLUXIO_RUNTIME, dataset_owner.namespace) as changed:
        wait(
            lambda: objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace),
            is_deleting,
            subject=f"AlluxioRuntime {dataset_owner.namespace}/{DATASET}",
            condition="deletion with its Dataset",
            timeout=COLLECTED_SECONDS * dataset_owner.timeout_factor,
            changes=changed,
        )
    for controller in objects.list(
        PodSnapshot, fluid.NAMESPACE, labels=f"control-plane={RUNTIME_CONTROLLER}"
    ):
        fault = delete_pod(
            kube, fluid.NAMESPACE, controller.name, because="the scenario's fault", grace_seconds=0
        )
        dataset_owner.evidence.fact("fault", fault.says)
    try:
        runtime = objects.get(AlluxioRuntimeSnapshot, DATASET, dataset_owner.namespace)
        if runtime is None:
            # With data in the cache, Fluid needs two rounds of 20 s (shutdown.go:155 of 1.0.8).
            raise InfrastructureError("the deletion completed before the controller could be killed")
        dataset_owner.evidence.fact(
            "AlluxioRuntime", f"the controller was killed during the deletion of {runtime}"
        )
    finally:
        _wait_for_controller(dataset_owner)
    dataset_owner.deletes_dataset()
    leaks.nothing_left(dataset_owner)
    checks.source_unchanged(dataset_owner)


def _wait_for_controller(user: User) -> None:
    kube = user.system.kube

    def is_ready(deployment: DeploymentSnapshot | None) -> bool:
        return deployment is not None and deployment.is_ready

    with (
        user.evidence.phase("waiting", "the controller runs again"),
        kube.changes(kinds.DEPLOYMENT) as changed,
    ):
        wait(
            lambda: user.observer.objects.get(DeploymentSnapshot, RUNTIME_CONTROLLER, fluid.NAMESPACE),
            is_ready,
            subject=f"Deployment {fluid.NAMESPACE}/{RUNTIME_CONTROLLER}",
            condition="readiness",
            timeout=CONTROLLER_SECONDS,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
