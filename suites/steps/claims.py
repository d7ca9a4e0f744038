"""The user's own claims over the NFS export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.predicates import has_phase
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.waiting import wait
from suites.steps.actor import PHASE_SECONDS, SOURCE, Actor
from workloads.nfs_source import NfsSource


class ClaimSteps(Actor):
    """Creates claims that do not belong to Fluid."""

    def creates_source(self, name: str = SOURCE, *, folder: str | None = None, **changes: Any) -> NfsSource:
        """Create volume and claim over the NFS export, and wait until they are bound to each other."""
        source = NfsSource(
            namespace=self.namespace,
            name=name,
            server=self.system.nfs.address,
            path=folder or self.folder,
            mount_options=self.system.nfs.mount_options,
        ).evolve(**changes)
        volume, claim = source.manifests()
        objects, of_volume = self.observer.objects, volume["metadata"]["name"]
        self.applies(volume)
        # Kubernetes reads a claim that it saw before its volume again only after 15 s.
        self._wait_for_phase(
            kinds.VOLUME, of_volume, lambda: objects.get(VolumeSnapshot, of_volume), "Available", "Bound"
        )
        self.applies(claim)
        self._wait_for_phase(
            kinds.CLAIM, name, lambda: objects.get(ClaimSnapshot, name, self.namespace), "Bound"
        )
        return source

    def _wait_for_phase(
        self,
        kind: Kind,
        name: str,
        observe: Callable[[], VolumeSnapshot | ClaimSnapshot | None],
        *phases: str,
    ) -> None:
        """Wait with the full timeout: this is Kubernetes' own work, not Fluid's."""
        namespace = self.namespace if kind.namespaced else None
        with self.system.kube.changes(kind, namespace) as changed:
            wait(
                observe,
                has_phase(*phases),
                subject=f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}",
                condition=f"phase {' or '.join(phases)}",
                timeout=PHASE_SECONDS,
                changes=changed,
                failure_class=FailureClass.INFRASTRUCTURE,
            )
