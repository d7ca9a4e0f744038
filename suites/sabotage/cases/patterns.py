"""Patterns that several cases expect in the error of a scenario."""

from __future__ import annotations

from typing import Final


def timed_out_waiting_for(condition: str) -> str:
    """Pattern of a wait that timed out; ``condition`` is a pattern itself."""
    return f"timed out after [0-9.]+ s waiting for {condition}"


#: The application mounts NFS where it should mount the Fuse.
NOT_SERVED: Final = r"does not read through Fluid.*fuse\.alluxio-fuse.*nfs"
NOT_BOUND: Final = timed_out_waiting_for("phase Bound")
NOT_READY: Final = timed_out_waiting_for("condition Ready")
#: How a container that does not stay up is described.
CRASHES: Final = "(CrashLoopBackOff|Error|terminated|restarts)"
