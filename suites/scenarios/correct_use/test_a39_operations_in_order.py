"""Data operations that run one after the other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import at
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_chart import ImageRef
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import Since
from suites.steps import checks, data_loads, data_operations
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User
from workloads.models.base import Manifest
from workloads.models.data_load import DataLoad
from workloads.models.data_process import DataProcess, MountedDataset, Processor, ScriptProcessor

FIRST: Final = "a39-first"
SECOND: Final = "a39-second"
THIRD: Final = "a39-third"
#: Operations that are to run after one of another namespace, which does not exist.
ELSEWHERE: Final = ("a39-load-elsewhere", "a39-process-elsewhere")
OTHER_NAMESPACE: Final = "fluid-conformance-nowhere"
#: Seconds for which the first operation runs, so that the second one is seen waiting for it.
RUNS_SECONDS: Final = 20


def _fields(kind: str) -> tuple[str, ...]:
    return (
        f"{kind}.spec.runAfter.kind",
        f"{kind}.spec.runAfter.name",
        f"{kind}.spec.runAfter.namespace",
        f"{kind}.status.waitingFor.operationComplete",
    )


@scenario(
    "A39",
    Level.FULL,
    since=Since("1.0", "0.9 has no runAfter (api/v1alpha1 of 0.9.3)"),
    fields=(*_fields("DataLoad"), *_fields("DataProcess")),
    writes=(kinds.DATA_PROCESS,),
)
def test_data_operations_run_one_after_the_other(dataset_owner: User) -> None:
    """A data operation with runAfter waits until the other one exists and is Complete, and then runs.

    The user creates a DataLoad that is to run after a DataProcess, and another DataProcess that is to run
    after the DataLoad; only then the first DataProcess, which needs 20 s. Two more operations name the
    DataLoad in a namespace where it is not, and wait.
    """
    user = dataset_owner
    load = DataLoad.whole(user.namespace, SECOND, DATASET).manifest()
    after_first = {"kind": "DataProcess", "name": FIRST, "namespace": user.namespace}
    third = _process(user, THIRD, "exit 0")
    after_second = {"kind": "DataLoad", "name": SECOND}
    user.applies(_after(load, after_first), _after(third, after_second))
    wait_for_event(user, "DataLoad", SECOND, reason="DataOperationNotFound", says=FIRST)
    wait_for_event(user, "DataProcess", THIRD, reason="DataOperationWaiting", says=SECOND)
    _check_waiting(user, kinds.DATA_LOAD, SECOND)
    _check_waiting(user, kinds.DATA_PROCESS, THIRD)
    user.applies(_process(user, FIRST, f"sleep {RUNS_SECONDS}"))
    wait_for_event(user, "DataLoad", SECOND, reason="DataOperationWaiting", says=FIRST)
    ended = data_operations.ends(user, kinds.DATA_PROCESS, FIRST)
    data_operations.ended_as(user, kinds.DATA_PROCESS, ended, "Complete")
    data_loads.completes(user, SECOND)
    ended = data_operations.ends(user, kinds.DATA_PROCESS, THIRD)
    data_operations.ended_as(user, kinds.DATA_PROCESS, ended, "Complete")
    _check_order(
        user,
        fluid_names.data_process_job(FIRST),
        fluid_names.data_load_job(SECOND),
        fluid_names.data_process_job(THIRD),
    )
    checks.all_cached(user)
    _check_elsewhere(user)


def _check_elsewhere(user: User) -> None:
    """Operations that are to run after one of another namespace do not run after its namesake here."""
    load, process = ELSEWHERE
    after = {"kind": "DataLoad", "name": SECOND, "namespace": OTHER_NAMESPACE}
    user.applies(
        _after(DataLoad.whole(user.namespace, load, DATASET).manifest(), after),
        _after(_process(user, process, "exit 0"), after),
    )
    for kind, name in ((kinds.DATA_LOAD, load), (kinds.DATA_PROCESS, process)):
        says = f"{OTHER_NAMESPACE}/{SECOND}"
        wait_for_event(user, kind.name, name, reason="DataOperationNotFound", says=says)
        _check_waiting(user, kind, name)


def _process(user: User, name: str, command: str) -> Manifest:
    image = ImageRef.of(user.system.toolbox)
    script = ScriptProcessor(
        image=f"{image.prefix}/{image.name}".strip("/"),
        image_tag=image.tag,
        image_pull_policy="IfNotPresent",
        command=("bash",),
        source=f"#!/bin/bash\n{command}\n",
    )
    dataset = MountedDataset(name=DATASET, namespace=user.namespace, mount_path="/data")
    return DataProcess(
        namespace=user.namespace, name=name, dataset=dataset, processor=Processor(script=script)
    ).manifest()


def _after(operation: Manifest, other: dict[str, Any]) -> Manifest:
    operation["spec"]["runAfter"] = other
    return operation


def _check_waiting(user: User, kind: Kind, name: str) -> None:
    """The operation is Pending, says that it waits, and has no Job."""
    found = user.system.kube.get(kind, name, user.namespace)
    phase, waits = at(found, "status", "phase"), at(found, "status", "waitingFor", "operationComplete")
    if phase != "Pending" or waits is not True:
        checks.fail(
            f"{kind} {name} does not say that it waits for another operation",
            subject=f"{kind} {user.namespace}/{name}",
            expected="phase Pending, waitingFor.operationComplete true",
            seen=f"phase {phase}, waitingFor.operationComplete {waits}",
        )
    user.evidence.fact(f"{kind} status", f"{name} waits for another operation, phase {phase}")
    job = {
        kinds.DATA_LOAD: fluid_names.data_load_job,
        kinds.DATA_PROCESS: fluid_names.data_process_job,
    }[kind]
    data_operations.no_job(user, job(name))


def _check_order(user: User, *names: str) -> None:
    """Each Job was created when the one before it was complete."""
    jobs = []
    for name in names:
        job = user.observer.objects.get(JobSnapshot, name, user.namespace)
        if job is None or job.completed is None or job.meta.created is None:
            checks.fail(
                f"the operation of Job {name} is Complete, and its Job is not",
                subject=f"Job {user.namespace}/{name}",
                expected="a complete Job",
                seen=str(job or "no Job"),
            )
        jobs.append((name, job.meta.created, job.completed))
    for (earlier, _, completed), (later, created, _) in pairwise(jobs):
        if created < completed:
            checks.fail(
                f"{later} did not wait for {earlier}",
                subject=f"Job {user.namespace}/{later}",
                expected=f"creation after {completed:%H:%M:%S}, when {earlier} was complete",
                seen=f"created at {created:%H:%M:%S}",
            )
        user.evidence.fact("Jobs", f"{later} was created {(created - completed).seconds} s after {earlier}")
