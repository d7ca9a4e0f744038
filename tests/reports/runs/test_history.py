"""Many runs on one page."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from reports.__main__ import main
from reports.runs.history import Runs, group, read, render_history
from reports.verdict.model import Verdict
from suites.benchmark.model import results
from suites.benchmark.model.results import Benchmark
from tests.reports.measurements import BEGAN, ENVIRONMENT, FLUID_FRESH
from tests.reports.performance.test_compare import BASE, few
from tests.reports.verdict.test_page import Reader


def runs(*fresh: float) -> list[Benchmark]:
    """One run a day, with the given MiB/s of Fluid's fresh client."""
    return [
        BASE.model_copy(
            update={
                "id": f"run-{day}",
                "started": BEGAN + timedelta(days=day),
                "series": (few({FLUID_FRESH: (speed, 0.03)}, seed=day + 1),),
            }
        )
        for day, speed in enumerate(fresh)
    ]


def keep(folder: Path, several: list[Benchmark]) -> None:
    """Write runs as the harness leaves them."""
    for one in several:
        (folder / one.id).mkdir()
        (folder / one.id / results.FILE).write_text(one.to_json())


def test_change_is_marked_where_it_happened(tmp_path: Path) -> None:
    """A run that got slower is marked in its plot and in the table; those before and after are not."""
    keep(tmp_path, runs(540, 540, 400, 400))
    found = read(tmp_path)
    (one,) = found.groups
    assert [step.since_last.status if step.since_last else None for step in one.steps] == [None, 0, 1, 0]
    assert [step.since_first.status if step.since_first else None for step in one.steps] == [None, 0, 1, 1]
    html = render_history(found, "out")
    marked = re.findall(r'class="point"><title>([^<]*)', html)
    assert len(marked) == 1
    assert marked[0].startswith("run-2: ")
    assert "slower than in the run before" in marked[0]
    page = Reader(html)
    assert page.says("Read performance over 4 runs")
    assert page.says("no regression shown")


def test_is_self_contained(tmp_path: Path) -> None:
    """The page loads and runs nothing, and its ids are there once."""
    keep(tmp_path, runs(540, 560))
    assert main(["history", str(tmp_path)]) == 0
    html = (tmp_path / "history.html").read_text()
    page = Reader(html)
    assert page.loads == []
    assert "<script" not in html
    assert len(page.ids) == len(set(page.ids))
    assert main(["history", str(tmp_path), "--to", str(tmp_path / "deep" / "page.html")]) == 0
    assert (tmp_path / "deep" / "page.html").read_text() == html


def test_other_clients_are_separate() -> None:
    """Runs of another NFS client form a group of their own, whatever their order in time."""
    several = runs(540, 540, 540)
    kernel = ENVIRONMENT.model_copy(update={"nfs": ENVIRONMENT.nfs.model_copy(update={"client": "kernel"})})
    several[1] = several[1].model_copy(update={"environment": kernel})
    groups = group(several)
    assert [[step.run.id for step in one.steps] for one in groups] == [["run-0", "run-2"], ["run-1"]]


def test_order_is_that_of_time() -> None:
    """Runs are shown by their start, not by the order in which they were found."""
    (one,) = group(list(reversed(runs(540, 540, 540))))
    assert [step.run.id for step in one.steps] == ["run-0", "run-1", "run-2"]


def test_what_is_in_a_folder(tmp_path: Path, sample: Verdict) -> None:
    """Links are not counted twice, runs without measurements are skipped, broken ones are reported."""
    keep(tmp_path, runs(540))
    (tmp_path / "latest").symlink_to("run-0")
    for name, text in (("tested", sample.to_json()), ("broken", "{")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.json").write_text(text)
    both = tmp_path / "both"
    both.mkdir()
    later = runs(540, 540)[1]
    verdict = sample.model_copy(update={"benchmark": later.as_part()})
    (both / "verdict.json").write_text(verdict.to_json())
    found = read(tmp_path)
    assert [step.run.id for one in found.groups for step in one.steps] == ["run-0", "run-1"]
    (unread,) = found.unread
    assert "broken" in unread
    assert Reader(render_history(found, "out")).says("Left out")


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without measurements, and one that is not there, are refused."""
    with pytest.raises(RefusalError, match="holds measurements"):
        read(tmp_path)
    assert main(["history", str(tmp_path / "none")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_series_that_are_not_in_all_runs(tmp_path: Path) -> None:
    """A series that only some runs have is plotted over those; an arm that was never valid has no plot."""
    several = runs(540, 540)
    extra = few(seed=9).model_copy(update={"name": "extra"})
    several[1] = several[1].model_copy(update={"series": (*several[1].series, extra)})
    keep(tmp_path, several)
    assert Reader(render_history(read(tmp_path), "out")).says("extra")


def test_runs_of_one_day_are_distinguished_by_their_time() -> None:
    """Below a plot are days, or times if all runs are of one day."""
    one, other = runs(500, 510)
    same = other.model_copy(update={"started": one.started + timedelta(hours=2)})
    assert "17:37" in render_history(Runs(group([one, same])), "out")
    assert "23 Nov<" in render_history(Runs(group([one, other])), "out")
