"""Commit and state of a local checkout, and its images."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clusters.fluid_source import FluidSource
from clusters.host.commands import SystemCommands
from clusters.images.offline import artifacts, definitions
from clusters.images.offline.checkout import source_facts
from clusters.pins import versions
from tests.clusters.fakes import FakeCommands


@pytest.fixture
def source(tmp_path: Path) -> FluidSource:
    """A checkout of Fluid 1.1 that git does not know."""
    folder = tmp_path / "fluid"
    (folder / "charts/fluid/fluid").mkdir(parents=True)
    (folder / "charts/fluid/fluid/Chart.yaml").write_text("appVersion: 1.1.0\n")
    (folder / "go.mod").write_text("module github.com/fluid-cloudnative/fluid\n")
    return FluidSource.of(folder)


def test_commit_and_changes(source: FluidSource) -> None:
    """A committed checkout is not changed; a new line in a file changes it."""
    assert str(source_facts(source, SystemCommands())) == f"no commit, digest {source.digest}"
    git = ["git", "-C", str(source.folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    facts = source_facts(source, SystemCommands())
    assert len(facts.commit) == 40
    assert not facts.changed
    with (source.folder / "go.mod").open("a") as file:
        file.write("go 1.24.12\n")
    changed = source_facts(FluidSource.of(source.folder), SystemCommands())
    assert (changed.commit, changed.changed) == (facts.commit, True)
    assert changed.digest != facts.digest
    assert str(changed) == f"commit {facts.commit[:12]}, changed, digest {changed.digest}"


def test_machine_without_git_has_no_commit(source: FluidSource) -> None:
    """The digest says what was built."""
    commands = FakeCommands()
    commands.on("git", exit_code=127)
    assert source_facts(source, commands).commit == ""


def test_images_are_named_by_their_content(source: FluidSource) -> None:
    """The nodes of a warm cluster have other images under other names."""
    images = definitions.fluid(versions(fluid=source.version), source)
    assert images["dataset-controller"].name == f"fluidcloudnative/dataset-controller:{source.tag}"
    # Fluid 1.1 starts one more controller.
    assert images["cacheruntime-controller"].name.endswith(source.tag)
    assert artifacts.fluid("1.1.0", source).key != artifacts.fluid("1.1.0").key
