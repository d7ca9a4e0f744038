"""The steps of a qualification: order, commands, times, and how an interrupted one continues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from reports.qualification.model import STATE, Settings, State, Step, begin
from reports.qualification.plan import Machine, describe, remaining, steps
from reports.qualification.runner import StepInterruptedError, StepRefusedError
from suites.record.run import own_digest
from tests.reports.qualification.conftest import SETTINGS, Harness

NAMES = ["old", "new", "upgrade", "upgraded", "remove"]
STEPS = [f"1.34.0-{name}" for name in NAMES]
SIDES = ("old-1", "new-1", "new-2", "old-2", "old-3", "new-3")
MEASURES = [f"measure-{side}" for side in SIDES]


def test_both_versions_then_the_upgrade_then_the_measurements(planned: tuple[Step, ...]) -> None:
    """The measurements of both versions are mixed."""
    assert [step.id for step in planned] == [*STEPS, *MEASURES, "compare"]


def test_versions_take_turns_on_several_versions_of_kubernetes(out: Path) -> None:
    """Whatever favours the first one favours both."""
    both = SETTINGS.model_copy(update={"kubernetes": ("1.33.13", "1.34.0"), "performance": False})
    assert [step.id for step in steps(both, Machine(out))] == [
        *(f"1.33.13-{name}" for name in NAMES),
        *(f"1.34.0-{name}" for name in ("new", "old", *NAMES[2:])),
    ]


def test_each_step_is_a_command_of_the_harness(planned: tuple[Step, ...], out: Path) -> None:
    """The upgraded system is the same cluster, with the same options."""
    by_id = {step.id: " ".join(step.arguments) for step in planned}
    assert by_id["1.34.0-old"] == (
        "run --level smoke --fluid 0.9.3 --kubernetes 1.34.0 --nodes 1 --cluster-name qualify "
        f"--alluxio 2.9.0 --images build --out {out}/runs/1.34.0-old --bootstrap"
    )
    same = (
        "--kubernetes 1.34.0 --nodes 1 --cluster-name qualify-upgrade --fluid 1.0.8 --upgrade-from 0.9.3 "
        "--keep-cluster --alluxio 2.9.0 --images build --out"
    )
    assert by_id["1.34.0-upgrade"].startswith(f"run --scenario E14 {same}")
    assert by_id["1.34.0-upgraded"].startswith(f"run --level smoke {same}")
    assert by_id["1.34.0-remove"] == "cluster down --cluster-name qualify-upgrade"
    measured = "benchmark --benchmark-profile default --fluid 0.9.3 --kubernetes 1.34.0"
    assert by_id["measure-old-1"].startswith(measured)
    old, new = (
        " ".join(f"{out}/runs/measure-{side}-{number}/latest" for number in (1, 2, 3))
        for side in ("old", "new")
    )
    assert by_id["compare"] == f"compare {old} --to {new}"


def test_local_checkout_is_the_new_version(out: Path) -> None:
    """In the level and in the upgrade; the old version is a published one."""
    source = Machine(out, source=Path("/src/fluid"))
    settings = SETTINGS.model_copy(update={"source": "0123456789ab", "performance": False})
    by_id = {step.id: step.arguments for step in steps(settings, source)}
    assert "--fluid-source" not in by_id["1.34.0-old"]
    for name in ("new", "upgrade", "upgraded"):
        found = by_id[f"1.34.0-{name}"]
        assert found[found.index("--fluid-source") + 1] == "/src/fluid"
        assert "--fluid" not in found


def test_smoke_form_is_planned_within_an_hour(planned: tuple[Step, ...]) -> None:
    """Warm, on two cores, without measurements."""
    assert sum(step.minutes for step in planned if step.id in STEPS) <= 60


def test_plan_says_what_is_done_and_what_is_left(
    planned: tuple[Step, ...], run_steps: Callable[[], State], harness: Harness, out: Path
) -> None:
    """Before anything runs, and after an interruption."""
    state = begin(out, SETTINGS, own_digest())
    assert "Time left: about 3 h 8 min" in describe(SETTINGS, planned, state)
    harness.interrupted.add("1.34.0-new")
    with pytest.raises(StepInterruptedError):
        run_steps()
    text = describe(SETTINGS, planned, begin(out, SETTINGS, own_digest()), ["the rows do not know it"])
    assert "  1.34.0-old       took " in text
    assert "Time left: about 3 h 1 min" in text
    assert text.endswith("Note: the rows do not know it.\n")


def test_interrupted_qualification_continues(
    run_steps: Callable[[], State], harness: Harness, planned: tuple[Step, ...]
) -> None:
    """What ended is not run again, except for the steps that share the cluster of the interrupted one."""
    harness.interrupted.add("1.34.0-upgraded")
    with pytest.raises(StepInterruptedError, match="the same command continues"):
        run_steps()
    harness.interrupted.clear()
    harness.ran.clear()
    state = run_steps()
    removal = ("cluster", "down", "--cluster-name", "qualify-upgrade")
    assert harness.ran[0] == removal
    assert harness.ran[1:] == [step.arguments for step in planned[2:]]
    assert remaining(planned, state) == []
    harness.ran.clear()
    run_steps()
    assert harness.ran == []


def test_run_without_a_result_is_run_again(run_steps: Callable[[], State], harness: Harness) -> None:
    """The other steps go on; the same command repeats only that one."""
    harness.codes["1.34.0-old"] = 3
    state = run_steps()
    assert not state.steps["1.34.0-old"].finished
    assert state.steps["1.34.0-remove"].finished
    harness.codes.clear()
    harness.ran.clear()
    run_steps()
    assert [words[:3] for words in harness.ran] == [("run", "--level", "smoke")]


def test_refused_step_ends_the_qualification(run_steps: Callable[[], State], harness: Harness) -> None:
    """No later step could run either; the state is kept."""
    harness.codes["1.34.0-old"] = 4
    with pytest.raises(StepRefusedError, match=r"step 1\.34\.0-old was refused"):
        run_steps()
    assert len(harness.ran) == 1


@pytest.mark.parametrize(
    ("settings", "digest", "says"),
    [
        (SETTINGS, "0123456789ab", "holds a qualification of another version of the harness"),
        (
            SETTINGS.model_copy(update={"level": "full"}),
            own_digest(),
            "and this is one of Fluid 0.9.3 to 1.0.8",
        ),
    ],
)
def test_folder_of_something_else_is_refused(
    out: Path, run_steps: Callable[[], State], settings: Settings, digest: str, says: str
) -> None:
    """In one sentence; nothing in it is lost."""
    run_steps()
    before = (out / STATE).read_text()
    with pytest.raises(RefusalError) as refused:
        begin(out, settings, digest)
    assert says in refused.value.message
    assert (out / STATE).read_text() == before


def test_folder_that_cannot_be_read_or_has_other_files_is_refused(out: Path) -> None:
    """A state that was cut off, and a folder of a user."""
    out.mkdir()
    (out / "photo.jpg").write_text("")
    with pytest.raises(RefusalError, match="is not empty, and holds no qualification"):
        begin(out, SETTINGS, own_digest())
    (out / STATE).write_text("{")
    with pytest.raises(RefusalError, match="cannot be read"):
        begin(out, SETTINGS, own_digest())
