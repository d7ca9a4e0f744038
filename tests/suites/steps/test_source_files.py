"""The files at the source: repaired when a run begins, and after a scenario that wrote there."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from clusters.errors import InfrastructureError, ProductFailureError
from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.product.nfs import NfsServer
from clusters.system import System
from suites.record.evidence import Evidence
from suites.steps import source_files
from suites.steps.user import User
from tests.clusters.conftest import FakeClock
from workloads.data import one_file

FILES = one_file("data", 10)


@dataclass
class Server:
    """An NFS server whose programs run here.

    Attributes:
        removes: whether it can delete files.
        clock: whose time passes only in waits.
    """

    removes: bool = True
    clock: FakeClock = field(default_factory=FakeClock)

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a program in the server's Pod."""
        assert (namespace, pod, container) == ("fluid-conformance", "nfs-server", "ganesha")
        if argv[0] == "rm" and not self.removes:
            return Completed(tuple(argv), 0, "", "")
        done = subprocess.run(list(argv), input=stdin, capture_output=True, check=False, timeout=timeout)
        return Completed(tuple(argv), done.returncode, done.stdout.decode(), done.stderr.decode())


def a_system(*, removes: bool = True) -> System:
    """A system with such a server."""
    server = Server(removes)
    export = NfsServer(cast("Kube", server), "10.0.0.9", "n1", "nfs:1")
    return cast("System", SimpleNamespace(kube=server, nfs=export))


def test_files_are_created_once(tmp_path: Path) -> None:
    """A new export has nothing to repair, and neither has one that is as it should be."""
    for _ in range(2):
        assert not source_files.ensure(a_system(), FILES, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_what_an_earlier_run_left_is_repaired_and_named(tmp_path: Path) -> None:
    """An additional file is removed, one with other contents of the same size is written again."""
    system = a_system()
    source_files.ensure(system, FILES, str(tmp_path))
    right = (tmp_path / "data.bin").read_bytes()
    (tmp_path / "data.bin").write_bytes(b"x" * len(right))
    (tmp_path / "written-by-a13").write_text("left behind")
    repaired = source_files.ensure(system, FILES, str(tmp_path))
    assert (repaired.changed, repaired.unexpected) == (("data.bin",), ("written-by-a13",))
    assert (tmp_path / "data.bin").read_bytes() == right
    assert not (tmp_path / "written-by-a13").exists()


def test_an_export_that_cannot_be_repaired_is_refused_as_infrastructure(tmp_path: Path) -> None:
    """The file is named, and no scenario runs on it."""
    (tmp_path / "written-by-a13").write_text("left behind")
    with pytest.raises(InfrastructureError, match="could not be repaired: unexpected: written-by-a13"):
        source_files.ensure(a_system(removes=False), FILES, str(tmp_path))


def test_a_scenario_undoes_what_it_wrote_also_when_it_fails(tmp_path: Path) -> None:
    """The source is as before for the next scenario, and the evidence says what was undone."""
    user = User(a_system(), Evidence(silent=True), "fc-1", folder=str(tmp_path), files=FILES)
    source_files.ensure(user.system, FILES, user.folder)

    def scenario() -> None:
        with source_files.restored(user):
            (tmp_path / "written-by-a13").write_text("through Fluid")
            pytest.fail("a write was not refused")

    with pytest.raises(pytest.fail.Exception):
        scenario()
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]
    assert "written-by-a13" in user.evidence.facts[-1].says


class LateWrite(FakeClock):
    """A clock at whose third wait a file is written, as Alluxio persists a write later."""

    def __init__(self, file: Path) -> None:
        """The file does not exist yet."""
        super().__init__()
        self.file = file

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        super().sleep(seconds)
        if len(self.slept) == 3:
            self.file.write_text("through Fluid")


def test_what_is_written_later_is_undone_after_a_scenario_that_failed(tmp_path: Path) -> None:
    """The source must stay clean for a while, and the scenario's own failure is reported."""
    system = a_system()
    clock = LateWrite(tmp_path / "written-by-a13")
    cast("Server", system.kube).clock = clock
    user = User(system, Evidence(silent=True), "fc-1", folder=str(tmp_path), files=FILES)
    source_files.ensure(system, FILES, user.folder)
    with pytest.raises(ProductFailureError, match="not refused"), source_files.restored(user):
        raise ProductFailureError("a write was not refused")
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]
    assert "written-by-a13" in user.evidence.facts[-1].says
    assert sum(clock.slept) > source_files.QUIET_SECONDS


def test_scenario_that_wrote_nothing_waits_for_nothing(tmp_path: Path) -> None:
    """One look is enough where nothing was written."""
    system = a_system()
    user = User(system, Evidence(silent=True), "fc-1", folder=str(tmp_path), files=FILES)
    source_files.ensure(system, FILES, user.folder)
    with source_files.restored(user):
        pass
    assert cast("Server", system.kube).clock.slept == []


def test_failure_to_undo_hides_no_failure_of_the_scenario(tmp_path: Path) -> None:
    """What cannot be undone is stated, and the product stays to blame."""
    user = User(a_system(removes=False), Evidence(silent=True), "fc-1", folder=str(tmp_path), files=FILES)
    source_files.ensure(user.system, FILES, user.folder)

    def scenario() -> None:
        with source_files.restored(user):
            (tmp_path / "written-by-a13").write_text("through Fluid")
            raise ProductFailureError("a write was not refused")

    with pytest.raises(ProductFailureError, match="not refused"):
        scenario()
    assert "is not undone" in user.evidence.facts[-1].says
