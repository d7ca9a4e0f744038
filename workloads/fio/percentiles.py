"""Latency percentiles from fio's own bins.

fio counts latencies in buckets and its json+ output lists each bucket by its midpoint in
nanoseconds (fio 3.33, HOWTO "JSON+ output"). The buckets are those of fio's `stat.h`: a latency
below 128 ns has a bucket of its own; above that, each power of two is cut into 64 equal buckets, so
that a midpoint is off by 1/128 of the value at most; from 2^33 ns (8.6 s) on is the last group, and
latencies above 2^34 ns (17 s) are counted in its last bucket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Final

#: log2 of the buckets in a group: FIO_IO_U_PLAT_BITS of fio's stat.h.
BUCKET_BITS: Final = 6
BUCKETS_IN_GROUP: Final = 1 << BUCKET_BITS

#: FIO_IO_U_PLAT_GROUP_NR of fio's stat.h.
GROUPS: Final = 29

#: The midpoint of the last bucket, in nanoseconds; its latencies may really have been longer.
LAST_MIDPOINT: Final = (1 << 34) - (1 << 26)


def is_midpoint(nanoseconds: int) -> bool:
    """Whether fio has a bucket with this midpoint."""
    return 0 <= nanoseconds <= LAST_MIDPOINT and midpoint(nanoseconds) == nanoseconds


def midpoint(nanoseconds: int) -> int:
    """The midpoint of the bucket in which fio counts a latency; both in nanoseconds."""
    top_bit = max(nanoseconds, 1).bit_length() - 1
    discarded = top_bit - BUCKET_BITS
    if discarded <= 0:
        return nanoseconds
    if top_bit > GROUPS + BUCKET_BITS - 2:
        return LAST_MIDPOINT
    return (nanoseconds >> discarded << discarded) + (1 << discarded >> 1)


@dataclass(frozen=True, slots=True)
class Bins:
    """How many I/Os took how long.

    Attributes:
        counts: midpoints in nanoseconds, rising, each with its number of I/Os.
    """

    counts: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Bins:
        """Bins from midpoints (nanoseconds) and their numbers of I/Os, in any order."""
        return cls(tuple(sorted(counts.items())))

    @classmethod
    def merged(cls, several: Iterable[Bins]) -> Bins:
        """The bins of several jobs or Pods taken together; percentiles cannot be averaged, bins can."""
        total: Counter[int] = Counter()
        for bins in several:
            total.update(dict(bins.counts))
        return cls.of(total)

    @property
    def total(self) -> int:
        """How many I/Os were counted."""
        return sum(count for _, count in self.counts)

    @property
    def saturated(self) -> bool:
        """Whether an I/O is in the last bucket, whose latency is only a lower bound."""
        return bool(self.counts) and self.counts[-1][0] == LAST_MIDPOINT

    def percentile(self, percent: float) -> int:
        """The latency in nanoseconds that ``percent`` of the I/Os did not exceed.

        As fio does it (`calc_clat_percentiles` in its stat.c): the first bucket at which the count
        so far reaches ``percent``/100 of all, in the long double arithmetic of x86-64.

        Raises:
            ValueError: no I/O was counted, or ``percent`` is not in (0, 100].
        """
        if not (isfinite(percent) and 0 < percent <= 100):  # noqa: PLR2004 - what percent means
            raise ValueError(f"a percentile is above 0 and at most 100, not {percent}")
        rank = _long_double(_long_double(Fraction(percent) / 100) * self.total)
        so_far = 0
        for nanoseconds, count in self.counts:
            so_far += count
            if count and so_far >= rank:
                return nanoseconds
        raise ValueError("no I/O was counted, so there is no percentile")


def _long_double(value: Fraction) -> Fraction:
    """``value`` rounded to the 64 significant bits of a long double.

    At a boundary such as 95 % of 20 I/Os the rounding decides which bucket fio names.
    """
    if value == 0:
        return value
    top_bit = value.numerator.bit_length() - value.denominator.bit_length()
    if value < Fraction(2) ** top_bit:
        top_bit -= 1
    unit = Fraction(2) ** (top_bit - 63)
    return round(value / unit) * unit
