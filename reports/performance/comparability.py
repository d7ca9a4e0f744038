"""Whether two runs may be compared, and what differs between them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from reports import units
from suites.benchmark.model.environment import Environment
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.series import SeriesResult

#: Names of the two runs.
EARLIER: Final = "A"
LATER: Final = "B"

#: Largest difference of the measured bandwidth of a limited NFS between two runs.
SAME_BANDWIDTH: Final = 0.10

#: Largest difference of the memory of one machine between two observations.
SAME_MEMORY: Final = 0.05


def obstacles(a: Environment, b: Environment, names: tuple[str, str] = (EARLIER, LATER)) -> Iterator[str]:
    """Why two runs must not be compared: another machine, or another NFS."""
    first, second = names
    for name, one, other in (
        ("NFS client", a.nfs.client, b.nfs.client),
        ("version of NFS", a.nfs.version, b.nfs.version),
        ("NFS server", a.nfs.server, b.nfs.server),
        ("storage of the NFS server", a.nfs.storage, b.nfs.storage),
        ("largest NFS read (rsize)", a.nfs.rsize, b.nfs.rsize),
        ("NFS connections (nconnect)", a.nfs.nconnect, b.nfs.nconnect),
        ("NFS read-ahead (read_ahead_kb)", a.nfs.read_ahead_kb, b.nfs.read_ahead_kb),
        ("processor", a.machine.cpu_model, b.machine.cpu_model),
        ("number of processors", a.machine.cpus, b.machine.cpus),
        ("architecture", a.machine.architecture, b.machine.architecture),
        ("kernel", a.machine.kernel, b.machine.kernel),
        ("kind of cluster", a.cluster, b.cluster),
        ("number of nodes", a.nodes, b.nodes),
    ):
        if one != other:
            yield f"another {name}: {_known(one)} in {first}, {_known(other)} in {second}"
    mine, theirs = a.machine.memory_bytes, b.machine.memory_bytes
    if mine and theirs and abs(math.log(mine / theirs)) > SAME_MEMORY:
        yield f"another amount of memory: {units.size(mine)} in {first}, {units.size(theirs)} in {second}"


def changes(a: Environment, b: Environment, names: tuple[str, str] = (EARLIER, LATER)) -> Iterator[str]:
    """Differences between two comparable runs, which may explain different figures."""
    first, second = names
    for what, one, other in (
        ("", a.versions, b.versions),
        (
            "Java heap of ",
            {k: units.size(v) for k, v in a.heap_bytes.items()},
            {k: units.size(v) for k, v in b.heap_bytes.items()},
        ),
        ("Alluxio's ", a.properties, b.properties),
        ("image ", {i.name: i.digest[:19] for i in a.images}, {i.name: i.digest[:19] for i in b.images}),
    ):
        for name in sorted({*one, *other}):
            if one.get(name) != other.get(name):
                yield (
                    f"{what}{name}: {_known(one.get(name))} in {first}, {_known(other.get(name))} in {second}"
                )
    for what, before, after in (
        ("Fluid's mount options", ",".join(a.fuse.options), ",".join(b.fuse.options)),
        ("FUSE client", a.fuse.kind, b.fuse.kind),
        (
            "cache",
            f"{a.tier.medium} {units.size(a.tier.quota_bytes)}",
            f"{b.tier.medium} {units.size(b.tier.quota_bytes)}",
        ),
    ):
        if before != after:
            yield f"{what}: {_known(before)} in {first}, {_known(after)} in {second}"


def series_obstacles(
    a: SeriesResult, b: SeriesResult, names: tuple[str, str] = (EARLIER, LATER)
) -> Iterator[str]:
    """Why two series must not be compared: another workload, or another bandwidth of NFS."""
    first, second = names
    mine, theirs = (one.workload.model_dump(exclude={"says", "parameters"}) for one in (a, b))
    mine |= a.workload.parameters
    theirs |= b.workload.parameters
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            yield (
                f"{a.name}: another {name}: {_known(mine.get(name))} in {first}, "
                f"{_known(theirs.get(name))} in {second}"
            )
    if a.unit != b.unit:
        yield f"{a.name}: measured in {a.unit} in {first}, in {b.unit} in {second}"
    kinds, others = ({arm.name: arm.kind for arm in one.arms} for one in (a, b))
    for name in kinds:
        if name in others and kinds[name] != others[name]:
            yield f"{a.name}: {name} is {kinds[name]} in {first}, {others[name]} in {second}"
    if a.shaping.asked != b.shaping.asked:
        yield (
            f"{a.name}: NFS limited to {_rate(a.shaping.asked)} in {first}, "
            f"to {_rate(b.shaping.asked)} in {second}"
        )
    reached, others_reached = a.shaping.reached, b.shaping.reached
    if a.shaping.asked is not None and reached and others_reached and a.shaping.asked == b.shaping.asked:
        apart = abs(math.log(reached / others_reached))
        if apart > math.log1p(SAME_BANDWIDTH):
            yield (
                f"{a.name}: with the same limit NFS reached {_rate(reached)} in {first}, "
                f"{_rate(others_reached)} in {second}"
            )


def differences(a: Benchmark, b: Benchmark, names: tuple[str, str] = (EARLIER, LATER)) -> Iterator[str]:
    """Why two runs are not repetitions of each other."""
    yield from obstacles(a.environment, b.environment, names)
    yield from changes(a.environment, b.environment, names)
    for one in a.series:
        for other in b.series:
            if one.name == other.name:
                yield from series_obstacles(one, other, names)


def unshared_series(a: Benchmark, b: Benchmark) -> Iterator[str]:
    """The series that only one of the runs has."""
    names, others = ([one.name for one in run.series] for run in (a, b))
    for side, mine, theirs in ((EARLIER, names, others), (LATER, others, names)):
        missing = [name for name in mine if name not in theirs]
        if missing:
            yield f"only in {side}: {', '.join(missing)}"


def _known(value: object) -> str:
    return "not known" if value is None or value == "" else str(value)


def _rate(value: float | None) -> str:
    return "no limit" if value is None else units.rate(value)
