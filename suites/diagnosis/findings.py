"""What the diagnosis reports: findings about Pods, causes of a Dataset's state, and the evidence for both."""

from __future__ import annotations

from dataclasses import dataclass, field

from suites.diagnosis.codes import CauseCode, FindingCode, State

#: A namespace and a name.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observed fact.

    Attributes:
        source: where it was observed, such as ``claim demo/nfs-src`` or ``mountinfo in container app``.
        says: what was observed.
    """

    source: str
    says: str

    def __str__(self) -> str:
        return f"{self.source}: {self.says}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a Dataset is not Bound, or why its runtime does not work.

    Attributes:
        code: the code, such as ``no-runtime``.
        says: the cause, as part of a sentence about the Dataset.
        change: the one change that corrects it, as a sentence.
        evidence: the facts that prove it.
    """

    code: CauseCode
    says: str
    change: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What is true of one Pod and one Dataset.

    Attributes:
        pod: namespace and name.
        dataset: namespace and name of the Dataset, or None if no Dataset could be determined.
        claim: the claim that the Pod uses; empty if it uses none, as in sidecar mode.
        code: such as ``original-claim``.
        state: what it asks of the user.
        says: the finding as a sentence.
        change: the one change to make, as a sentence; empty if there is nothing to change.
        evidence: the facts that prove it.
        causes: why the Dataset is not Bound or its runtime does not work; correct the first one first.
    """

    pod: Key
    dataset: Key | None
    claim: str
    code: FindingCode
    state: State
    says: str
    change: str = ""
    evidence: tuple[Evidence, ...] = ()
    causes: tuple[Cause, ...] = field(default=())

    @property
    def wrong(self) -> bool:
        """Something has to be changed."""
        return self.state is State.WRONG

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the catalogue of scenarios that are about it."""
        found = self.code.rows + tuple(row for cause in self.causes for row in cause.code.rows)
        return tuple(dict.fromkeys(found))

    def __str__(self) -> str:
        return f"{self.says} {self.change}".strip()
