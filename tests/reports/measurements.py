"""Synthetic measurements in the form of real ones, only for the tests of the performance reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from clusters.facts import Image, Origin
from suites.benchmark.analysis.calibration import calibrate, lognormal
from suites.benchmark.analysis.series_summary import summarize_series
from suites.benchmark.model.environment import Environment, Fuse, Machine, Nfs, Tier
from suites.benchmark.model.judgement import Comparison, Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Latency, Percentile, Proof, Round, State, Unit
from suites.benchmark.model.series import Arm, ArmKind, Sample, SeriesResult, Shaping, Workload

MIB = 1024**2
BEGAN = datetime(2026, 11, 22, 15, 37, tzinfo=UTC)
BYTES = 256 * MIB

RAW = "raw NFS, cold"
RAW_AGAIN = "raw NFS, cold, once more"
RAW_SLOWED = "raw NFS, cold, slowed down"
RAW_CACHED = "raw NFS, page cache"
FLUID_COLD = "Fluid, cold"
FLUID_SAME = "Fluid, warm, same client"
FLUID_FRESH = "Fluid, warm, fresh client"
FLUID_CACHED = "Fluid, warm, page cache"

ARMS = (
    Arm(name=RAW, kind=ArmKind.RAW_COLD, mount=("fuse.nfs", "ro", "nosuid")),
    Arm(name=RAW_AGAIN, kind=ArmKind.RAW_COLD, note="the same, to see the noise"),
    Arm(name=RAW_SLOWED, kind=ArmKind.RAW_COLD, note="held to 80 % on purpose"),
    Arm(name=RAW_CACHED, kind=ArmKind.RAW_CACHED),
    Arm(name=FLUID_COLD, kind=ArmKind.FLUID_COLD),
    Arm(name=FLUID_SAME, kind=ArmKind.FLUID_WARM_SAME_CLIENT),
    Arm(name=FLUID_FRESH, kind=ArmKind.FLUID_WARM_FRESH_CLIENT, mount=("fuse.alluxio-fuse", "ro")),
    Arm(name=FLUID_CACHED, kind=ArmKind.FLUID_WARM_CACHED),
)

COMPARISONS = (
    *(
        Comparison(baseline=RAW, candidate=name)
        for name in (RAW_CACHED, FLUID_COLD, FLUID_SAME, FLUID_FRESH, FLUID_CACHED)
    ),
    Comparison(baseline=RAW, candidate=RAW_AGAIN, purpose=Purpose.EQUAL),
    Comparison(baseline=RAW, candidate=RAW_SLOWED, purpose=Purpose.CONTROL),
)

ENVIRONMENT = Environment(
    machine=Machine(
        cpu_model="AMD EPYC 7B13", cpus=2, architecture="x86_64", memory_bytes=24 * 1024**3, kernel="6.12.9"
    ),
    nodes=1,
    cluster="kind",
    nfs=Nfs(
        client="user-space",
        version="3",
        server="NFS-Ganesha 4.3",
        storage="RAM",
        rsize=MIB,
        nconnect=1,
        read_ahead_kb=128,
        options=("ro", "nfsvers=3", "rsize=1048576"),
    ),
    fuse=Fuse(options=("kernel_cache", "ro", "max_read=131072", "attr_timeout=7200"), kind="jnifuse"),
    tier=Tier(medium="MEM", path="/dev/shm", quota_bytes=1024**3),
    heap_bytes={"master": 512 * MIB, "worker": 512 * MIB, "fuse": 1024 * MIB},
    versions={"fluid": "v1.0.8", "alluxio": "2.9.6", "kubernetes": "v1.34.2", "fio": "3.33"},
    images=(Image(name="alluxio/alluxio:2.9.6", digest="sha256:" + "aa3e" * 16, origin=Origin.BUILT),),
    properties={"alluxio.user.metadata.cache.enabled": "true"},
    host_limits=("This host has no kernel NFS client: nodes mount NFS in user space.",),
)

#: MiB/s of each arm when NFS is not slowed down, and its variation.
FREE: Mapping[str, tuple[float, float]] = {
    RAW: (410, 0.03),
    RAW_AGAIN: (410, 0.03),
    RAW_SLOWED: (328, 0.03),
    RAW_CACHED: (3600, 0.05),
    FLUID_COLD: (96, 0.06),
    FLUID_SAME: (131, 0.16),
    FLUID_FRESH: (540, 0.04),
    FLUID_CACHED: (3450, 0.05),
}

#: The same with NFS held to 100 MiB/s.
HELD: Mapping[str, tuple[float, float]] = {
    **FREE,
    RAW: (97.2, 0.008),
    RAW_AGAIN: (97.2, 0.008),
    RAW_SLOWED: (78, 0.01),
    FLUID_COLD: (71, 0.05),
}


def series(
    name: str = "sequential-1m x1",
    speeds: Mapping[str, tuple[float, float]] = FREE,
    *,
    rounds: int = 10,
    seed: int = 1,
    asked: float | None = None,
    reached: float | None = None,
    arms: Sequence[Arm] = ARMS,
    invalid: Mapping[tuple[str, int], str] | None = None,
    parameters: Mapping[str, str] | None = None,
    comparisons: Sequence[Comparison] = COMPARISONS,
    unit: Unit = Unit.BYTES_PER_SECOND,
) -> SeriesResult:
    """A series of rounds around the given speeds, its timeline with it."""
    generator = np.random.default_rng(seed)
    t, sent = 0.0, 0
    kept: list[Round] = []
    timeline: list[Sample] = []
    for number in range(rounds):
        for arm in arms if number % 2 == 0 else tuple(reversed(arms)):
            middle, variation = speeds[arm.name]
            speed = middle * MIB * math.exp(variation * generator.standard_normal())
            t += 3.0  # caches are prepared
            before, began = sent, t
            from_nfs = arm.kind in {ArmKind.RAW_COLD, ArmKind.FLUID_COLD}
            warm = arm.kind.value.startswith("fluid-warm")
            for part in range(5):
                cached = BYTES if warm else BYTES * part // 4 if arm.kind is ArmKind.FLUID_COLD else 0
                timeline.append(
                    Sample(
                        t=began + BYTES / speed * part / 4,
                        cached_bytes=cached,
                        nfs_read_bytes=sent + (BYTES * part // 4 if from_nfs else 0),
                    )
                )
            sent += BYTES if from_nfs else 0
            t += BYTES / speed
            why = (invalid or {}).get((arm.name, number), "")
            kept.append(
                Round(
                    arm=arm.name,
                    number=number,
                    value=speed if unit is Unit.BYTES_PER_SECOND else BYTES / speed,
                    seconds=BYTES / speed,
                    read_bytes=BYTES,
                    started=BEGAN + timedelta(seconds=began),
                    load_before=0.4 + number / 20,
                    valid=not why,
                    reason=why,
                    saturated="both processors were busy to 98 %"
                    if "CACHED" in arm.kind.name and number % 3 == 0
                    else "",
                    polluted="another Pod read from the NFS server"
                    if arm.name == FLUID_SAME and number == 4
                    else "",
                    latency=_latency(speed, generator),
                    proof=_proof(arm, before, sent, began),
                )
            )
    return summarize_series(
        name=name,
        unit=unit,
        workload=Workload(
            name=name.split(" ", maxsplit=1)[0],
            says="One large file from its start to its end in pieces of 1 MiB",
            jobs=1,
            files=1,
            total_bytes=BYTES,
            parameters=dict(parameters or {"rw": "read", "bs": "1m", "ioengine": "psync", "size": "256m"}),
        ),
        shaping=Shaping(
            asked=asked,
            reached=reached if reached is not None or asked is None else 0.972 * asked,
            means="tbf" if asked else "",
        ),
        arms=arms,
        rounds=kept,
        comparisons=comparisons,
        started=BEGAN,
        seconds=t,
        planned=10,
        ending="enough",
        timeline=timeline,
    )


def benchmark(*several: SeriesResult, run: str = "20261122-153700", **changed: object) -> Benchmark:
    """A run with these series."""
    given = {
        "id": run,
        "started": BEGAN,
        "seconds": 1412.0,
        "finished": True,
        "command": "pytest suites -m benchmark",
        "environment": ENVIRONMENT,
        "series": several or (series(),),
        "judge": (calibrate(lognormal(0.03), series=20),),
        "findings": (
            "A FUSE client that was there when the data was cached reads more slowly than a fresh one.",
        ),
    }
    return Benchmark.model_validate(given | changed)


def _latency(speed: float, generator: np.random.Generator) -> Latency:
    middle = 1e9 * 128 * 1024 / speed
    spread = generator.uniform(0.9, 1.1)
    points = {50.0: 0.8, 95.0: 1.9 * spread, 99.0: 4.2 * spread, 99.9: 18 * spread}
    return Latency(
        reads=2048,
        mean_ns=middle,
        max_ns=round(40 * middle),
        percentiles=tuple(Percentile(percent=p, ns=round(middle * times)) for p, times in points.items()),
    )


def _proof(arm: Arm, before: int, after: int, began: float) -> Proof:
    fluid, warm = arm.kind.value.startswith("fluid"), arm.kind.value.startswith("fluid-warm")
    in_memory = BYTES if "CACHED" in arm.kind.name else 0
    pod = "2f0c7a1e-0d0d-4c57-9a0e-6b1f2a3c4d5e" if fluid else ""

    def state(sent: int, percent: float, seconds: float) -> State:
        return State(
            at=BEGAN + timedelta(seconds=seconds),
            cached_percent=percent if fluid else None,
            alluxio={"Cluster.BytesReadUfsAll": float(sent)} if fluid else {},
            nfs_reads=sent // MIB,
            nfs_read_bytes=sent,
            page_cache_bytes=in_memory,
            fuse_pod=pod,
        )

    return Proof(before=state(before, 100 if warm else 0, began), after=state(after, 100, began + 5))
