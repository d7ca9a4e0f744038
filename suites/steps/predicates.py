"""Named conditions of the steps, next to those over single objects in `clusters`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import CacheStates, DataLoadSnapshot, DatasetSnapshot
from clusters.product.predicates import is_complete
from workloads.data import Files
from workloads.pod_commands import ReadResult

#: Per cent of a Dataset that is cached as a whole, and the rounding of Fluid's status.
FULL: Final = 100.0
ROUNDING: Final = 0.1
#: Label ``role`` of a master's Pod (charts/alluxio/templates/master/statefulset.yaml of 1.0.8).
MASTER_ROLE: Final = "alluxio-master"


@dataclass(frozen=True, slots=True)
class SetUp:
    """A Dataset on its way to Bound, with its Pods and its claim."""

    dataset: DatasetSnapshot
    pods: tuple[PodSnapshot, ...]
    claim: ClaimSnapshot | None

    @property
    def masters_ready(self) -> bool:
        """All masters that were started are ready: their start-up probe has passed, which takes longest."""
        masters = [pod for pod in self.pods if pod.labels.get("role") == MASTER_ROLE]
        return bool(masters) and all(pod.ready for pod in masters)

    def __str__(self) -> str:
        phase = self.claim.phase if self.claim else "not there"
        return "; ".join([str(self.dataset), *map(str, self.pods), f"claim {phase}"])


def is_bound_with_claim(seen: SetUp) -> bool:
    """The Dataset is Bound, and so is its claim."""
    return seen.dataset.bound and seen.claim is not None and seen.claim.phase == "Bound"


def ended_reason(pod: PodSnapshot | None) -> str | None:
    """Why a Pod will never be ready: it has ended. None as long as it may."""
    return f"ended: {pod}" if pod is not None and pod.ended else None


def failed_reason(load: DataLoadSnapshot | None) -> str | None:
    """Why a DataLoad will never be Complete: it is Failed. None as long as it may."""
    return f"it failed: {load}" if load is not None and load.phase == "Failed" else None


def is_complete_or(
    given_up: Callable[[DataLoadSnapshot], bool],
) -> Callable[[DataLoadSnapshot | None], bool]:
    """The DataLoad is Complete, or never will be."""
    return lambda load: is_complete(load) or (load is not None and given_up(load))


def reads_all(files: Files) -> Callable[[ReadResult], bool]:
    """All files were read, with their checksums."""
    return lambda result: result.complete and not files.difference(result.checksums)


def overfull_reason(cache: CacheStates) -> str | None:
    """Why the status will never be right: more is cached than there is. None as long as it may."""
    percentage = cache.cached_percentage or 0.0
    return f"cachedPercentage is {percentage:g} %" if percentage > FULL + ROUNDING else None


def says(text: str) -> Callable[[ReadResult], bool]:
    """The read failed with that text."""
    return lambda result: text in result.message


def why_not_bound(dataset: DatasetSnapshot) -> str | None:
    """Why the Dataset is not Bound, or None."""
    return None if dataset.bound else f"its phase is {dataset.phase or 'empty'}"


def why_bound(dataset: DatasetSnapshot) -> str | None:
    """What contradicts that the Dataset is not Bound, or None."""
    return "it is Bound" if dataset.bound else None


def anything(_: object) -> None:
    """Nothing is wrong with what was seen: the caller judges later."""
