"""``python -m reports compare A B``: two runs side by side, and whether B is slower.

MB/s of two runs differ by whatever the machine did meanwhile, so what is gated is relative: how many
times as fast a way of reading is as its baseline *of the same round*, in A and in B. The judge of
`suites.benchmark.judge` judges that like any other two series of values. The bare speeds are judged
and shown, too, and decide nothing.

Many metrics make false alarms likely: each alone would be claimed wrongly now and then. So a
difference is claimed only where the judge claims it and its Mann-Whitney test also survives the
correction of Benjamini and Hochberg over all gated metrics: of equal runs at most 5 % then raise any
alarm, and of runs that differ at most 5 % of the alarms are false.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

from reports import units
from reports.performance.text import CLAIMS, says_pair
from suites.benchmark.judge import Judgement, Verdict, judge
from suites.benchmark.results import Benchmark, Environment, Purpose, RoundResult, SeriesResult
from suites.benchmark.rounds import Round, Unit

#: The two runs as arms of the judge.
EARLIER: Final = "A"
LATER: Final = "B"

#: How often all metrics together may raise a false alarm.
FAMILY: Final = 0.05

#: By how much what came through a held NFS may differ between two runs.
SAME_BANDWIDTH: Final = 0.10

#: By how much the memory of one machine may differ between two looks.
SAME_MEMORY: Final = 0.05

#: The latency that is compared beside the speed, in per cent of the reads.
TAIL: Final = 99.0


class What(StrEnum):
    """What is compared."""

    SPEED = "speed"
    TAIL_LATENCY = "slowest reads (99 %)"
    BARE_SPEED = "bare speed"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of both runs, judged.

    Attributes:
        series: name of the series.
        name: whose figure it is, such as ``Fluid, cold against raw NFS, cold``.
        what: what kind of figure.
        judgement: of B against A; a ratio below 1 means that B is slower.
        unit: of a bare speed; None for a relative figure.
        claimed: the verdict stands also among all the other metrics; always False where it is not gated.
    """

    series: str
    name: str
    what: What
    judgement: Judgement
    unit: Unit | None = None
    claimed: bool = False

    @property
    def gated(self) -> bool:
        """Whether it decides about a regression."""
        return self.unit is None

    def shown(self, value: float) -> str:
        """A median of it."""
        if self.unit is not None:
            return units.measured(value, self.unit)
        return units.times(value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of comparing two runs.

    Attributes:
        earlier: run A.
        later: run B.
        refused: why they cannot be compared, one sentence each; the metrics are then empty.
        changed: what differs between them that may be why they differ, such as the version of Fluid.
        only: what is in one of them alone.
        metrics: in the order of A.
    """

    earlier: Benchmark
    later: Benchmark
    refused: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()

    @property
    def gated(self) -> tuple[Metric, ...]:
        """The metrics that decide, and that could be judged."""
        return tuple(m for m in self.metrics if m.gated and m.judgement.verdict is not Verdict.INVALID)

    @property
    def regressions(self) -> tuple[Metric, ...]:
        """The metrics that got slower, as far as that can be claimed."""
        return tuple(m for m in self.gated if m.claimed and m.judgement.verdict is Verdict.SLOWER)

    @property
    def status(self) -> Literal[0, 1, 2]:
        """The exit code: 1 for a claimed regression, 2 when they cannot be compared, else 0."""
        return 2 if self.refused else 1 if self.regressions else 0


def compare(earlier: Benchmark, later: Benchmark, *, bare_speeds: bool = True, seed: int = 0) -> Outcome:
    """Compare two runs of the same machine.

    Args:
        earlier: run A, what is compared against.
        later: run B.
        bare_speeds: judge those as well, which decide nothing.
        seed: of the judge's bootstrap.
    """
    theirs = {one.name: one for one in later.series}
    pairs = [(one, theirs[one.name]) for one in earlier.series if one.name in theirs]
    refused = [
        *obstacles(earlier.environment, later.environment),
        *(reason for a, b in pairs for reason in _series_obstacles(a, b)),
    ]
    bare = Outcome(
        earlier,
        later,
        changed=tuple(changes(earlier.environment, later.environment)),
        only=tuple(_only(earlier, later)),
    )
    if refused:
        return replace(bare, refused=tuple(refused))
    metrics = tuple(
        metric for a, b in pairs for metric in _metrics(a, b, seed) if bare_speeds or metric.gated
    )
    done = replace(bare, metrics=_claim(metrics))
    reason = _too_little(done)
    return replace(done, refused=(reason,)) if reason else done


def obstacles(a: Environment, b: Environment) -> Iterator[str]:
    """Why figures of two runs must not be compared: another machine, or another NFS."""
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
            yield f"another {name}: {_known(one)} in A, {_known(other)} in B"
    mine, theirs = a.machine.memory_bytes, b.machine.memory_bytes
    if mine and theirs and abs(math.log(mine / theirs)) > SAME_MEMORY:
        yield f"another amount of memory: {units.size(mine)} in A, {units.size(theirs)} in B"


def changes(a: Environment, b: Environment) -> Iterator[str]:
    """What differs between two runs that may be compared, and so may be why their figures differ."""
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
                yield f"{what}{name}: {_known(one.get(name))} in A, {_known(other.get(name))} in B"
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
            yield f"{what}: {_known(before)} in A, {_known(after)} in B"


def render(outcome: Outcome) -> str:
    """The two runs side by side, as text for a terminal."""
    a, b = outcome.earlier, outcome.later
    lines = [
        f"{side}  run {run.id}, {run.started:%Y-%m-%d %H:%M} UTC" for side, run in ((EARLIER, a), (LATER, b))
    ]
    lines += [f"  changed: {text}" for text in outcome.changed]
    lines += [f"  {text}" for text in outcome.only]
    if outcome.refused and not outcome.metrics:
        return "\n".join([*lines, "", *_conclusion(outcome)]) + "\n"
    rows = [
        (
            m.what.value,
            m.name,
            *(
                m.shown(arm.median) if arm.values else "no value"
                for arm in (m.judgement.baseline, m.judgement.candidate)
            ),
            _said(m),
        )
        for m in outcome.metrics
    ]
    widths = [max(len(row[column]) for row in [*rows, ("", "", "A", "B", "")]) for column in range(4)]
    series = None
    for metric, row in zip(outcome.metrics, rows, strict=True):
        if metric.series != series:
            series = metric.series
            lines += ["", series, _line(("", "", EARLIER, LATER), widths)]
        lines.append(f"{_line(row, widths)}  {row[4]}")
    lines += [
        "",
        "speed and slowest reads: how many times as fast as the baseline of the same round; these decide.",
        "bare speed: differs between runs by what the machine did meanwhile; it decides nothing.",
    ]
    return "\n".join([*lines, "", *_conclusion(outcome)]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [f"{cell:<{width}}" for cell, width in zip(cells[:2], widths[:2], strict=True)]
    right = [f"{cell:>{width}}" for cell, width in zip(cells[2:4], widths[2:4], strict=True)]
    return "  " + "  ".join([*left, *right])


def _conclusion(outcome: Outcome) -> list[str]:
    if outcome.refused:
        return ["NOT COMPARABLE", *(f"  {reason}" for reason in outcome.refused)]
    gated = outcome.gated
    if outcome.regressions:
        names = [f"  {m.series}: {m.name}, {m.what}: {_percent_change(m)}" for m in outcome.regressions]
        return [
            f"REGRESSION: {len(names)} of {len(gated)} metrics got slower in B",
            *names,
            "  What the start of a run leaves to chance is in this, too: repeat both before you act on it.",
        ]
    found = sorted(m.judgement.could_find for m in gated if m.judgement.could_find is not None)
    reach = (
        f"; slowdowns of {units.percent(found[0])} to {units.percent(found[-1])} could have been found"
        if found
        else ""
    )
    unsaid = sum(m.judgement.verdict is Verdict.INCONCLUSIVE for m in gated)
    doubt = f"; {unsaid} of them inconclusive" if unsaid else ""
    return [f"NO REGRESSION SHOWN in {len(gated)} metrics{doubt}{reach}"]


def _said(metric: Metric) -> str:
    judgement = metric.judgement
    verdict = judgement.verdict
    text = f"{verdict}: {judgement.reason}"
    if verdict in CLAIMS:
        if not metric.gated:
            text += " (not gated)"
        elif not metric.claimed:
            text = (
                f"not claimed: alone it would be judged {verdict}, but among so many metrics it may be chance"
            )
    if judgement.unstable:
        text += " [unstable]"
    return text


def _percent_change(metric: Metric) -> str:
    ratio = metric.judgement.ratio
    return "" if ratio is None else f"{units.percent(1 - ratio)} slower than in A"


def _series_obstacles(a: SeriesResult, b: SeriesResult) -> Iterator[str]:
    mine, theirs = (one.workload.model_dump(exclude={"says", "parameters"}) for one in (a, b))
    mine |= a.workload.parameters
    theirs |= b.workload.parameters
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            yield f"{a.name}: another {name}: {_known(mine.get(name))} in A, {_known(theirs.get(name))} in B"
    if a.unit != b.unit:
        yield f"{a.name}: measured in {a.unit} in A, in {b.unit} in B"
    kinds, others = ({arm.name: arm.kind for arm in one.arms} for one in (a, b))
    for name in kinds:
        if name in others and kinds[name] != others[name]:
            yield f"{a.name}: {name} is {kinds[name]} in A, {others[name]} in B"
    if a.shaping.asked != b.shaping.asked:
        yield f"{a.name}: NFS held to {_rate(a.shaping.asked)} in A, to {_rate(b.shaping.asked)} in B"
    reached, others_reached = a.shaping.reached, b.shaping.reached
    if a.shaping.asked is not None and reached and others_reached and a.shaping.asked == b.shaping.asked:
        apart = abs(math.log(reached / others_reached))
        if apart > math.log1p(SAME_BANDWIDTH):
            yield (
                f"{a.name}: of the same held NFS {_rate(reached)} came through in A, "
                f"{_rate(others_reached)} in B"
            )


def _only(a: Benchmark, b: Benchmark) -> Iterator[str]:
    names, others = ([one.name for one in run.series] for run in (a, b))
    for side, mine, theirs in ((EARLIER, names, others), (LATER, others, names)):
        missing = [name for name in mine if name not in theirs]
        if missing:
            yield f"only in {side}: {', '.join(missing)}"


def _metrics(a: SeriesResult, b: SeriesResult, seed: int) -> Iterator[Metric]:
    shared = {(one.baseline, one.candidate) for one in b.judged if one.purpose is Purpose.COMPARISON}
    for one in a.judged:
        if one.purpose is not Purpose.COMPARISON or (one.baseline, one.candidate) not in shared:
            continue
        for what in (What.SPEED, What.TAIL_LATENCY):
            sides = [_relative(run, one.baseline, one.candidate, what) for run in (a, b)]
            if what is What.TAIL_LATENCY and not all(any(values) for values in sides):
                continue  # a run that kept no latencies is not a worse one
            yield Metric(a.name, says_pair(one), what, _judge(sides, Unit.BYTES_PER_SECOND, seed))
    names = {arm.name for arm in b.arms}
    for arm in a.arms:
        if arm.name in names:
            sides = [[one.value if one.valid else None for one in run.of_arm(arm.name)] for run in (a, b)]
            yield Metric(a.name, arm.name, What.BARE_SPEED, _judge(sides, a.unit, seed), unit=a.unit)


def _relative(run: SeriesResult, baseline: str, candidate: str, what: What) -> list[float | None]:
    """How many times as fast the candidate was as the baseline, in each round that has both."""
    base = {one.number: one for one in run.of_arm(baseline)}
    found: list[float | None] = []
    for one in run.of_arm(candidate):
        other = base.get(one.number)
        mine, theirs = (_speed(r, run.unit, what) if r is not None else None for r in (one, other))
        found.append(mine / theirs if mine is not None and theirs is not None else None)
    return found


def _speed(one: RoundResult, unit: Unit, what: What) -> float | None:
    """A figure of a valid round that is higher when it is faster."""
    if not one.valid or not one.value:
        return None
    if what is What.TAIL_LATENCY:
        tail = one.latency.at(TAIL) if one.latency else None
        return 1 / tail if tail else None
    return one.value if unit.more_is_faster else 1 / one.value


def _judge(sides: Sequence[Sequence[float | None]], unit: Unit, seed: int) -> Judgement:
    rounds = [
        Round(
            side,
            number,
            math.nan if value is None else value,
            value is not None,
            "" if value else "not proved in both",
        )
        for side, values in zip((EARLIER, LATER), sides, strict=True)
        for number, value in enumerate(values)
    ]
    return judge(rounds, baseline=EARLIER, candidate=LATER, unit=unit, seed=seed)


def _claim(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """Mark the gated metrics whose difference is claimed, by Benjamini and Hochberg's correction, too."""
    judged = [m for m in metrics if m.gated and m.judgement.mann_whitney_p is not None]
    by_p = sorted(judged, key=_p)
    under = [place for place, m in enumerate(by_p, 1) if _p(m) <= FAMILY * place / len(by_p)]
    limit = _p(by_p[under[-1] - 1]) if under else -1.0
    return tuple(
        replace(m, claimed=m.gated and _p(m) <= limit and m.judgement.verdict in CLAIMS) for m in metrics
    )


def _p(metric: Metric) -> float:
    found = metric.judgement.mann_whitney_p
    return 1.0 if found is None else found


def _too_little(outcome: Outcome) -> str:
    """Why no regression could have been claimed, whatever the runs had held; empty where one could."""
    gated = outcome.gated
    if not gated:
        return "no way of reading was measured and proved in both runs beside the same baseline"
    if all(_smallest_p(m) > FAMILY / len(gated) for m in gated):
        most = max(min(_counts(m)) for m in gated)
        return f"{most} rounds are too few to claim anything among {len(gated)} metrics; measure more rounds"
    return ""


def _smallest_p(metric: Metric) -> float:
    """What the judge's Mann-Whitney test says where all of one side lie above all of the other."""
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - half a second that only a comparison should pay

    few, many = _counts(metric)
    return float(mannwhitneyu(range(few), range(few, few + many), alternative="two-sided").pvalue)


def _counts(metric: Metric) -> tuple[int, int]:
    return len(metric.judgement.baseline.values), len(metric.judgement.candidate.values)


def _known(value: object) -> str:
    return "not known" if value is None or value == "" else str(value)


def _rate(value: float | None) -> str:
    return "no limit" if value is None else units.rate(value)
