"""The Dataset on which sabotages run one after the other, reset to an unused state each time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from clusters.errors import FailureClass, HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio.cli import AlluxioFailureError
from clusters.product.fuse import FuseSnapshot
from clusters.system import System
from clusters.waiting import wait
from suites.record.evidence import Evidence
from suites.run.dataset_pool import DatasetPool
from suites.steps.observer import Observer
from suites.steps.user import DATASET, User
from workloads.models.base import Manifest

log = logging.getLogger(__name__)

#: Seconds until a Dataset that was used is in an unused state again.
RESET_SECONDS: Final = 120.0


@dataclass
class UnusedDataset:
    """Provides the same Dataset for each case, without Fuse Pods, DataLoads and cached data.

    Attributes:
        system: the cluster.
        pool: creates the Dataset, and another one if it cannot be reset.
    """

    system: System
    pool: DatasetPool
    _user: User | None = None

    def obtain(self) -> User:
        """The user of the Dataset, reset to an unused state."""
        if self._user is not None:
            try:
                self._reset(self._user)
            except HarnessError as error:
                log.warning("the Dataset could not be reset, another one is used: %s", error)
                self.remove()
        if self._user is None:
            self._user, _ = self.pool.acquire(Evidence(silent=True))
        return self._user

    def release(self) -> User | None:
        """Return the user of the Dataset, if there is one; the next ``obtain`` uses another Dataset."""
        user, self._user = self._user, None
        return user

    def remove(self) -> None:
        """Remove the Dataset, if there is one."""
        user = self.release()
        if user is not None:
            self.pool.remove(user)

    @property
    def _observer(self) -> Observer:
        return Observer(self.system)

    def _reset(self, user: User) -> None:
        kube, observer, namespace = self.system.kube, self._observer, user.namespace
        label = fluid_names.fuse_label(namespace, DATASET)
        for load in kube.list(kinds.DATA_LOAD, namespace):
            kube.delete(kinds.DATA_LOAD, load["metadata"]["name"], namespace)
        for node in observer.objects.list(NodeSnapshot, labels=f"{label}=true"):
            self._wait_until_unstaged(user, node.name)
            kube.patch(kinds.NODE, node.name, None, {"metadata": {"labels": {label: None}}})
        subject = f"Dataset {namespace}/{DATASET}"

        def unused(seen: tuple[FuseSnapshot, list[Manifest]]) -> bool:
            fuse, loads = seen
            return fuse.absent and not loads

        wait(
            lambda: (observer.fuse(namespace, DATASET), kube.list(kinds.DATA_LOAD, namespace)),
            unused,
            subject=subject,
            condition="the absence of Fuse Pods and DataLoads",
            timeout=RESET_SECONDS,
            failure_class=FailureClass.HARNESS,
        )
        if self._nothing_cached(user):
            return
        observer.alluxio(namespace, DATASET).free()
        wait(
            user.with_reconcile_requests(lambda: self._nothing_cached(user)),
            bool,
            subject=subject,
            condition="an empty cache, also in the status",
            timeout=RESET_SECONDS,
            delay=1.0,
            failure_class=FailureClass.HARNESS,
        )

    def _wait_until_unstaged(self, user: User, node: str) -> None:
        """Wait until the kubelet has unstaged the volume; before that, the node is not labelled again."""
        folder = fluid_names.staging_folder(user.namespace, DATASET)
        wait(
            lambda: self.system.provider.node_exec(node, ["test", "-e", folder]).exit_code != 0,
            bool,
            subject=f"volume of Dataset {user.namespace}/{DATASET} on {node}",
            condition="unstaging by the kubelet",
            timeout=RESET_SECONDS,
            delay=1.0,
            failure_class=FailureClass.HARNESS,
        )

    def _nothing_cached(self, user: User) -> bool:
        namespace = user.namespace
        percentage = self._observer.dataset(namespace, DATASET).cache.cached_percentage or 0.0
        if percentage > 0 or self._observer.blocks(namespace, DATASET):
            return False
        try:
            return self._observer.listing(namespace, DATASET).none_cached
        except AlluxioFailureError as error:
            log.info("Alluxio does not answer at the moment: %s", error.message)
            return False
