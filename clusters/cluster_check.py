"""What a run would find on a cluster that the harness did not create; nothing is created or changed.

One line for each requirement, with the remedy if it is not met, as `clusters.host_check` does for a host.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import HarnessError, RefusalError
from clusters.host_check import CheckedRequirement
from clusters.image_names import reference
from clusters.images import on_nodes
from clusters.images.offline import definitions
from clusters.kubernetes import run_lease
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import at
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.nodes import require_schedulable, used_nodes
from clusters.kubernetes.ownership import HARNESS_NAMESPACE
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.used_rights import UsedRight
from clusters.options import Options
from clusters.product import existing_export, fluid
from clusters.providers import admission, default_limits, existing_fluid, memory_tier
from clusters.rights import Rights, rights_of_run

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


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
    toolbox = reference(definitions.toolbox().name, options.registry)
    yield _admission(kube, toolbox)
    yield _default_limit(kube, toolbox)
    yield _asked("in use", "by no run", lambda: run_lease.require_unused(kube))
    yield _fluid(options, kube)
    nodes = ClusterReader(kube).list(NodeSnapshot)
    holding = [node for node in nodes if node.pods_may_run]
    accepting = f"{len(holding)} of {len(nodes)} accept Pods"
    yield _asked("nodes", accepting, lambda: require_schedulable(nodes))
    architectures = ", ".join(sorted({node.architecture for node in nodes})) or "unknown"
    yield _asked("architecture", architectures, lambda: used_nodes(nodes))
    yield _memory(holding)
    if options.source is not None:
        yield _asked("source", str(options.source), partial(existing_export.resolve, kube, options.source))
    images = (definitions.toolbox(),) if options.source else (definitions.toolbox(), definitions.nfs_server())
    for image in images:
        ask = partial(on_nodes.harness_image, image, holding or nodes, options.registry)
        yield _asked("image", image.name, ask)
    yield _rights(kube, disturbs)
    yield CheckedRequirement("memory tier", "not known before a Pod runs on the nodes; /dev/shm needs 1 GiB")


def _memory(nodes: Sequence[NodeSnapshot]) -> CheckedRequirement:
    """Whether a cache in memory fits on the nodes that accept Pods."""
    sizes = {node.name: node.memory for node in nodes if node.memory}
    if not sizes:
        return CheckedRequirement("memory", "not known")
    smallest = min(sizes, key=lambda name: sizes[name])
    found = f"{sizes[smallest] / 1024**3:.1f} GiB or more allocatable on each node"
    problem = f"node {smallest} has less than {memory_tier.NEEDED / 1024**3:g} GiB, which the cache may use"
    missing = problem if sizes[smallest] < memory_tier.NEEDED else ""
    return CheckedRequirement("memory", found, missing, "cordon that node while the harness runs")


def _admission(kube: Kube, image: str) -> CheckedRequirement:
    """Whether admission webhooks and policies of the cluster accept what a run creates (dry runs)."""
    found = "accepts the namespaces of a run"
    try:
        if not admission.require_namespaces(kube):
            found = "not known: see the rights"
        added = admission.added_containers(kube, image)
    except RefusalError as error:
        return CheckedRequirement("admission", found, error.message, error.advice)
    if added:
        found += f"; webhooks add to Pods: {', '.join(added)}"
    return CheckedRequirement("admission", found)


def _default_limit(kube: Kube, image: str) -> CheckedRequirement:
    """Whether containers without a memory limit receive one that is too small."""
    try:
        found = default_limits.find(kube, image)
    except RefusalError:  # of admission, which has a line of its own
        found = None
    if found is None:
        return CheckedRequirement("default limit", "none known")
    problem = str(found) if found.small and found.certain else ""
    said = str(found) if found.small and not found.certain else f"{found.bytes / 1024**2:.0f} MiB of memory"
    return CheckedRequirement("default limit", said, problem, default_limits.ADVICE)


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
        state = fluid.state(kube)
        problem = existing_fluid.why_not_usable(kube, state)
        return CheckedRequirement("Fluid", str(state), problem, existing_fluid.WAIT_FOR_PODS)
    missing = "" if options.install_fluid else "this cluster has no Fluid"
    return CheckedRequirement("Fluid", "none", missing, "install Fluid, or permit it with --install-fluid")


def _rights(kube: Kube, disturbs: frozenset[Disruption]) -> CheckedRequirement:
    needed = list(_needed(rights_of_run(disturbs)))
    missing = [str(one) for one in needed if not _may(kube, one)]
    return CheckedRequirement(
        "rights",
        f"{len(needed) - len(missing)} of {len(needed)}",
        f"may not {', '.join(missing)}" if missing else "",
        "grant them to the user of the kubeconfig; cluster-admin has all",
    )


def _needed(rights: Rights) -> Iterator[UsedRight]:
    """The rights to ask for, each once. Who may list may get and watch."""
    places = ((rights.cluster, ""), (rights.own, ""), (rights.fluid, fluid.NAMESPACE))
    found = dict.fromkeys(
        UsedRight(verb, grant.group, grant.resource, namespace if grant.kind.namespaced else "")
        for grants, namespace in places
        for grant in grants
        for verb in grant.verbs
        if verb not in {"get", "watch"} or grant.subresource
    )
    everywhere = {replace(right, namespace="") for right in found if not right.namespace}
    return (right for right in found if not right.namespace or replace(right, namespace="") not in everywhere)


def _may(kube: Kube, right: UsedRight) -> bool:
    """Whether the user of the kubeconfig may do it, in a namespace or in all."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
    if right.namespace:
        attributes["namespace"] = right.namespace
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = kube.connection.request("POST", _REVIEWS, what="ask what may be done", body=body)
    return at(json.loads(answer), "status", "allowed") is True
