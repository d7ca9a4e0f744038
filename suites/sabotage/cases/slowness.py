"""Slow servers, which must not change any verdict."""

from __future__ import annotations

from typing import Final

from suites.sabotage.breaks import slowness
from suites.sabotage.cases.patterns import NOT_SERVED
from suites.sabotage.model import Place, Sabotage, Target

CASES: Final = (
    Sabotage(
        "slow-api-server",
        "slowness",
        "the API server runs for a quarter of the time: no verdict may change",
        slowness.slow_api_server,
        (Target("A3"), Target("B5"), Target("A13")),
        ("A2", "B6", "B11"),
    ),
    Sabotage(
        "slow-api-server-and-wrong-claim",
        "slowness",
        "the API server is slow, and the application mounts the source: the scenario still fails",
        slowness.slow_api_server_and_claim_replaced,
        (Target("A2", reason=NOT_SERVED),),
        ("A1", "B6"),
    ),
    Sabotage(
        "slow-nfs-server",
        "slowness",
        "the NFS server runs for a third of the time: no verdict may change",
        slowness.slow_nfs_server,
        (Target("B1", Place.UNUSED), Target("A13")),
        ("A2", "B6"),
    ),
)
