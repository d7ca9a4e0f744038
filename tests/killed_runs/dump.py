"""A dump of a whole cluster without what changes by itself, to compare it with a later one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from clusters.host.engine import Engine
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import at, items, text, texts
from clusters.kubernetes.requests import request_json

#: Kinds whose objects come and go by themselves, or repeat others: the Pods of a Deployment that was restored
#: have other names, and the old revisions of a DaemonSet stay.
IGNORED: Final = frozenset(
    {
        "Event",
        "Lease",
        "Endpoints",
        "EndpointSlice",
        "Pod",
        "ReplicaSet",
        "ControllerRevision",
        "ComponentStatus",
        "CSINode",
        "NodeMetrics",
        "PodMetrics",
    }
)
#: Fields of all objects that say when and how often they were changed.
_METADATA: Final = ("resourceVersion", "managedFields", "generation", "selfLink")
_ANNOTATIONS: Final = ("deprecated.daemonset.template.generation", "deployment.kubernetes.io/revision")
#: Annotations with which controllers hold a lock in a ConfigMap.
_LOCK: Final = "control-plane.alpha.kubernetes.io/leader"

#: Prints what the harness or Fluid may leave on a node: files in memory, the size of that memory, folders,
#: stopped processes, rules of the packet filter, mounts.
_NODE_SCRIPT: Final = r"""
find /dev/shm -mindepth 1 2>/dev/null | sort
find /var/lib -maxdepth 1 -name 'fluid-conformance*' 2>/dev/null | sort
find /runtime-mnt -mindepth 2 -maxdepth 3 2>/dev/null | sort
for stat in /proc/[0-9]*/stat; do sed -n 's/^[0-9]* (\(.*\)) T .*/stopped: \1/p' "$stat" 2>/dev/null; done
iptables -S 2>/dev/null | grep fluid-conformance
df --block-size=1 --output=size /dev/shm | tail -n 1 | sed 's/^ */size of the shared memory: /'
cut -d' ' -f5 /proc/self/mountinfo | sort
"""
#: Mounts that belong to Pods and containers.
_OF_PODS: Final = re.compile(r"^/(var/lib/kubelet/pods|run/containerd|run/netns|var/lib/containerd)/")


def dump(kube: Kube, engine: Engine | None) -> dict[str, str]:
    """All objects of the cluster as YAML, and what is on its nodes if they are containers of ``engine``.

    Returns:
        Texts by the path of the object, or ``node <name>``.
    """
    found = {path: yaml.safe_dump(obj, sort_keys=True) for path, obj in _objects(kube)}
    if engine is not None:
        for node in kube.list(kinds.NODE):
            name = text(node, "metadata", "name")
            said = engine.exec(name, ["bash", "-c", _NODE_SCRIPT], timeout=60.0).stdout
            lines = [line for line in said.splitlines() if not _OF_PODS.match(line)]
            found[f"node {name}"] = "\n".join(lines) + "\n"
    return found


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What differs between two dumps, as a unified diff; empty if nothing does."""
    parts: list[str] = []
    for path in sorted({*before, *after}):
        old, new = before.get(path, ""), after.get(path, "")
        parts += difflib.unified_diff(
            old.splitlines(), new.splitlines(), f"before {path}", f"after {path}", n=1, lineterm=""
        )
    return "\n".join(parts)


def _objects(kube: Kube) -> Iterator[tuple[str, dict[str, Any]]]:
    for base, resource in _resources(kube):
        path = f"{base}/{text(resource, 'name')}"
        answer = request_json(kube.connection, "GET", path, what=f"list {path}")
        for obj in answer.get("items") or []:
            namespace, name = text(obj, "metadata", "namespace"), text(obj, "metadata", "name")
            yield f"{path} {namespace}/{name}".replace(" /", " "), lasting(obj)


def _resources(kube: Kube) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each kind that can be listed, by the preferred version of its group."""
    groups = request_json(kube.connection, "GET", "/apis", what="list the groups")
    bases = ["/api/v1"]
    bases += [f"/apis/{text(group, 'preferredVersion', 'groupVersion')}" for group in items(groups, "groups")]
    for base in bases:
        answer = request_json(kube.connection, "GET", base, what=f"list the kinds of {base}")
        for resource in items(answer, "resources"):
            if "list" in texts(resource, "verbs") and text(resource, "kind") not in IGNORED:
                yield base, resource


def lasting(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object without its status, its versions, and what controllers note in it."""
    kept = {key: value for key, value in obj.items() if key != "status"}
    metadata = {key: value for key, value in (kept.get("metadata") or {}).items() if key not in _METADATA}
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key not in (*_ANNOTATIONS, _LOCK)
    }
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    return {**kept, "metadata": metadata}


def unsettled(kube: Kube) -> tuple[str, ...]:
    """Deployments and DaemonSets that do not run as they should, such as while they start again."""
    found = []
    for kind, wanted in (
        (kinds.DEPLOYMENT, ("spec", "replicas")),
        (kinds.DAEMON_SET, ("status", "desiredNumberScheduled")),
    ):
        ready = ("status", "readyReplicas" if kind is kinds.DEPLOYMENT else "numberReady")
        updated = ("status", "updatedReplicas" if kind is kinds.DEPLOYMENT else "updatedNumberScheduled")
        for obj in kube.list(kind):
            expected = at(obj, *wanted) or 0
            if (at(obj, *ready) or 0, at(obj, *updated) or 0) != (expected, expected):
                found.append(f"{kind} {text(obj, 'metadata', 'namespace')}/{text(obj, 'metadata', 'name')}")
    return tuple(found)
