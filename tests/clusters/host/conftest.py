"""A host with a docker client."""

from __future__ import annotations

import pytest

from tests.clusters.fakes import FakeCommands, programs


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """A host with a docker client whose daemons do not answer."""
    programs(monkeypatch, "docker")
    fake = FakeCommands()
    fake.on("docker", "version", exit_code=1, stderr="Cannot connect to the Docker daemon")
    return fake
