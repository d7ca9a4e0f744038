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
    wanted = _of_chart(chart)
    there = {name: kube.get(CRD, name) for name in wanted}
    if not any(there.values()):
        return ()
    done = []
    for name, crd in wanted.items():
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


def differing(kube: Kube, chart: Path) -> tuple[str, ...]:
    """Names of the CRDs of a chart that the cluster does not have, or has otherwise."""
    there = {name: (crd, kube.get(CRD, name)) for name, crd in _of_chart(chart).items()}
    return tuple(
        name for name, (crd, found) in there.items() if found is None or _compared(found) != _compared(crd)
    )


def _of_chart(chart: Path) -> dict[str, dict[str, Any]]:
    """Its CRDs by name."""
    return {
        text(crd, "metadata", "name"): crd
        for file in sorted((chart / "crds").glob("*.yaml"))
        for crd in yaml.safe_load_all(file.read_text())
        if isinstance(crd, dict)
    }


def _compared(crd: Json) -> list[tuple[Any, ...]]:
    """What the API server keeps as it was given."""
    return [
        (version.get("name"), version.get("schema"), version.get("additionalPrinterColumns"))
        for version in items(crd, "spec", "versions")
    ]
