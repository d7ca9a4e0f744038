"""Results by versions, and what was never run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version

from clusters.pins import pins
from reports.__main__ import main
from reports.runs.matrix import Combination, gather, render
from reports.verdict.model import ScenarioResult, Verdict
from suites.catalogue.discovery import declared

Make = Callable[..., ScenarioResult]
HERE = Combination("1.0.8", "1.34.0", "2.9.0")


def run_of(
    sample: Verdict,
    *rows: ScenarioResult,
    level: str = "smoke",
    later: int = 0,
    word: str = "pass",
    **versions: str,
) -> Verdict:
    """A finished run of these rows."""
    system, options = sample.system, {"level": level} if level else {}
    assert system is not None
    found = {"fluid": "v1.0.8-6533239", "kubernetes": "1.34.0", "alluxio": "2.9.0"} | versions
    run = sample.run.model_copy(
        update={
            "id": f"run-{later}",
            "started": sample.run.started + timedelta(hours=later),
            "options": options,
            "finished": True,
        }
    )
    update = {"system": system.model_copy(update=found), "run": run, "scenarios": rows, "verdict": word}
    return sample.model_copy(update=update)


def test_last_whole_run_of_each_level_counts(sample: Verdict, make: Make) -> None:
    """A later one replaces it; a run of some rows is none."""
    runs = [
        run_of(sample, make("A1"), later=2),
        run_of(sample, make("A1", "fail"), word="fail", later=1),
        run_of(sample, make("A1"), make("A4"), level="conformance"),
    ]
    some = run_of(sample, make("E7"), level="full", later=3)
    options = some.run.options | {"scenario": "E7"}
    runs.append(some.model_copy(update={"run": some.run.model_copy(update={"options": options})}))
    cell = gather(runs, declared(), pins()).cells[HERE]
    assert [(one.level, one.run, one.verdict) for one in cell.levels] == [
        ("smoke", "run-2", "pass"),
        ("conformance", "run-0", "pass"),
    ]
    assert cell.rows == {"A1": "pass", "A4": "pass", "E7": "pass"}
    assert cell.counts == "3 pass"


def test_rows_that_never_ended_are_named(sample: Verdict, make: Make) -> None:
    """Of those that are for this version of Fluid; a skip is no end."""
    old = run_of(sample, make("A1"), make("A2", "skipped", reason="x"), fluid="v0.9.3")
    cell = gather([old], declared(), pins()).cells[Combination("0.9.3", "1.34.0", "2.9.0")]
    assert "A2" in cell.never
    assert "A24" not in cell.never  # 0.9 has no DataProcess
    assert "A1" not in cell.never


def test_combinations_that_were_never_run_are_named(sample: Verdict, make: Make) -> None:
    """Of the versions of the runs and of those that can be built; newest first."""
    matrix = gather([run_of(sample, make("A1"), kubernetes="1.35.2")], declared(), pins())
    assert matrix.fluid == ("1.0.8", "0.9.3")
    assert matrix.kubernetes[0] == "1.35.2"
    buildable = sorted(pins().kubernetes, key=Version, reverse=True)
    assert list(matrix.kubernetes[1:]) == buildable
    assert Combination("1.0.8", "1.35.2", "2.9.0") not in matrix.never
    assert HERE in matrix.never
    assert len(matrix.never) + 1 == len(matrix.fluid) * len(matrix.kubernetes) * len(matrix.alluxio)


def test_page_shows_each_of_them(sample: Verdict, make: Make) -> None:
    """Verdicts, counts, and the words “never run”."""
    page = render(gather([run_of(sample, make("A1"))], declared(), pins(), ["x cannot be read"]))
    assert "smoke: pass" in page
    assert "Not counted: x cannot be read" in page
    assert "Levels never run as a whole: conformance, full." in page
    assert "<li>Fluid 0.9.3, Kubernetes 1.34.0, Alluxio 2.9.0</li>" in page
    assert page.count("never run</span>") == len(pins().kubernetes) * len(pins().alluxio) * 2 - 1


def test_run_without_a_system_is_left_out(sample: Verdict) -> None:
    """With its reason."""
    matrix = gather([sample.model_copy(update={"system": None})], declared(), pins())
    assert matrix.cells == {}
    assert "ended before its system was known" in matrix.left_out[0]


def test_command_writes_the_page(
    sample: Verdict, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the first folder, or where it is asked for."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "verdict.json").write_text(run_of(sample, make("A1")).to_json())
    assert main(["matrix", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"matrix: {tmp_path / 'matrix.html'}\n"
    assert main(["matrix", str(tmp_path), "--to", str(tmp_path / "m.html")]) == 0
    assert (tmp_path / "m.html").read_text() == (tmp_path / "matrix.html").read_text()
