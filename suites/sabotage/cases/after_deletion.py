"""Breaks that are noticed when a Dataset is deleted, or afterwards."""

from __future__ import annotations

from typing import Final

from suites.sabotage.breaks import applications, components, leftovers, objects
from suites.sabotage.cases.creation import RUNTIME_CONTROLLER
from suites.sabotage.cases.patterns import timed_out_waiting_for
from suites.sabotage.model import Place, Sabotage, Target

_NOT_GONE: Final = timed_out_waiting_for("deletion with runtime and Pods")
_LEFT: Final = timed_out_waiting_for("complete removal")

CASES: Final = (
    Sabotage(
        "dataset-in-use",
        "someone else uses the claim",
        "a foreign application still uses the Dataset that is deleted",
        applications.foreign_application,
        (Target("E1", Place.TO_DELETE, reason=_NOT_GONE, timeout_factor=0.3),),
        ("A13", "B6"),
    ),
    Sabotage(
        "cached-file-not-removed",
        "stale or lost cache",
        "a block stays in the memory of the node when the Dataset is deleted",
        leftovers.cached_file_not_removed,
        (
            Target(
                "E1",
                Place.TO_DELETE,
                reason=timed_out_waiting_for("removal of the cached blocks"),
                timeout_factor=0.3,
            ),
        ),
        ("A13", "B6"),
    ),
    Sabotage(
        "controller-may-not-delete",
        "rights taken away",
        "the alluxioruntime-controller may not delete volumes",
        components.rights_removed(RUNTIME_CONTROLLER, "persistentvolumes", "delete"),
        (Target("E3", Place.TO_DELETE, reason=f"{_NOT_GONE}.*forbidden", timeout_factor=0.2),),
        ("A2", "B6"),
    ),
    Sabotage(
        "object-left",
        "stale or lost cache",
        "a ConfigMap of the deleted runtime still exists",
        leftovers.config_map_left,
        (Target("E3", Place.DELETED, reason=f"{_LEFT}.*ConfigMap demo-config", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
    Sabotage(
        "node-label-left",
        "edited by hand meanwhile",
        "a node is labelled for the Fuse of the deleted Dataset",
        objects.nodes_labelled_for_fuse,
        (Target("E3", Place.DELETED, reason=f"{_LEFT}.*fluid\\.io/f-", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
    Sabotage(
        "cached-file-left",
        "stale or lost cache",
        "a block of the deleted Dataset still uses memory of the node",
        leftovers.cached_file_left,
        (Target("E3", Place.DELETED, reason=f"{_LEFT}.*alluxioworker/1", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
    Sabotage(
        "mount-left",
        "stale or lost cache",
        "a mount of the deleted Dataset is still on the node",
        leftovers.mount_left,
        (Target("E3", Place.DELETED, reason=f"{_LEFT}.*alluxio-fuse", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
)
