"""Faults for the running system; what can be undone is undone, also after an error.

A fault is verified: one without effect is an infrastructure failure, never a finding.
"""

from workloads.faults.base import Fault, FaultError, Objects, Run
from workloads.faults.objects import delete_pod, without_node_label
from workloads.faults.processes import Process, any_stopped, kill_process, none_stopped, processes, stopped

__all__ = [
    "Fault",
    "FaultError",
    "Objects",
    "Process",
    "Run",
    "any_stopped",
    "delete_pod",
    "kill_process",
    "none_stopped",
    "processes",
    "stopped",
    "without_node_label",
]
