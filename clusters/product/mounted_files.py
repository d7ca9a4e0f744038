"""Files of a node that lie over those in the images of Fluid's workloads: how a mutant is put in.

They are recognised by the names of their volumes alone, so those of a run that was killed are found too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import items
from clusters.waiting import is_empty, wait

#: Begins the names of the volumes.
VOLUME: Final = "mutant-"
#: Seconds until no Pod has them any more.
REMOVED_SECONDS: Final = 120.0
#: How Fluid's chart lets the Pods of its DaemonSet be replaced: by default; a mutant changes it meanwhile.
ROLLING: Final[Mapping[str, Any]] = {"updateStrategy": {"type": "RollingUpdate"}}


def with_files(template: dict[str, Any], container: str, places: Mapping[str, str]) -> dict[str, Any]:
    """A Pod template in which files of the node lie over files of one container's image.

    Args:
        template: ``spec.template.spec`` of a workload; it is not changed.
        container: name of the container.
        places: path in the container → path on the node.
    """
    changed = without_files(template)
    for number, (target, place) in enumerate(places.items()):
        name = f"{VOLUME}{number}"
        changed["volumes"].append({"name": name, "hostPath": {"path": place, "type": "File"}})
        for one in changed["containers"]:
            if one["name"] == container:
                one["volumeMounts"].append({"name": name, "mountPath": target, "readOnly": True})
    return changed


def without_files(template: dict[str, Any]) -> dict[str, Any]:
    """The Pod template without what `with_files` put into it."""
    changed = copy.deepcopy(template)
    changed["volumes"] = [one for one in changed.get("volumes") or [] if not one["name"].startswith(VOLUME)]
    for container in changed["containers"]:
        container["volumeMounts"] = [
            one for one in container.get("volumeMounts") or [] if not one["name"].startswith(VOLUME)
        ]
    return changed


def mounted(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Names and paths of such volumes of a Pod, or of a Pod template."""
    return tuple(
        f"{one['name']} {one['hostPath']['path']}"
        for one in items(spec, "volumes")
        if one["name"].startswith(VOLUME)
    )


def remove(kube: Kube, namespace: str) -> tuple[str, ...]:
    """Remove them from all workloads of a namespace, and wait until no Pod has them.

    Returns:
        The names of the workloads that had them.

    Raises:
        WaitTimeoutError: a Pod keeps them; an infrastructure failure.
    """
    found = []
    for kind in (kinds.DEPLOYMENT, kinds.DAEMON_SET):
        for workload in kube.list(kind, namespace):
            template = workload["spec"]["template"]["spec"]
            if mounted(template):
                whole = without_files(template)
                body = {name: whole[name] for name in ("volumes", "containers")}
                name = workload["metadata"]["name"]
                also = ROLLING if kind == kinds.DAEMON_SET else {}
                kube.patch(kind, name, namespace, {"spec": {"template": {"spec": body}, **also}})
                found.append(name)
    if found:
        wait(
            lambda: [
                pod["metadata"]["name"] for pod in kube.list(kinds.POD, namespace) if mounted(pod["spec"])
            ],
            is_empty,
            subject=f"namespace {namespace}",
            condition="deletion of the Pods with files of a mutant",
            timeout=REMOVED_SECONDS,
            delay=1.0,
            describe=lambda pods: ", ".join(pods) or "none",
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    return tuple(found)
