"""Users whose manifests a sabotage changes, and facts at which a sabotage acts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from suites.record.evidence import Evidence, Value
from suites.sabotage.model import Tampering
from suites.steps.user import User
from workloads.models.base import Manifest


@dataclass
class WatchedEvidence(Evidence):
    """Evidence that calls a function when a certain fact is recorded.

    Attributes:
        when: pattern of ``source: says``; empty never matches.
        then: called once, at the first match.
    """

    when: str = ""
    then: Callable[[], None] | None = None

    def fact(self, source: str, says: str, **data: Value) -> None:
        """Record the fact; call ``then`` if it matches."""
        super().fact(source, says, **data)
        if self.then is not None and self.when and re.search(self.when, f"{source}: {says}"):
            then, self.then = self.then, None
            then()


@dataclass
class TamperedUser(User):
    """A user whose manifests are changed before they are sent to the cluster."""

    tampering: Tampering = field(default_factory=Tampering)

    def applies(self, *manifests: Manifest) -> None:
        """Send the manifests that the tampering returns for each of these."""
        tamper = self.tampering.tamper
        for manifest in manifests:
            super().applies(*(tamper(self, manifest) if tamper is not None else (manifest,)))
