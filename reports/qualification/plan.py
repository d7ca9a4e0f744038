"""The steps of a qualification, and how long they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reports import units
from reports.qualification.model import RUNS, LevelName, Part, Settings, State, Step

#: Minutes of a run of each level on two cores with all images built (docs/results.md); `full` was never run
#: in one piece.
LEVEL_MINUTES: Final[Mapping[LevelName, int]] = {"smoke": 7, "conformance": 40, "full": 150}
UPGRADE_MINUTES: Final = 15
REMOVE_MINUTES: Final = 1
#: Minutes of a run of each profile of the benchmark (docs/benchmark.md).
MEASURE_MINUTES: Final[Mapping[str, int]] = {"quick": 6, "default": 25}
COMPARE_MINUTES: Final = 1
_HOUR: Final = 60
#: The row of the upgrade.
UPGRADE_ROW: Final = "E14"
#: Runs of both sides of the comparison, in an order that a slow change of the machine favours least. With
#: three on each side the run is the unit (`suites.benchmark.analysis.run_judge`).
MEASURES: Final = (
    *(Part.MEASURE_OLD, Part.MEASURE_NEW, Part.MEASURE_NEW),
    *(Part.MEASURE_OLD, Part.MEASURE_OLD, Part.MEASURE_NEW),
)
#: Names of the clusters of the steps.
CLUSTER: Final = "qualify"
UPGRADE_CLUSTER: Final = "qualify-upgrade"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the steps need to know of this machine, and what is no part of the result.

    Attributes:
        folder: of the qualification.
        source: the local checkout of the new version; None for a published one.
        more: options that every run receives, such as ``--bootstrap``.
    """

    folder: Path
    source: Path | None = None
    more: tuple[str, ...] = ()


def steps(settings: Settings, machine: Machine) -> tuple[Step, ...]:
    """All steps, in their order. Old and new version take turns in being the first."""
    found: list[Step] = []
    for number, kubernetes in enumerate(settings.kubernetes):
        sides = [(Part.OLD, settings.old), (Part.NEW, settings.new)]
        for part, version in sides if number % 2 == 0 else reversed(sides):
            found.append(_level(settings, machine, kubernetes, part, version))
        found += _upgrade(settings, machine, kubernetes)
    if settings.performance:
        found += _performance(settings, machine)
    return tuple(found)


def describe(settings: Settings, planned: Sequence[Step], state: State, doubts: Sequence[str] = ()) -> str:
    """The plan as lines for a terminal, with what is done already and the time that is left."""
    lines = [f"Qualification of {settings}", ""]
    width = max(len(step.id) for step in planned)
    for step in planned:
        ended = state.steps.get(step.id)
        took = units.duration(ended.seconds) if ended is not None and ended.finished else ""
        time = f"took {took}" if took else f"about {step.minutes} min"
        lines.append(f"  {step.id:<{width}}  {time:<16}  {step.title}")
    left = sum(step.minutes for step in remaining(planned, state))
    time = f"{left // 60} h {left % 60} min" if left >= _HOUR else f"{left} min"
    lines += ["", f"Time left: about {time} on two cores with all images built."]
    lines += [f"Note: {doubt}." for doubt in doubts]
    return "\n".join(lines) + "\n"


def remaining(planned: Sequence[Step], state: State) -> list[Step]:
    """The steps that are still to be run: those that did not end, with all others of their group."""
    done = {step for step, ended in state.steps.items() if ended.finished}
    open_groups = {step.group for step in planned if step.id not in done}
    if any(step.group in open_groups and step.part in MEASURES for step in planned):
        open_groups |= {step.group for step in planned if step.part is Part.COMPARE}
    return [step for step in planned if step.group in open_groups]


def _run(settings: Settings, machine: Machine, step: str, *more: str) -> tuple[str, ...]:
    words = ("--alluxio", settings.alluxio, "--images", settings.images, "--out")
    return ("run", *more, *words, str(machine.folder / RUNS / step), *machine.more)


def _new(settings: Settings, machine: Machine) -> tuple[str, str]:
    """The option that chooses the new version."""
    if machine.source is not None:
        return "--fluid-source", str(machine.source)
    return "--fluid", settings.new


def _level(settings: Settings, machine: Machine, kubernetes: str, part: Part, version: str) -> Step:
    step = f"{kubernetes}-{part}"
    fluid = _new(settings, machine) if part is Part.NEW else ("--fluid", version)
    on = ("--kubernetes", kubernetes, "--nodes", str(settings.nodes), "--cluster-name", CLUSTER)
    return Step(
        id=step,
        part=part,
        title=f"level {settings.level} on Fluid {version}, Kubernetes {kubernetes}",
        arguments=_run(settings, machine, step, "--level", settings.level, *fluid, *on),
        minutes=LEVEL_MINUTES[settings.level],
        group=step,
    )


def _upgrade(settings: Settings, machine: Machine, kubernetes: str) -> Iterator[Step]:
    """The upgrade on a cluster of its own, and the level on what was upgraded."""
    group = f"{kubernetes}-upgrade"
    cluster = ("--kubernetes", kubernetes, "--nodes", str(settings.nodes), "--cluster-name", UPGRADE_CLUSTER)
    on = (*cluster, *_new(settings, machine), "--upgrade-from", settings.old, "--keep-cluster")
    upgrade = f"row {UPGRADE_ROW}: Fluid {settings.old} in use is upgraded to {settings.new}"
    for part, chosen, title, minutes in (
        (
            Part.UPGRADE,
            ("--scenario", UPGRADE_ROW),
            f"{upgrade}, Kubernetes {kubernetes}",
            UPGRADE_MINUTES,
        ),
        (
            Part.UPGRADED,
            ("--level", settings.level),
            f"level {settings.level} on the upgraded system, Kubernetes {kubernetes}",
            LEVEL_MINUTES[settings.level],
        ),
    ):
        step = f"{kubernetes}-{part}"
        arguments = _run(settings, machine, step, *chosen, *on)
        yield Step(id=step, part=part, title=title, arguments=arguments, minutes=minutes, group=group)
    yield Step(
        id=f"{kubernetes}-{Part.REMOVE}",
        part=Part.REMOVE,
        title="the cluster of the upgrade is removed",
        arguments=removal(),
        minutes=REMOVE_MINUTES,
        group=group,
    )


def removal() -> tuple[str, ...]:
    """Removes the cluster of the upgrade; also before a group is repeated, whose cluster may be left."""
    return ("cluster", "down", "--cluster-name", UPGRADE_CLUSTER)


def _performance(settings: Settings, machine: Machine) -> Iterator[Step]:
    kubernetes = settings.kubernetes[0]
    runs: dict[Part, list[str]] = {Part.MEASURE_OLD: [], Part.MEASURE_NEW: []}
    for part in MEASURES:
        step = f"{part}-{len(runs[part]) + 1}"
        runs[part].append(step)
        version = settings.old if part is Part.MEASURE_OLD else settings.new
        fluid = _new(settings, machine) if part is Part.MEASURE_NEW else ("--fluid", version)
        on = ("--kubernetes", kubernetes, "--cluster-name", CLUSTER)
        profile = ("--benchmark-profile", settings.profile)
        arguments = ("benchmark", *_run(settings, machine, step, *profile, *fluid, *on)[1:])
        yield Step(
            id=step,
            part=part,
            title=f"read performance of Fluid {version}",
            arguments=arguments,
            minutes=MEASURE_MINUTES[settings.profile],
            group=step,
        )
    # `latest` is a link that each run makes next to its folder.
    old, new = ([str(machine.folder / RUNS / step / "latest") for step in found] for found in runs.values())
    yield Step(
        id=Part.COMPARE,
        part=Part.COMPARE,
        title=f"reads of {len(new)} runs of the new version are compared with {len(old)} of the old one",
        arguments=("compare", *old, "--to", *new),
        minutes=COMPARE_MINUTES,
        group=Part.COMPARE,
    )
