"""Proof that the changed program runs: the script finds real processes, and Pods are judged by digests."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from suites.mutants import running
from suites.mutants.building import Built
from suites.mutants.model import Program

UID = "3f0e5a52-7a0b-4c0e-9a53-1f2f3a4b5c6d"
OTHER = "00000000-7a0b-4c0e-9a53-1f2f3a4b5c6d"
RIGHT, WRONG = "a" * 64, "b" * 64
FILE = "/usr/local/bin/dataset-controller"


def pod(name: str, uid: str, node: str = "node-1") -> dict[str, Any]:
    """A Pod on a node."""
    return {"metadata": {"name": name, "uid": uid}, "spec": {"nodeName": node}}


def built(tmp_path: Path) -> Built:
    """A changed program whose digest is known."""
    return Built(Program.DATASET_CONTROLLER, {FILE: tmp_path / "program"}, digests={FILE: RIGHT})


def answering(text: str, exit_code: int = 0) -> running.OnNode:
    """Every node says this."""

    def on_node(node: str, argv: Sequence[str]) -> Completed:
        assert node
        assert argv[-1] == FILE
        return Completed(tuple(argv), exit_code, text, "no such shell")

    return on_node


def test_a_pod_whose_process_executes_the_changed_file_is_proof(tmp_path: Path) -> None:
    """The Pod is recognised by its UID, which systemd writes with other separators."""
    text = f"12 {UID.replace('-', '_')} {RIGHT} {FILE}\n"
    found = running.running(answering(text), [pod("right", UID)], built(tmp_path))
    assert found.others == ()
    assert found.proofs == (f"process 12 of Pod right on node node-1 has {'a' * 12} ({FILE})",)


@pytest.mark.parametrize("text", ["", f"12 {UID} {WRONG} {FILE}\n", f"12 {OTHER} {RIGHT} {FILE}\n"])
def test_a_pod_with_another_program_or_none_is_no_proof(tmp_path: Path, text: str) -> None:
    """No process, one of the intact image, or one of another Pod."""
    found = running.running(answering(text), [pod("wrong", UID)], built(tmp_path))
    assert found.proofs == ()
    assert found.others == ("wrong",)


def test_without_pods_there_is_no_proof(tmp_path: Path) -> None:
    """A workload at 0 replicas never ran the change."""
    assert running.running(answering(""), [], built(tmp_path)) == running.Running((), ())


def test_a_node_that_cannot_be_seen_is_an_error(tmp_path: Path) -> None:
    """It is not taken for a Pod that runs something else."""
    with pytest.raises(InfrastructureError, match="cannot see what dataset-controller runs on node-1"):
        running.running(answering("", 127), [pod("right", UID)], built(tmp_path))


def test_the_script_finds_the_digest_of_what_a_process_executes(tmp_path: Path) -> None:
    """Run here, for a process of this machine; the cgroup of a test is no Pod's, so the UID is empty."""
    program = tmp_path / "changed-program"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    chart = tmp_path / "chart.yaml"
    chart.write_text("kind: StatefulSet\n")
    with subprocess.Popen([program, "60"]) as process:
        try:
            argv = (
                "sh",
                "-c",
                running._SCRIPT,
                "x",
                program.name,
                "/bin/changed",
                "/bin/changed",
                str(chart),
            )
            lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
        finally:
            process.kill()
    expected = {
        "/bin/changed": hashlib.sha256(program.read_bytes()).hexdigest(),
        str(chart): hashlib.sha256(chart.read_bytes()).hexdigest(),
    }
    assert {(int(line.split()[0]), line.split()[-1], line.split()[-2]) for line in lines} == {
        (process.pid, path, digest) for path, digest in expected.items()
    }
