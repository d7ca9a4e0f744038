"""The results of a benchmark run, as they are written to `benchmark.json`.

`verdict.json` has the same document in its field `benchmark`. Units are in the descriptions of the
fields. ``null`` always means *not known*, never zero.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from clusters.errors import RefusalError
from suites.benchmark.model.base import Amount, Model
from suites.benchmark.model.environment import Environment
from suites.benchmark.model.judgement import JudgeFigures
from suites.benchmark.model.series import SeriesResult

#: Name of the file in the folder of a run.
FILE: Final = "benchmark.json"


class Benchmark(Model):
    """The whole of `benchmark.json`, schema 1."""

    schema_version: Literal[1] = Field(1, alias="schema")
    id: str = Field(description="of the run, and of its folder")
    started: datetime
    seconds: Amount
    finished: bool = Field(description="false: the run is not finished, or it was killed")
    stopped: str = Field("", description="why it ended early, such as Ctrl-C")
    command: str = ""
    environment: Environment
    series: tuple[SeriesResult, ...]
    judge: tuple[JudgeFigures, ...] = ()
    findings: tuple[str, ...] = Field((), description="other observations, one sentence each")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.series]
        if len(set(names)) != len(names):
            raise ValueError("two series have the same name")
        return self

    def to_json(self) -> str:
        """The text of `benchmark.json`."""
        return self.model_dump_json(indent=2) + "\n"

    def as_part(self) -> dict[str, JsonValue]:
        """The document in the field `benchmark` of `verdict.json`."""
        part: dict[str, JsonValue] = self.model_dump(mode="json")
        return part


def parse(data: bytes | str | dict[str, JsonValue], where: str) -> Benchmark:
    """Read results from JSON.

    Args:
        data: the text of `benchmark.json`, or the field `benchmark` of a `verdict.json`.
        where: name of the source, for the error.

    Raises:
        RefusalError: it is not a benchmark of schema 1.
    """
    try:
        if isinstance(data, dict):
            return Benchmark.model_validate_json(json.dumps(data))
        return Benchmark.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its beginning"
        raise RefusalError(
            f"{where} is not a benchmark of schema 1: {first['msg']} (at {place})",
            advice="read it with the version of the harness that wrote it",
        ) from error


def load(path: Path) -> Benchmark:
    """Read a `benchmark.json`.

    Raises:
        RefusalError: it cannot be read, or is not a benchmark of schema 1.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RefusalError(
            f"cannot read {path}: {error.strerror}",
            advice="name the folder of a run with measurements, such as out/latest",
        ) from error
    return parse(data, str(path))


def save(folder: Path, benchmark: Benchmark) -> None:
    """Write `benchmark.json` to the folder of a run, so that a reader never sees a part of it.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.part"
    part.write_text(benchmark.to_json(), encoding="utf-8")
    part.replace(folder / FILE)


def schema_text() -> str:
    """The JSON schema of `benchmark.json`."""
    schema: dict[str, Any] = Benchmark.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
