"""Known defects of the product, and the objects that stay because of them."""

from __future__ import annotations

from dataclasses import dataclass

from suites.record.versions import ALL_VERSIONS, Affected


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect of the product itself: recorded, and not held against a run of a version that has it.

    Attributes:
        key: short name, such as ``same-name-claim-accepted``.
        says: what is wrong, in a user's words.
        source: where it was read (Fluid file and line at the version).
        affected: the versions that have it; in any other one it is a failure.
    """

    key: str
    says: str
    source: str = ""
    affected: Affected = ALL_VERSIONS


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that is known to stay when what a scenario created is removed.

    What stays on a node is known only on the nodes that the scenario names while it runs
    (`suites.record.evidence.Evidence.leftovers_on`).

    Attributes:
        defect: key of the defect, among the scenario's own, that explains it.
        pattern: found in the words of the leak check, such as ``ConfigMap demo-config`` or
            ``node-1: /dev/shm/…``.
    """

    defect: str
    pattern: str
