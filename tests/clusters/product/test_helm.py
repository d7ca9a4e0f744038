"""Fluid's helm release: changed, uninstalled, restored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.product import fluid
from clusters.product.helm import HELM_SECONDS, Helm, HelmRelease
from tests.clusters.fakes import FakeCommands


@pytest.fixture
def commands() -> FakeCommands:
    """A helm that succeeds."""
    return FakeCommands()


@pytest.fixture
def release(commands: FakeCommands) -> HelmRelease:
    """The release of a cluster."""
    return fluid.release(Helm(Path("/bin/helm"), commands), Path("/kubeconfig"))


def history(commands: FakeCommands, *statuses: str) -> None:
    """Revisions with these states, from the first on."""
    revisions = [{"revision": number, "status": status} for number, status in enumerate(statuses, start=1)]
    commands.on("helm", "history", stdout=json.dumps(revisions))


def test_deployed_revision(release: HelmRelease, commands: FakeCommands) -> None:
    """It is not always the latest, which may have failed."""
    history(commands, "superseded", "deployed", "failed")
    assert release.revision() == 2


def test_release_that_is_not_deployed_is_an_error(release: HelmRelease, commands: FakeCommands) -> None:
    """It could not be restored, so it must not be uninstalled either."""
    history(commands, "superseded", "uninstalled")
    with pytest.raises(InfrastructureError, match="not deployed"):
        release.revision()


def test_other_values_stay_when_some_are_changed(release: HelmRelease, commands: FakeCommands) -> None:
    """Images and all other values stay, and no hook runs."""
    release.change(Path("/chart"), {"csi.recoverWarningThreshold": "51"})
    (ran,) = commands.asked("helm", "upgrade")
    assert ran.argv[:4] == ("helm", "upgrade", fluid.RELEASE, "/chart")
    assert {"--reuse-values", "--no-hooks", "--set=csi.recoverWarningThreshold=51"} <= set(ran.argv)
    assert ran.argv[ran.argv.index("--namespace") + 1] == fluid.NAMESPACE
    assert ran.argv[ran.argv.index("--kubeconfig") + 1] == "/kubeconfig"
    assert ran.timeout == HELM_SECONDS


def test_uninstalled_release_can_be_restored(release: HelmRelease, commands: FakeCommands) -> None:
    """Its history is kept, and the revision is given."""
    release.uninstall(keep_history=True)
    release.restore(4)
    removed, restored = commands.ran
    assert "--keep-history" in removed.argv
    assert restored.argv[1:4] == ("rollback", fluid.RELEASE, "4")
