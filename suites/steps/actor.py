"""The base of a user: a namespace on a system, what was sent there, and the evidence of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Self

from clusters.errors import HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.ownership import privileged_namespace
from clusters.product import fluid
from clusters.product.fuse import read_fuse
from clusters.system import System
from clusters.waiting import WaitError
from suites.record.evidence import Evidence
from suites.steps.observer import Observer
from workloads.data import Files
from workloads.models.base import Manifest, yaml_of

#: Names of the claim over the NFS export, and of the Dataset over it, unless a scenario says otherwise.
SOURCE: Final = "nfs-src"
DATASET: Final = "demo"
#: Seconds within which a controller or the scheduler reacts to something new.
PHASE_SECONDS: Final = 60.0
#: Warnings that the error of a wait lists.
REPORTED_WARNINGS: Final = 3


@dataclass
class Actor:
    """Acts in one namespace of its own.

    Attributes:
        system: the cluster.
        evidence: of what was done and observed.
        namespace: of all that it creates.
        folder: of the export that its source claim shows.
        files: that applications see on its Dataset; those in that folder, unless ``source_files`` says so.
        sent: the manifests, as they were sent.
        timeout_factor: share of the usual timeouts of this user; less than 1 where the product is broken on
            purpose. Teardown always has its full timeout.
        requests_reconciles: ask Fluid's controllers to reconcile as soon as something changed, to save time.
            Without it no object of Fluid is touched, and all times are Fluid's own.
        source_files: files in that folder, where its Dataset shows them otherwise; see `seeing`.
    """

    system: System
    evidence: Evidence
    namespace: str
    folder: str
    files: Files
    sent: list[Manifest] = field(default_factory=list)
    timeout_factor: float = 1.0
    requests_reconciles: bool = True
    source_files: Files | None = None

    def seeing(self, files: Files) -> Self:
        """The same user, whose Dataset shows other files than the source has, such as those of one folder."""
        return replace(self, files=files, source_files=self.source_files or self.files)

    @property
    def observer(self) -> Observer:
        """Observes the results."""
        return Observer(self.system)

    def applies(self, *manifests: Manifest) -> None:
        """Send manifests, and keep them with the scenario."""
        for manifest in manifests:
            self.system.kube.apply(manifest)
            self.sent.append(manifest)
        self.evidence.attach("sent", yaml_of(*manifests), "yaml")

    def creates_namespace(self) -> None:
        """Create the user's namespace."""
        self.applies(privileged_namespace(self.namespace))

    def creates_extra_namespace(self, name: str) -> str:
        """Create one more namespace for the scenario."""
        self.applies(privileged_namespace(name))
        self.evidence.namespaces.append(name)
        return name

    def removes_namespace(self, name: str) -> None:
        """Ask for the deletion of an extra namespace, and do not wait for it."""
        self.system.kube.delete(kinds.NAMESPACE, name)

    @contextmanager
    def explaining(self, name: str) -> Iterator[None]:
        """Add to the error of a wait what the system reports: the error itself seldom shows the cause."""
        try:
            yield
        except WaitError as error:
            error.last_seen = "\n".join([error.last_seen, *self._reports(name)])
            raise

    def _reports(self, name: str) -> list[str]:
        """Warnings about an object, the Fuse if a Pod needs it, and what is missing of Fluid."""
        objects, kube = self.observer.objects, self.system.kube
        reports = []
        try:
            warnings = [event for event in objects.events(self.namespace, name) if event.type == "Warning"]
            reports += [
                f"{event.kind} {event.name}: {event.reason}: {event.message}"
                for event in warnings[-REPORTED_WARNINGS:]
            ]
            fuse = read_fuse(objects, self.namespace, DATASET)
            if not fuse.absent:
                reports += [str(fuse), *map(str, (*fuse.pods.values(), *fuse.unplaced))]
            reports += fluid.missing(fluid.state(kube))
        except HarnessError as error:
            reports.append(f"(not everything could be read: {error.message})")
        return reports
