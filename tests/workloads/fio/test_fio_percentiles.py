"""fio's latency buckets, and percentiles from them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.fio.percentiles import BUCKETS_IN_GROUP, GROUPS, LAST_MIDPOINT, Bins, is_midpoint, midpoint


def test_there_are_as_many_buckets_as_fio_has() -> None:
    """Walking from bucket to bucket meets 29 groups of 64, and ends at the last midpoint."""
    seen, nanoseconds = [0], 0
    while seen[-1] != LAST_MIDPOINT:
        nanoseconds = max(nanoseconds + 1, seen[-1] + 1)
        step = max(1, 1 << (nanoseconds.bit_length() - 7)) if nanoseconds >= 128 else 1
        nanoseconds = nanoseconds if step == 1 else -(-nanoseconds // step) * step
        seen.append(midpoint(nanoseconds))
    assert len(seen) == GROUPS * BUCKETS_IN_GROUP
    assert all(is_midpoint(one) for one in seen)


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [(0, 0), (127, 127), (128, 129), (129, 129), (130, 131), (87_553, 87_552), (2**34, LAST_MIDPOINT)],
)
def test_midpoints_that_fios_manual_and_source_give(nanoseconds: int, expected: int) -> None:
    """Single latencies fall where fio puts them (87552 is the example of its manual)."""
    assert midpoint(nanoseconds) == expected


@given(st.integers(0, 2**34 - 1))
def test_a_midpoint_is_within_one_part_in_128(nanoseconds: int) -> None:
    """A latency and its bucket's midpoint differ by 1/128 at most, and a midpoint stays itself."""
    middle = midpoint(nanoseconds)
    assert abs(middle - nanoseconds) <= nanoseconds / 128
    assert midpoint(middle) == middle


@given(st.dictionaries(st.integers(0, 10**7).map(midpoint), st.integers(1, 50), min_size=1, max_size=20))
def test_a_percentile_is_where_the_sorted_latencies_say(counts: dict[int, int]) -> None:
    """The percentile is the one that the latencies written out in a row give."""
    row = [ns for ns, count in sorted(counts.items()) for _ in range(count)]
    bins = Bins.of(counts)
    assert bins.total == len(row)
    for percent in (0.01, 50.0, 75.0, 100.0):
        assert bins.percentile(percent) == row[math.ceil(percent * len(row) / 100) - 1]


def test_a_boundary_is_decided_as_in_fio() -> None:
    """99.9 % of 1000 I/Os is the last one in fio, as its 99.9 is a little above 99.9."""
    bins = Bins.of({1: 999, 100: 1})
    assert bins.percentile(99.9) == 100
    assert bins.percentile(99.5) == 1


def test_bins_of_several_jobs_add_up() -> None:
    """Merged bins hold every I/O once; percentiles of the whole are computed from them."""
    merged = Bins.merged([Bins.of({1: 3, 5: 1}), Bins.of({5: 2, 9: 4}), Bins(())])
    assert merged.counts == ((1, 3), (5, 3), (9, 4))
    assert merged.percentile(60) == 5


def test_the_last_bucket_says_that_it_is_one() -> None:
    """Latencies beyond the last bucket's start are known as a lower bound only."""
    assert Bins.of({LAST_MIDPOINT: 1}).saturated
    assert not Bins.of({5: 1}).saturated
    assert not Bins(()).saturated


@pytest.mark.parametrize("percent", [0, -1, 100.1, math.nan, math.inf])
def test_a_percentage_that_is_none_is_refused(percent: float) -> None:
    """A percentile outside (0, 100] is a mistake of the caller."""
    with pytest.raises(ValueError, match="at most 100"):
        Bins.of({5: 1}).percentile(percent)


def test_no_io_has_no_percentile() -> None:
    """Without an I/O there is no percentile, rather than a zero."""
    with pytest.raises(ValueError, match="no I/O"):
        Bins(()).percentile(50)
