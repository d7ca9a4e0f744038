"""Options of a run, and what holds for runs of users but not for the tests of the harness."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_warnings_are_errors_in_the_tests_of_the_harness_alone() -> None:
    """A user's kubeconfig without verification warns at each request, which must not fail a scenario."""
    settings = tomllib.loads(PYPROJECT.read_text())["tool"]["pytest"]["ini_options"]
    assert all(line.startswith("ignore") for line in settings["filterwarnings"])
    with pytest.raises(UserWarning, match="look out"):
        warnings.warn("look out", stacklevel=1)


@pytest.mark.parametrize("level", ["full", "sabotage", "mutants"])
def test_fixtures_of_the_suites_fit_together(level: str, tmp_path: Path) -> None:
    """In the repository pytest finds the options of the harness, and can plan the set-up of each level."""
    words = (
        "suites",
        "--setup-plan",
        "-q",
        "--level",
        level,
        "--out",
        str(tmp_path),
        "-p",
        "no:cacheprovider",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=PYPROJECT.parent,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "ScopeMismatch" not in done.stdout
    assert "SETUP    S system" in done.stdout, done.stdout + done.stderr
