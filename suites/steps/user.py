"""A user of Fluid: creates claims, Datasets and applications, reads, deletes, and removes everything."""

from __future__ import annotations

import secrets
from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DatasetSnapshot
from clusters.waiting import is_gone, wait
from suites.steps.actor import DATASET, PHASE_SECONDS, SOURCE
from suites.steps.applications import APPLICATION_SECONDS, ApplicationSteps
from suites.steps.claims import ClaimSteps
from suites.steps.datasets import GONE_SECONDS, LOAD_SECONDS, DatasetSteps

__all__ = (
    "APPLICATION_SECONDS",
    "DATASET",
    "GONE_SECONDS",
    "LOAD_SECONDS",
    "PHASE_SECONDS",
    "SOURCE",
    "User",
    "fluid_volume",
    "unique",
)

#: Data operations that a user may have created.
OPERATIONS: Final = (kinds.DATA_LOAD, kinds.DATA_PROCESS, kinds.DATA_BACKUP, kinds.DATA_MIGRATE)


class User(ClaimSteps, DatasetSteps, ApplicationSteps):
    """All that a user does in one namespace; see `suites.steps.actor.Actor` for the fields."""

    def removes_datasets(self) -> None:
        """Delete applications and data operations, then Datasets and runtimes; wait until these are gone.

        Raises:
            HarnessError: something was not deleted in time.
        """
        kube, objects = self.system.kube, self.observer.objects
        for pod in objects.list(PodSnapshot, self.namespace):
            if pod.labels.get("app.kubernetes.io/managed-by") == "fluid-conformance":
                self.stops(pod)
        for kind in OPERATIONS:
            for operation in kube.list_if_known(kind, self.namespace):
                kube.delete(kind, operation["metadata"]["name"], self.namespace)
        runtimes = objects.list(AlluxioRuntimeSnapshot, self.namespace)
        for runtime in runtimes:
            # One that could not be set up has no owner yet, so it is not deleted with its Dataset.
            if not any(owner.kind == kinds.DATASET.name for owner in runtime.meta.owners):
                kube.delete(kinds.ALLUXIO_RUNTIME, runtime.name, self.namespace)
        names = {item.name for item in (*objects.list(DatasetSnapshot, self.namespace), *runtimes)}
        for name in sorted(names):
            self.deletes_dataset(name)

    def removes_everything(self) -> None:
        """Remove all that this user created, the applications first.

        Raises:
            HarnessError: something was not deleted in time.
        """
        self.removes_datasets()
        kube = self.system.kube
        kube.delete(kinds.NAMESPACE, self.namespace)
        for manifest in self.sent:
            if manifest["kind"] == "PersistentVolume":
                kube.delete(kinds.VOLUME, manifest["metadata"]["name"])
        with (
            self.evidence.phase("teardown", f"namespace {self.namespace} is deleted"),
            kube.changes(kinds.NAMESPACE) as changed,
        ):
            wait(
                lambda: kube.get(kinds.NAMESPACE, self.namespace),
                is_gone,
                subject=f"namespace {self.namespace}",
                condition="deletion",
                timeout=GONE_SECONDS,
                changes=changed,
                describe=lambda seen: "gone" if seen is None else str(seen.get("status", {})),
                failure_class=FailureClass.HARNESS,
            )


def fluid_volume(user: User, name: str = DATASET) -> str:
    """Name of the volume that Fluid creates for the Dataset."""
    return fluid_names.volume_name(user.namespace, name)


def unique(prefix: str) -> str:
    """A name that no other run uses."""
    return f"{prefix}-{secrets.token_hex(3)}"
