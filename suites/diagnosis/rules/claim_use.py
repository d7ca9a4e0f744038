"""A Pod and one claim that it uses: what all rules about it share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Cause, Evidence, Finding, Key
from suites.diagnosis.objects import Export, PodInfo
from suites.diagnosis.wording import namespaced, quoted_list, shown


@dataclass(frozen=True, slots=True)
class ClaimUse:
    """A Pod and one claim that it uses.

    Attributes:
        state: the cluster.
        info: the Pod.
        claim_name: the claim as the Pod names it; it need not exist.
    """

    state: ClusterState
    info: PodInfo
    claim_name: str

    @property
    def pod(self) -> PodSnapshot:
        """The Pod."""
        return self.info.snapshot

    @property
    def key(self) -> Key:
        """Namespace and name of the claim, and of the Dataset that Fluid would create it for."""
        return self.pod.namespace, self.claim_name

    @property
    def place(self) -> str:
        """The Pod as the source of evidence."""
        return f"Pod {namespaced(self.pod)}"

    def subject(self, verb: str = "mounts") -> str:
        """The beginning of a sentence: the Pod, a verb and the claim."""
        return f"Pod {shown(self.pod.name)} {verb} claim {shown(self.claim_name)}"

    def finding(
        self,
        code: FindingCode,
        says: str,
        change: str = "",
        *evidence: Evidence,
        dataset: Key | None,
        state: State = State.WRONG,
        causes: tuple[Cause, ...] = (),
    ) -> Finding:
        """A finding about this Pod and claim."""
        names = Evidence(self.place, f"names claim {self.claim_name}")
        return Finding(
            self.info.key, dataset, self.claim_name, code, state, says, change, (names, *evidence), causes
        )

    def said(self) -> Iterator[Evidence]:
        """What the scheduler and the kubelet report about the Pod."""
        if self.pod.scheduling:
            yield Evidence("scheduler", self.pod.scheduling)
        yield from self.state.quoted("Pod", self.pod.namespace, self.pod.name)


def key_of(dataset: DatasetSnapshot) -> Key:
    """Namespace and name of a Dataset."""
    return dataset.namespace, dataset.name


def names_of(datasets: tuple[DatasetSnapshot, ...]) -> str:
    """Datasets in a sentence."""
    return quoted_list([dataset.name for dataset in datasets])


def claim_evidence(claim: ClaimSnapshot) -> Evidence:
    """A claim as evidence."""
    return Evidence(f"claim {namespaced(claim)}", str(claim))


def source_evidence(dataset: DatasetSnapshot) -> Iterator[Evidence]:
    """A Dataset's phase and mount points as evidence."""
    points = ", ".join(mount.mount_point for mount in dataset.mounts)
    yield Evidence(f"Dataset {namespaced(dataset)}", f"{dataset.phase or 'without phase'}, mounts {points}")


def export_name(export: Export) -> str:
    """An NFS export in a sentence."""
    return f"NFS export {export[0]}:{export[1]}"


def recreation(pod: PodSnapshot) -> str:
    """The advice to replace a Pod; it says who creates the Pod again."""
    owner = pod.owner
    by = f"its {owner.kind} creates it again" if owner else "create it again, for no controller does"
    return f"Delete Pod {shown(pod.name)}: {by}." if owner else f"Delete Pod {shown(pod.name)} and {by}."


def reference_advice(namespace: str, dataset: Key) -> str:
    """How to use a Dataset from another namespace."""
    return (
        f"Run the Pod in namespace {shown(dataset[0])}, or create a Dataset in {shown(namespace)} that "
        "refers "
        f"to it (mountPoint {shown(f'dataset://{dataset[0]}/{dataset[1]}')}) and mount the claim of that one."
    )
