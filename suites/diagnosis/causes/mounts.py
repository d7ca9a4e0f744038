"""Causes in the mounts of a Dataset: schemes, source claims, and mounts that exclude each other."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from clusters.kubernetes import kinds
from clusters.product.fluid_snapshots import DatasetMount, DatasetSnapshot
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import CauseCode
from suites.diagnosis.findings import Cause, Evidence
from suites.diagnosis.fluid_facts import ALLUXIO_SCHEMES, FLUID_SCHEMES
from suites.diagnosis.similar_names import nearest
from suites.diagnosis.wording import namespaced, quoted_list, shown

_VOLUME_NAME_LENGTH: Final = 63


def mount_causes(dataset: DatasetSnapshot) -> Iterator[Cause]:
    """Schemes that neither Fluid nor Alluxio supports, and mounts that exclude each other."""
    source = f"Dataset {namespaced(dataset)}"
    for mount in dataset.mounts:
        scheme, mark, _ = mount.mount_point.partition("://")
        nameless = scheme == "pvc" and not mount.source_claim
        if not mark or nameless or scheme not in (FLUID_SCHEMES | ALLUXIO_SCHEMES):
            yield _unsupported(mount, scheme if mark else "", source)
    claims = Counter(mount.source_claim for mount in dataset.mounts if mount.source_claim)
    for claim, count in claims.items():
        if count > 1:
            yield Cause(
                # transform_ufs.go:47-67 creates a volume for each mount, with the name of the claim.
                CauseCode.SAME_CLAIM_TWICE,
                f"it mounts claim {shown(claim)} {count} times, and Fluid creates a volume of that name "
                "for each",
                f"Mount claim {shown(claim)} once, at a folder that contains all that is needed.",
                (Evidence(source, f"{count} mounts name pvc://{claim}"),),
            )
        if "." in claim or len(claim) > _VOLUME_NAME_LENGTH:
            yield Cause(
                CauseCode.SOURCE_CLAIM_NAME,
                f"Fluid names a volume of a Pod after the claim, and {shown(claim)} is not valid as such "
                "a name",
                f"Use a claim whose name contains no dot and at most {_VOLUME_NAME_LENGTH} characters.",
                (Evidence(source, f"a mount names pvc://{claim}"),),
            )
    native = [mount for mount in dataset.mounts if mount.mount_point.startswith(("pvc://", "local://"))]
    paths = Counter(map(_local_path, native))
    for path, count in paths.items():
        if count > 1:
            yield Cause(
                CauseCode.SAME_PATH_TWICE,
                f"{count} of its mounts would be at {shown(path)}",
                "Set a different name or path for each mount.",
                (Evidence(source, f"{count} mounts lead to {path}"),),
            )


def _local_path(mount: DatasetMount) -> str:
    """Where Fluid mounts it in its own Pods (pkg/utils/ufs_path_builder.go:81-88)."""
    tail = mount.path if mount.path.startswith("/") else mount.name
    return posixpath.normpath(posixpath.join("/underFSStorage", tail.lstrip("/")))


def _unsupported(mount: DatasetMount, scheme: str, source: str) -> Cause:
    """B14, B15: Fluid passes a mount point that it does not know to Alluxio unchanged."""
    point = mount.mount_point
    claim = re.fullmatch(r"pvc:/*(?P<rest>[^/].*)", point, re.IGNORECASE)
    if claim:
        change = f"Write {shown('pvc://' + claim['rest'])}: in lower case, with one colon and two slashes."
    elif scheme.lower() != scheme and scheme.lower() in FLUID_SCHEMES | ALLUXIO_SCHEMES:
        change = f"Write {shown(scheme.lower() + point[len(scheme) :])}: schemes are in lower case."
    elif scheme.lower() in ("nfs", "nfs4") or (not scheme and ":/" in point):
        change = "Create a PersistentVolume and a claim for the NFS export, and mount pvc://<claim> instead."
    else:
        change = "Create a claim for the data and mount pvc://<claim>, or use a scheme that Alluxio knows."
    if scheme == "pvc":
        what = "names no claim"
    elif scheme:
        what = f"has scheme {shown(scheme)}, which neither Fluid nor Alluxio knows"
    else:
        what = "has no scheme, so that Alluxio cannot mount it"
    return Cause(
        CauseCode.UNSUPPORTED_SCHEME,
        f"its mount point {shown(point)} {what}",
        change,
        (Evidence(source, f"spec.mounts has mountPoint {point}"),),
    )


def source_causes(state: ClusterState, dataset: DatasetSnapshot) -> Iterator[Cause]:
    """B16, B17: the master's Pod waits for a claim that is not in its namespace."""
    if not state.sees(kinds.CLAIM, dataset.namespace):
        return
    for claim in dataset.source_claims:
        if (dataset.namespace, claim) in state.claims_by_key:
            continue
        source = f"Dataset {namespaced(dataset)}"
        others = [c.namespace for c in state.claims_by_name.get(claim, ())]
        if others:
            yield Cause(
                CauseCode.SOURCE_CLAIM_ELSEWHERE,
                f"its source, claim {shown(claim)}, is in namespace {quoted_list(others)}, "
                f"and a Dataset finds claims only in its own, {shown(dataset.namespace)}",
                f"Create a claim {shown(claim)} for the same data in namespace {shown(dataset.namespace)}.",
                (
                    Evidence(source, f"mounts pvc://{claim}"),
                    Evidence(f"claim {others[0]}/{claim}", "exists"),
                ),
            )
        else:
            similar = nearest(claim, [c.name for c in state.claims if c.namespace == dataset.namespace])
            hint = f"Mount pvc://{similar} instead" if similar else f"Create claim {shown(claim)}"
            yield Cause(
                CauseCode.SOURCE_CLAIM_MISSING,
                f"its source, claim {shown(claim)}, does not exist",
                f"{hint}, in namespace {shown(dataset.namespace)}.",
                (Evidence(source, f"mounts pvc://{claim}"),),
            )
