"""The project installed as a user installs it: a wheel in an empty environment (`tox -e installation`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fluid_conformance

HOUSE = Path(fluid_conformance.__file__).parent


def test_wheel_works_without_the_repository(tmp_path: Path) -> None:
    """`pip install` into an empty environment gives working commands, with all scenarios in it."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    programs = tmp_path / "env" / "bin"
    # Built from a copy, because a build writes into its folder.
    source = tmp_path / "source"
    listing = ["git", "-C", str(HOUSE), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (HOUSE / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOUSE / name, source / name)
    subprocess.run([programs / "pip", "install", "--quiet", source], check=True)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*words: str | Path) -> str:
        done = subprocess.run(words, cwd=elsewhere, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert run(programs / "fluid-conformance", "--version").startswith("fluid-conformance 0.")
    assert "--kubeconfig" in run(programs / "fluid-conformance", "doctor", "--help")
    assert "--kubeconfig" in run(programs / "kubectl-fluid_doctor", "--help")
    found = run(programs / "fluid-conformance", "run", "--collect-only", "-q", "--level", "full")
    assert "::" in found
    assert len([line for line in found.splitlines() if "::test_" in line]) >= 88
    assert json.loads(run(programs / "fluid-conformance", "schema", "verdict"))["title"]
    planned = run(programs / "fluid-conformance", "qualify", "--from", "0.9.3", "--to", "1.0.8", "--plan")
    assert "Time left: about" in planned
    assert list(elsewhere.iterdir()) == []
