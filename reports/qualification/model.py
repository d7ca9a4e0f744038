"""What a qualification is asked for, which steps it has, and how far it came: `state.json`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from clusters.errors import RefusalError
from reports.files import write_atomically
from reports.verdict.model import Model

STATE: Final = "state.json"
#: Folder of the runs of all steps, below that of the qualification.
RUNS: Final = "runs"

LevelName = Literal["smoke", "conformance", "full"]


class Settings(Model):
    """What is qualified, and how; the same for all steps.

    A qualification that was interrupted is continued only with the same settings.
    """

    old: str = Field(description="version of Fluid to upgrade from")
    new: str = Field(description="version of Fluid to qualify")
    source: str = Field("", description="digest of the local checkout that `new` is built from")
    kubernetes: tuple[str, ...]
    alluxio: str
    level: LevelName
    nodes: int
    images: str
    performance: bool = False
    profile: Literal["quick", "default"] = Field("default", description="of the benchmark")

    def __str__(self) -> str:
        source = f" (local checkout {self.source})" if self.source else ""
        parts = [f"Fluid {self.old} to {self.new}{source}", f"level {self.level}"]
        parts += [f"Kubernetes {', '.join(self.kubernetes)}", f"Alluxio {self.alluxio}"]
        parts += [f"{self.nodes} node{'' if self.nodes == 1 else 's'}", f"images {self.images}"]
        return ", ".join(parts) + (f", with performance ({self.profile})" if self.performance else "")


class Part(StrEnum):
    """What a step is for."""

    OLD = "old"
    NEW = "new"
    UPGRADE = "upgrade"
    UPGRADED = "upgraded"
    REMOVE = "remove"
    MEASURE_OLD = "measure-old"
    MEASURE_NEW = "measure-new"
    COMPARE = "compare"


#: Parts whose run ends with a verdict on rows.
JUDGED: Final = (Part.OLD, Part.NEW, Part.UPGRADE, Part.UPGRADED)
#: Parts that are a run on a cluster.
RUN: Final = (*JUDGED, Part.MEASURE_OLD, Part.MEASURE_NEW)


class Step(Model):
    """One command of the harness, run in a process of its own.

    Attributes:
        id: such as ``1.34.0-new``.
        part: what it is for.
        title: what it does, for a person.
        arguments: of `fluid-conformance`.
        minutes: how long it takes on two cores.
        group: steps of one group depend on each other's cluster, so they are repeated together.
    """

    id: str
    part: Part
    title: str
    arguments: tuple[str, ...]
    minutes: int
    group: str


class StepState(Model):
    """How a step ended.

    Attributes:
        run: folder of its run, below that of the qualification; empty if it made none.
        exit_code: of its process.
        seconds: how long it took.
        finished: it ended with a result, so that it is not run again.
    """

    run: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    finished: bool = False


class State(Model):
    """`state.json`: the settings, the harness that made it, and the steps that ended."""

    schema_version: Literal[1] = Field(1, alias="schema")
    settings: Settings
    harness: str = Field(description="digest of the code of the harness")
    steps: dict[str, StepState] = Field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it; a reader never sees an incomplete one."""
        write_atomically(folder / STATE, self.model_dump_json(indent=2, by_alias=True) + "\n")

    def ended(self, step: str, state: StepState) -> State:
        """The state with one more step."""
        return self.model_copy(update={"steps": {**self.steps, step: state}})


def begin(folder: Path, settings: Settings, harness: str) -> State:
    """The state of a folder: of the qualification that was interrupted there, else a new one.

    Raises:
        RefusalError: the folder holds something else. Nothing in it was changed.
    """
    file = folder / STATE
    if not file.exists():
        if folder.exists() and any(folder.iterdir()):
            raise RefusalError(
                f"{folder} is not empty, and holds no qualification", advice="name another folder with --out"
            )
        return State(settings=settings, harness=harness)
    try:
        state = State.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise RefusalError(
            f"{file} cannot be read", advice="name another folder with --out; nothing was changed"
        ) from error
    if state.harness != harness:
        raise RefusalError(
            f"{folder} holds a qualification of another version of the harness ({state.harness}), "
            f"and this is {harness}",
            advice="continue it with that version, or name another folder with --out",
        )
    if state.settings != settings:
        raise RefusalError(
            f"{folder} holds a qualification of {state.settings}, and this is one of {settings}",
            advice="continue it with the same options, or name another folder with --out",
        )
    return state
