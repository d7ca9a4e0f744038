"""Metrics as programs tell them on ``/metrics``: the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import HarnessError

_SAMPLE: Final = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?\d+)?"
)
_LABEL: Final = re.compile(r'\s*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)"\s*,?')
_ESCAPED: Final = re.compile(r"\\(.)")


class MetricsError(HarnessError):
    """A line is not in the format; it stands in ``last_seen``."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, with its labels."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Samples:
    """What one or several programs told."""

    all: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float | None:
        """The sum over all samples of that name that carry these labels; None where there is none."""
        found = [
            sample.value
            for sample in self.all
            if sample.name == name and labels.items() <= dict(sample.labels).items()
        ]
        return sum(found) if found else None


def parse_samples(*texts: str) -> Samples:
    """The samples of programs that each told theirs as a text.

    Raises:
        MetricsError: a line is neither a sample nor a comment.
    """
    return Samples(tuple(sample for text in texts for sample in _samples(text.splitlines())))


def _samples(lines: Sequence[str]) -> list[Sample]:
    return [_sample(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _sample(line: str) -> Sample:
    match = _SAMPLE.fullmatch(line)
    labels = _labels(match["labels"] or "") if match is not None else None
    try:
        value = float(match["value"]) if match is not None else None
    except ValueError:
        value = None
    if match is None or labels is None or value is None:
        raise MetricsError("a line of metrics is not as Prometheus writes it", last_seen=line)
    return Sample(match["name"], labels, value)


def _labels(text: str) -> Mapping[str, str] | None:
    """Labels by name; None where they are not in the format."""
    found, at = {}, 0
    while at < len(text.rstrip()):
        match = _LABEL.match(text, at)
        if match is None:
            return None
        found[match["name"]] = _ESCAPED.sub(
            lambda escaped: "\n" if escaped[1] == "n" else escaped[1], match["value"]
        )
        at = match.end()
    return found
