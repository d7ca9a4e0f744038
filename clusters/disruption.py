"""What a run may disturb on a cluster beyond the namespaces of the harness."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from clusters.errors import RefusalError


class Disruption(StrEnum):
    """Kinds of things that others on the cluster use, too."""

    NOTHING = "nothing"
    NODE_CACHE = "node cache"
    NODE_LABELS = "node labels"
    NODE_RESOURCES = "node resources"
    FLUID_COMPONENTS = "Fluid's components"
    NODE = "node"

    @property
    def option(self) -> str:
        """Its name on the command line, such as ``fluid-components``."""
        return self.value.replace("Fluid's", "fluid").replace(" ", "-")


#: All that disturb somebody.
ALL: Final = frozenset(Disruption) - {Disruption.NOTHING}


def disruptions(text: str) -> frozenset[Disruption]:
    """The kinds in a comma-separated list of their names on the command line.

    Raises:
        RefusalError: there is no such kind.
    """
    known = {kind.option: kind for kind in Disruption if kind in ALL}
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise RefusalError(
            f"{', '.join(unknown)}: not a kind of disruption", advice=f"choose from {', '.join(known)}"
        )
    return frozenset(known[name] for name in names)
