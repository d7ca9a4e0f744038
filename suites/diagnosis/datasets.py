"""Why a Dataset is not Bound: what is wrong with it, its runtime, its source, or the nodes for its Pods.

The rules are those of Fluid 1.0.8, read from the files that are named; each is checked against the
objects themselves. What the scheduler or Fluid says in words is quoted, and decides nothing.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from clusters.kubernetes.snapshots import DatasetMount, DatasetSnapshot, NodeSnapshot, PodSnapshot
from clusters.product import fluid_names
from suites.diagnosis.cluster_state import (
    PLACEMENT_LABEL,
    WORKER_OF_LABEL,
    ClusterState,
    PodInfo,
    SeenRuntime,
)
from suites.diagnosis.verdicts import Cause, CauseKind, Evidence
from suites.diagnosis.words import mebibytes, namespaced, quoted_list, shown

#: What Alluxio 2.9 has an under store for (its modules underfs/*); Fluid hands on any but its own.
ALLUXIO_SCHEMES: Final = frozenset(
    {"file", "http", "https", "hdfs", "viewfs", "s3", "s3a", "oss", "cos", "cosn", "obs", "kodo", "gs"}
    | {"swift", "wasb", "wasbs", "abfs", "abfss", "adl", "o3fs", "ofs", "cephfs", "cephfs-hadoop"}
    | {"glusterfs", "gfs"}
)
#: pkg/common/fluid_ufs_scheme.go:25-34
FLUID_SCHEMES: Final = frozenset({"local", "pvc", "dataset"})
#: k8s.io/apimachinery validation of a DNS-1035 label (dataset_controller.go:126)
_DATASET_NAME: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST_LABEL: Final = 63
#: How like a name must be to be taken for the same one misspelt.
LIKENESS: Final = 0.75

_DATASET_CONTROLLER: Final = "dataset-controller"
_ALLUXIO_CONTROLLER: Final = "alluxioruntime-controller"


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that is most like another, or an empty one where none is like it.

    The same as difflib.get_close_matches, but the costly comparison is made only of names that
    can still win: a cluster may have hundreds, all much alike.
    """
    matcher = difflib.SequenceMatcher(b=name)
    hopeful: list[tuple[float, str]] = []
    for other in names:
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() >= LIKENESS and (at_most := matcher.quick_ratio()) >= LIKENESS:
            hopeful.append((at_most, other))
    found, likeness = "", LIKENESS
    for at_most, other in sorted(hopeful, reverse=True):
        if at_most < likeness:
            break
        matcher.set_seq1(other)
        ratio = matcher.ratio()
        if ratio > likeness or (not found and ratio == likeness):
            found, likeness = other, ratio
    return found


def serves(dataset: DatasetSnapshot) -> bool:
    """It is Bound, or was and is being changed meanwhile (api/v1alpha1/dataset_types.go, phases)."""
    return dataset.phase in ("Bound", "Updating", "DataMigrating")


def why_not_bound(picture: ClusterState, namespace: str, name: str) -> tuple[Cause, ...]:
    """Why the Dataset of that name is not Bound, the first cause to be mended first.

    Empty when it is Bound, and also when nothing stands in its way but time.
    """
    dataset = picture.datasets_by_key.get((namespace, name))
    runtimes = picture.runtimes_by_key.get((namespace, name), ())
    if dataset is None:
        return _without_dataset(picture, namespace, name, runtimes)
    if serves(dataset):
        return ()
    found = [*_of_dataset(dataset), *_of_runtimes(picture, dataset, runtimes)]
    found += _of_sources(picture, dataset)
    if any(runtime.alluxio for runtime in runtimes):
        found += _of_mounts(dataset)
    for runtime in runtimes:
        found += _of_quota(runtime)
    if runtimes and not found:
        found += _of_pods(picture, dataset, runtimes)
    return tuple(found)


def _without_dataset(
    picture: ClusterState, namespace: str, name: str, runtimes: tuple[SeenRuntime, ...]
) -> tuple[Cause, ...]:
    """B12: pkg/controllers/runtime_controller.go:173-178."""
    if not runtimes:
        return ()
    names = [dataset.name for dataset in picture.datasets_by_namespace.get(namespace, ())]
    like = nearest(name, names)
    hint = f", or give the {runtimes[0].kind} the name of Dataset {shown(like)}" if like else ""
    return (
        Cause(
            CauseKind.NO_DATASET,
            f"{runtimes[0]} has no Dataset of its name",
            f"Make a Dataset {shown(name)} in namespace {shown(namespace)}{hint}.",
            (Evidence(f"{runtimes[0].kind} {namespace}/{name}", "is there, and no Dataset of that name"),),
        ),
    )


def _of_dataset(dataset: DatasetSnapshot) -> Iterator[Cause]:
    name = dataset.name
    if not _DATASET_NAME.fullmatch(name) or len(name) > _LONGEST_LABEL:
        yield Cause(
            CauseKind.INVALID_NAME,
            f"{shown(name)} is no name that Fluid takes: it must begin with a letter, and have only small "
            f"letters, digits and hyphens, at most {_LONGEST_LABEL}",
            "Make the Dataset and its runtime anew under another name.",
            (Evidence(f"Dataset {namespaced(dataset)}", f"is called {name}"),),
        )


def _of_runtimes(
    picture: ClusterState, dataset: DatasetSnapshot, runtimes: tuple[SeenRuntime, ...]
) -> Iterator[Cause]:
    source = f"Dataset {namespaced(dataset)}"
    if len(runtimes) > 1:
        yield Cause(
            CauseKind.TWO_RUNTIMES,
            f"{quoted_list([str(runtime) for runtime in runtimes])} both claim it",
            "Delete all but one of them.",
            tuple(Evidence(f"{r.kind} {r.namespace}/{r.name}", "is there") for r in runtimes),
        )
    for runtime in runtimes:
        if runtime.deleting:
            yield Cause(
                CauseKind.RUNTIME_BEING_DELETED,
                f"its {runtime} is being deleted",
                f"Wait until it is gone, then make the {runtime.kind} anew.",
                (Evidence(f"{runtime.kind} {namespaced(dataset)}", "has a deletion time"),),
            )
    if not runtimes and not _is_reference(dataset):
        yield _no_runtime(picture, dataset, source)


def _is_reference(dataset: DatasetSnapshot) -> bool:
    """Fluid makes the ThinRuntime of a Dataset that refers to another by itself."""
    return any(mount.mount_point.startswith("dataset://") for mount in dataset.mounts)


def _no_runtime(picture: ClusterState, dataset: DatasetSnapshot, source: str) -> Cause:
    """B11."""
    near = [runtime for runtime in picture.runtimes if runtime.namespace == dataset.namespace]
    free = [r for r in near if (r.namespace, r.name) not in picture.datasets_by_key]
    # One that has a Dataset of its own there is no sign of a wrong namespace: many are called `demo`.
    elsewhere = [
        r
        for r in picture.runtimes
        if r.name == dataset.name
        and r.namespace != dataset.namespace
        and (r.namespace, r.name) not in picture.datasets_by_key
    ]
    like = nearest(dataset.name, [runtime.name for runtime in free])
    change = (
        f"Make an AlluxioRuntime {shown(dataset.name)} in namespace {shown(dataset.namespace)} "
        "(or a runtime of another kind)."
    )
    evidence = [Evidence(source, "no runtime of its name is in its namespace")]
    if like:
        runtime = next(r for r in free if r.name == like)
        change = (
            f"Give {shown(str(runtime))} the name of the Dataset, {shown(dataset.name)}: they must be alike."
        )
        evidence.append(Evidence(f"{runtime.kind} {runtime.namespace}/{like}", "has no Dataset of its name"))
    elif elsewhere:
        place = elsewhere[0].namespace
        change = (
            f"Make the {elsewhere[0].kind} in namespace {shown(dataset.namespace)}: "
            f"the one in {shown(place)} cannot serve it."
        )
        evidence.append(Evidence(f"{elsewhere[0].kind} {place}/{dataset.name}", "is in another namespace"))
    return Cause(CauseKind.NO_RUNTIME, "it has no runtime", change, tuple(evidence))


def _of_mounts(dataset: DatasetSnapshot) -> Iterator[Cause]:
    """Schemes that neither Fluid nor Alluxio knows, and mounts that cannot stand side by side."""
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
                # transform_ufs.go:47-67 makes a volume for each mount and calls it as the claim.
                CauseKind.SAME_CLAIM_TWICE,
                f"it mounts claim {shown(claim)} {count} times; Fluid makes a volume of its name for each",
                f"Mount claim {shown(claim)} once, with a folder above all that are needed.",
                (Evidence(source, f"{count} mounts name pvc://{claim}"),),
            )
        if "." in claim or len(claim) > _LONGEST_LABEL:
            yield Cause(
                CauseKind.SOURCE_CLAIM_NAME,
                f"Fluid calls a volume of a Pod as the claim, and {shown(claim)} is no name for one",
                "Use a claim whose name has no dot and at most 63 characters.",
                (Evidence(source, f"a mount names pvc://{claim}"),),
            )
    native = [mount for mount in dataset.mounts if mount.mount_point.startswith(("pvc://", "local://"))]
    paths = Counter(map(_local_path, native))
    for path, count in paths.items():
        if count > 1:
            yield Cause(
                CauseKind.SAME_PATH_TWICE,
                f"{count} of its mounts would be at {shown(path)}",
                "Give each mount a name, or a path of its own.",
                (Evidence(source, f"{count} mounts lead to {path}"),),
            )


def _local_path(mount: DatasetMount) -> str:
    """Where Fluid mounts it in its own Pods (pkg/utils/ufs_path_builder.go:81-88)."""
    tail = mount.path if mount.path.startswith("/") else mount.name
    return posixpath.normpath(posixpath.join("/underFSStorage", tail.lstrip("/")))


def _unsupported(mount: DatasetMount, scheme: str, source: str) -> Cause:
    """B14, B15: Fluid hands a mount point that it does not know to Alluxio as it is."""
    point = mount.mount_point
    claim = re.fullmatch(r"pvc:/*(?P<rest>[^/].*)", point, re.IGNORECASE)
    if claim:
        change = f"Write {shown('pvc://' + claim['rest'])}: small letters, one colon, two slashes."
    elif scheme.lower() != scheme and scheme.lower() in FLUID_SCHEMES | ALLUXIO_SCHEMES:
        change = f"Write {shown(scheme.lower() + point[len(scheme) :])}: schemes are written small."
    elif scheme.lower() in ("nfs", "nfs4") or (not scheme and ":/" in point):
        change = "Make a PersistentVolume and a claim for the NFS export, and mount pvc://<claim> instead."
    else:
        change = "Make a claim for the data and mount pvc://<claim>, or use a scheme that Alluxio knows."
    if scheme == "pvc":
        what = "names no claim"
    elif scheme:
        what = f"has scheme {shown(scheme)}, which neither Fluid nor Alluxio knows"
    else:
        what = "has no scheme, so that Alluxio cannot mount it"
    return Cause(
        CauseKind.UNSUPPORTED_SCHEME,
        f"its mount point {shown(point)} {what}",
        change,
        (Evidence(source, f"spec.mounts has mountPoint {point}"),),
    )


def _of_sources(picture: ClusterState, dataset: DatasetSnapshot) -> Iterator[Cause]:
    """B16, B17: the master's Pod waits for a claim that is not in its namespace."""
    for claim in dataset.source_claims:
        if (dataset.namespace, claim) in picture.claims_by_key:
            continue
        source = f"Dataset {namespaced(dataset)}"
        others = [c.namespace for c in picture.claims_by_name.get(claim, ())]
        if others:
            yield Cause(
                CauseKind.SOURCE_CLAIM_ELSEWHERE,
                f"its source, claim {shown(claim)}, is in namespace {quoted_list(others)}, "
                f"and a Dataset finds claims only in its own, {shown(dataset.namespace)}",
                f"Make a claim {shown(claim)} for the same data in namespace {shown(dataset.namespace)}.",
                (
                    Evidence(source, f"mounts pvc://{claim}"),
                    Evidence(f"claim {others[0]}/{claim}", "is there"),
                ),
            )
        else:
            like = nearest(claim, [c.name for c in picture.claims if c.namespace == dataset.namespace])
            hint = f"Mount pvc://{like} instead" if like else f"Make claim {shown(claim)}"
            yield Cause(
                CauseKind.SOURCE_CLAIM_MISSING,
                f"its source, claim {shown(claim)}, is not there",
                f"{hint}, in namespace {shown(dataset.namespace)}.",
                (Evidence(source, f"mounts pvc://{claim}"),),
            )


def _of_quota(runtime: SeenRuntime) -> Iterator[Cause]:
    """B20, B22: pkg/ddc/base/runtime.go:392-430 and, for Alluxio, transform_resources.go:94-112."""
    source = f"{runtime.kind} {runtime.namespace}/{runtime.name}"
    if not runtime.alluxio:
        return
    for number, tier in enumerate(runtime.tiers):
        where = f"spec.tieredstore.levels[{number}]"
        if not tier.quota and not tier.quota_list:
            yield Cause(
                CauseKind.NO_QUOTA,
                f"its {runtime} does not say how large its cache on {tier.medium or 'a level'} may be",
                f"Set quota in {where} of the {runtime.kind}.",
                (Evidence(source, f"{where} has neither quota nor quotaList"),),
            )
        elif tier.quota_list and len(tier.quota_list.split(",")) != len(tier.paths):
            yield Cause(
                CauseKind.QUOTAS_UNLIKE_PATHS,
                f"its {runtime} gives another number of quotas than of folders",
                f"Give one size for each folder in quotaList of {where}.",
                (Evidence(source, f"path {tier.path!r}, quotaList {tier.quota_list!r}"),),
            )
    # Whatever is neither SSD nor HDD counts as memory (pkg/utils/tieredstore/tiered_store.go:64-67).
    memory = sum(tier.bytes for tier in runtime.tiers if tier.medium not in ("SSD", "HDD"))
    if runtime.memory_limit and memory > runtime.memory_limit:
        yield Cause(
            CauseKind.QUOTA_OVER_LIMIT,
            f"its cache in memory ({mebibytes(memory)}) is larger than its workers may use "
            f"({mebibytes(runtime.memory_limit)})",
            f"Lower the quota of the {runtime.kind}, or raise spec.worker.resources.limits.memory.",
            (Evidence(source, f"quota {memory:.0f} bytes, limit {runtime.memory_limit:.0f} bytes"),),
        )


def _of_pods(
    picture: ClusterState, dataset: DatasetSnapshot, runtimes: tuple[SeenRuntime, ...]
) -> Iterator[Cause]:
    """What keeps the Pods of an AlluxioRuntime from serving; the order is that in which Fluid makes them."""
    if not runtimes[0].alluxio:
        return
    namespace, name = dataset.namespace, dataset.name
    down = [
        item
        for item in picture.deployments
        if item.name in (_DATASET_CONTROLLER, _ALLUXIO_CONTROLLER) and not item.ready
    ]
    if down:
        yield Cause(
            CauseKind.CONTROLLER_MISSING,
            f"Fluid's {quoted_list([item.name for item in down])} is not running, so nobody sets it up",
            f"See why Deployment {shown(down[0].name)} in {shown(down[0].namespace)} has no ready Pod.",
            tuple(Evidence(f"Deployment {namespaced(item)}", str(item)) for item in down),
        )
        return
    masters = picture.owned_by(namespace, "StatefulSet", fluid_names.master_name(name))
    workers = picture.owned_by(namespace, "StatefulSet", fluid_names.worker_name(name))
    gone = _gone(picture, dataset)
    if gone:
        yield gone
        return
    for pods, part, kind in (
        (masters, "master", CauseKind.MASTER_NOT_READY),
        (workers, "worker", CauseKind.WORKER_NOT_READY),
    ):
        if not pods or any(pod.snapshot.ready for pod in pods):
            continue
        unplaced = next((pod for pod in pods if not pod.snapshot.node), None)
        pending = next(iter(_pending_sources(picture, dataset)), None)
        if unplaced is not None:
            yield pending or _unplaced(picture, dataset, unplaced, part)
        else:
            yield _not_ready(picture, pods[0].snapshot, part, kind)
        return


def _gone(picture: ClusterState, dataset: DatasetSnapshot) -> Cause | None:
    """D6-D8: what was deleted after the Dataset was Bound is never made again."""
    if dataset.phase != "Failed":
        return None
    namespace, name = dataset.namespace, dataset.name
    parts = (
        (CauseKind.MASTER_GONE, "StatefulSet", fluid_names.master_name(name), picture.stateful_sets_by_key),
        (CauseKind.WORKERS_GONE, "StatefulSet", fluid_names.worker_name(name), picture.stateful_sets_by_key),
        (CauseKind.FUSE_GONE, "DaemonSet", fluid_names.fuse_name(name), picture.daemon_sets_by_key),
    )
    for kind, what, wanted, there in parts:
        if (namespace, wanted) not in there:
            return Cause(
                kind,
                f"{what} {shown(wanted)} was deleted, and Fluid does not make it again",
                "Delete the runtime and make it anew; applications that use the Dataset must end first.",
                (
                    Evidence(f"{what} {namespace}/{wanted}", "is not there"),
                    Evidence(f"Dataset {namespace}/{name}", "was Bound and is Failed"),
                ),
            )
    return None


def _pending_sources(picture: ClusterState, dataset: DatasetSnapshot) -> Iterator[Cause]:
    for name in dataset.source_claims:
        claim = picture.claims_by_key.get((dataset.namespace, name))
        if claim is not None and claim.phase != "Bound":
            yield Cause(
                CauseKind.SOURCE_CLAIM_PENDING,
                f"its source, claim {shown(name)}, has no volume",
                f"See that a PersistentVolume fits claim {shown(name)}.",
                (Evidence(f"claim {namespaced(claim)}", str(claim)),),
            )


def _unplaced(picture: ClusterState, dataset: DatasetSnapshot, pod: PodInfo, part: str) -> Cause:
    """B21, B26, A17: no node takes the Pod; why, by the nodes themselves."""
    place = f"Pod {pod.snapshot.namespace}/{pod.snapshot.name}"
    said = Evidence(place, f"not scheduled: {pod.snapshot.scheduling or 'no reason given'}")
    fitting = [node for node in picture.nodes if pod.placement.may_use(node)]
    if not fitting:
        wanted = [node for node in picture.nodes if pod.placement.wants(node)]
        taints = [
            Evidence(f"node {node.name}", f"keeps Pods out: {', '.join(node.taints)}") for node in wanted
        ]
        return Cause(
            CauseKind.NO_NODE_FITS,
            f"no node fits its {part}, which asks for {pod.placement}",
            f"Change the {part}'s nodeSelector or the Dataset's nodeAffinity, or label a node so.",
            (said, Evidence("nodes", f"{len(picture.nodes)}, none fits"), *taints),
        )
    free = [node for node in fitting if not _kept_out(picture, dataset, pod, node, part)]
    if not free:
        return Cause(
            CauseKind.NODES_TAKEN,
            f"every node that fits its {part} holds a worker already, and not all Datasets share nodes",
            "Set placement: Shared in all the Datasets concerned, or add a node.",
            (said, *(Evidence(f"node {node.name}", "holds a worker already") for node in fitting)),
        )
    room = {node.name: _room(picture, node) for node in free}
    if pod.memory > max(room.values()):
        best = max(room, key=lambda name: room[name])
        return Cause(
            CauseKind.TOO_LITTLE_MEMORY,
            f"its {part} asks for {mebibytes(pod.memory)} of memory and no node has so much free",
            "Lower the quota of the cache in memory, or add memory.",
            (said, Evidence(f"node {best}", f"{mebibytes(room[best])} free, the most of all that fit")),
        )
    return Cause(
        CauseKind.NOT_SCHEDULED,
        f"its {part} waits for a node",
        f"See what the scheduler says of Pod {shown(pod.snapshot.name)}.",
        (said,),
    )


def _kept_out(
    picture: ClusterState, dataset: DatasetSnapshot, pod: PodInfo, node: NodeSnapshot, part: str
) -> bool:
    """Another worker on the node keeps this one out (pkg/ctrl/affinity.go:77-126); by namespace."""
    if part != "worker":
        return False
    others = [
        other.snapshot
        for other in picture.pods_by_node.get(node.name, ())
        if other.snapshot.namespace == pod.snapshot.namespace and WORKER_OF_LABEL in other.snapshot.labels
    ]
    if dataset.placement != "Shared":
        return bool(others)
    return any(other.labels.get(PLACEMENT_LABEL) == "Exclusive" for other in others)


def _room(picture: ClusterState, node: NodeSnapshot) -> float:
    """Memory of a node that no Pod has asked for; all of it, where not all Pods could be seen."""
    if not picture.whole:
        return node.memory
    there = picture.pods_by_node.get(node.name, ())
    return node.memory - sum(pod.memory for pod in there if not pod.snapshot.ended)


def _not_ready(picture: ClusterState, pod: PodSnapshot, part: str, kind: CauseKind) -> Cause:
    events = picture.events_by_object.get(("Pod", pod.namespace, pod.name), ())[-2:]
    return Cause(
        kind,
        f"its {part} is not ready",
        f"See the logs of Pod {shown(pod.name)}; a {part} needs a few minutes on a slow node.",
        (
            Evidence(f"Pod {namespaced(pod)}", str(pod)),
            *(Evidence(f"event of Pod {namespaced(pod)}", str(event)) for event in events),
        ),
    )
