"""The user's Datasets and DataLoads: created, waited for, deleted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.predicates import has_any_phase
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DataLoadSnapshot, DatasetSnapshot
from clusters.waiting import is_empty, wait
from suites.steps.actor import DATASET, PHASE_SECONDS, SOURCE
from suites.steps.deleted_masters import DeletedMasters
from suites.steps.pod_ends import PodEnds
from suites.steps.predicates import SetUp, failed_reason, is_bound_with_claim, is_complete_or
from suites.steps.reconcile import RECONCILE_DELAY, ReconcileSteps
from workloads.models.alluxio_runtime import AlluxioRuntime
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

#: Seconds until a Dataset is Bound on a busy two-core machine (measured: 60 to 105).
BOUND_SECONDS: Final = 420.0
#: Seconds from Bound until the claim is there (retry of the controller: 20 s).
CLAIM_SECONDS: Final = 90.0
#: Seconds until a deleted Dataset and what belongs to it are gone (measured: 54).
GONE_SECONDS: Final = 240.0
#: Seconds until a DataLoad of the smoke data is Complete (the controller reconciles every 20 s).
LOAD_SECONDS: Final = 300.0


class DatasetSteps(ReconcileSteps):
    """Creates and deletes Datasets, and waits for what Fluid makes of them."""

    def creates_dataset(
        self,
        dataset: Dataset | None = None,
        runtime: AlluxioRuntime | None = None,
        *,
        without_runtime: bool = False,
    ) -> None:
        """Create a Dataset over the source claim, with a small AlluxioRuntime of the same name.

        Placement is Shared unless the scenario passes its own Dataset, so that Datasets of scenarios that
        run at the same time find room on one node; Fluid's default is Exclusive.
        """
        created = dataset or Dataset.over_claim(self.namespace, DATASET, SOURCE).evolve(placement="Shared")
        self.applies(created.manifest())
        if not without_runtime:
            self.applies((runtime or laptop_runtime(self.namespace, created.name)).manifest())

    def waits_until_bound(
        self, name: str = DATASET, *, on_masters_ready: Callable[[], None] = lambda: None
    ) -> DatasetSnapshot:
        """Wait until the Dataset is Bound and its claim is there and Bound.

        A reconcile of the runtime is requested when one of its Pods changed, so that the controller reads
        once instead of after its 20 s (runtime_controller.go:271-300 of 1.0.8); without it the same Dataset
        needs twice as long.

        Args:
            name: of the Dataset.
            on_masters_ready: called at each observation in which all masters are ready.
        """
        kube, objects = self.system.kube, self.observer.objects
        last_request, pods_seen = kube.clock.now() - 2 * RECONCILE_DELAY, ""

        def observe() -> SetUp:
            nonlocal last_request, pods_seen
            seen = SetUp(
                self.observer.dataset(self.namespace, name),
                objects.list(PodSnapshot, self.namespace, labels=f"release={name}"),
                objects.get(ClaimSnapshot, name, self.namespace),
            )
            pods = "; ".join(map(str, seen.pods))
            changed = seen.dataset.bound or pods != pods_seen
            if changed and kube.clock.now() - last_request > RECONCILE_DELAY:
                last_request, pods_seen = kube.clock.now(), pods
                self.request_reconcile(name)
            if seen.masters_ready:
                on_masters_ready()
            return seen

        with (
            self.evidence.phase("dataset", f"Dataset {name} becomes Bound"),
            self.explaining(name),
            kube.changes(
                kinds.POD,
                self.namespace,
                more=[Topic(kinds.DATASET, self.namespace), Topic(kinds.CLAIM, self.namespace)],
            ) as changed,
        ):
            bound = wait(
                observe,
                is_bound_with_claim,
                subject=f"Dataset {self.namespace}/{name}",
                condition="phase Bound with a Bound claim",
                timeout=(BOUND_SECONDS + CLAIM_SECONDS) * self.timeout_factor,
                changes=changed,
                advice="check the runtime's Pods and the events of Dataset and AlluxioRuntime",
            )
        return bound.dataset

    def waits_for_phase(self, name: str) -> None:
        """Wait until Fluid has seen the Dataset, which any phase shows."""
        with self.explaining(name), self.system.kube.changes(kinds.DATASET, self.namespace) as changed:
            wait(
                lambda: self.observer.dataset(self.namespace, name),
                has_any_phase,
                subject=f"Dataset {self.namespace}/{name}",
                condition="any phase",
                timeout=PHASE_SECONDS * self.timeout_factor,
                changes=changed,
                advice="check whether the dataset-controller runs",
            )

    def waits_for_load(
        self, name: str, *, given_up: Callable[[DataLoadSnapshot], bool] = lambda _: False
    ) -> DataLoadSnapshot:
        """Wait until a DataLoad is Complete; phase Failed ends the wait with an error.

        Args:
            name: of the DataLoad.
            given_up: says of one that is not Complete that it never will be, which is no error here.
        """
        objects = self.observer.objects

        def job_ended() -> bool:
            job = objects.get(JobSnapshot, fluid_names.data_load_job(name), self.namespace)
            return job is not None and bool(job.conditions)

        with (
            self.evidence.phase("waiting", f"DataLoad {name} completes"),
            self.explaining(name),
            self.system.kube.changes(
                kinds.DATA_LOAD, self.namespace, more=[Topic(kinds.JOB, self.namespace)]
            ) as changed,
        ):
            load = wait(
                self.with_reconcile_at_change(
                    job_ended,
                    lambda: objects.get(DataLoadSnapshot, name, self.namespace),
                    name,
                    kinds.DATA_LOAD,
                ),
                is_complete_or(given_up),
                subject=f"DataLoad {self.namespace}/{name}",
                condition="phase Complete",
                timeout=LOAD_SECONDS * self.timeout_factor,
                failed=failed_reason,
                changes=changed,
                advice="check the log of the loader's Job",
            )
        assert load is not None
        self.evidence.fact("DataLoad status", str(load))
        return load

    def deletes_dataset(self, name: str = DATASET) -> None:
        """Delete the Dataset and wait until it, its runtime and their Pods are gone."""
        kube, objects = self.system.kube, self.observer.objects
        kube.delete(kinds.DATASET, name, self.namespace)
        masters, ends = DeletedMasters(self), PodEnds(kube.clock)

        def observe() -> tuple[str, ...]:
            remaining = (
                objects.get(DatasetSnapshot, name, self.namespace),
                objects.get(AlluxioRuntimeSnapshot, name, self.namespace),
            )
            pods = objects.list(PodSnapshot, self.namespace, labels=f"release={name}")
            ends.observe(pods)
            if not any(remaining):
                masters.end(pods, name)
            return tuple(str(item) for item in (*remaining, *pods) if item is not None)

        topics = [Topic(kinds.ALLUXIO_RUNTIME, self.namespace), Topic(kinds.POD, self.namespace)]
        observed: Callable[[], tuple[str, ...]] = observe
        for kind in (kinds.DATASET, kinds.ALLUXIO_RUNTIME):
            # Each warning is a try that failed, after which its controller waits for 10 or 20 s.
            warnings = partial(self._warnings, name, kind)
            observed = self.with_reconcile_at_change(warnings, observed, name, kind)
        with (
            self.evidence.phase("teardown", f"Dataset {name} is deleted"),
            self.explaining(name),
            kube.changes(kinds.DATASET, self.namespace, more=topics) as changed,
        ):
            wait(
                observed,
                is_empty,
                subject=f"Dataset {self.namespace}/{name}",
                condition="deletion with runtime and Pods",
                timeout=GONE_SECONDS * self.timeout_factor,
                changes=changed,
                describe=lambda remaining: "; ".join(remaining) or "all gone",
                advice="check the finalizers and the events of Dataset and AlluxioRuntime",
            )
        if ends.seconds:
            self.evidence.fact("Pods of the Dataset", str(ends), seconds=max(ends.seconds.values()))

    def _warnings(self, name: str, kind: Kind) -> int:
        """The number of warnings about an object."""
        events = self.observer.objects.events(self.namespace, name, kind.name)
        return sum(event.count for event in events if event.type == "Warning")
