"""What a diagnosis can find: each case by name, with the catalogue's row for it, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: A namespace and a name.
Key = tuple[str, str]


class State(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WAITING = "waiting"
    WRONG = "wrong"


class Verdict(StrEnum):
    """What is true of a Pod and a Dataset."""

    # Nothing is wrong.
    SERVED = "served"
    SIDECAR = "sidecar"
    ENDED = "ended"
    # Nothing is wrong yet.
    STARTING = "starting"
    # The Pod asks for something else than the claim that Fluid made for the Dataset.
    ORIGINAL_CLAIM = "original-claim"
    OTHER_CLAIM_OF_SOURCE = "other-claim-of-source"
    NAMESAKE_CLAIM = "namesake-claim"
    HAND_MADE_VOLUME = "hand-made-volume"
    OTHER_NAMESPACE = "other-namespace"
    MISSPELT = "misspelt"
    NO_SUCH_DATASET = "no-such-dataset"
    # The Pod asks for the right claim, and what is behind it is not there.
    DATASET_NOT_BOUND = "dataset-not-bound"
    DATASET_BEING_DELETED = "dataset-being-deleted"
    CLAIM_DELETED = "claim-deleted"
    CLAIM_NOT_MADE = "claim-not-made"
    VOLUME_ELSEWHERE = "volume-elsewhere"
    NOT_SCHEDULED = "not-scheduled"
    CSI_PLUGIN_MISSING = "csi-plugin-missing"
    FUSE_NOT_READY = "fuse-not-ready"
    FUSE_RESTARTED = "fuse-restarted"
    SIDECAR_NOT_READY = "sidecar-not-ready"
    # Told only by a look inside the Pod.
    DEAD_MOUNT = "dead-mount"
    NOT_THROUGH_FUSE = "not-through-fuse"
    READ_FAILS = "read-fails"

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the catalogue of scenarios that this case is about; none for what has no row."""
        return _ROWS.get(self, ())


class CauseKind(StrEnum):
    """Why a Dataset is not Bound."""

    INVALID_NAME = "invalid-name"
    NO_RUNTIME = "no-runtime"
    NO_DATASET = "no-dataset"
    TWO_RUNTIMES = "two-runtimes"
    RUNTIME_BEING_DELETED = "runtime-being-deleted"
    UNSUPPORTED_SCHEME = "unsupported-scheme"
    SOURCE_CLAIM_MISSING = "source-claim-missing"
    SOURCE_CLAIM_ELSEWHERE = "source-claim-elsewhere"
    SOURCE_CLAIM_NAME = "source-claim-name"
    SAME_CLAIM_TWICE = "same-claim-twice"
    SAME_PATH_TWICE = "same-path-twice"
    NO_QUOTA = "no-quota"
    QUOTAS_UNLIKE_PATHS = "quotas-unlike-paths"
    QUOTA_OVER_LIMIT = "quota-over-limit"
    CONTROLLER_MISSING = "controller-missing"
    MASTER_GONE = "master-gone"
    WORKERS_GONE = "workers-gone"
    FUSE_GONE = "fuse-gone"
    NO_NODE_FITS = "no-node-fits"
    NODES_TAKEN = "nodes-taken"
    TOO_LITTLE_MEMORY = "too-little-memory"
    NOT_SCHEDULED = "not-scheduled"
    SOURCE_CLAIM_PENDING = "source-claim-pending"
    MASTER_NOT_READY = "master-not-ready"
    WORKER_NOT_READY = "worker-not-ready"

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the catalogue that this cause is about."""
        return _CAUSE_ROWS.get(self, ())


_ROWS: Final = {
    Verdict.SERVED: ("A2",),
    Verdict.SIDECAR: ("A30",),
    Verdict.ORIGINAL_CLAIM: ("B1",),
    Verdict.OTHER_CLAIM_OF_SOURCE: ("B1",),
    Verdict.NAMESAKE_CLAIM: ("B2",),
    Verdict.HAND_MADE_VOLUME: ("B3", "B4"),
    Verdict.OTHER_NAMESPACE: ("B5",),
    Verdict.MISSPELT: ("B6",),
    Verdict.NO_SUCH_DATASET: ("B5", "B6"),
    Verdict.DATASET_BEING_DELETED: ("B10",),
    Verdict.CLAIM_DELETED: ("B8",),
    Verdict.VOLUME_ELSEWHERE: ("B25",),
    Verdict.CSI_PLUGIN_MISSING: ("B24",),
    Verdict.FUSE_NOT_READY: ("B31",),
    Verdict.FUSE_RESTARTED: ("D1", "D3"),
    Verdict.DEAD_MOUNT: ("B31", "D1"),
}

_CAUSE_ROWS: Final = {
    CauseKind.INVALID_NAME: ("B29",),
    CauseKind.NO_RUNTIME: ("B11",),
    CauseKind.NO_DATASET: ("B12",),
    CauseKind.TWO_RUNTIMES: ("B13",),
    CauseKind.RUNTIME_BEING_DELETED: ("E2", "E4"),
    CauseKind.UNSUPPORTED_SCHEME: ("B14", "B15"),
    CauseKind.SOURCE_CLAIM_MISSING: ("B16",),
    CauseKind.SOURCE_CLAIM_ELSEWHERE: ("B17",),
    CauseKind.SOURCE_CLAIM_NAME: ("B18",),
    CauseKind.SAME_CLAIM_TWICE: ("B18",),
    CauseKind.SAME_PATH_TWICE: ("B18",),
    CauseKind.NO_QUOTA: ("B22",),
    CauseKind.QUOTA_OVER_LIMIT: ("B20",),
    CauseKind.TOO_LITTLE_MEMORY: ("B21",),
    CauseKind.NO_NODE_FITS: ("B26",),
    CauseKind.NODES_TAKEN: ("A17",),
    CauseKind.MASTER_GONE: ("D6",),
    CauseKind.WORKERS_GONE: ("D7",),
    CauseKind.FUSE_GONE: ("D8",),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing seen.

    Attributes:
        source: who said it, such as ``claim demo/nfs-src`` or ``mountinfo in container app``.
        says: what it said.
    """

    source: str
    says: str

    def __str__(self) -> str:
        return f"{self.source}: {self.says}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a Dataset is not Bound.

    Attributes:
        kind: the case.
        says: the cause in a user's words.
        change: the one change that mends it.
        evidence: what it was seen by.
    """

    kind: CauseKind
    says: str
    change: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What is true of one Pod and one Dataset.

    Attributes:
        pod: namespace and name.
        dataset: namespace and name of the Dataset concerned, or None where none could be told.
        claim: the claim that the Pod mounts or asks for; empty where it has none, as in sidecar mode.
        verdict: the case.
        state: whether anything is wrong.
        says: it in a user's words.
        change: the one change to make; empty when nothing is wrong.
        evidence: what it was seen by.
        causes: why the Dataset is not Bound, the first to be mended first.
    """

    pod: Key
    dataset: Key | None
    claim: str
    verdict: Verdict
    state: State
    says: str
    change: str = ""
    evidence: tuple[Evidence, ...] = ()
    causes: tuple[Cause, ...] = field(default=())

    @property
    def wrong(self) -> bool:
        """Something is to be changed."""
        return self.state is State.WRONG

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the catalogue that this finding is about."""
        found = self.verdict.rows + tuple(row for cause in self.causes for row in cause.kind.rows)
        return tuple(dict.fromkeys(found))

    def __str__(self) -> str:
        return f"{self.says} {self.change}".strip()
