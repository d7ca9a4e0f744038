"""The answer as Prometheus metrics, for a textfile collector or a push gateway."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from suites.doctor.answer import Answer

_PREFIX: Final = "fluid_doctor"


def as_metrics(answer: Answer) -> str:
    """The answer in the text format of Prometheus, described in docs/doctor.md.

    Only namespaces, codes and states are labels: their number does not grow with that of the Pods.
    """
    registry = CollectorRegistry()
    findings = Gauge(
        f"{_PREFIX}_findings",
        "Findings of the doctor, by namespace of the Pod, code and state.",
        ("namespace", "code", "state"),
        registry=registry,
    )
    keys = ((finding.pod[0], finding.code.value, finding.state.value) for finding in answer.findings)
    for labels, count in sorted(Counter(keys).items()):
        findings.labels(*labels).set(count)
    taken = datetime.fromisoformat(answer.taken).timestamp()
    for name, meaning, value in (
        ("ignored_findings", "Findings that are ignored.", answer.ignored),
        ("pods", "Pods that were read.", answer.pods),
        ("datasets", "Datasets that were read.", answer.datasets),
        ("gaps", "Notes about what could not be read.", len(answer.gaps)),
        ("read_timestamp_seconds", "When the cluster was read, in seconds since 1970.", taken),
    ):
        Gauge(f"{_PREFIX}_{name}", meaning, registry=registry).set(value)
    return generate_latest(registry).decode()
