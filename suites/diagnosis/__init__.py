"""What is wrong between Pods and Datasets, decided from one observation of a cluster.

`collect` reads a cluster, `diagnose` decides, `prove_in_pods` adds what commands in the Pods show.
The doctor and the scenarios of misuse both use it.
"""

from suites.diagnosis.causes import why_not_bound
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import CauseCode, FindingCode, State
from suites.diagnosis.collect import CannotDiagnoseError, collect
from suites.diagnosis.diagnose import diagnose, diagnose_pod
from suites.diagnosis.findings import Cause, Evidence, Finding
from suites.diagnosis.pod_proof import Proof, prove_in_pods

__all__ = [
    "CannotDiagnoseError",
    "Cause",
    "CauseCode",
    "ClusterState",
    "Evidence",
    "Finding",
    "FindingCode",
    "Proof",
    "State",
    "collect",
    "diagnose",
    "diagnose_pod",
    "prove_in_pods",
    "why_not_bound",
]
