"""Fluid on a cluster: its state, and its installation from its own chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.errors import FailureClass
from clusters.host.commands import CommandError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import items, text
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.controllers import DaemonSetSnapshot, DeploymentSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_crds, mounted_files
from clusters.product.helm import UNFINISHED, Helm, HelmRelease
from clusters.progress import Progress, RunningStage
from clusters.waiting import wait

NAMESPACE: Final = "fluid-system"
RELEASE: Final = "fluid"
CSI_DAEMON_SET: Final = "csi-nodeplugin-fluid"
#: The controller of Datasets and data operations: its Deployment, its account and its role.
DATASET_CONTROLLER: Final = "dataset-controller"
CONTROLLERS: Final = (DATASET_CONTROLLER, "alluxioruntime-controller")
READY_SECONDS: Final = 240.0
#: Fluid 1.0.8, charts/fluid/fluid/templates/controller/alluxioruntime_controller.yaml:65 (0.9.3 has it too).
_ALLUXIO_IMAGE_ENV: Final = "ALLUXIO_RUNTIME_IMAGE_ENV"


@dataclass(frozen=True, slots=True)
class FluidState:
    """The parts of Fluid that a cluster has.

    Attributes:
        controllers: name → ready replicas of its Deployments.
        desired: name → desired replicas.
        csi_desired: nodes that must have the CSI plugin.
        csi_ready: nodes where it is ready.
        version: tag of the Dataset controller's image; empty if Fluid is not installed.
    """

    controllers: Mapping[str, int]
    desired: Mapping[str, int]
    csi_desired: int
    csi_ready: int
    version: str

    @property
    def ready(self) -> bool:
        """The controllers that a Dataset with an AlluxioRuntime needs, and the plugin on every node."""
        needed = all(self.controllers.get(name, 0) > 0 for name in CONTROLLERS)
        return needed and not self.incomplete and self.csi_ready == self.csi_desired > 0

    @property
    def incomplete(self) -> tuple[str, ...]:
        """The Deployments with fewer ready Pods than they must have."""
        return tuple(name for name, count in self.desired.items() if self.controllers.get(name, 0) < count)

    def __str__(self) -> str:
        desired = sorted(self.desired.items())
        parts = [f"{name} {self.controllers.get(name, 0)}/{count}" for name, count in desired]
        return ", ".join([*parts, f"CSI plugin on {self.csi_ready}/{self.csi_desired} nodes"])


def state(kube: Kube) -> FluidState:
    """The state of Fluid; empty if Fluid is not installed."""
    deployments = [DeploymentSnapshot.of(obj) for obj in kube.list(kinds.DEPLOYMENT, NAMESPACE)]
    plugin = kube.get(kinds.DAEMON_SET, CSI_DAEMON_SET, NAMESPACE)
    csi = DaemonSetSnapshot.of(plugin or {})
    image = next((item.images[0] for item in deployments if item.name == "dataset-controller"), "")
    return FluidState(
        controllers={item.name: item.ready for item in deployments},
        desired={item.name: item.replicas for item in deployments if item.replicas > 0},
        csi_desired=csi.desired,
        csi_ready=csi.ready,
        version=image.rpartition(":")[2],
    )


def pods_of(objects: ClusterReader, component: str) -> tuple[PodSnapshot, ...]:
    """The Pods of a component of Fluid, by the name of its Deployment or DaemonSet."""
    found = objects.list(PodSnapshot, NAMESPACE)
    return tuple(pod for pod in found if pod.name.startswith(f"{component}-"))


def missing(seen: FluidState) -> list[str]:
    """What a Dataset with an AlluxioRuntime needs of Fluid and is not ready, one sentence each."""
    found = [f"Fluid's {name} has no ready Pod" for name in CONTROLLERS if not seen.controllers.get(name)]
    if seen.csi_desired == 0 or seen.csi_ready < seen.csi_desired:
        found.append(f"Fluid's CSI plugin is ready on {seen.csi_ready} of {seen.csi_desired} nodes")
    return found


def installed(kube: Kube) -> bool:
    """Whether the cluster knows Datasets."""
    try:
        kube.list(kinds.DATASET)
    except KubeError as error:
        if error.reason == "NoSuchKind":
            return False
        raise
    return True


def alluxio_image(kube: Kube) -> str:
    """The image of an AlluxioRuntime that names none, from the controllers' environment; empty if not set."""
    for name in reversed(CONTROLLERS):
        obj = kube.get(kinds.DEPLOYMENT, name, NAMESPACE) or {}
        for container in items(obj, "spec", "template", "spec", "containers"):
            for variable in items(container, "env"):
                if text(variable, "name") == _ALLUXIO_IMAGE_ENV:
                    return text(variable, "value")
    return ""


def release(helm: Helm, kubeconfig: Path) -> HelmRelease:
    """Fluid's helm release on the cluster of a kubeconfig."""
    return HelmRelease(helm, RELEASE, NAMESPACE, kubeconfig)


def install(
    kube: Kube,
    *,
    helm: Helm,
    chart: Path,
    chart_values: Mapping[str, Any],
    kubeconfig: Path,
    folder: Path,
    progress: Progress,
    replace_unfinished: bool = False,
    slowness: float = 1.0,
) -> FluidState:
    """Install Fluid's chart and wait until all its controllers are ready.

    Args:
        kube: the cluster.
        helm: program.
        chart: folder of Fluid's chart.
        chart_values: the values to set.
        kubeconfig: reaches the cluster.
        folder: where the values are kept.
        progress: shows the stage.
        replace_unfinished: remove an installation that a killed run left unfinished.
        slowness: of the machine, see `clusters.host.speed`.

    Raises:
        InfrastructureError: helm failed, or Fluid did not become ready.
    """
    with progress.stage("install Fluid") as stage:
        # Before helm, which keeps what others have added to a workload.
        for name in mounted_files.remove(kube, NAMESPACE):
            stage.says(f"{name} had a mutant of a run that was killed")
        folder.mkdir(parents=True, exist_ok=True)
        if changed := fluid_crds.upgrade(kube, chart):
            stage.says(f"CRDs upgraded: {', '.join(changed)}")
        file = folder / "fluid-values.yaml"
        file.write_text(yaml.safe_dump(dict(chart_values), sort_keys=False))
        fluid = release(helm, kubeconfig)
        try:
            fluid.install(chart, file)
        except CommandError as error:
            if not replace_unfinished or UNFINISHED not in error.last_seen:
                raise
            stage.says("removing an unfinished installation")
            fluid.uninstall(wait=True)
            fluid.install(chart, file)
        return wait_ready(kube, stage, slowness)


def wait_ready(kube: Kube, stage: RunningStage, slowness: float = 1.0) -> FluidState:
    """Wait until Fluid is ready for a Dataset; limits of a machine of that ``slowness``."""
    with kube.changes(kinds.DEPLOYMENT, NAMESPACE) as changes:
        return wait(
            lambda: state(kube),
            lambda seen: seen.ready,
            subject="Fluid",
            condition="readiness of controllers and CSI plugin",
            timeout=READY_SECONDS * slowness,
            changes=changes,
            on_change=lambda text, _: stage.says(text),
            failure_class=FailureClass.INFRASTRUCTURE,
            advice="see the Pods of fluid-system in the bundle",
        )
