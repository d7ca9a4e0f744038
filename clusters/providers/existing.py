"""A cluster that somebody else made: used through its kubeconfig, never taken down.

What the harness makes there lives in its own namespace, and goes with it. Fluid is installed
only with leave, and removed only when this very run installed it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from clusters.errors import FailureClass, InfrastructureError, RefusalError
from clusters.host import probes
from clusters.host.commands import CommandError, Commands, Completed, SystemCommands
from clusters.images.offline import definitions
from clusters.images.offline.definitions import Image, Origin
from clusters.images.pull import reference, split_host
from clusters.images.resolver import SLIM, ImageFact
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import Json, items, text
from clusters.kubernetes.ownership import MANAGED_SELECTOR, is_managed
from clusters.kubernetes.predicates import is_ready
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.pins import Versions, pins
from clusters.product import fluid
from clusters.product.nfs import NAMESPACE, namespace
from clusters.progress import Progress
from clusters.providers.base import Cluster
from clusters.waiting import is_empty, is_gone, wait

READY_SECONDS: Final = 120.0
GONE_SECONDS: Final = 120.0
UNINSTALL_SECONDS: Final = 120.0
_CONTAINER: Final = "node"
_DATASET_CONTROLLER: Final = "dataset-controller"
_ALLUXIO_CONTROLLER: Final = "alluxioruntime-controller"
#: Fluid 1.0.8, charts/fluid/fluid/templates/controller/alluxioruntime_controller.yaml:65 (0.9.3 has it too).
_ALLUXIO_IMAGE_ENV: Final = "ALLUXIO_RUNTIME_IMAGE_ENV"
_PULL_TROUBLE: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")

#: Prints what `clusters.host.probes` reads, each file under its name.
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
        image: toolbox image, for the Pods through which nodes are looked at.
        progress: where stages are told.
        commands: runs helm.
    """

    kubeconfig: Path
    kube: Kube
    image: str = ""
    progress: Progress = field(default_factory=Progress)
    commands: Commands = field(default_factory=SystemCommands)
    _helm: Path | None = field(default=None, init=False)

    def up(self) -> Cluster:
        """The cluster; that it answers was checked when it was connected to."""
        return Cluster("existing", self.kube.connection.url, self.kubeconfig, made_here=False)

    def installs_fluid(self, helm: Path) -> None:
        """Remember that this run installs Fluid: only then `down` removes it."""
        self._helm = helm

    def down(self) -> None:
        """Remove our namespace, and Fluid's release when this run installed it; nothing else."""
        if self._helm is not None:
            self._uninstall(self._helm)
            self._helm = None
        if not is_managed(self.kube.get(kinds.NAMESPACE, NAMESPACE) or {}):
            return
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

    def node_exec(self, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Run a program in the node's own namespaces, through a privileged Pod of ours on it."""
        name = f"node-{node}"[:63].rstrip("-.")
        self._agent(name, node)
        enter = ["nsenter", "--target", "1", "--mount", "--uts", "--net", "--", *argv]
        return self.kube.exec(NAMESPACE, name, _CONTAINER, enter, timeout=timeout)

    def logs(self) -> Mapping[str, str]:
        """Nothing: a cluster's own journals are its administrator's."""
        return {}

    def host(self, node: NodeSnapshot) -> probes.Host:
        """The facts of a node, read on the node itself."""
        said = self.node_exec(node.name, ["sh", "-c", _PROBE])
        if said.exit_code != 0:
            raise InfrastructureError(
                f"node {node.name} cannot be looked at",
                last_seen=(said.stdout + said.stderr)[-1_000:],
                advice="nodes must have a shell, and allow nsenter from a privileged Pod",
            )
        return host_of(said.stdout, node)

    def _agent(self, name: str, node: str) -> None:
        if not self.image:
            raise InfrastructureError(
                "nodes of this cluster cannot be looked at without a toolbox image",
                advice="give --registry with a registry that holds the harness's images",
            )

        def look() -> PodSnapshot:
            return PodSnapshot.of(self.kube.get(kinds.POD, name, NAMESPACE) or {})

        if look().ready:
            return
        self.kube.apply(namespace())
        self.kube.apply(_agent_manifest(name, node, self.image))
        with self.kube.changes(kinds.POD, NAMESPACE) as changes:
            wait(
                look,
                is_ready,
                failed=_image_trouble,
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

    def _uninstall(self, helm: Path) -> None:
        with self.progress.stage("remove Fluid"):
            argv: list[str | Path] = [helm, "uninstall", fluid.RELEASE, "--namespace", fluid.NAMESPACE]
            argv += ["--kubeconfig", self.kubeconfig, "--wait", "--timeout", f"{UNINSTALL_SECONDS:.0f}s"]
            done = self.commands.run(argv, check=False, timeout=UNINSTALL_SECONDS + 30)
            if done.exit_code != 0 and "not found" not in done.stderr:
                raise CommandError("Fluid could not be removed again", completed=done)
        self.progress.note("Fluid's kinds (CRDs) and its namespace stay, as helm leaves them")


def require_free(kube: Kube) -> None:
    """Refuse a cluster where the namespace that the harness needs is somebody else's."""
    found = kube.get(kinds.NAMESPACE, NAMESPACE)
    if found is not None and not is_managed(found):
        raise RefusalError(
            f"this cluster has a namespace {NAMESPACE} that the harness did not make",
            advice="rename or remove it; the harness never touches what it did not make",
        )


def remove_leftovers(kube: Kube, progress: Progress) -> tuple[str, ...]:
    """Remove the namespaces that killed runs left, with the Datasets and volumes in them; gives their names.

    Applications go first and Datasets before their namespaces, as Fluid can take down neither otherwise.
    Only what carries our label is deleted.

    Raises:
        WaitError: something would not go in time.
    """
    names = [text(obj, "metadata", "name") for obj in kube.list(kinds.NAMESPACE, labels=MANAGED_SELECTOR)]
    names = [name for name in names if name != NAMESPACE]
    for name in names:
        with progress.stage(f"remove namespace {name}"):
            _empty(kube, name)
            kube.delete(kinds.NAMESPACE, name)
            _gone(partial(kube.get, kinds.NAMESPACE, name), f"namespace {name}")
    for volume in kube.list(kinds.VOLUME, labels=MANAGED_SELECTOR):
        kube.delete(kinds.VOLUME, text(volume, "metadata", "name"))
    return tuple(names)


def _empty(kube: Kube, namespace: str) -> None:
    """Delete what users of ours made in a namespace, in the order in which Fluid lets go of it."""
    for kind in (kinds.POD, kinds.DATASET, kinds.ALLUXIO_RUNTIME):
        # Where Fluid is not there any more, its kinds are not either.
        look = partial(kube.list_if_known, kind, namespace, labels=MANAGED_SELECTOR)
        for obj in look():
            kube.delete(kind, text(obj, "metadata", "name"), namespace)
        _gone(look, f"each {kind} of ours in {namespace}")


def _gone(look: Callable[[], Sized | None], subject: str) -> None:
    wait(
        look,
        is_empty,
        subject=subject,
        condition="deletion",
        timeout=GONE_SECONDS,
        delay=1.0,
        describe=lambda seen: "still there" if seen else "gone",
        failure_class=FailureClass.INFRASTRUCTURE,
        advice="see that Fluid's controllers run, and what its finalizers wait for",
    )


def has_fluid(kube: Kube) -> bool:
    """Whether Fluid runs where the harness looks for it; its kinds alone do not count.

    Raises:
        RefusalError: it runs in another namespace than its chart's own.
    """
    found = [
        text(obj, "metadata", "namespace")
        for obj in kube.list(kinds.DEPLOYMENT, fields=f"metadata.name={_DATASET_CONTROLLER}")
    ]
    if fluid.NAMESPACE in found:
        return True
    if found:
        raise RefusalError(
            f"Fluid runs in namespace {found[0]} of this cluster, and the harness expects {fluid.NAMESPACE}",
            advice=f"install Fluid in {fluid.NAMESPACE}, its chart's own namespace",
        )
    return False


def wait_for_fluid(kube: Kube, progress: Progress) -> fluid.FluidState:
    """Wait until the Fluid that is there can take a Dataset.

    Fluid starts the controller of a kind of runtime with the first such runtime (since 0.7), so one
    that nobody asked for may be away.
    """
    with (
        progress.stage("find Fluid") as stage,
        kube.changes(kinds.DEPLOYMENT, fluid.NAMESPACE) as changes,
    ):
        return wait(
            lambda: fluid.state(kube),
            _usable,
            subject="Fluid",
            condition="readiness of controllers and CSI plugin",
            timeout=fluid.READY_SECONDS,
            changes=changes,
            on_change=lambda seen, _: stage.says(seen),
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"see the Pods of {fluid.NAMESPACE}",
        )


def versions_there(kube: Kube, state: fluid.FluidState) -> Versions:
    """The versions that the cluster itself says; a part that it does not say is ``unknown``."""
    return Versions(
        kubernetes=_plain(kube.server_version()),
        fluid=_plain(state.version),
        alluxio=_plain(alluxio_image(kube).rpartition(":")[2]),
    )


def alluxio_image(kube: Kube) -> str:
    """The image that Fluid gives an AlluxioRuntime which names none; empty when it does not say."""
    for name in (_ALLUXIO_CONTROLLER, _DATASET_CONTROLLER):
        obj = kube.get(kinds.DEPLOYMENT, name, fluid.NAMESPACE) or {}
        for container in items(obj, "spec", "template", "spec", "containers"):
            for variable in items(container, "env"):
                if text(variable, "name") == _ALLUXIO_IMAGE_ENV:
                    return text(variable, "value")
    return ""


def harness_image(image: Image, nodes: Sequence[NodeSnapshot], mirror: str | None) -> str:
    """The name under which the nodes have, or can pull, an image of the harness's own.

    Raises:
        RefusalError: neither; with what to do.
    """
    if mirror is not None:
        return reference(image.name, mirror)
    for name in (image.name, image.name + SLIM):
        if all(holds(node, name) for node in nodes):
            return name
    raise RefusalError(
        f"the nodes of this cluster do not all have {image.name}, and it is published nowhere",
        advice=(
            "push it to a registry that they reach (python -m clusters.registry push HOST) "
            "and name that with --registry HOST"
        ),
    )


def built_fluid(versions: Versions, nodes: Sequence[NodeSnapshot]) -> dict[str, str]:
    """Fluid's images as the harness builds them, by the chart's names, if the nodes have all; else none."""
    if versions.fluid not in pins().fluid:
        return {}
    names = {name: image.name for name, image in definitions.fluid(versions).items()}
    wanted = [*names.values(), definitions.alluxio(versions.alluxio).name]
    return names if all(holds(node, name) for node in nodes for name in wanted) else {}


def holds(node: NodeSnapshot, name: str) -> bool:
    """Whether a node says that it has an image; it tells of 50, the largest first."""
    return split_host(name) in {split_host(image) for image in node.images}


def image_facts(kube: Kube, versions: Versions) -> tuple[ImageFact, ...]:
    """The images that run for Fluid and for the harness, and Alluxio's, as the cluster names them."""
    built = {image.name: image.origin for image in (definitions.nfs_server(), definitions.toolbox())}
    if versions.fluid in pins().fluid:
        built |= {image.name: image.origin for image in definitions.fluid(versions).values()}
    if versions.alluxio in pins().alluxio:
        built |= dict.fromkeys(definitions.alluxio(versions.alluxio).names, Origin.BUILT)
    digests: dict[str, str] = {}
    for where in (fluid.NAMESPACE, NAMESPACE):
        for pod in map(PodSnapshot.of, kube.list(kinds.POD, where)):
            for container in pod.containers:
                digests[container.image] = container.image_id.rpartition("@")[2]
    alluxio = alluxio_image(kube)
    if alluxio:
        digests.setdefault(alluxio, "")
    return tuple(ImageFact(name, digest, _origin(name, built)) for name, digest in sorted(digests.items()))


def host_of(said: str, node: NodeSnapshot) -> probes.Host:
    """The facts of a node from what the probe printed there."""
    sections = re.split(r"^== (\S+)\n", said, flags=re.MULTILINE)[1:]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, content in zip(sections[::2], sections[1::2], strict=True):
            here = f"/lib/modules/{os.uname().release}/modules.dep" if name == "/modules" else name
            file = root / here.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        found = probes.probe(root)
    return replace(found, kernel=node.kernel, cpus=int(node.cpu))


def _usable(state: fluid.FluidState) -> bool:
    complete = all(state.controllers.get(name, 0) >= count for name, count in state.wanted.items())
    return (
        state.controllers.get(_DATASET_CONTROLLER, 0) > 0
        and complete
        and state.csi_ready == state.csi_desired > 0
    )


def _origin(name: str, built: Mapping[str, Origin]) -> Origin:
    """Ours by its name, in whatever registry; what else runs there was published by somebody."""
    for known, origin in built.items():
        if name in (known, known + SLIM) or name.endswith((f"/{known}", f"/{known}{SLIM}")):
            return origin
    return Origin.PULLED


def _plain(version: str) -> str:
    """``1.0.8`` of ``v1.0.8-6533239``."""
    found = re.search(r"\d+\.\d+\.\d+", version)
    return found.group() if found else version or "unknown"


def _image_trouble(pod: PodSnapshot) -> str | None:
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
