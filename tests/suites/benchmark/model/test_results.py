"""The results of a benchmark: consistent data are accepted, others are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from clusters.errors import RefusalError
from suites.benchmark.analysis.judge import ArmValues
from suites.benchmark.analysis.series_summary import figures_of, median_interval
from suites.benchmark.model import results
from suites.benchmark.model.base import Model
from suites.benchmark.model.judgement import EXPECTED, Conclusion, Figures, Judgement, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import MEANING, ArmKind, SeriesResult
from tests.reports.measurements import (
    FLUID_FRESH,
    FLUID_SAME,
    FREE,
    RAW,
    RAW_AGAIN,
    RAW_SLOWED,
    benchmark,
    series,
)


def of(one: SeriesResult, candidate: str) -> Judgement:
    """What was judged of this arm."""
    return next(judged for judged in one.judged if judged.candidate == candidate)


def test_round_trip(tmp_path: Path) -> None:
    """What is written is read back the same, from a file of its own and as a part of a verdict."""
    whole = benchmark(series(invalid={(FLUID_FRESH, 3): "not all was cached"}))
    path = tmp_path / results.FILE
    path.write_text(whole.to_json())
    assert results.load(path) == whole
    assert results.parse(whole.as_part(), "verdict.json") == whole


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2}', '{"schema": 1}'])
def test_refused(tmp_path: Path, text: str) -> None:
    """A file that is no benchmark of this schema is refused with its name."""
    path = tmp_path / results.FILE
    path.write_text(text)
    with pytest.raises(RefusalError, match=r"benchmark\.json is not a benchmark of schema 1"):
        results.load(path)


def test_missing(tmp_path: Path) -> None:
    """A folder without measurements is refused."""
    with pytest.raises(RefusalError, match="cannot read"):
        results.load(tmp_path / results.FILE)


def test_frozen() -> None:
    """Results cannot be changed."""
    with pytest.raises(ValidationError, match="frozen"):
        series().seconds = 1.0  # type: ignore[misc]  # that it is refused is the point


def test_judged_as_the_judge_does() -> None:
    """A series has its arms' figures and the judge's verdicts, the checks of itself among them."""
    one = series()
    assert of(one, FLUID_FRESH).verdict is Conclusion.FASTER
    assert of(one, FLUID_SAME).verdict is Conclusion.SLOWER
    assert of(one, FLUID_SAME).unstable
    assert of(one, RAW_AGAIN).as_expected is True
    assert of(one, RAW_SLOWED).as_expected is True
    assert of(one, FLUID_FRESH).as_expected is None
    raw = one.figures[0]
    assert raw.arm == RAW
    assert raw.median is not None
    assert raw.low is not None
    assert raw.high is not None
    assert raw.low < raw.median < raw.high
    assert not raw.unstable


def test_equal_arm_shows_the_noise() -> None:
    """An A/A arm that drifts away makes the threshold of all other comparisons wider."""
    calm = series()
    loud = series(speeds={**FREE, RAW_AGAIN: (480, 0.03)})
    calm_noise, loud_noise = (of(one, FLUID_FRESH).noise for one in (calm, loud))
    assert calm_noise is not None
    assert loud_noise is not None
    assert loud_noise > 0.1 > calm_noise
    assert of(loud, RAW_AGAIN).verdict is Conclusion.FASTER
    assert of(loud, RAW_AGAIN).as_expected is False


def test_rounds_that_are_not_valid_do_not_count() -> None:
    """An arm with fewer than five valid rounds is not compared, and its figures say how many there are."""
    one = series(invalid={(FLUID_FRESH, number): "not all was cached" for number in range(6)})
    judged = of(one, FLUID_FRESH)
    assert judged.verdict is Conclusion.INVALID
    assert judged.ratio is None
    figures = next(f for f in one.figures if f.arm == FLUID_FRESH)
    assert (figures.rounds, figures.invalid, figures.low) == (4, 6, None)


def test_arm_without_any_round() -> None:
    """An arm that was never measured has no median, rather than one of nothing."""
    assert figures_of([], RAW) == Figures(arm=RAW, rounds=0, invalid=0, saturated=0, polluted=0)


def changed(one: Model, **fields: object) -> Callable[[], Model]:
    """Creates a copy with other fields, validated again."""
    given = {name: getattr(one, name) for name in type(one).model_fields} | fields
    return lambda: type(one).model_validate(given)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"value": None}, "above 0 and its proof"),
        ({"value": 0.0}, "above 0 and its proof"),
        ({"proof": None}, "above 0 and its proof"),
        ({"value": float("nan")}, "finite"),
        ({"value": -1.0}, "greater than or equal"),
        ({"valid": False}, "has a reason"),
        ({"reason": "why not"}, "if and only if"),
        ({"surprise": 1}, "not permitted"),
    ],
)
def test_round_that_cannot_be(fields: dict[str, object], why: str) -> None:
    """A round that claims more than it has is refused."""
    make = changed(series(rounds=5).rounds[0], **fields)
    with pytest.raises(ValidationError, match=why):
        make()


def test_round_that_hung() -> None:
    """A round that did not end has no value, and the judge does not see one."""
    hung = series(rounds=5).rounds[0].model_copy(update={"value": None, "valid": False, "reason": "it hung"})
    again = Round.model_validate(hung.model_dump())
    assert again.value is None
    assert not ArmValues.of([again], again.arm).values


def test_series_that_cannot_be() -> None:
    """Rounds of an unknown arm, twins and missing figures are refused."""
    one = series(rounds=5)
    stranger = one.rounds[0].model_copy(update={"arm": "unknown"})
    for fields, why in (
        ({"rounds": (*one.rounds, stranger)}, "unknown is no arm"),
        ({"rounds": (*one.rounds, one.rounds[0])}, "twice in one round"),
        ({"arms": (*one.arms, one.arms[0])}, "same name"),
        ({"figures": one.figures[1:]}, "each arm has its figures"),
    ):
        with pytest.raises(ValidationError, match=why):
            changed(one, **fields)()
    with pytest.raises(ValidationError, match="two series"):
        benchmark(one, one)


def test_proof_counts_what_grew() -> None:
    """The bytes that NFS sent are those between the two observations, and unknown if one is missing."""
    rounds = series(rounds=5).rounds
    cold, warm = rounds[0], next(one for one in rounds if one.arm == FLUID_FRESH)
    assert cold.proof is not None
    assert warm.proof is not None
    assert cold.proof.nfs_read_bytes == 256 * 1024**2
    assert warm.proof.nfs_read_bytes == 0
    assert warm.proof.alluxio("Cluster.BytesReadUfsAll") == 0
    assert warm.proof.alluxio("Cluster.Unheard") is None
    blind = cold.proof.model_copy(update={"before": cold.proof.before.model_copy(update={"nfs_reads": None})})
    assert blind.nfs_reads is None


def test_median_interval() -> None:
    """The interval of a median holds it, is the same each time, and is one point for equal values."""
    values = [100.0, 101, 99, 102, 98, 100, 101, 99, 100.5, 99.5]
    low, high = median_interval(values)
    assert 98.5 < low < 100 < high < 101.5
    assert median_interval(values) == (low, high)
    assert median_interval([7.0] * 5) == (7.0, 7.0)


def test_words_for_all() -> None:
    """Every kind of arm is explained, and every check has a required outcome."""
    assert set(MEANING) == set(ArmKind)
    assert set(EXPECTED) == set(Purpose) - {Purpose.COMPARISON}


def test_schema_describes_what_is_written() -> None:
    """The schema knows every key of the file's top."""
    whole = benchmark()
    assert '"schema": {' in results.schema_text()
    assert set(whole.as_part()) == set(Benchmark.model_json_schema(mode="serialization")["properties"])
