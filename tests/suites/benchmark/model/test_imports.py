"""Reading results loads neither numpy nor scipy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from suites.benchmark.model import results
from tests.reports.measurements import benchmark

ROOT = Path(__file__).parents[4]

LOADED = "import sys; print(sorted(sys.modules.keys() & {'numpy', 'scipy'}), file=sys.stderr)"


def loaded(code: str) -> str:
    """The numeric libraries that a new interpreter has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LOADED}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("module", ["model.results", "run.plugin", "run.profile", "run.test_throughput"])
def test_import_is_light(module: str) -> None:
    """The schema, and all that a run without measurements imports."""
    assert loaded(f"import suites.benchmark.{module}") == "[]"


def test_results_are_read_without_numpy(tmp_path: Path) -> None:
    """Parsing a whole document needs no numeric library."""
    results.save(tmp_path, benchmark())
    code = f"from suites.benchmark.model import results\nresults.load({str(tmp_path / results.FILE)!r})"
    code = code.replace("results.load(", "from pathlib import Path\nresults.load(Path(") + ")"
    assert loaded(code) == "[]"
