"""Two runs side by side: what is claimed, what is not, and which runs must not be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.performance.comparability import changes, obstacles
from reports.performance.compare import Metric, RunComparison, What, _claim, compare
from reports.performance.compare_text import render
from suites.benchmark.model import results
from suites.benchmark.model.environment import Environment
from suites.benchmark.model.judgement import Comparison, Conclusion
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Unit
from suites.benchmark.model.series import Arm, SeriesResult
from tests.reports.measurements import (
    ARMS,
    COMPARISONS,
    ENVIRONMENT,
    FLUID_COLD,
    FLUID_FRESH,
    FREE,
    HELD,
    MIB,
    RAW,
    benchmark,
    series,
)

Speeds = dict[str, tuple[float, float]]

#: Enough arms for a verdict: one baseline and two candidates.
FEW: tuple[Arm, ...] = tuple(arm for arm in ARMS if arm.name in {RAW, FLUID_COLD, FLUID_FRESH})
PAIRS: tuple[Comparison, ...] = tuple(
    one for one in COMPARISONS if one.candidate in {FLUID_COLD, FLUID_FRESH}
)

#: The run from which all others here are derived; creating one is slow.
BASE = benchmark(series(arms=FEW, comparisons=PAIRS))


def few(
    speeds: Speeds | None = None, *, seed: int = 1, rounds: int = 10, unit: Unit = Unit.BYTES_PER_SECOND
) -> SeriesResult:
    """A series of three arms."""
    return made(tuple((speeds or {}).items()), seed, rounds, unit)


@cache
def made(
    speeds: tuple[tuple[str, tuple[float, float]], ...], seed: int, rounds: int, unit: Unit
) -> SeriesResult:
    """The same, created once; it is frozen."""
    return series(
        speeds={**FREE, **dict(speeds)}, arms=FEW, comparisons=PAIRS, seed=seed, rounds=rounds, unit=unit
    )


def run(*several: SeriesResult, env: Environment = ENVIRONMENT, id: str = "b") -> Benchmark:  # noqa: A002 - the field's name
    """A run with these series."""
    return BASE.model_copy(update={"series": several, "environment": env, "id": id})


def metric(outcome: RunComparison, name: str, what: What) -> Metric:
    """One metric of an outcome."""
    return next(m for m in outcome.metrics if name in m.name and m.what is what)


class TestClaims:
    """What is called a regression."""

    def test_slower_fluid(self) -> None:
        """A fifth less through Fluid, with unchanged NFS, is a regression."""
        outcome = compare(run(few()), run(few({FLUID_FRESH: (430, 0.04)}, seed=2)))
        assert outcome.status == 1
        assert {m.name for m in outcome.regressions} == {f"{FLUID_FRESH} against {RAW}"}
        assert What.SPEED in {m.what for m in outcome.regressions}
        text = render(outcome)
        assert "REGRESSION" in text
        assert "% slower than in A" in text
        assert "repeat both" in " ".join(text.split())
        assert "One run on each side" in text

    def test_faster_fluid(self) -> None:
        """A fifth more is claimed as faster, and is no regression."""
        outcome = compare(run(few()), run(few({FLUID_FRESH: (650, 0.04)}, seed=2)))
        assert outcome.status == 0
        speed = metric(outcome, FLUID_FRESH, What.SPEED)
        assert (speed.judgement.verdict, speed.claimed) == (Conclusion.FASTER, True)
        assert "NO REGRESSION SHOWN" in render(outcome)
        assert "could have been found" in render(outcome)

    def test_machine_that_is_slower_as_a_whole(self) -> None:
        """Half the bare speed everywhere is shown and is no regression: the ratio to NFS is as it was."""
        halved = {arm.name: (FREE[arm.name][0] / 2, FREE[arm.name][1]) for arm in FEW}
        outcome = compare(run(few()), run(few(halved, seed=2)))
        assert outcome.status == 0
        bare = metric(outcome, FLUID_FRESH, What.BARE_SPEED)
        assert bare.judgement.verdict is Conclusion.SLOWER
        assert not bare.gated
        assert not bare.claimed
        assert "(not gated)" in render(outcome)

    def test_seconds(self) -> None:
        """Of a series measured in seconds, more seconds are slower."""
        slow = few({FLUID_FRESH: (430, 0.04)}, seed=2, unit=Unit.SECONDS)
        outcome = compare(run(few(unit=Unit.SECONDS)), run(slow))
        assert metric(outcome, FLUID_FRESH, What.SPEED).judgement.verdict is Conclusion.SLOWER
        assert metric(outcome, FLUID_FRESH, What.BARE_SPEED).judgement.verdict is Conclusion.SLOWER
        assert outcome.status == 1

    def test_tail(self) -> None:
        """Slower slowest reads are a regression, though the throughput is as it was."""
        later = few(seed=2)
        slowed = tuple(
            r.model_copy(
                update={
                    "latency": r.latency.model_copy(
                        update={
                            "percentiles": tuple(
                                p.model_copy(update={"ns": 2 * p.ns}) for p in r.latency.percentiles
                            )
                        }
                    )
                }
            )
            if r.arm == FLUID_FRESH and r.latency is not None
            else r
            for r in later.rounds
        )
        outcome = compare(run(few()), run(later.model_copy(update={"rounds": slowed})))
        assert [m.what for m in outcome.regressions] == [What.TAIL_LATENCY]
        assert outcome.status == 1

    def test_equal_runs_raise_no_alarm(self) -> None:
        """Of ten pairs of equal runs with eight gated metrics each, none is called a regression."""
        alarms = 0
        for seed in range(10):
            pair = [
                run(
                    few(seed=100 * seed + k),
                    series(
                        "held", HELD, arms=FEW, comparisons=PAIRS, asked=100 * MIB, seed=100 * seed + 50 + k
                    ),
                )
                for k in (0, 1)
            ]
            outcome = compare(pair[0], pair[1], bare_speeds=False)
            assert len(outcome.gated) == 8
            alarms += outcome.status
        assert alarms == 0

    def test_chance_among_many_is_not_claimed(self) -> None:
        """What may be chance among many metrics is claimed of one alone, and not among ten."""
        speed = metric(compare(run(few()), run(few(seed=2))), FLUID_FRESH, What.SPEED)

        def judged(p: float, verdict: Conclusion) -> Metric:
            return replace(
                speed, judgement=speed.judgement.model_copy(update={"mann_whitney_p": p, "verdict": verdict})
            )

        quiet = (judged(0.8, Conclusion.NO_DIFFERENCE),) * 9
        doubtful, certain = judged(0.03, Conclusion.SLOWER), judged(0.002, Conclusion.SLOWER)
        assert [m.claimed for m in _claim((doubtful,))] == [True]
        assert not any(m.claimed for m in _claim((doubtful, *quiet)))
        assert [m.claimed for m in _claim((certain, *quiet))] == [True] + [False] * 9
        # Where others are certain, a doubtful one is believed more readily; the judge must claim it, too.
        assert [m.claimed for m in _claim((doubtful, *(certain,) * 9))] == [True] * 10
        assert not _claim((judged(0.002, Conclusion.INCONCLUSIVE),))[0].claimed
        outcome = RunComparison(BASE, BASE, metrics=_claim((doubtful, *quiet)))
        assert outcome.status == 0
        assert "among so many metrics it may be chance" in render(outcome)

    def test_rounds_are_paired(self) -> None:
        """Noise that hits both arms of a round alike cancels out; a round with only one is left out."""
        one = few()
        drift = tuple(
            r.model_copy(update={"value": r.value * (1 + r.number / 5)}) if r.value is not None else r
            for r in one.rounds
        )
        steady = metric(
            compare(run(one), run(one.model_copy(update={"rounds": drift}))), FLUID_FRESH, What.SPEED
        )
        assert steady.judgement.ratio == pytest.approx(1.0)
        lame = series(arms=FEW, comparisons=PAIRS, invalid={(RAW, 3): "not proved"})
        counted = metric(compare(run(one), run(lame)), FLUID_FRESH, What.SPEED).later
        assert (len(counted.values), len(counted.invalid)) == (9, 1)


class TestSeveralRuns:
    """With several runs on each side the run is the unit."""

    @staticmethod
    def side(name: str, speeds: Sequence[float], *, env: Environment = ENVIRONMENT) -> tuple[Benchmark, ...]:
        """Runs whose warm reads through Fluid have these speeds, steady within each run."""
        return tuple(
            run(few({FLUID_FRESH: (speed, 0.01)}, seed=number), id=f"{name}{number}", env=env)
            for number, speed in enumerate(speeds, 1)
        )

    @staticmethod
    def compared(a: tuple[Benchmark, ...], b: tuple[Benchmark, ...]) -> RunComparison:
        """The comparison of two sides."""
        return compare(a[0], b[0], repeats=(a[1:], b[1:]), bare_speeds=False)

    def test_difference_of_single_runs_is_no_difference_of_systems(self) -> None:
        """Runs that differ among themselves more than their rounds show raise no alarm."""
        a, b = self.side("a", (540, 430, 600)), self.side("b", (430, 560, 500))
        assert compare(a[0], b[0]).status == 1
        outcome = self.compared(a, b)
        assert outcome.status == 0
        text = render(outcome)
        assert "of 3 and 3 runs" in text
        assert "One run on each side" not in text
        assert all(f"run {one.id}," in text for one in (*a, *b))

    def test_slower_system_is_claimed(self) -> None:
        """A difference that is large among the runs is a regression."""
        outcome = self.compared(self.side("a", (540, 545, 538, 542)), self.side("b", (430, 434, 428, 431)))
        assert outcome.status == 1
        speed = metric(outcome, FLUID_FRESH, What.SPEED)
        assert len(speed.earlier.values) == 4
        assert speed.judgement.mann_whitney_p is None
        assert speed.p is not None
        assert speed.p < 0.001

    def test_two_runs_a_side_are_too_few(self) -> None:
        """The spread of two runs is hardly known."""
        outcome = self.compared(self.side("a", (540, 541)), self.side("b", (430, 431)))
        assert outcome.status == 2
        assert "in 3 runs of each side" in render(outcome)

    def test_runs_of_a_side_are_of_one_system(self) -> None:
        """Another version on the same side is no repetition."""
        later = ENVIRONMENT.model_copy(update={"versions": {**ENVIRONMENT.versions, "fluid": "v1.0.9"}})
        a = (*self.side("a", (540, 541)), *self.side("x", (540,), env=later))
        outcome = self.compared(a, self.side("b", (540, 541, 542)))
        assert outcome.status == 2
        assert "the runs of A are not of one system: fluid: v1.0.8 in run a1, v1.0.9 in run x1" in render(
            outcome
        )


class TestNotComparable:
    """Runs that must not be compared."""

    @pytest.mark.parametrize(
        ("part", "fields", "text"),
        [
            ("nfs", {"client": "kernel"}, "another NFS client: user-space in A, kernel in B"),
            ("nfs", {"version": "4.1"}, "another version of NFS"),
            ("nfs", {"rsize": None}, "1048576 in A, not known in B"),
            ("nfs", {"nconnect": 4}, "nconnect"),
            ("nfs", {"read_ahead_kb": 4096}, "read_ahead_kb"),
            ("machine", {"cpus": 4}, "another number of processors: 2 in A, 4 in B"),
            ("machine", {"cpu_model": "other"}, "another processor"),
            ("machine", {"kernel": "6.13.0"}, "another kernel"),
            ("machine", {"memory_bytes": 8 * 1024**3}, "another amount of memory: 24 GiB in A, 8 GiB in B"),
        ],
    )
    def test_another_system(self, part: str, fields: dict[str, object], text: str) -> None:
        """Another machine or another NFS is refused with the reason, and nothing is judged."""
        other = ENVIRONMENT.model_copy(update={part: getattr(ENVIRONMENT, part).model_copy(update=fields)})
        outcome = compare(run(few()), run(few(), env=other))
        assert outcome.status == 2
        assert outcome.metrics == ()
        assert text in render(outcome)

    def test_another_workload(self) -> None:
        """Another parameter of fio under the same name is refused."""
        other = few()
        other = other.model_copy(
            update={
                "workload": other.workload.model_copy(
                    update={"parameters": {**other.workload.parameters, "bs": "4k"}}
                )
            }
        )
        outcome = compare(run(few()), run(other))
        assert outcome.status == 2
        assert "another bs: 1m in A, 4k in B" in render(outcome)

    def test_another_bandwidth(self) -> None:
        """The same limit of which much less came through is refused."""
        sides = [
            run(series("held", HELD, arms=FEW, comparisons=PAIRS, asked=100 * MIB, reached=reached * MIB))
            for reached in (97, 70)
        ]
        outcome = compare(*sides)
        assert outcome.status == 2
        assert "NFS reached 97.0 MiB/s in A, 70.0 MiB/s in B" in render(outcome)

    def test_nothing_in_common(self) -> None:
        """Runs without a common series are refused, and series of only one run are reported."""
        outcome = compare(run(few()), run(few().model_copy(update={"name": "other"})))
        assert outcome.status == 2
        text = render(outcome)
        assert "only in A: sequential-1m x1" in text
        assert "only in B: other" in text

    def test_nothing_proved(self) -> None:
        """Runs whose baseline was hardly ever proved cannot be compared."""
        lame = series(arms=FEW, comparisons=PAIRS, invalid={(RAW, n): "not proved" for n in range(8)})
        outcome = compare(run(few()), run(lame))
        assert outcome.status == 2
        assert "no way of reading has valid rounds next to the same baseline in both runs" in render(outcome)

    def test_too_few_rounds(self) -> None:
        """Runs too short to show any regression are refused; a check that cannot fail is none."""
        outcome = compare(
            run(*(few(rounds=5, seed=s).model_copy(update={"name": f"s{s}"}) for s in range(4))),
            run(*(few(rounds=5, seed=s + 9).model_copy(update={"name": f"s{s}"}) for s in range(4))),
        )
        assert outcome.status == 2
        assert "5 rounds are too few to claim anything among 16 metrics" in render(outcome)


def test_versions_may_differ() -> None:
    """Another version, heap, image or mount option is the point of a comparison: reported, not refused."""
    later = ENVIRONMENT.model_copy(
        update={
            "versions": {**ENVIRONMENT.versions, "fluid": "v1.0.9"},
            "heap_bytes": {**ENVIRONMENT.heap_bytes, "fuse": 2048 * MIB},
            "fuse": ENVIRONMENT.fuse.model_copy(update={"options": ("direct_io",)}),
            "images": (),
            "properties": {},
        }
    )
    assert list(obstacles(ENVIRONMENT, later)) == []
    text = "\n".join(changes(ENVIRONMENT, later))
    for words in (
        "fluid: v1.0.8 in A, v1.0.9 in B",
        "Java heap of fuse: 1 GiB in A, 2 GiB in B",
        "image alluxio/alluxio:2.9.6",
        "alluxio.user.metadata.cache.enabled: true in A, not known in B",
        "direct_io in B",
    ):
        assert words in text
    assert list(changes(ENVIRONMENT, ENVIRONMENT)) == []
    assert "changed: fluid" in render(compare(run(few()), run(few(), env=later)))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``compare`` ends with 0, 1 or 2, and names the folder that holds no measurements."""
    sides = {
        "a": run(few(), id="a"),
        "slow": run(few({FLUID_FRESH: (430, 0.04)}, seed=2)),
        "other": run(
            few(),
            env=ENVIRONMENT.model_copy(
                update={"nfs": ENVIRONMENT.nfs.model_copy(update={"client": "kernel"})}
            ),
        ),
    }
    for name, one in sides.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / results.FILE).write_text(one.to_json())
    at = {name: str(tmp_path / name) for name in [*sides, "none"]}
    assert main(["compare", at["a"], at["a"]]) == 0
    assert main(["compare", at["a"], at["slow"]]) == 1
    assert main(["compare", at["slow"], at["a"]]) == 0
    assert main(["compare", *[at["a"]] * 3, "--to", *[at["a"]] * 3]) == 2
    assert "a run of A is named more than once: a, a, a" in capsys.readouterr().out
    assert main(["compare", *[at["a"]] * 3]) == 2
    assert "compare needs two runs without --to, and 3 are named" in capsys.readouterr().err
    assert main(["compare", at["a"], at["other"]]) == 2
    assert "NOT COMPARABLE" in capsys.readouterr().out
    assert main(["compare", at["a"], at["none"]]) == 2
    assert "cannot read" in capsys.readouterr().err
