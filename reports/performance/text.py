"""Texts that all reports of measurements share."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Final

from reports import units
from reports.performance.parallel_text import says_groups
from reports.svg import Badge
from suites.benchmark.model.environment import Environment
from suites.benchmark.model.judgement import (
    FEWEST_ROUNDS,
    RULED_OUT,
    UNSTABLE,
    Comparison,
    Conclusion,
    Figures,
    Judgement,
    Purpose,
)
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round, Unit
from suites.benchmark.model.series import ArmKind, Ending, SeriesResult

TONES: Final[dict[Conclusion, str]] = {
    Conclusion.FASTER: "good",
    Conclusion.SLOWER: "bad",
    Conclusion.NO_DIFFERENCE: "idle",
    Conclusion.INCONCLUSIVE: "warn",
    Conclusion.INVALID: "bad",
}

#: Why a series ended, in words that follow a comma.
ENDINGS: Final[dict[str, str]] = {
    Ending.ENOUGH: "ended because more rounds were not needed",
    Ending.MOST_ROUNDS: "ended because it had the largest number of rounds",
    Ending.TIME_UP: "ended because the time was over",
    Ending.INTERRUPTED: "ended because it was interrupted; complete rounds are kept",
}

#: The arms whose comparison shows a client that remembers the time before the data was cached.
_SAME_AND_FRESH: Final = (ArmKind.FLUID_WARM_SAME_CLIENT, ArmKind.FLUID_WARM_FRESH_CLIENT)

#: The verdicts that claim a difference.
CLAIMS: Final = frozenset({Conclusion.FASTER, Conclusion.SLOWER})

#: What each verdict means, for people who have not read about the method.
VERDICTS: Final[dict[Conclusion, str]] = {
    Conclusion.FASTER: "the interval of the ratio is above 1, and the effect is larger than the threshold",
    Conclusion.SLOWER: "the interval of the ratio is below 1, and the effect is larger than the threshold",
    Conclusion.NO_DIFFERENCE: f"nothing is claimed, and {100 * RULED_OUT:g} % or more is ruled out",
    Conclusion.INCONCLUSIVE: "these rounds allow no conclusion; more rounds, or a quieter machine, might",
    Conclusion.INVALID: f"fewer than {FEWEST_ROUNDS} rounds are valid, so nothing is compared",
}

#: The meaning of the badges of a number.
MARKS: Final[dict[str, str]] = {
    "stable": f"the rounds vary by {100 * UNSTABLE:g} % or less (standard deviation over mean)",
    "unstable": f"the rounds vary by more than {100 * UNSTABLE:g} %: read the interval, not the median",
    "saturated": "a limit other than the one under test was reached, such as the processors; "
    "the number shows that limit",
    "polluted": "there was other activity during the round, or a cache that should be empty took part",
    "invalid": "there is no evidence that the data came from where the name says; "
    "the number is shown and never compared",
}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A published figure; shown as a reference, never as a figure of this run."""

    what: str
    figures: str
    source: str


#: Read in November 2026. None of them was measured on hardware like that of a run.
ANCHORS: Final = (
    Anchor(
        "Training ResNet50 from an NFS claim, one node of 8 V100 GPUs, speed at step 1000",
        "NFS 2,401 images/s; Fluid cold 2,378; Fluid warm 9,328 (3.9 times); whole run 6.5 % shorter",
        "Fluid's documentation",
    ),
    Anchor(
        "The same on four nodes",
        "NFS 3,136 images/s; Fluid cold 8,890 (2.8 times); warm 20,860 (6.7 times); "
        "whole run 24 % (cold) and 32 % (warm) shorter",
        "Fluid's documentation",
    ),
    Anchor(
        "Copying 443.5 MiB that lie on a web server, first and second time",
        "62.7 s and 2.94 s (21 times)",
        "Fluid's demonstration of remote file access",
    ),
    Anchor(
        "What a file system in user space (FUSE) costs against one in the kernel",
        "from no loss to 83 % of the throughput; up to 31 % more processor time",
        "“To FUSE or Not to FUSE”, FAST 2017",
    ),
    Anchor(
        "Alluxio, random reads of 128 KB, 64 at once",
        "Java client 968 MB/s; through FUSE 246 MB/s",
        "Alluxio, 2020",
    ),
    Anchor(
        "Cached reads that were slower than the source",
        "reported by users",
        "Alluxio issues 15026 and 14739",
    ),
)


def measured_on(env: Environment) -> str:
    """What it was measured on, in one sentence."""
    client = {"kernel": "the kernel", "user-space": "a user-space client"}[env.nfs.client]
    versions = ", ".join(f"{name} {version}" for name, version in env.versions.items())
    return (
        f"{env.machine.cpus} processors ({env.machine.cpu_model}), kernel {env.machine.kernel}; "
        f"NFS {env.nfs.version} mounted by {client} from {env.nfs.server} on {env.nfs.storage}; {versions}."
    )


def unfinished(benchmark: Benchmark) -> str:
    """Why the results are not complete; empty if they are."""
    if benchmark.stopped:
        return f"The run ended before its plan was done: {benchmark.stopped}. The complete rounds are shown."
    return "" if benchmark.finished else "The run is not finished, or it was killed."


def says_series(series: SeriesResult) -> str:
    """What was done with which files, how often, and at which bandwidth of NFS."""
    load = series.workload
    readers = f"{load.jobs} process{'' if load.jobs == 1 else 'es'}"
    if load.pods > 1:
        readers += f" in each of {load.pods} Pods at once{_says_nodes(series)}, each on files of its own,"
    files = "1 file" if load.files == 1 else f"{load.files:,} files"
    several = max((sum(part.kind == "read" for part in one.parts) for one in series.rounds), default=0)
    again = f"Short reads are repeated up to {several} times for one value. " if several else ""
    complete = len({one.number for one in series.rounds})
    done = {
        "read": f"read {units.size(load.total_bytes)} of {files}",
        "write": f"wrote {units.size(load.total_bytes)} to {files}",
        "list": f"listed {files}",
        "stat": f"looked up {files}",
        "open": f"opened {files}",
    }[load.operation]
    return (
        f"{load.says.rstrip('.')}. {readers} {done} in each round. "
        f"{again}{says_shaping(series)} {complete} rounds in {units.duration(series.seconds)} "
        f"({series.planned} planned), {ENDINGS.get(series.ending, series.ending)}."
    )


def how_text(series: SeriesResult) -> str:
    """What the names of its arms say, as the head of a column."""
    return "how it was read" if series.workload.operation == "read" else "how it was done"


def says_spread(series: SeriesResult) -> tuple[str, ...]:
    """How parallel Pods shared what they read, a sentence for each arm and fact; nothing for one Pod."""
    found = []
    for arm in series.arms:
        pods = [
            [part.bytes_per_second for part in one.parts if part.kind == "pod"]
            for one in series.of_arm(arm.name)
            if one.valid
        ]
        several = [one for one in pods if len(one) > 1 and min(one) > 0]
        if several:
            each = units.rate(median(speed for one in several for speed in one))
            evenness = median(min(one) / max(one) for one in several)
            found.append(
                f"{arm.name}: a Pod reached {each} (median of all); in the median round the slowest Pod "
                f"reached {units.percent(evenness)} of the fastest"
            )
    return (*found, *says_groups(series))


def _says_nodes(series: SeriesResult) -> str:
    """On how many nodes parallel Pods ran."""
    nodes = {part.node for one in series.rounds for part in one.parts if part.kind == "pod"}
    if not nodes:
        return ""
    if len(nodes) < series.workload.pods:
        node = "one node" if len(nodes) == 1 else f"{len(nodes)} nodes"
        return f" on {node} (Pods of a node share its processors, its network and its FUSE client)"
    return f" on {len(nodes)} nodes"


def says_shaping(series: SeriesResult) -> str:
    """The limit of NFS, and its measured bandwidth."""
    shaping = series.shaping
    reached = f"it reached {units.rate(shaping.reached)}" if shaping.reached is not None else ""
    if shaping.asked is None:
        return f"NFS was not limited{f'; {reached}' if reached else ''}."
    how = f" by {shaping.means}" if shaping.means else ""
    asked = units.rate(shaping.asked)
    return f"NFS was limited to {asked}{how}; {reached or 'the bandwidth was not measured'}."


def pair_text(one: Comparison) -> str:
    """The two arms of a comparison."""
    return f"{one.candidate} against {one.baseline}"


def says_round(one: Round, unit: Unit) -> str:
    """A round in one line, such as ``round 3: 412 MiB/s, polluted (a backup ran)``."""
    why = "; ".join(text for text in (one.reason, one.saturated, one.polluted) if text)
    kind = "" if mark_of(one) == "valid" else f", {mark_of(one)}"
    return f"round {one.number + 1}: {value_text(one.value, unit)}{kind}{f' ({why})' if why else ''}"


def mark_of(one: Round) -> str:
    """The mark of a round; the most serious one if several apply."""
    if not one.valid:
        return "invalid"
    return "polluted" if one.polluted else "saturated" if one.saturated else "valid"


def arm_badges(figures: Figures) -> tuple[Badge, ...]:
    """How reliable the numbers of an arm are, the worst first."""
    every = figures.rounds + figures.invalid
    found: list[Badge] = []
    if figures.invalid or not figures.rounds:
        found.append(
            Badge(
                f"invalid {figures.invalid} of {every}" if every else "not measured", "bad", MARKS["invalid"]
            )
        )
    if figures.unstable:
        found.append(Badge("unstable", "warn", MARKS["unstable"]))
    for word, count in (("saturated", figures.saturated), ("polluted", figures.polluted)):
        if count:
            found.append(Badge(f"{word} {count} of {figures.rounds}", "warn", MARKS[word]))
    if not found and figures.variation is None:
        return (Badge("one round only", "warn", "a single round shows no variation"),)
    return tuple(found) or (Badge("stable", "good", MARKS["stable"]),)


def round_badges(one: Round) -> tuple[Badge, ...]:
    """How reliable a round is, with the reasons."""
    found = [] if one.valid else [Badge("invalid", "bad", one.reason)]
    found += [Badge("saturated", "warn", one.saturated)] if one.saturated else []
    found += [Badge("polluted", "warn", one.polluted)] if one.polluted else []
    return tuple(found) or (
        Badge("valid", "good", "the evidence is complete, and no other activity was seen"),
    )


def judged_badges(one: Judgement) -> tuple[Badge, ...]:
    """The verdict on a comparison, and whether its numbers are steady."""
    found = [Badge(one.verdict.value, TONES[one.verdict], one.reason)]
    if one.unstable:
        found.append(Badge("unstable", "warn", MARKS["unstable"]))
    return tuple(found)


def left_out(series: SeriesResult) -> tuple[str, ...]:
    """Which rounds are not compared, and why: one sentence for each arm, with the first of its reasons.

    The table of all rounds has the reason of each.
    """
    found: dict[str, list[str]] = {}
    for one in series.rounds:
        if not one.valid:
            found.setdefault(one.arm, []).append(one.reason)
    return tuple(
        f"{arm}: {len(reasons)} round{' is' if len(reasons) == 1 else 's are'} not valid"
        f"{': ' if len(set(reasons)) == 1 else ', such as: '}{reasons[0]}"
        for arm, reasons in found.items()
    )


def alarms(benchmark: Benchmark) -> tuple[str, ...]:
    """Failed checks of the measurement itself, which make its other claims doubtful."""
    found: list[str] = []
    for series in benchmark.series:
        for one in series.judged:
            if one.purpose in {Purpose.EQUAL, Purpose.COST} and one.verdict in CLAIMS:
                found.append(
                    f"{series.name}: {pair_text(one)} must be equally fast, and was judged {one.verdict}. "
                    "Do not trust what is claimed in these measurements."
                )
            elif one.purpose is Purpose.CONTROL and one.verdict not in {
                Conclusion.SLOWER,
                Conclusion.INVALID,
            }:
                found.append(
                    f"{series.name}: {one.candidate} was slowed down on purpose, and that was not noticed "
                    f"({one.verdict}). A real slowdown of that size may be hidden, too."
                )
    return tuple(found)


def advices(benchmark: Benchmark) -> tuple[str, ...]:
    """What a user can do about slow reads that were measured: a sentence with its remedy for each series."""
    return tuple(
        filter(None, (_slow_client(series, one) for series in benchmark.series for one in series.judged))
    )


def _slow_client(series: SeriesResult, one: Judgement) -> str:
    """A client that was running when the data was cached is slower than one that started afterwards.

    Fluid sets ``alluxio.user.metadata.cache.expiration.time`` to 10 minutes (1.0.8,
    pkg/ddc/alluxio/transform_optimization.go:79).
    """
    kinds = (series.arm(one.baseline).kind, series.arm(one.candidate).kind)
    if kinds != _SAME_AND_FRESH or one.verdict is not Conclusion.FASTER:
        return ""
    same, fresh = (
        next(value_text(found.median, series.unit) for found in series.figures if found.arm == arm)
        for arm in (one.baseline, one.candidate)
    )
    return (
        f"{series.name}: with all data cached, a FUSE client that was running while it was cached reads "
        f"{same}, and one that started afterwards {fresh}. A client keeps what it knows of a file for "
        "10 minutes, also that none of it was cached (alluxio.user.metadata.cache.expiration.time, set by "
        "Fluid). Load the data with a DataLoad before the first application starts; where one ran before, "
        "delete the Fuse Pod of its node while no application uses the Dataset."
    )


def cpu_text(figures: Figures) -> str:
    """Processor time for 1 GiB."""
    return "not known" if figures.cpu_per_gib is None else f"{units.three(figures.cpu_per_gib)} s"


def value_text(value: float | None, unit: Unit) -> str:
    """A measured value, or that there is none."""
    return "no value" if value is None else units.measured(value, unit)


def span_text(low: float | None, high: float | None, unit: Unit) -> str:
    """An interval of measured values, its unit once."""
    if low is None or high is None:
        return "too few rounds"
    if unit is Unit.BYTES_PER_SECOND:
        return f"{units.three(low / units.MIB)} to {units.rate(high)}"
    return f"{units.three(low)} to {units.measured(high, unit)}"


def ratio_text(one: Judgement) -> str:
    """How many times as fast, or that it is not known."""
    return "none" if one.ratio is None else units.times(one.ratio)


def interval_text(one: Judgement) -> str:
    """The interval of a ratio."""
    if one.low is None or one.high is None:
        return "none"
    return f"{units.three(one.low)} to {units.times(one.high)}"
