"""The schema of `verdict.json`: the system, the results of the scenarios, and the verdict."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from clusters.errors import FailureClass, RefusalError
from clusters.facts import SystemFacts
from clusters.progress import Stage
from suites.record.evidence import Fact, Phase
from suites.record.run import When

VerdictWord = Literal["pass", "fail", "inconclusive", "invalid"]
#: Outcomes of a scenario that ran to its end.
WORKED: Final = frozenset({"pass", "known-defect"})
Outcome = Literal["pass", "fail", "known-defect", "skipped"]

#: Name of the file in the folder of a run.
FILE: Final = "verdict.json"

SCHEMA_PATH: Final = Path(__file__).parents[1] / "schemas" / "verdict.schema.json"


class Model(BaseModel):
    """A frozen part of the verdict; a field that is not known is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", from_attributes=True, validate_by_name=True, serialize_by_alias=True
    )


class DefectResult(Model):
    """A suspected defect of the product that a scenario checked."""

    key: str
    says: str
    source: str = ""
    seen: bool = Field(description="false: it did not show")


class Failure(Model):
    """One thing that went wrong: in a part of a test, or (with no phase) in the run itself."""

    failure_class: FailureClass = Field(alias="class")
    reason: str = Field(description="one line")
    phase: When | None = None
    at: float = Field(0.0, description="seconds since the run began")
    detail: str = Field("", description="the error in full, without the trace")


class KeptFile(Model):
    """A file of the run, its path relative to the run's folder."""

    name: str
    path: str


class AttemptResult(Model):
    """One attempt at a scenario; there is one, unless repetition was requested."""

    outcome: Outcome
    failures: tuple[Failure, ...] = Field((), description="in the order in which they came")
    at: float = Field(description="seconds since the run began")
    setup: float = Field(0.0, description="seconds, without the making of the shared system")
    call: float = 0.0
    teardown: float = 0.0


class ScenarioResult(Model):
    """The result of a scenario: of the first attempt that failed, otherwise of the last one."""

    id: str
    title: str
    level: Literal["smoke", "conformance", "full"]
    outcome: Outcome
    failure_class: FailureClass | None = Field(None, alias="class", description="null unless it failed")
    reason: str = ""
    seconds: float = Field(0.0, description="all attempts, without the making of the shared system")
    evidence: tuple[Fact, ...] = ()
    case: str = Field("", description="which of the cases of the test, where it has several")
    does: str = Field("", description="what the user does")
    test: str = Field("", description="pytest's node id")
    issues: tuple[int, ...] = Field((), description="issues of Fluid that it guards")
    disturbs: tuple[str, ...] = Field(
        (), description="what it does outside the namespaces of the harness, after its kind; empty: nothing"
    )
    phases: tuple[Phase, ...] = ()
    defects: tuple[DefectResult, ...] = ()
    wrong_diagnoses: tuple[str, ...] = Field(
        (), description="where the doctor was wrong: a defect of the harness, and no part of the outcome"
    )
    reconcile_requests: int | None = Field(
        None,
        description="how often Fluid's controllers were asked to reconcile sooner than by themselves; "
        "null: unknown",
    )
    signals: int = Field(
        0, description="how often a process of Fluid was sent a signal that it would have waited for"
    )
    attachments: tuple[KeptFile, ...] = ()
    bundles: tuple[KeptFile, ...] = Field((), description="collected material, one per failed part")
    attempts: tuple[AttemptResult, ...] = Field((), description="empty: it did not run")

    @property
    def anchor(self) -> str:
        """A name for links and folders, unlike that of any other scenario of the run."""
        return "-".join(part for part in (self.id, _slug(self.case)) if part)


class Host(Model):
    """The machine that the run was started on."""

    name: str
    kernel: str
    cpus: int
    cpu_model: str
    memory: int = Field(description="bytes")


class RunFacts(Model):
    """The run itself."""

    id: str
    started: datetime
    seconds: float
    finished: bool = Field(description="false: the run is not finished, or it was killed")
    command: str = ""
    options: dict[str, str] = Field(default_factory=dict)
    host: Host | None = Field(None, description="null: unknown, from an older harness")
    harness: str = Field("", description="digest of the code of the harness; empty: unknown")


class Verdict(Model):
    """The whole of `verdict.json`, schema 1."""

    schema_version: Literal[1] = Field(1, alias="schema")
    verdict: VerdictWord
    reasons: tuple[str, ...] = Field(description="why, one sentence each")
    run: RunFacts
    system: SystemFacts | None = Field(description="null: the run broke before it was known")
    scenarios: tuple[ScenarioResult, ...]
    stages: tuple[Stage, ...] = ()
    problems: tuple[Failure, ...] = Field((), description="what broke outside of any scenario")
    sabotage: list[dict[str, JsonValue]] | None = Field(
        None, description="how the product was broken on purpose, and which checks noticed"
    )
    mutants: list[dict[str, JsonValue]] | None = Field(
        None, description="how the product's source was changed on purpose, and which rows noticed"
    )
    soak: dict[str, JsonValue] | None = Field(
        None, description="rows at random for hours: steps, reads, failures, leaks, and what the system used"
    )
    benchmark: dict[str, JsonValue] | None = Field(None, description="measurements; no part of the verdict")

    def to_json(self) -> str:
        """The text of `verdict.json`."""
        return self.model_dump_json(indent=2, exclude=self._unused()) + "\n"

    def _unused(self) -> set[str]:
        return {name for name in ("sabotage", "mutants", "soak", "benchmark") if getattr(self, name) is None}


def load(path: Path) -> Verdict:
    """Read a `verdict.json`.

    Raises:
        RefusalError: it cannot be read, or is not a verdict of schema 1.
    """
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RefusalError(
            f"cannot read {path}: {error.strerror}",
            advice="name the folder of a run, such as out/latest",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its beginning"
        raise RefusalError(
            f"{path} is not a verdict of schema 1: {first['msg']} (at {place})",
            advice="render it with the version of the harness that wrote it",
        ) from error


def schema_text() -> str:
    """The JSON schema of `verdict.json`, as it is kept in `SCHEMA_PATH`."""
    schema: dict[str, Any] = Verdict.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _slug(text: str) -> str:
    """``text`` with only characters that are safe in a link and in a file name."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._") else "-" for c in text).strip("-.")
