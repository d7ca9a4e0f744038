"""Which rounds count: proofs of arms, from what was seen before and after."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from suites.benchmark.analysis.round_validation import READS, Expected, invalid, polluted, saturated
from suites.benchmark.model.rounds import Proof, State
from suites.benchmark.model.series import ArmKind

MIB = 1024 * 1024
DATA = 128 * MIB
AT = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)

COLD_NFS = {ArmKind.RAW_COLD, ArmKind.FLUID_COLD}
FROM_MEMORY = {ArmKind.RAW_CACHED, ArmKind.FLUID_WARM_CACHED}


def expected(kind: ArmKind, **changes: object) -> Expected:
    """What a round of that kind must have done."""
    cached_by = "old" if kind is not ArmKind.FLUID_WARM_SAME_CLIENT else "now"
    given: dict[str, object] = {
        "kind": kind,
        "read_bytes": DATA,
        "data_bytes": DATA,
        "cached_by": cached_by,
    }
    return Expected(**(given | changes))  # type: ignore[arg-type]


def proof(kind: ArmKind, **changes: object) -> Proof:
    """The observations of a valid round of that kind."""
    fluid = kind.value.startswith("fluid")
    percent = (0.0 if kind is ArmKind.FLUID_COLD else 100.0) if fluid else None
    given: dict[str, object] = {
        "percent": percent,
        "sent": DATA if kind in COLD_NFS else 0,
        "resident": DATA if kind in FROM_MEMORY else 0,
        "before_pod": "now" if fluid else "",
        "after_pod": "now" if fluid else "",
    } | changes
    sent = given["sent"]
    before = State(
        at=AT,
        cached_percent=given["percent"],
        nfs_reads=0,
        nfs_read_bytes=5 * MIB,
        page_cache_bytes=given["resident"],
        fuse_pod=given["before_pod"],
    )
    after = State(
        at=AT,
        cached_percent=given["percent"],
        nfs_reads=9,
        nfs_read_bytes=None if sent is None else 5 * MIB + int(str(sent)),
        page_cache_bytes=DATA,
        fuse_pod=given["after_pod"],
    )
    return Proof(before=before, after=after)


@pytest.mark.parametrize("kind", sorted(READS))
def test_the_valid_round_of_every_kind_is_valid(kind: ArmKind) -> None:
    """A round that was what its arm is called counts."""
    assert invalid(expected(kind), proof(kind)) == ""


@pytest.mark.parametrize("kind", sorted(set(ArmKind) - READS))
def test_rounds_that_read_nothing_have_other_rules(kind: ArmKind) -> None:
    """These would find nothing wrong with them."""
    with pytest.raises(ValueError, match="reads no contents"):
        invalid(expected(kind), proof(kind))


@pytest.mark.parametrize("kind", sorted(COLD_NFS))
def test_cold_read_that_nfs_did_not_serve_is_unproved(kind: ArmKind) -> None:
    """A cold read for which NFS sent too little was not cold."""
    assert "sent only" in invalid(expected(kind), proof(kind, sent=DATA - 3 * MIB))
    assert invalid(expected(kind), proof(kind, sent=DATA - MIB // 2)) == ""


@pytest.mark.parametrize("kind", sorted(READS - COLD_NFS))
def test_cached_read_that_nfs_served_is_unproved(kind: ArmKind) -> None:
    """A cached read that made NFS send data was not cached."""
    assert "although all data was cached" in invalid(expected(kind), proof(kind, sent=2 * MIB))


@pytest.mark.parametrize("kind", [one for one in sorted(READS) if one not in FROM_MEMORY])
def test_page_cache_that_was_not_dropped_is_seen(kind: ArmKind) -> None:
    """Data in the page cache makes every arm invalid that must not be read from there."""
    assert "page cache" in invalid(expected(kind), proof(kind, resident=10 * MIB))


@pytest.mark.parametrize("kind", sorted(FROM_MEMORY))
def test_page_cache_that_lacks_a_piece_is_seen(kind: ArmKind) -> None:
    """Half a mebibyte missing from memory would be read from a source that is many times slower."""
    assert "were in the page cache" in invalid(expected(kind), proof(kind, resident=DATA - MIB // 2))


def test_fluid_cold_with_something_cached_is_unproved() -> None:
    """One per cent in Alluxio is too much for a first read."""
    kind = ArmKind.FLUID_COLD
    assert "already held 1 %" in invalid(expected(kind), proof(kind, percent=1.0))


@pytest.mark.parametrize("kind", [one for one in sorted(READS) if "warm" in one.value])
def test_fluid_warm_with_something_missing_is_unproved(kind: ArmKind) -> None:
    """Ninety-nine per cent in Alluxio is not warm."""
    assert "only 99 %" in invalid(expected(kind), proof(kind, percent=99.0))


def test_same_client_must_be_the_one_that_cached() -> None:
    """A Fuse Pod that was replaced is no longer the same client."""
    kind = ArmKind.FLUID_WARM_SAME_CLIENT
    assert "not the one" in invalid(expected(kind, cached_by="old"), proof(kind))


def test_fresh_client_must_be_another_than_the_one_that_cached() -> None:
    """A Fuse Pod that was not replaced is no fresh client."""
    kind = ArmKind.FLUID_WARM_FRESH_CLIENT
    assert "still the one" in invalid(expected(kind, cached_by="now"), proof(kind))


def test_fuse_pod_that_changed_during_the_round_is_seen() -> None:
    """A Fuse Pod that was replaced during the measurement makes the round invalid."""
    kind = ArmKind.FLUID_COLD
    assert "replaced during the round" in invalid(expected(kind), proof(kind, after_pod="new"))
    assert "no Fuse Pod" in invalid(expected(kind), proof(kind, before_pod="", after_pod=""))


@pytest.mark.parametrize("lost", [{"percent": None}, {"sent": None}, {"resident": None}])
def test_unknown_observations_prove_nothing(lost: dict[str, None]) -> None:
    """A source that gave no answer leaves the round unproved."""
    kind = ArmKind.FLUID_COLD
    assert invalid(expected(kind), proof(kind, **lost))


def test_second_epoch_may_be_read_from_memory() -> None:
    """Two epochs read all twice, and NFS has to send it once."""
    kind = ArmKind.RAW_COLD
    assert invalid(expected(kind, read_bytes=2 * DATA), proof(kind)) == ""


def test_foreign_reads_pollute_a_round() -> None:
    """NFS that sends twice the data serves a foreign client as well."""
    kind = ArmKind.RAW_COLD
    assert "another client" in polluted(expected(kind), proof(kind, sent=2 * DATA))
    assert polluted(expected(kind), proof(kind)) == ""


def test_busy_processors_saturate_a_round() -> None:
    """Processors that were never idle are reported; unknown ones are not."""
    assert "99 %" in saturated(0.99)
    assert saturated(0.5) == saturated(None) == ""
