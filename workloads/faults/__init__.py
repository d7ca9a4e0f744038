"""Faults for the running system; what can be undone is undone, also after an error.

A fault is verified: one without effect is an infrastructure failure, never a finding.
"""

from workloads.faults.base import Fault, FaultError, Objects, Run
from workloads.faults.control_plane import unreachable
from workloads.faults.exports import withdrawn
from workloads.faults.memory import exhaust_memory
from workloads.faults.network import LOSSY, PARTITIONED, SLOW, Impairment, impaired
from workloads.faults.nodes import deleted, drained, restart_kubelet, shared_memory_full, tainted
from workloads.faults.objects import delete_pod, without_node_label
from workloads.faults.processes import Process, any_stopped, kill_process, none_stopped, processes, stopped

__all__ = [
    "LOSSY",
    "PARTITIONED",
    "SLOW",
    "Fault",
    "FaultError",
    "Impairment",
    "Objects",
    "Process",
    "Run",
    "any_stopped",
    "delete_pod",
    "deleted",
    "drained",
    "exhaust_memory",
    "impaired",
    "kill_process",
    "none_stopped",
    "processes",
    "restart_kubelet",
    "shared_memory_full",
    "stopped",
    "tainted",
    "unreachable",
    "withdrawn",
    "without_node_label",
]
