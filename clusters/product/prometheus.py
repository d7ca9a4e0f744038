"""Metrics of a controller, as its ``/metrics`` serves them in Prometheus' text format 0.0.4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from clusters.errors import HarnessError


class MetricsError(HarnessError):
    """A text is not in the format; ``last_seen`` has the first line that is not."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, with its labels."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one or several programs."""

    all: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of all samples of that name with these labels; None if there is none."""
        found = [
            sample.value
            for sample in self.all
            if sample.name == name and labels.items() <= dict(sample.labels).items()
        ]
        return sum(found) if found else None


def parse_samples(*texts: str) -> Samples:
    """The samples in the texts of one or several programs.

    Raises:
        MetricsError: a line is neither a sample nor a comment.
    """
    return Samples(tuple(sample for text in texts for sample in _samples(text)))


def _samples(text: str) -> list[Sample]:
    try:
        return _parsed(text)
    except ValueError:
        # The parser's message does not always have the line, so the lines are tried one by one.
        for line in text.splitlines():
            try:
                _parsed(line)
            except ValueError as error:
                raise MetricsError(
                    "a line of metrics is not in Prometheus' text format", last_seen=line
                ) from error
        raise


def _parsed(text: str) -> list[Sample]:
    families = text_string_to_metric_families(text)
    return [Sample(one.name, one.labels, one.value) for family in families for one in family.samples]
