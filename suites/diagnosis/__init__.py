"""One truth about claims: what is wrong between a Pod and a Dataset, told from one look at a cluster.

`collect` looks, `diagnose` judges what was seen, `look_inside` adds the proof from inside Pods.
The doctor and the scenarios of misuse both ask here.
"""

from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.collecting import CannotLookError, collect
from suites.diagnosis.datasets import why_not_bound
from suites.diagnosis.inside import Proof, look_inside
from suites.diagnosis.pods import diagnose, diagnose_pod
from suites.diagnosis.verdicts import Cause, CauseKind, Evidence, Finding, State, Verdict

__all__ = [
    "CannotLookError",
    "Cause",
    "CauseKind",
    "ClusterState",
    "Evidence",
    "Finding",
    "Proof",
    "State",
    "Verdict",
    "collect",
    "diagnose",
    "diagnose_pod",
    "look_inside",
    "why_not_bound",
]
