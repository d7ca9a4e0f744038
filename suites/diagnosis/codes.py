"""The code of each case that the diagnosis can find, and the rows of the catalogue that are about it.

Codes are stable: scripts and ``--ignore`` use them. Each has a section in docs/doctor.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What a finding asks of the user."""

    OK = "ok"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    WRONG = "wrong"


class FindingCode(StrEnum):
    """What is true of a Pod and a Dataset."""

    # Nothing has to be changed.
    SERVED = "served"
    SIDECAR = "sidecar"
    ENDED = "ended"
    READS_AND_WRITES = "reads-and-writes"
    # Nothing has to be changed yet.
    STARTING = "starting"
    POD_BEING_DELETED = "pod-being-deleted"
    # The objects do not decide it.
    ENDED_WITH_FUSE = "ended-with-fuse"
    CONTAINER_NOT_RUNNING = "container-not-running"
    NODE_NOT_READY = "node-not-ready"
    NOT_SEEN = "not-seen"
    # The Pod uses something else than the claim that Fluid created for the Dataset.
    ORIGINAL_CLAIM = "original-claim"
    OTHER_CLAIM_OF_SOURCE = "other-claim-of-source"
    FUSE_FOLDER = "fuse-folder"
    NAMESAKE_CLAIM = "namesake-claim"
    HAND_MADE_VOLUME = "hand-made-volume"
    OTHER_NAMESPACE = "other-namespace"
    MISSPELT = "misspelt"
    NO_SUCH_DATASET = "no-such-dataset"
    # The Pod uses the right claim, and what is behind it does not work.
    DATASET_NOT_BOUND = "dataset-not-bound"
    DATASET_BEING_DELETED = "dataset-being-deleted"
    CLAIM_DELETED = "claim-deleted"
    CLAIM_NOT_MADE = "claim-not-made"
    VOLUME_NAME_TAKEN = "volume-name-taken"
    VOLUME_ELSEWHERE = "volume-elsewhere"
    NOT_SCHEDULED = "not-scheduled"
    RUNTIME_NOT_WORKING = "runtime-not-working"
    CSI_PLUGIN_MISSING = "csi-plugin-missing"
    FUSE_NOT_READY = "fuse-not-ready"
    FUSE_RESTARTED = "fuse-restarted"
    SIDECAR_NOT_READY = "sidecar-not-ready"
    DEAD_MOUNT = "dead-mount"
    # Found only by a command that is run in the Pod.
    NOT_THROUGH_FUSE = "not-through-fuse"
    READ_FAILS = "read-fails"

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the catalogue of scenarios that are about it."""
        return _ROWS.get(self, ())


class CauseCode(StrEnum):
    """Why a Dataset is not Bound, or why its runtime does not work."""

    INVALID_NAME = "invalid-name"
    NO_RUNTIME = "no-runtime"
    NO_DATASET = "no-dataset"
    TWO_RUNTIMES = "two-runtimes"
    RUNTIME_BEING_DELETED = "runtime-being-deleted"
    UNSUPPORTED_SCHEME = "unsupported-scheme"
    REFERENCE_MALFORMED = "reference-malformed"
    REFERENCE_MISSING = "reference-missing"
    REFERENCE_NOT_SEEN = "reference-not-seen"
    REFERENCE_NOT_SERVED = "reference-not-served"
    REFERENCE_NOT_ALONE = "reference-not-alone"
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
    SCALED_TO_ZERO = "scaled-to-zero"
    POD_NOT_CREATED = "pod-not-created"
    NO_NODE_FITS = "no-node-fits"
    NODES_TAKEN = "nodes-taken"
    TOO_LITTLE_MEMORY = "too-little-memory"
    PART_NOT_SCHEDULED = "part-not-scheduled"
    SOURCE_CLAIM_PENDING = "source-claim-pending"
    MASTER_NOT_READY = "master-not-ready"
    WORKER_NOT_READY = "worker-not-ready"

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the catalogue of scenarios that are about it."""
        return _CAUSE_ROWS.get(self, ())


_ROWS: Final = {
    FindingCode.SERVED: ("A2",),
    FindingCode.SIDECAR: ("A30",),
    FindingCode.ORIGINAL_CLAIM: ("B1",),
    FindingCode.OTHER_CLAIM_OF_SOURCE: ("B1",),
    FindingCode.NAMESAKE_CLAIM: ("B2",),
    FindingCode.HAND_MADE_VOLUME: ("B3", "B4"),
    FindingCode.OTHER_NAMESPACE: ("B5",),
    FindingCode.MISSPELT: ("B6",),
    FindingCode.NO_SUCH_DATASET: ("B5", "B6"),
    FindingCode.DATASET_BEING_DELETED: ("B10",),
    FindingCode.CLAIM_DELETED: ("B8",),
    FindingCode.VOLUME_ELSEWHERE: ("B25",),
    FindingCode.CSI_PLUGIN_MISSING: ("B24",),
    FindingCode.FUSE_NOT_READY: ("B31",),
    FindingCode.FUSE_RESTARTED: ("D1", "D3"),
    FindingCode.DEAD_MOUNT: ("B31", "D1"),
}

_CAUSE_ROWS: Final = {
    CauseCode.INVALID_NAME: ("B29",),
    CauseCode.NO_RUNTIME: ("B11",),
    CauseCode.NO_DATASET: ("B12",),
    CauseCode.TWO_RUNTIMES: ("B13",),
    CauseCode.RUNTIME_BEING_DELETED: ("E2", "E4"),
    CauseCode.UNSUPPORTED_SCHEME: ("B14", "B15"),
    CauseCode.SOURCE_CLAIM_MISSING: ("B16",),
    CauseCode.SOURCE_CLAIM_ELSEWHERE: ("B17",),
    CauseCode.SOURCE_CLAIM_NAME: ("B18",),
    CauseCode.SAME_CLAIM_TWICE: ("B18",),
    CauseCode.SAME_PATH_TWICE: ("B18",),
    CauseCode.NO_QUOTA: ("B22",),
    CauseCode.QUOTA_OVER_LIMIT: ("B20",),
    CauseCode.TOO_LITTLE_MEMORY: ("B21",),
    CauseCode.NO_NODE_FITS: ("B26",),
    CauseCode.NODES_TAKEN: ("A17",),
    CauseCode.MASTER_GONE: ("D6",),
    CauseCode.WORKERS_GONE: ("D7",),
    CauseCode.FUSE_GONE: ("D8",),
}
