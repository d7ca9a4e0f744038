"""DataLoads whose Dataset cannot be loaded, and a DataProcess whose Dataset is elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clusters.kubernetes import kinds
from clusters.product.fluid_chart import ImageRef
from clusters.product.fluid_snapshots import DataLoadSnapshot
from clusters.waiting import ProductGaveUpError, hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.record.versions import ByVersion
from suites.run.dataset_pool import ReadyDataset
from suites.run.unbindable import WatchResult
from suites.scenarios.misuse import never_bound
from suites.steps import checks
from suites.steps.events import wait_for_event
from suites.steps.reconcile import TWO_RETRIES
from suites.steps.user import DATASET, User
from workloads.models.base import Manifest
from workloads.models.data_load import DataLoad, TargetDataset
from workloads.models.data_process import DataProcess, MountedDataset, Processor, ScriptProcessor

#: Reason of the event about a DataLoad whose Dataset does not exist; up to 0.9 only the controller's log
#: says so (pkg/controllers/operation_controller.go:120-126 of 0.9.3).
DATASET_NOT_FOUND: Final = ByVersion({"0.9": "", "1.0": "TargetDatasetNotFound"})
#: Whether there are DataProcesses; 0.9 has none.
HAS_DATA_PROCESS: Final = ByVersion({"0.9": False, "1.0": True})
#: Reasons of the events about an operation whose Dataset is in another namespace.
REFUSALS: Final = ("TargetDatasetNamespaceNotSame", "DataOperationNotValid")
#: How often such an operation is created, if it is deleted before there is an event.
TRIES: Final = 5
#: Seconds until Fluid has refused a DataLoad.
REFUSED_SECONDS = 60.0


@scenario(
    "B38",
    Level.CONFORMANCE,
    defects=(
        Defect(
            "refused-load-vanishes",
            "A DataLoad or DataProcess that names a Dataset of another namespace has it as its owner, which "
            "Kubernetes does not permit: the operation is deleted, and the reason with it.",
            "pkg/controllers/operation_controller.go:197-200 (1.0.8)",
        ),
    ),
    fields=("DataLoad.spec.dataset.namespace", "DataProcess.spec.dataset.namespace"),
    writes=(kinds.DATA_PROCESS,),
)
def test_data_load_that_cannot_reach_its_dataset_loads_nothing(
    unbindable_dataset: WatchResult, ready_dataset: ReadyDataset
) -> None:
    """A DataLoad whose Dataset is in another namespace, missing or not Bound starts no Job; events say why.

    The user creates three: for a Dataset of another namespace, for one that does not exist, and for one
    that is not Bound. A DataProcess for a Dataset of another namespace starts no Job, either.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    other = TargetDataset(name=DATASET, namespace=ready_dataset.namespace)
    if DATASET_NOT_FOUND.on(user.system):
        wait_for_event(user, "DataLoad", "load-missing", reason=DATASET_NOT_FOUND.on(user.system))
    wait_for_event(user, "DataLoad", "load-not-bound", reason="RuntimeNotReady")
    elsewhere = _refused(
        user,
        "DataLoad",
        lambda name: DataLoad.whole(user.namespace, name, DATASET).evolve(dataset=other).manifest(),
    )
    objects = user.observer.objects
    if HAS_DATA_PROCESS.on(user.system):
        _check_process_is_refused(user, ready_dataset.namespace)

    def was_refused(load: DataLoadSnapshot | None) -> bool:
        return load is None or load.ended

    refused = wait(
        lambda: objects.get(DataLoadSnapshot, elsewhere, user.namespace),
        was_refused,
        subject=f"DataLoad {user.namespace}/{elsewhere}",
        condition="phase Failed, or deletion",
        timeout=REFUSED_SECONDS,
    )
    if refused is not None and refused.phase != "Failed":
        checks.fail(
            "a DataLoad for a Dataset of another namespace was not refused",
            subject=f"DataLoad {user.namespace}/{elsewhere}",
            expected="phase Failed",
            seen=str(refused),
        )
    user.evidence.fact("DataLoad status", str(refused or f"{elsewhere} was deleted"))
    waiting = ("load-missing", "load-not-bound")

    def observe() -> dict[str, DataLoadSnapshot | None]:
        return {name: objects.get(DataLoadSnapshot, name, user.namespace) for name in waiting}

    def why_not_waiting(loads: dict[str, DataLoadSnapshot | None]) -> str | None:
        return (
            "; ".join(f"{name} is {load.phase}" for name, load in loads.items() if load and load.phase)
            or None
        )

    with user.evidence.phase("window", "the other two still wait"):
        hold(
            observe,
            why_not_waiting,
            subject=f"DataLoads of {user.namespace}",
            condition="the absence of a phase",
            window=TWO_RETRIES,
        )
    left = objects.get(DataLoadSnapshot, elsewhere, user.namespace)
    user.evidence.defect(
        "refused-load-vanishes",
        seen=left is None,
        says=f"the refused DataLoad {'was deleted with its status' if left is None else 'still exists'}",
    )
    jobs = user.system.kube.list(kinds.JOB, user.namespace)
    if jobs:
        checks.fail(
            "a DataLoad that cannot reach its Dataset started a Job",
            subject=f"namespace {user.namespace}",
            expected="no Job",
            seen=", ".join(job["metadata"]["name"] for job in jobs),
        )
    user.evidence.fact("DataLoad status", "the other two have no phase, and no Job was started")


def _check_process_is_refused(user: User, namespace: str) -> None:
    """A DataProcess for a Dataset of another namespace is refused, and an event says why."""
    image = ImageRef.of(user.system.toolbox)
    script = ScriptProcessor(
        image=f"{image.prefix}/{image.name}".strip("/"),
        image_tag=image.tag,
        command=("bash",),
        source="#!/bin/bash\nexit 0\n",
    )
    dataset = MountedDataset(name=DATASET, namespace=namespace, mount_path="/data")

    def process(name: str) -> Manifest:
        return DataProcess(
            namespace=user.namespace, name=name, dataset=dataset, processor=Processor(script=script)
        ).manifest()

    name = _refused(user, "DataProcess", process)
    user.evidence.fact("DataProcess", f"{name} is refused")


def _refused(user: User, kind: str, create: Callable[[str], Manifest]) -> str:
    """The name of a data operation for a Dataset of another namespace that events say to be refused.

    Kubernetes deletes such an operation because of its owner (known defect refused-load-vanishes), sometimes
    before Fluid has reported the reason; then another one is created.
    """
    gone: list[str] = []
    while True:
        name = f"{kind.lower()}-elsewhere-{len(gone)}"
        user.applies(create(name))
        try:
            for reason in REFUSALS:
                wait_for_event(user, kind, name, reason=reason)
        except ProductGaveUpError:  # it was deleted
            gone.append(name)
            if len(gone) == TRIES:
                raise
            continue
        if gone:
            user.evidence.fact(kind, f"{', '.join(gone)}: deleted before an event said why")
        return name
