"""The CustomResourceDefinitions of Fluid's chart, upgraded as Fluid's own hook does.

Helm creates CRDs and never changes them. Fluid's chart has a hook with an image of its own that replaces
each CRD before an upgrade (charts/fluid/fluid/templates/upgrade and tools/crd-upgrade of 1.0.8).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from clusters.kubernetes import kinds
from clusters.kubernetes.client import JSON_PATCH, Kube
from clusters.kubernetes.fields import Json, items, text

CRD: Final = kinds.CUSTOM_RESOURCE_DEFINITION


def upgrade(kube: Kube, chart: Path) -> tuple[str, ...]:
    """Create the CRDs of a chart that are missing, and replace those that differ.

    A cluster that has none of them is left to helm, which then creates them. A CRD that the chart does not
    have any more stays, as with Fluid's hook: its objects would be deleted.

    Returns:
        Names of those that were created or replaced.
    """
    wanted = [
        crd
        for file in sorted((chart / "crds").glob("*.yaml"))
        for crd in yaml.safe_load_all(file.read_text())
        if isinstance(crd, dict)
    ]
    there = {text(crd, "metadata", "name"): kube.get(CRD, text(crd, "metadata", "name")) for crd in wanted}
    if not any(there.values()):
        return ()
    done = []
    for crd in wanted:
        name = text(crd, "metadata", "name")
        found = there[name]
        if found is None:
            kube.create(crd)
        elif _compared(found) != _compared(crd):
            body = [{"op": "replace", "path": "/spec", "value": crd["spec"]}]
            kube.patch(CRD, name, None, body, content_type=JSON_PATCH)
        else:
            continue
        done.append(name)
    return tuple(done)


def _compared(crd: Json) -> list[tuple[Any, ...]]:
    """What the API server keeps as it was given."""
    return [
        (version.get("name"), version.get("schema"), version.get("additionalPrinterColumns"))
        for version in items(crd, "spec", "versions")
    ]
