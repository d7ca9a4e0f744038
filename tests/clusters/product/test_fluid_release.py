"""Fluid's helm release: changed, removed, brought back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.images.offline import artifacts
from clusters.images.offline.artifact_cache import ArtifactCache
from clusters.images.offline.tools import Tools
from clusters.options import Options
from clusters.product import fluid
from clusters.product.fluid_release import FluidRelease, chart_of
from clusters.progress import Progress
from tests.clusters.fakes import HOST, FakeCommands


@pytest.fixture
def commands() -> FakeCommands:
    """A helm that succeeds."""
    return FakeCommands()


@pytest.fixture
def release(commands: FakeCommands) -> FluidRelease:
    """The release of a cluster."""
    return FluidRelease(Path("/bin/helm"), Path("/kubeconfig"), commands)


def history(commands: FakeCommands, *statuses: str) -> None:
    """Revisions with these states, from the first on."""
    told = [{"revision": number, "status": status} for number, status in enumerate(statuses, start=1)]
    commands.on("helm", "history", stdout=json.dumps(told))


def test_the_deployed_revision_is_told(release: FluidRelease, commands: FakeCommands) -> None:
    """Not the latest, which may have failed."""
    history(commands, "superseded", "deployed", "failed")
    assert release.revision() == 2


def test_a_release_that_is_not_deployed_is_refused(release: FluidRelease, commands: FakeCommands) -> None:
    """Nothing could be brought back afterwards, so nothing is removed either."""
    history(commands, "superseded", "uninstalled")
    with pytest.raises(InfrastructureError, match="not deployed"):
        release.revision()


def test_values_are_changed_on_top_of_those_there(release: FluidRelease, commands: FakeCommands) -> None:
    """Images and all else stay, and no hook asks for an image that is not there."""
    release.change(Path("/chart"), {"csi.recoverWarningThreshold": "51"})
    (ran,) = commands.asked("helm", "upgrade")
    assert ran.argv[:4] == ("helm", "upgrade", fluid.RELEASE, "/chart")
    assert {"--reuse-values", "--no-hooks", "--set=csi.recoverWarningThreshold=51"} <= set(ran.argv)
    assert ran.argv[ran.argv.index("--namespace") + 1] == fluid.NAMESPACE
    assert ran.argv[ran.argv.index("--kubeconfig") + 1] == "/kubeconfig"
    assert ran.timeout == fluid.HELM_SECONDS


def test_what_is_uninstalled_can_be_brought_back(release: FluidRelease, commands: FakeCommands) -> None:
    """Its history is kept, and the revision is named."""
    release.uninstall()
    release.restore(4)
    removed, restored = commands.ran
    assert "--keep-history" in removed.argv
    assert restored.argv[1:4] == ("rollback", fluid.RELEASE, "4")


def test_the_chart_of_a_build_is_taken_as_it_lies(commands: FakeCommands, tmp_path: Path) -> None:
    """Nothing is fetched for it."""
    tools = Tools(Options(), HOST, ArtifactCache(tmp_path, commands, Progress()))
    built = tools.cache.path(artifacts.fluid(tools.options.versions.fluid))
    built.mkdir(parents=True)
    assert chart_of(tools, Path("/bin/helm")) == built / "charts" / "fluid" / "fluid"
    assert commands.ran == []
