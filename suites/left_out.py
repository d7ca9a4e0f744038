"""Rows of the catalogue that no scenario is written for, each with its reason: none disappears silently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Why(StrEnum):
    """Kinds of reasons."""

    ELSEWHERE = "shown by another scenario"
    LATER = "not written yet"
    NOT_AT_HAND = "needs what is not at hand"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row without a scenario of its own.

    Attributes:
        id: of the row.
        does: what a user does, or what happens.
        why: the kind of reason.
        reason: the reason itself.
    """

    id: str
    does: str
    why: Why
    reason: str


#: Rows of each group of the catalogue: how many, and the numbers that it has not got.
GROUPS: Final[Mapping[str, tuple[int, frozenset[int]]]] = MappingProxyType(
    {
        "A": (33, frozenset()),
        "B": (38, frozenset({9, 33, 34})),
        "C": (8, frozenset()),
        "D": (14, frozenset()),
        "E": (13, frozenset({12})),
    }
)


def rows() -> tuple[str, ...]:
    """Ids of all rows of the catalogue, in its order."""
    return tuple(
        f"{group}{number}"
        for group, (last, missing) in GROUPS.items()
        for number in range(1, last + 1)
        if number not in missing
    )


_WRITE: Final = "nothing stands in its way"

LEFT_OUT: Final = (
    LeftOut("A5", "uses a Dataset again on a node that has its Fuse Pod", Why.ELSEWHERE, "A6 does so"),
    LeftOut("A8", "labels a node by hand, so that a Fuse Pod starts ahead", Why.LATER, _WRITE),
    LeftOut("A10", "mounts a folder of Fluid's claim with subPath", Why.LATER, _WRITE),
    LeftOut("A12", "uses a folder of the node, local://, that is an NFS mount", Why.LATER, _WRITE),
    LeftOut("A15", "sets mounts[].readOnly on a mount of a claim", Why.LATER, _WRITE),
    LeftOut(
        "A16",
        "refers to a Dataset of another namespace, dataset://",
        Why.NOT_AT_HAND,
        "needs the image of the thinruntime-controller, which is not built yet",
    ),
    LeftOut("A21", "gives a tier the volume type emptyDir", Why.LATER, _WRITE),
    LeftOut("A23", "loads data by a schedule", Why.LATER, _WRITE),
    LeftOut("A24", "processes data with a DataProcess", Why.LATER, _WRITE),
    LeftOut("A25", "backs up metadata with a DataBackup", Why.LATER, _WRITE),
    LeftOut("A26", "migrates data with a DataMigrate, which Alluxio does not support", Why.LATER, _WRITE),
    LeftOut("A29", "lets the webhook place Pods near the cache", Why.LATER, _WRITE),
    LeftOut("A30", "runs the Fuse as a sidecar", Why.LATER, _WRITE),
    LeftOut(
        "A31",
        "has files read ahead by the file prefetcher",
        Why.NOT_AT_HAND,
        "needs the image fluid-file-prefetcher:v0.1.0, whose source no package registry holds",
    ),
    LeftOut("A32", "sets the size of Fluid's claim by an annotation", Why.LATER, _WRITE),
    LeftOut("A33", "switches the count of files and bytes off", Why.LATER, _WRITE),
    LeftOut("B4", "copies Fluid's volume by hand into another namespace", Why.LATER, _WRITE),
    LeftOut(
        "B13",
        "makes two runtimes of different kinds with one name",
        Why.NOT_AT_HAND,
        "needs the image of a second runtime's controller, which is not built yet",
    ),
    LeftOut("B19", "writes through a read-only Dataset", Why.ELSEWHERE, "A13 does so"),
    LeftOut("B21", "asks for more memory than a node has", Why.LATER, _WRITE),
    LeftOut("B23", "gives a tier more than /dev/shm holds", Why.LATER, _WRITE),
    LeftOut("B24", "starts an application on a node without the CSI plugin", Why.LATER, _WRITE),
    LeftOut("B25", "keeps the Fuse off the application's node", Why.LATER, _WRITE),
    LeftOut("B26", "asks for workers on nodes that are not there", Why.LATER, _WRITE),
    LeftOut("B27", "names a local folder that is not there", Why.LATER, _WRITE),
    LeftOut("B28", "has an NFS export that squashes root", Why.LATER, _WRITE),
    LeftOut("B29", "gives a Dataset a name that Fluid does not take", Why.LATER, _WRITE),
    LeftOut("B30", "makes a Dataset without a mount point", Why.LATER, _WRITE),
    LeftOut("B31", "takes the Fuse's label off a node that is in use", Why.LATER, _WRITE),
    LeftOut("B32", "sets a number of workers below none", Why.LATER, _WRITE),
    LeftOut("B35", "starts two DataLoads at once", Why.LATER, _WRITE),
    LeftOut("B36", "deletes the master's StatefulSet or the Fuse's DaemonSet", Why.LATER, _WRITE),
    LeftOut("B37", "makes labelled Pods while the webhook is down", Why.LATER, _WRITE),
    LeftOut("C2", "looks whether an application reads through the Fuse", Why.ELSEWHERE, "A2 does so"),
    LeftOut("C3", "reads after the Fuse was killed", Why.ELSEWHERE, "D1 does so"),
    LeftOut(
        "C6",
        "asks Alluxio itself what it holds",
        Why.ELSEWHERE,
        "each check of what is cached does so: C5, A22",
    ),
    LeftOut("C7", "looks at the controller's metrics", Why.LATER, _WRITE),
    LeftOut("C8", "compares reads from the worker's node and from another", Why.LATER, _WRITE),
    LeftOut("D3", "the Fuse Pod is deleted", Why.LATER, _WRITE),
    LeftOut("D5", "the master Pod is killed", Why.LATER, _WRITE),
    LeftOut("D6", "the master's StatefulSet is deleted", Why.LATER, _WRITE),
    LeftOut("D7", "the workers' StatefulSet is deleted", Why.LATER, _WRITE),
    LeftOut("D8", "the Fuse's DaemonSet is deleted", Why.LATER, _WRITE),
    LeftOut("D9", "the CSI plugin is restarted", Why.LATER, _WRITE),
    LeftOut("D10", "the kubelet is restarted", Why.LATER, _WRITE),
    LeftOut("D11", "a node is restarted", Why.LATER, _WRITE),
    LeftOut("D13", "the runtime's controller is restarted", Why.LATER, _WRITE),
    LeftOut("D14", "the webhook is restarted", Why.LATER, _WRITE),
    LeftOut("E4", "deletes the runtime while an application uses it", Why.LATER, _WRITE),
    LeftOut("E5", "deletes the namespace", Why.LATER, _WRITE),
    LeftOut("E6", "makes a Dataset of the same name again at once", Why.LATER, _WRITE),
    LeftOut("E7", "upgrades Fluid under a running Dataset", Why.LATER, _WRITE),
    LeftOut("E8", "uninstalls Fluid with Datasets alive", Why.LATER, _WRITE),
    LeftOut("E9", "deletes the source claim of a running Dataset", Why.LATER, _WRITE),
    LeftOut(
        "E10",
        "deletes a Dataset that others refer to",
        Why.NOT_AT_HAND,
        "needs the image of the thinruntime-controller, which is not built yet",
    ),
    LeftOut("E11", "mends a Dataset that could not be set up", Why.LATER, _WRITE),
    LeftOut("E13", "the controller is killed while it deletes a Dataset", Why.LATER, _WRITE),
)
