"""The words that all reports share, so that page, summary and terminal say the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from clusters.facts import SystemFacts
from reports.verdict.model import DefectResult, Outcome, ScenarioResult, Verdict, VerdictWord
from suites.record.versions import reached, release

EXPLANATIONS: Final[Mapping[VerdictWord, str]] = {
    "pass": "Each scenario that could be judged showed what it must, by its own evidence.",
    "fail": "Fluid did not do what it must, on a system that was otherwise whole.",
    "inconclusive": "Nothing failed, but scenarios were left out, and a scenario left out is not one passed.",
    "invalid": "The cluster, the host or the harness itself broke. Mend that and run again; "
    "no conclusion about Fluid can be drawn, for better or worse.",
}

CLASSES: Final[Mapping[str, str]] = {
    "product": "Fluid's fault",
    "harness": "the harness's fault",
    "infrastructure": "the cluster's or host's fault",
}


def headline(verdict: Verdict) -> str:
    """The verdict in a few words, such as ``Fluid passed 11 of 12 scenarios``."""
    if verdict.verdict == "invalid":
        return "This run says nothing about Fluid"
    if verdict.verdict == "inconclusive":
        return "Too little was run to say"
    hit = sum(s.outcome == verdict.verdict for s in verdict.scenarios)
    every = len(verdict.scenarios)
    how_many = f"{hit} of {every}" if hit < every else "the only" if every == 1 else f"all {every}"
    return f"Fluid {verdict.verdict}ed {how_many} scenario{'' if every == 1 else 's'}"


def counts(verdict: Verdict) -> str:
    """How many scenarios had which outcome, as ``9 passed, 1 failed, 2 skipped``."""
    words: dict[Outcome, str] = {
        "pass": "passed",
        "fail": "failed",
        "known-defect": "known defect",
        "skipped": "skipped",
    }
    found = Counter(s.outcome for s in verdict.scenarios)
    parts = [f"{found[outcome]} {word}" for outcome, word in words.items() if found[outcome]]
    return ", ".join(parts) or "no scenario"


def blame(scenario: ScenarioResult) -> str:
    """Whose fault a failure is, in words; empty without a failure."""
    return CLASSES[scenario.failure_class.value] if scenario.failure_class else ""


def help_of(scenario: ScenarioResult) -> str:
    """Whether the harness sped Fluid up in a scenario, in a word; empty where that is not known."""
    if scenario.reconcile_requests is None:
        return ""
    return "helped" if scenario.reconcile_requests or scenario.signals else "untouched"


def help_in_detail(scenario: ScenarioResult) -> str:
    """How the harness sped Fluid up in a scenario, in a sentence; empty where that is not known."""
    if scenario.reconcile_requests is None:
        return ""
    parts = [
        f"{number} {word}{'' if number == 1 else 's'}"
        for number, word in (
            (scenario.reconcile_requests, "reconcile request"),
            (scenario.signals, "signal to a master that was being deleted"),
        )
        if number
    ]
    return f"The harness helped: {', '.join(parts)}." if parts else "Untouched: all times are Fluid's own."


def nfs(system: SystemFacts) -> str:
    """Who mounts NFS in the nodes, with the versions that were mounted."""
    client = f"{system.nfs_client} NFS client" if system.nfs_client else "NFS client unknown"
    return f"{client}, NFS {' and '.join(system.nfs_versions)}" if system.nfs_versions else client


def not_seen(defect: DefectResult, system: SystemFacts | None) -> str:
    """What is said of a known defect that did not show: that it is gone, unless it may still appear.

    Its source ends with the version of Fluid in which it was found.
    """
    found = re.search(r"\(([\d.]+)\)$", defect.source)
    if system is None or found is None or reached(system.fluid, found[1]):
        return "is gone"
    return f"of Fluid {found[1]} does not show on {release(system.fluid)}"
