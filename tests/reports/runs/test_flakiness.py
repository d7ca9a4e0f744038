"""Many runs of the same suite: which scenarios always end in the same way, and which do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import RefusalError
from reports import __main__ as command
from reports.runs import flakiness
from reports.runs.flakiness import Repeats
from reports.verdict.model import AttemptResult, Failure, Host, ScenarioResult, Verdict

Make = Callable[..., ScenarioResult]


@pytest.fixture
def run(sample: Verdict, make: Make) -> Callable[..., Verdict]:
    """Creates a run with scenarios, by their outcomes, so many hours after the first."""

    def made(hour: int, *scenarios: ScenarioResult, fluid: str = "v1.0.8", **facts: Any) -> Verdict:
        assert sample.system is not None
        run_fields = {
            "id": f"run-{hour}",
            "started": sample.run.started + timedelta(hours=hour),
            "host": Host(name="vm1", kernel="6.1.0", cpus=2, cpu_model="any", memory=24 * 1024**3),
            "harness": "0123456789ab",
        }
        return sample.model_copy(
            update={
                "run": sample.run.model_copy(update=run_fields | facts),
                "system": sample.system.model_copy(update={"fluid": fluid}),
                "scenarios": scenarios,
            }
        )

    return made


def test_scenarios_that_always_pass_do_not_differ(run: Callable[..., Verdict], make: Make) -> None:
    """Each is counted over all runs, and the exit code is 0."""
    found = flakiness.gather(run(hour, make("A1"), make("B1")) for hour in range(10))
    assert [(row.scenario, row.count("pass"), row.differs) for row in found.repeated] == [
        ("A1", 10, False),
        ("B1", 10, False),
    ]
    text = flakiness.render(found)
    assert found.status == 0
    assert "ALWAYS THE SAME: 2 scenarios" in text
    assert "vm1: 2 CPUs (any), 24 GiB, Linux 6.1.0" in text
    assert "10 runs of Fluid v1.0.8" in text


@pytest.mark.parametrize("outcome", ["fail", "known-defect", "skipped"])
def test_a_scenario_that_ended_otherwise_once_differs(
    run: Callable[..., Verdict], make: Make, outcome: str
) -> None:
    """It is named with the run, and why; the others do not suffer from it."""
    runs = [run(hour, make("A1"), make("B1")) for hour in range(3)]
    found = flakiness.gather([*runs, run(3, make("A1"), make("B1", outcome, reason="it broke"))])
    assert [row.scenario for row in found.differing] == ["B1"]
    assert found.status == 1
    text = flakiness.render(found)
    assert "pass in 3 of 4" in text
    assert f"{outcome} in run-3: " in text
    assert "it broke" in text
    assert "DIFFERENT: 1 of 2 scenarios" in text


def test_a_scenario_that_always_fails_does_not_differ(run: Callable[..., Verdict], make: Make) -> None:
    """Whether it should is the verdict's business."""
    assert flakiness.gather(run(hour, make("B1", "fail")) for hour in range(2)).status == 0


def test_each_attempt_counts(run: Callable[..., Verdict], make: Make) -> None:
    """A second attempt that passes does not hide the first."""
    broke = Failure.model_validate({"class": "product", "reason": "it broke", "phase": "call"})
    attempts = (
        AttemptResult(outcome="fail", failures=(broke,), at=1.0),
        AttemptResult(outcome="pass", at=2.0),
    )
    (row,) = flakiness.gather([run(0, make("A1", attempts=attempts))]).differing
    assert [(end.outcome, end.why) for end in row.ends] == [("fail", "Fluid's fault: it broke"), ("pass", "")]


def test_what_did_not_end_is_no_outcome(run: Callable[..., Verdict], make: Make) -> None:
    """A run that was stopped says nothing of the scenarios that it did not start."""
    stopped = make("A1", "skipped", reason="stopped by Ctrl-C after 3 s")
    late = make("B1", "skipped", reason="not run", attempts=())
    found = flakiness.gather([run(0, make("A1"), make("B1")), run(1, stopped, late)])
    assert [(row.count("pass"), row.not_run) for group in found.groups for row in group.rows] == [
        (1, 1),
        (1, 1),
    ]
    assert found.status == 2
    assert "NOTHING TO COMPARE" in flakiness.render(found)


def test_runs_of_other_systems_are_not_compared(run: Callable[..., Verdict], make: Make) -> None:
    """What holds for one version need not for another."""
    one, other = run(0, make("B1")), run(1, make("B1", "fail"), fluid="v0.9.3")
    found = flakiness.gather([other, one])
    assert [group.system.fluid for group in found.groups] == ["v1.0.8", "v0.9.3"]
    assert found.status == 2
    assert flakiness.gather([other, one, run(2, make("B1", "fail"))]).status == 1


def test_a_run_without_a_system_is_reported_and_not_counted(run: Callable[..., Verdict], make: Make) -> None:
    """It never came to the point of judging Fluid."""
    broken = run(1, make("A1", "fail")).model_copy(
        update={"system": None, "reasons": ("infrastructure: the disk is full\nfree some",)}
    )
    found = flakiness.gather([run(0, make("A1")), broken])
    assert found.left_out == ("run-1 ended before its system was known: infrastructure: the disk is full",)
    assert found.status == 2


def test_a_run_without_scenarios_is_none(run: Callable[..., Verdict]) -> None:
    """Sabotage alone has no scenario of its own."""
    assert flakiness.gather([run(0)]) == Repeats(())


def test_old_runs_are_read_too(run: Callable[..., Verdict], make: Make, tmp_path: Path) -> None:
    """A verdict.json with neither host nor harness is of schema 1 as well."""
    saved = json.loads(run(0, make("A1")).to_json())
    del saved["run"]["host"], saved["run"]["harness"]
    (tmp_path / "verdict.json").write_text(json.dumps(saved))
    found = flakiness.read([tmp_path])
    assert found.groups[0].runs[0].run.host is None
    assert "not known" in flakiness.render(found)


def test_the_command_reads_folders_runs_and_files_once(
    run: Callable[..., Verdict], make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of runs, a run in it, its file and the link to it are one run each."""
    for hour in (0, 1):
        folder = tmp_path / "out" / f"run-{hour}"
        folder.mkdir(parents=True)
        (folder / "verdict.json").write_text(run(hour, make("A1")).to_json())
    (tmp_path / "out" / "latest").symlink_to("run-1")
    (tmp_path / "out" / "junk").mkdir()
    (tmp_path / "out" / "junk" / "verdict.json").write_text("{}")
    places = ["out", "out/run-0", "out/latest", "out/run-1/verdict.json"]
    assert command.main(["repeats", *(str(tmp_path / place) for place in places)]) == 0
    output = capsys.readouterr().out
    assert "in 2 runs" in output
    assert "not counted: " in output
    assert "is not a verdict of schema 1" in output


def test_places_without_runs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, and exit code 2."""
    for place in (tmp_path, tmp_path / "none"):
        assert command.main(["repeats", str(place)]) == 2
    with pytest.raises(RefusalError, match="there is no run in"):
        flakiness.read([tmp_path])
    assert "cannot read" in capsys.readouterr().err
