"""The fields of Fluid's custom resources: a list of their paths, taken from Fluid's CRDs.

``python -m suites.catalogue --crds`` obtains the CRDs with Fluid's Go module, as the harness obtains the
chart, and writes the list; ``--crds --check`` compares it. Nothing else of the CRDs is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.errors import InfrastructureError
from clusters.fluid_source import FLUID_MODULE
from clusters.host.artifact_cache import ArtifactCache
from clusters.images.offline import go

#: The version of Fluid whose fields the page lists.
VERSION: Final = "1.0.8"
LIST: Final = Path(__file__).with_name(f"fluid_fields_{VERSION}.txt")
#: Kinds whose fields users set or read with Alluxio, by the plural in the name of the CRD's file.
KINDS: Final[Mapping[str, str]] = {
    "Dataset": "datasets",
    "AlluxioRuntime": "alluxioruntimes",
    "DataLoad": "dataloads",
    "DataProcess": "dataprocesses",
    "DataMigrate": "datamigrates",
    "DataBackup": "databackups",
}
#: Ends of paths at which a type of Kubernetes itself begins: it counts as one field.
KUBERNETES_TYPES: Final = (
    ".affinity",
    ".cacheAffinity",
    ".env",
    ".imagePullSecrets",
    ".job.podSpec",
    ".nodeAffinity.required",
    ".status.nodeAffinity",
    ".tolerations",
    ".volumeMounts",
    ".volumeSource",
    ".volumes",
)
#: Keys of maps that Fluid's own controllers fill, which a CRD does not list
#: (pkg/common/types.go:46-76 of 1.0.8); each counts as a field.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    ".cacheStates": (
        "cacheCapacity",
        "cached",
        "cachedPercentage",
        "cacheHitRatio",
        "localHitRatio",
        "remoteHitRatio",
        "cacheThroughputRatio",
        "localThroughputRatio",
        "remoteThroughputRatio",
    ),
}


@cache
def fields() -> tuple[str, ...]:
    """All fields, such as ``Dataset.spec.mounts[].path``, in the order of the list."""
    return tuple(LIST.read_text(encoding="utf-8").split())


def fields_of(kind: str, crd: Mapping[str, Any]) -> Iterator[str]:
    """Paths of the leaves in ``spec`` and ``status`` of a CRD's only version.

    Args:
        kind: of the resource, the first part of each path.
        crd: the CustomResourceDefinition.
    """
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for part in ("spec", "status"):
        yield from _leaves(schema[part], f"{kind}.{part}")


def _leaves(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Paths of the leaves below a schema; ``[]`` stands for the items of a list."""
    if path.endswith(KUBERNETES_TYPES):
        yield path
        return
    for end, keys in KEYS.items():
        if path.endswith(end):
            yield from (f"{path}.{key}" for key in keys)
            return
    below = schema.get("properties")
    if not below and schema.get("type") == "array" and "properties" in schema["items"]:
        below, path = schema["items"]["properties"], f"{path}[]"
    if not below:
        yield path
        return
    for name in sorted(below):
        yield from _leaves(below[name], f"{path}.{name}")


def read_crds(cache: ArtifactCache) -> tuple[str, ...]:
    """The fields by the CRDs in Fluid's Go module, which is fetched if it is not there.

    Raises:
        CommandError: the module cannot be fetched.
        InfrastructureError: the module has no CRD of one of the kinds.
    """
    module = go.download(cache, FLUID_MODULE, VERSION)
    found: list[str] = []
    for kind, plural in KINDS.items():
        file = module.folder / "charts" / "fluid" / "fluid" / "crds" / f"data.fluid.io_{plural}.yaml"
        if not file.is_file():
            raise InfrastructureError(f"Fluid {VERSION} has no CRD of {kind}", subject=str(file))
        found += fields_of(kind, yaml.safe_load(file.read_text(encoding="utf-8")))
    return tuple(found)
