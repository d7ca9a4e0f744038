"""The versions of Fluid that the harness knows, in order, and what each changed.

A version that is not listed behaves as the last listed one before it. A build of a branch, which has no
number, behaves as the newest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from packaging.version import Version

#: Since 1.0: key prefix and container name; the value is ``namespace_name`` (pkg/common/label.go:99).
SIDECAR_MAPPING_PREFIX: Final = "container-dataset-mapping.sidecar.fluid.io/"
#: Since 1.1: key prefixes of the two labels that replace it.
SIDECAR_NAMESPACE_PREFIX: Final = "dataset-namespace.sidecar.fluid.io/"
SIDECAR_NAME_PREFIX: Final = "dataset-name.sidecar.fluid.io/"

#: The release in a version as it is published, such as ``1.0.8`` in ``v1.0.8-6533239``.
_RELEASE: Final = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class FluidVersion:
    """A minor version of Fluid.

    Attributes:
        release: such as ``1.0``; it covers all of 1.0.x.
        read_in: the release or branch whose source was read.
        run: scenarios were run on it. Otherwise what is known of it comes from its source alone.
        sidecar_labels: labels that name the Dataset of a sidecar: key prefixes, each with its value, in which
            ``{namespace}`` and ``{name}`` are the Dataset's.
        added_programs: commands that its chart starts and the version before lacks: folder under ``cmd``, and
            name of program and image.
        changes: what users and rows notice, compared with the version before, a sentence each.
    """

    release: str
    read_in: str
    run: bool
    sidecar_labels: Mapping[str, str]
    added_programs: dict[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    def labels_of_sidecar(self, container: str, namespace: str, name: str) -> dict[str, str]:
        """The labels with which a Pod of this version names the Dataset of a sidecar."""
        return {
            f"{prefix}{container}": value.format(namespace=namespace, name=name)
            for prefix, value in self.sidecar_labels.items()
        }


VERSIONS: Final = (
    FluidVersion("0.9", read_in="0.9.3", run=True, sidecar_labels={}),
    FluidVersion(
        "1.0",
        read_in="1.0.8",
        run=True,
        sidecar_labels={SIDECAR_MAPPING_PREFIX: "{namespace}_{name}"},
        changes=(
            "DataProcess is new, and a DataLoad can have a schedule.",
            "A label of the Pod names the Dataset of its sidecar.",
            "The chart names an image in three parts.",
            "Controllers create ConfigMaps through the API; 0.9 calls kubectl.",
            "Helm's records are ConfigMaps; those of 0.9 are Secrets, which no upgrade moves (fluid#3272).",
        ),
    ),
    FluidVersion(
        "1.1",
        read_in="the main branch of July 2026, chart 1.1.0",
        run=False,
        sidecar_labels={SIDECAR_NAMESPACE_PREFIX: "{namespace}", SIDECAR_NAME_PREFIX: "{name}"},
        added_programs={"cache": "cacheruntime-controller"},
        changes=(
            "CacheRuntime and AdvancedStatefulSet are new; GooseFSRuntime is removed.",
            "Two labels of the Pod name the Dataset of its sidecar, in place of one.",
            "The volume names the label of nodes that run the Fuse (mount_pod_node_selector_key).",
            "StatefulSets of masters and workers are updated when their Pods are deleted (OnDelete).",
            "The status of the cache comes with the first synchronisation, not with phase Bound.",
            "A DataProcess can have a schedule; 1.0 has no such field and runs it at once.",
        ),
    ),
)


def number(version: str) -> Version | None:
    """The release of a version, to put versions in order; None for a build of a branch, which has none."""
    found = _RELEASE.search(version)
    return Version(found.group()) if found else None


def known_version(version: str) -> FluidVersion:
    """What is known of a version, such as ``v1.0.8-6533239``: that of the last listed one before it."""
    found = number(version)
    reached = [one for one in VERSIONS if found is None or Version(one.release) <= found]
    return reached[-1] if reached else VERSIONS[0]


def changes_between(old: str, new: str) -> tuple[str, ...]:
    """What changed from one version to a later one, as far as it is known."""
    first, last = VERSIONS.index(known_version(old)), VERSIONS.index(known_version(new))
    return tuple(change for one in VERSIONS[first + 1 : last + 1] for change in one.changes)


def doubt(version: str) -> str:
    """Why rows may judge a version wrongly, in one sentence; empty for one on which they were run."""
    known, found = known_version(version), number(version)
    if found is None:
        return f"Fluid {version or 'without a version'} is no release: rows judge it as {known.release}"
    oldest, newest = VERSIONS[0].release, VERSIONS[-1].release
    if found.release[:2] > Version(newest).release:
        return f"Fluid {version} is newer than {newest}, the last version that the harness knows"
    if found < Version(oldest):
        return f"Fluid {version} is older than {oldest}, the first version that the harness knows"
    if not known.run:
        return f"Fluid {known.release} was read in source ({known.read_in}), and rows were never run on it"
    return ""
