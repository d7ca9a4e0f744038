"""The doctor's answer: the findings that were asked for, without those that the user ignores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from suites.diagnosis import CauseCode, ClusterState, Finding, FindingCode, State

#: Every code that a finding or a cause can have.
CODES: Final = tuple(sorted({code.value for code in (*FindingCode, *CauseCode)}))
#: Annotation of a Pod: codes that are ignored for it, separated by commas.
IGNORE_ANNOTATION: Final = "fluid-doctor/ignore"

#: How each state is shown, and its style on a terminal.
MARKS: Final[Mapping[State, tuple[str, str]]] = {
    State.OK: ("ok", "green"),
    State.WAITING: ("wait", "yellow"),
    State.UNKNOWN: ("?", "magenta"),
    State.WRONG: ("WRONG", "bold red"),
}
_ORDER: Final = (State.WRONG, State.UNKNOWN, State.WAITING, State.OK)

_NOTHING_WRONG, _SOMETHING_WRONG, _SOMETHING_UNKNOWN = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What the doctor reports.

    Attributes:
        cluster: address of the API server, or the path of the saved objects.
        taken: when the cluster was read, ISO 8601 in UTC.
        pods: number of Pods that were read.
        datasets: number of Datasets.
        looked_inside: commands were run in Pods.
        findings: about the Pods that were asked for.
        ignored: number of findings that are ignored.
        gaps: what could not be read; one sentence each.
    """

    cluster: str
    taken: str
    pods: int
    datasets: int
    looked_inside: bool
    findings: tuple[Finding, ...]
    ignored: int = 0
    gaps: tuple[str, ...] = ()

    @property
    def wrong(self) -> int:
        """Number of findings that ask for a change."""
        return sum(finding.wrong for finding in self.findings)

    @property
    def unknown(self) -> int:
        """Number of findings that the objects do not decide."""
        return sum(finding.state is State.UNKNOWN for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0: nothing is wrong; 1: something is; 3: neither is known for some Pod."""
        if self.wrong:
            return _SOMETHING_WRONG
        return _SOMETHING_UNKNOWN if self.unknown else _NOTHING_WRONG

    @property
    def ordered(self) -> list[Finding]:
        """The findings, what is wrong first."""
        return sorted(self.findings, key=lambda finding: _ORDER.index(finding.state))

    @property
    def summary(self) -> str:
        """The answer in one line."""
        counts = Counter(finding.state for finding in self.findings)
        names = {State.UNKNOWN: "unknown"}
        parts = [
            f"{counts[state]} {names.get(state, MARKS[state][0].lower())}"
            for state in _ORDER
            if counts[state]
        ]
        found = _count(len(self.findings), "finding")
        result = f"{found}: {', '.join(parts)}" if parts else "no Pod that was asked for uses a Dataset"
        ignored = f", {self.ignored} ignored" if self.ignored else ""
        return f"{result}{ignored} ({_count(self.pods, 'Pod')} and {_count(self.datasets, 'Dataset')} read)"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def without_ignored(
    state: ClusterState,
    findings: Sequence[Finding],
    codes: Collection[str],
    namespaces: Collection[str] = (),
) -> tuple[tuple[Finding, ...], int]:
    """The findings without those that are ignored, and the number of these.

    A finding is ignored by its own code, or if it has causes and each of them is ignored; for the whole run
    (``codes``), for one Pod (annotation `IGNORE_ANNOTATION`), or for all Pods of ``namespaces``.
    """
    kept = tuple(
        finding
        for finding in findings
        if finding.pod[0] not in namespaces and not _ignored(finding, {*codes, *_of_pod(state, finding)})
    )
    return kept, len(findings) - len(kept)


def _of_pod(state: ClusterState, finding: Finding) -> set[str]:
    pod = state.pods_by_key.get(finding.pod)
    value = pod.snapshot.annotations.get(IGNORE_ANNOTATION, "") if pod else ""
    return {word.strip() for word in value.split(",")} - {""}


def _ignored(finding: Finding, codes: Collection[str]) -> bool:
    causes = {cause.code.value for cause in finding.causes}
    return finding.code.value in codes or bool(causes and causes <= set(codes))
