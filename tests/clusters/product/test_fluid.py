"""Installation of Fluid's chart, and the state of an installed Fluid."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clusters.host.commands import CommandError, Completed
from clusters.kubernetes.client import Kube
from clusters.product import fluid, mounted_files
from clusters.product.fluid import FluidState
from clusters.product.helm import HELM_SECONDS, Helm
from clusters.progress import Progress
from tests.clusters.fakes import FakeCommands, Ran

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

DEPLOYMENTS = f"/apis/apps/v1/namespaces/{fluid.NAMESPACE}/deployments"
PLUGIN = f"/apis/apps/v1/namespaces/{fluid.NAMESPACE}/daemonsets/{fluid.CSI_DAEMON_SET}"
DATASETS = "/apis/data.fluid.io/v1alpha1/datasets"
READY = FluidState(
    controllers={"dataset-controller": 1, "alluxioruntime-controller": 1},
    desired={"dataset-controller": 1, "alluxioruntime-controller": 1},
    csi_desired=2,
    csi_ready=2,
    version="v1.0.8",
)


def changed(**changes: Any) -> FluidState:
    """A ready Fluid, but for this."""
    fields = {
        name: getattr(READY, name)
        for name in ("controllers", "desired", "csi_desired", "csi_ready", "version")
    }
    return FluidState(**(fields | changes))


@pytest.mark.parametrize(
    "state",
    [
        changed(controllers={"dataset-controller": 1}),
        changed(controllers={"dataset-controller": 1, "alluxioruntime-controller": 0}),
        changed(desired={**READY.desired, "fluid-webhook": 1}),
        changed(csi_ready=1),
        changed(csi_desired=0, csi_ready=0),
        FluidState({}, {}, 0, 0, ""),
    ],
)
def test_a_fluid_that_lacks_something_is_not_ready(state: FluidState) -> None:
    """A controller, a replica, or the plugin on a node; and no Fluid is not ready either."""
    assert READY.ready
    assert not state.ready


def test_a_state_reads_as_a_line() -> None:
    """For logs and for the error of a wait."""
    assert str(READY) == ("alluxioruntime-controller 1/1, dataset-controller 1/1, CSI plugin on 2/2 nodes")


def test_what_is_there_is_read_from_the_api(api: FakeApi, kube: Kube) -> None:
    """Requested and ready replicas, the plugin by node, and the version from the controller's image."""
    deployment = {
        "metadata": {"name": "dataset-controller"},
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [{"image": "fluidcloudnative/dataset-controller:v1.0.8"}]}},
        },
        "status": {"readyReplicas": 1},
    }
    idle = {"metadata": {"name": "jindoruntime-controller"}, "spec": {"replicas": 0}}
    api.answer("GET", DEPLOYMENTS, {"items": [deployment, idle]})
    api.answer("GET", PLUGIN, {"status": {"desiredNumberScheduled": 3, "numberReady": 2}})
    found = fluid.state(kube)
    assert found.desired == {"dataset-controller": 1}
    assert (found.csi_desired, found.csi_ready, found.version) == (3, 2, "v1.0.8")
    assert not found.ready


def test_an_empty_cluster_has_no_fluid(api: FakeApi, kube: Kube) -> None:
    """Its state is empty rather than an error, and Datasets are unknown to it."""
    api.answer("GET", DEPLOYMENTS, {"items": []})
    assert fluid.state(kube) == FluidState({}, {}, 0, 0, "")
    api.answer("GET", DATASETS, api.text("404 page not found", 404))
    assert not fluid.installed(kube)
    api.answer("GET", DATASETS, {"items": []})
    assert fluid.installed(kube)


@pytest.fixture
def helm(monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """A helm that does nothing, and a Fluid that is ready at once."""
    monkeypatch.setattr(fluid, "wait_ready", lambda kube, stage, slowness: READY)
    monkeypatch.setattr(mounted_files, "remove", lambda kube, namespace: ())
    return FakeCommands()


def install(helm: FakeCommands, kube: Kube, folder: Path, **more: Any) -> FluidState:
    """Install a chart."""
    return fluid.install(
        kube,
        helm=Helm(Path("/bin/helm"), helm),
        chart=Path("/charts/fluid"),
        chart_values={"a": 1},
        kubeconfig=Path("/kubeconfig"),
        folder=folder / "state",
        progress=Progress(io.StringIO()),
        **more,
    )


def test_the_chart_is_installed_or_upgraded(helm: FakeCommands, kube: Kube, tmp_path: Path) -> None:
    """In its namespace, with values that stay to be read, within a time limit."""
    assert install(helm, kube, tmp_path) is READY
    (ran,) = helm.ran
    assert ran.argv[:5] == ("helm", "upgrade", "--install", "fluid", "/charts/fluid")
    assert ran.argv[ran.argv.index("--kubeconfig") + 1] == "/kubeconfig"
    assert ran.argv[ran.argv.index("--namespace") + 1] == "fluid-system"
    assert yaml.safe_load((tmp_path / "state" / "fluid-values.yaml").read_text()) == {"a": 1}
    assert "--no-hooks" in ran.argv
    assert ran.timeout == HELM_SECONDS


BUSY = "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"


def busy_once(helm: FakeCommands) -> None:
    """A release that a killed run left, until it is removed."""

    def upgrade(ran: Ran) -> Completed:
        done = bool(helm.asked("helm", "uninstall"))
        return Completed(ran.argv, 0 if done else 1, "", "" if done else BUSY)

    helm.on("helm", "upgrade", does=upgrade)


def test_an_installation_that_was_killed_is_repeated(helm: FakeCommands, kube: Kube, tmp_path: Path) -> None:
    """Otherwise no later run could install on that cluster."""
    busy_once(helm)
    assert install(helm, kube, tmp_path, replace_unfinished=True) is READY
    assert [ran.argv[1] for ran in helm.ran] == ["upgrade", "uninstall", "upgrade"]


def test_without_leave_an_unfinished_installation_stays(
    helm: FakeCommands, kube: Kube, tmp_path: Path
) -> None:
    """On an existing cluster it may belong to the owner of the cluster."""
    busy_once(helm)
    with pytest.raises(CommandError, match="exit code 1"):
        install(helm, kube, tmp_path)
    assert helm.asked("helm", "uninstall") == []


def test_other_failures_of_helm_are_raised(helm: FakeCommands, kube: Kube, tmp_path: Path) -> None:
    """Nothing is removed for them."""
    helm.on("helm", "upgrade", exit_code=1, stderr="Error: chart not found")
    with pytest.raises(CommandError) as caught:
        install(helm, kube, tmp_path, replace_unfinished=True)
    assert "chart not found" in caught.value.last_seen
    assert helm.asked("helm", "uninstall") == []
