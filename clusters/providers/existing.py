"""A cluster that the harness did not create: used through its kubeconfig, never deleted.

Objects of the harness are in its own namespace and are deleted with it. Fluid is installed only with
permission, and uninstalled only by the run that installed it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.errors import FailureClass, InfrastructureError
from clusters.host import probes
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import Json, text
from clusters.kubernetes.nodes import schedulable
from clusters.kubernetes.ownership import MANAGED_SELECTOR, harness_namespace, is_managed
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_folders, fluid_release
from clusters.product.helm import HelmRelease
from clusters.product.nfs import NAMESPACE
from clusters.progress import Progress
from clusters.providers import stuck_objects
from clusters.providers.base import Cluster
from clusters.waiting import WaitTimeoutError, is_empty, is_gone, wait

READY_SECONDS: Final = 120.0
GONE_SECONDS: Final = 240.0
#: Seconds of these in which a controller of Fluid that does not run may start again.
CONTROLLER_SECONDS: Final = 60.0
_CONTAINER: Final = "node"
_PULL_TROUBLE: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")

#: Kinds of objects of a run in the order in which Fluid can delete them; a Dataset waits for its operations.
_IN_ORDER: Final = (
    kinds.POD,
    kinds.DATA_LOAD,
    kinds.DATA_PROCESS,
    kinds.DATA_BACKUP,
    kinds.DATA_MIGRATE,
    kinds.DATASET,
    kinds.THIN_RUNTIME,
    kinds.ALLUXIO_RUNTIME,
)
#: Kinds of cluster-wide objects that scenarios create.
_CLUSTER_WIDE: Final = (
    kinds.VOLUME,
    kinds.CLUSTER_ROLE_BINDING,
    kinds.CLUSTER_ROLE,
    kinds.THIN_RUNTIME_PROFILE,
)

#: Prints the files that `clusters.host.probes` reads, each under its name.
_PROBE: Final = """
for file in /proc/meminfo /proc/cpuinfo /proc/filesystems /proc/self/status; do
  echo "== $file"; cat "$file"
done
for file in /sys/fs/cgroup/cgroup.controllers /dev/fuse; do
  if [ -e "$file" ]; then echo "== $file"; fi
done
echo "== /modules"
cd "/lib/modules/$(uname -r)" && cat modules.dep modules.builtin 2>/dev/null | grep '/nfs[.]ko'
exit 0
"""


@dataclass
class ExistingProvider:
    """Uses the cluster of a kubeconfig.

    Attributes:
        kubeconfig: file that reaches it.
        kube: connection to it.
        image: toolbox image, for the Pods through which programs run on nodes.
        progress: shows stages.
    """

    kubeconfig: Path
    kube: Kube
    image: str = ""
    progress: Progress = field(default_factory=Progress)
    _release: HelmRelease | None = field(default=None, init=False)

    def up(self) -> Cluster:
        """The cluster; that it answers was checked when it was connected to."""
        return Cluster("existing", self.kube.connection.url, self.kubeconfig, made_here=False)

    def installs_fluid(self, release: HelmRelease) -> None:
        """Remember that this run installs Fluid: only then `down` removes it."""
        self._release = release

    def down(self) -> None:
        """Delete the harness's namespace, and uninstall Fluid if this run installed it.

        A Fluid that others use since then stays.
        """
        if self._release is not None:
            fluid_release.uninstall(self.kube, self._release, self.progress)
            self._release = None
        if not is_managed(self.kube.get(kinds.NAMESPACE, NAMESPACE) or {}):
            return
        guard = self.kube.connection.guard
        self.remove_folders(guard.own_namespaces if guard is not None else ())
        with self.progress.stage(f"remove namespace {NAMESPACE}"):
            self.kube.delete(kinds.NAMESPACE, NAMESPACE)
            with self.kube.changes(kinds.NAMESPACE) as changes:
                wait(
                    lambda: self.kube.get(kinds.NAMESPACE, NAMESPACE),
                    is_gone,
                    subject=f"namespace {NAMESPACE}",
                    condition="deletion",
                    timeout=GONE_SECONDS,
                    changes=changes,
                    describe=lambda seen: text(seen, "status", "phase"),
                    failure_class=FailureClass.INFRASTRUCTURE,
                    advice=f"kubectl describe namespace {NAMESPACE} says what holds it",
                )

    def remove_folders(self, namespaces: Iterable[str]) -> None:
        """Remove the empty folders that Fluid leaves on nodes for Datasets of deleted namespaces."""
        folders = [folder for name in namespaces for folder in fluid_folders.of_namespace(name)]
        if not folders or not self.image:
            return
        with self.progress.stage("remove empty folders on nodes"):
            for node in schedulable(self.kube):
                self.node_exec(node, fluid_folders.remove_empty(folders), changes=Disruption.NOTHING)

    def node_exec(
        self,
        node: str,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        changes: Disruption | None = None,
    ) -> Completed:
        """Run a program in the node's own namespaces, through a privileged Pod on it."""
        if self.kube.connection.guard is not None:
            self.kube.connection.guard.check_node_command(node, argv, changes)
        name = f"node-{node}"[:63].rstrip("-.")
        self._agent(name, node)
        enter = ["nsenter", "--target", "1", "--mount", "--uts", "--net", "--", *argv]
        return self.kube.exec(NAMESPACE, name, _CONTAINER, enter, timeout=timeout)

    def logs(self) -> Mapping[str, str]:
        """Nothing: the journals of a foreign cluster are its administrator's."""
        return {}

    def host(self, node: NodeSnapshot) -> probes.Host:
        """The facts of a node, read on the node."""
        done = self.node_exec(node.name, ["sh", "-c", _PROBE], changes=Disruption.NOTHING)
        if done.exit_code != 0:
            raise InfrastructureError(
                f"node {node.name} cannot be probed",
                last_seen=(done.stdout + done.stderr)[-1_000:],
                advice="nodes must have a shell, and allow nsenter from a privileged Pod",
            )
        return host_of(done.stdout, node)

    def _agent(self, name: str, node: str) -> None:
        if not self.image:
            raise InfrastructureError(
                "no program can run on the nodes of this cluster because the toolbox image is missing",
                advice="name a registry that has the harness's images with --registry",
            )

        def pod() -> PodSnapshot:
            return PodSnapshot.of(self.kube.get(kinds.POD, name, NAMESPACE) or {})

        if pod().ready:
            return
        self.kube.apply(harness_namespace())
        self.kube.apply(_agent_manifest(name, node, self.image))
        with self.kube.changes(kinds.POD, NAMESPACE) as changes:
            wait(
                pod,
                lambda seen: seen.ready,
                failed=_image_error,
                subject=f"Pod {NAMESPACE}/{name}",
                condition="condition Ready",
                timeout=READY_SECONDS,
                changes=changes,
                failure_class=FailureClass.INFRASTRUCTURE,
                advice=(
                    f"nodes must be able to pull {self.image} (python -m clusters.registry push HOST), "
                    "and privileged Pods must be allowed"
                ),
            )


def remove_leftovers(kube: Kube, progress: Progress) -> tuple[str, ...]:
    """Delete the namespaces that killed runs left, with their Datasets and volumes; returns their names.

    Applications are deleted first and Datasets before their namespaces, because Fluid can delete neither
    otherwise. Only objects with the harness's label are deleted, and what Fluid created for them.

    Raises:
        WaitError: an object was not deleted in time.
        InfrastructureError: objects stay because a controller of Fluid does not run.
    """
    names = own_namespaces(kube)
    for name in names:
        with progress.stage(f"remove namespace {name}"):
            _empty(kube, name, progress)
            kube.delete(kinds.NAMESPACE, name)
            _gone(kube, name, partial(kube.get, kinds.NAMESPACE, name), f"namespace {name}", progress)
    for kind in _CLUSTER_WIDE:
        for obj in kube.list_if_known(kind, labels=MANAGED_SELECTOR):
            kube.delete(kind, text(obj, "metadata", "name"))
    return names


def own_namespaces(kube: Kube) -> tuple[str, ...]:
    """The namespaces of runs, living or dead, without that of the harness itself."""
    names = [text(obj, "metadata", "name") for obj in kube.list(kinds.NAMESPACE, labels=MANAGED_SELECTOR)]
    return tuple(name for name in names if name != NAMESPACE)


def _empty(kube: Kube, namespace: str, progress: Progress) -> None:
    """Delete the harness's objects in a namespace, in the order that Fluid needs."""
    for kind in _IN_ORDER:
        # Without Fluid the cluster does not know its kinds.
        observe = partial(kube.list_if_known, kind, namespace, labels=MANAGED_SELECTOR)
        for obj in observe():
            kube.delete(kind, text(obj, "metadata", "name"), namespace)
        _gone(kube, namespace, observe, f"every {kind} of the harness in {namespace}", progress)


def _gone(
    kube: Kube, namespace: str, observe: Callable[[], Sized | None], subject: str, progress: Progress
) -> None:
    """Wait for a deletion. What waits for a controller of Fluid that does not run is freed after a while."""

    def wait_for(seconds: float) -> None:
        wait(
            observe,
            is_empty,
            subject=subject,
            condition="deletion",
            timeout=seconds,
            delay=1.0,
            describe=lambda seen: "still there" if seen else "gone",
            failure_class=FailureClass.INFRASTRUCTURE,
            advice="check that Fluid's controllers run, and read the finalizers of the objects",
            clock=kube.clock,
        )

    try:
        wait_for(CONTROLLER_SECONDS)
    except WaitTimeoutError:
        if not _free(kube, namespace, progress):
            _require_controllers(kube, namespace)
        try:
            wait_for(GONE_SECONDS - CONTROLLER_SECONDS)
        except WaitTimeoutError:
            _require_controllers(kube, namespace)
            raise


def _free(kube: Kube, namespace: str, progress: Progress) -> bool:
    """Free what waits for a controller that does not run, unless nodes have labels of it.

    Returns:
        Whether something was freed.
    """
    free = [one for one in stuck_objects.find(kube, namespace) if not one.labelled]
    for one in free:
        one.free(kube)
        progress.note(f"the finalizer of {one} was removed, because Fluid's {one.controller} does not run")
    if free:
        stuck_objects.remove_volumes(kube, namespace)
    return bool(free)


def _require_controllers(kube: Kube, namespace: str) -> None:
    """Report what only a controller of Fluid that does not run can delete as it must.

    Raises:
        InfrastructureError: there is such an object.
    """
    held = [one for one in stuck_objects.find(kube, namespace) if one.labelled]
    if held:
        first = held[0]
        raise InfrastructureError(
            f"{', '.join(map(str, held))} cannot be deleted: Fluid's {first.controller} does not run, and "
            f"must remove its labels of {', '.join(first.labelled)}",
            advice=f"{first.command}; then run `fluid-conformance cluster down` again",
        )


def host_of(output: str, node: NodeSnapshot) -> probes.Host:
    """The facts of a node from the output of the probe."""
    sections = re.split(r"^== (\S+)\n", output, flags=re.MULTILINE)[1:]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, content in zip(sections[::2], sections[1::2], strict=True):
            here = f"/lib/modules/{os.uname().release}/modules.dep" if name == "/modules" else name
            file = root / here.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        found = probes.probe(root)
    return replace(found, name=node.name, kernel=node.kernel, cpus=int(node.cpu))


def _image_error(pod: PodSnapshot) -> str | None:
    for container in pod.containers:
        if any(word in container.state for word in _PULL_TROUBLE):
            return f"{container.image}: {container.message or container.state}"
    return None


def _agent_manifest(name: str, node: str, image: str) -> Json:
    manifest: Mapping[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": _CONTAINER,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "infinity"],
                    "securityContext": {"privileged": True},
                }
            ],
        },
    }
    return manifest
