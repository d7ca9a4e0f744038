"""What is wrong between Pods and Datasets, decided from one observation of a cluster.

`collect` reads a cluster, `diagnose` decides, `look_inside` adds what commands in the Pods show.
The doctor and the scenarios of misuse both use it.
"""

from suites.diagnosis.causes import why_not_bound
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import CauseKind, State, Verdict
from suites.diagnosis.collect import CannotLookError, collect
from suites.diagnosis.diagnose import diagnose, diagnose_pod
from suites.diagnosis.findings import Cause, Evidence, Finding
from suites.diagnosis.pod_proof import Proof, look_inside

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
