"""What a run would find on a cluster that the harness did not create; nothing is created or changed.

One line for each requirement, with the remedy if it is not met, as `clusters.host_check` does for a host.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import HarnessError
from clusters.host_check import CheckedRequirement
from clusters.images import on_nodes
from clusters.images.offline import definitions
from clusters.kubernetes import kinds, run_lease
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import at
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.ownership import HARNESS_NAMESPACE
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.options import Options
from clusters.product import fluid
from clusters.providers import existing_fluid

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

#: What a run does in its own namespaces and to objects that it creates, whatever it disturbs: verb, kind,
#: sub-resource.
OWN_RIGHTS: Final = (
    ("create", kinds.NAMESPACE, ""),
    ("patch", kinds.NAMESPACE, ""),
    ("delete", kinds.NAMESPACE, ""),
    *((verb, kind, "") for kind in (kinds.POD, kinds.CLAIM, kinds.SERVICE) for verb in ("patch", "delete")),
    ("create", kinds.POD, "exec"),
    ("get", kinds.POD, "log"),
    *((verb, kind, "") for kind in (kinds.CONFIG_MAP, kinds.LEASE) for verb in ("create", "patch")),
    *((verb, kinds.VOLUME, "") for verb in ("patch", "delete")),
    *(
        (verb, kind, "")
        for kind in (kinds.DATASET, kinds.ALLUXIO_RUNTIME, kinds.DATA_LOAD)
        for verb in ("patch", "delete")
    ),
    *(
        ("list", kind, "")
        for kind in (kinds.NODE, kinds.VOLUME, kinds.POD, kinds.EVENT, kinds.DAEMON_SET, kinds.DEPLOYMENT)
    ),
)
#: What scenarios need in addition, by what they disturb.
MORE_RIGHTS: Final[Mapping[Disruption, tuple[tuple[str, Kind, str], ...]]] = {
    Disruption.NODE_LABELS: (("patch", kinds.NODE, ""),),
    Disruption.FLUID_COMPONENTS: (
        ("patch", kinds.DAEMON_SET, ""),
        ("patch", kinds.DEPLOYMENT, ""),
        ("delete", kinds.POD, ""),
    ),
}


def check_cluster(
    options: Options, kube: Kube, disturbs: frozenset[Disruption] = frozenset()
) -> tuple[CheckedRequirement, ...]:
    """Check a cluster against what a run needs.

    Args:
        options: of the run.
        kube: the cluster.
        disturbs: what the run may disturb, for the rights.
    """
    return tuple(_requirements(options, kube, disturbs))


def _requirements(
    options: Options, kube: Kube, disturbs: frozenset[Disruption]
) -> Iterator[CheckedRequirement]:
    yield CheckedRequirement("Kubernetes", f"{kube.server_version()} at {kube.connection.url}")
    yield _asked("namespace", HARNESS_NAMESPACE, lambda: run_lease.require_free(kube))
    yield _asked("in use", "by no run", lambda: run_lease.require_unused(kube))
    yield _fluid(options, kube)
    nodes = ClusterReader(kube).list(NodeSnapshot)
    usable = [node.name for node in nodes if node.pods_may_run]
    yield CheckedRequirement(
        "nodes",
        f"{len(usable)} of {len(nodes)} accept Pods",
        "" if usable else "no node accepts Pods",
        "see their taints and conditions",
    )
    for image in (definitions.toolbox(), definitions.nfs_server()):
        ask = partial(on_nodes.harness_image, image, nodes, options.registry)
        yield _asked("image", image.name, ask)
    yield _rights(kube, disturbs)
    yield CheckedRequirement("memory tier", "not known before a Pod runs on the nodes; /dev/shm needs 1 GiB")


def _asked(name: str, found: str, ask: Callable[[], object]) -> CheckedRequirement:
    try:
        ask()
    except HarnessError as error:
        return CheckedRequirement(name, found, error.message, error.advice)
    return CheckedRequirement(name, found)


def _fluid(options: Options, kube: Kube) -> CheckedRequirement:
    try:
        there = existing_fluid.has_fluid(kube)
    except HarnessError as error:
        return CheckedRequirement("Fluid", "in another namespace", error.message, error.advice)
    if there:
        return CheckedRequirement("Fluid", str(fluid.state(kube)))
    missing = "" if options.install_fluid else "this cluster has no Fluid"
    return CheckedRequirement("Fluid", "none", missing, "install Fluid, or permit it with --install-fluid")


def _rights(kube: Kube, disturbs: frozenset[Disruption]) -> CheckedRequirement:
    needed: list[tuple[str, Kind, str, str | None]] = [(*right, None) for right in OWN_RIGHTS]
    for kind in sorted(disturbs):
        needed += [(*right, fluid.NAMESPACE) for right in MORE_RIGHTS.get(kind, ())]
    missing = [
        _shown(verb, kind, sub, namespace)
        for verb, kind, sub, namespace in needed
        if not _may(kube, verb, kind, sub, namespace)
    ]
    return CheckedRequirement(
        "rights",
        f"{len(needed) - len(missing)} of {len(needed)}",
        f"may not {', '.join(missing)}" if missing else "",
        "grant them to the user of the kubeconfig; cluster-admin has all",
    )


def _may(kube: Kube, verb: str, kind: Kind, subresource: str, namespace: str | None) -> bool:
    """Whether the user of the kubeconfig may do it, in a namespace or in all."""
    group = kind.api_version.rpartition("/")[0]
    attributes = {"verb": verb, "group": group, "resource": kind.plural, "subresource": subresource}
    if namespace is not None and kind.namespaced:
        attributes["namespace"] = namespace
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = kube.connection.request("POST", _REVIEWS, what="ask what may be done", body=body)
    return at(json.loads(answer), "status", "allowed") is True


def _shown(verb: str, kind: Kind, subresource: str, namespace: str | None) -> str:
    what = f"{verb} {kind.plural}{'/' if subresource else ''}{subresource}"
    return f"{what} in {namespace}" if namespace is not None and kind.namespaced else what
