"""What a qualification needs, checked before anything is created; each refusal is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import urllib3

from clusters.errors import RefusalError
from clusters.fluid_source import FluidSource
from clusters.host import probes
from clusters.image_names import HUB
from clusters.pins import Versions, require_buildable, require_runs_on, versions
from clusters.product.fluid_versions import doubt, number

#: Bytes for the images of one more version of Fluid, in the engine and as an archive (measured: 2.1 GB).
DISK_FOR_VERSION: Final = 4 * 1024**3
#: Where the images of Docker's hub are.
_HUB_API: Final = "https://registry-1.docker.io/v2/"
_ANSWER_SECONDS: Final = 10.0


def require_upgrade(old: str, new: str, source: FluidSource | None) -> None:
    """Refuse versions between which there is nothing to upgrade.

    Raises:
        RefusalError: they are the same, or the new one is older.
    """
    first, second = number(old), number(new)
    assert first is not None  # noqa: S101 - `versions` accepts numbers only
    assert second is not None  # noqa: S101 - the same
    if first == second and source is None:
        raise RefusalError(
            f"--from and --to are the same version, {old}", advice="name the release to upgrade from"
        )
    if first > second:
        raise RefusalError(
            f"Fluid {new} is older than {old}, and Fluid documents no way back",
            advice=f"exchange them: --from {new} --to {old}",
        )


def require_obtainable(
    chosen: Versions, images: str, registry: str | None, answers: Callable[[str], bool]
) -> None:
    """Refuse a version that can neither be built from package registries nor pulled.

    Args:
        chosen: the versions.
        images: ``auto``, ``pull`` or ``build``.
        registry: the mirror to pull from, if one was named.
        answers: whether a registry answers.

    Raises:
        RefusalError: it cannot be had.
    """
    problem = ""
    if images != "pull":
        try:
            require_buildable(chosen)
        except RefusalError as error:
            if images == "build":
                raise
            problem = f", and {error.message}"
        else:
            return
    host = registry or HUB
    if not answers(host):
        raise RefusalError(
            f"Fluid {chosen.fluid} on Kubernetes {chosen.kubernetes} cannot be had: "
            f"{host} does not answer{problem}",
            advice="name a mirror with --registry, or versions that can be built (clusters/pins.toml)",
        )


def require_disk(cache: Path, folder: Path, *, versions_to_hold: int) -> None:
    """Refuse a disk that cannot hold the images of all versions.

    Raises:
        RefusalError: it says how much is free and how much is needed.
    """
    needed = probes.DISK_FOR_RUN + versions_to_hold * DISK_FOR_VERSION
    free = min(probes.free_disk(place) for place in (cache, _existing(folder)))
    if free < needed:
        raise RefusalError(
            f"{free / 1024**3:.1f} GiB of disk are free; a qualification with {versions_to_hold} versions of "
            f"Fluid needs {needed / 1024**3:.0f} GiB",
            advice="free some disk, or point FLUID_CONFORMANCE_CACHE and --out at a larger one",
        )


def chosen_versions(fluid: str, kubernetes: str | None, alluxio: str | None) -> Versions:
    """The versions of one side.

    Raises:
        RefusalError: one is not a version, or cannot run on this host.
    """
    chosen = versions(kubernetes=kubernetes, fluid=fluid, alluxio=alluxio)
    require_runs_on(chosen, cgroup_v1=probes.probe().cgroup_v1)
    return chosen


def doubts(old: str, new: str) -> tuple[str, ...]:
    """Why the rows may judge one of the versions wrongly."""
    return tuple(filter(None, (doubt(old), doubt(new))))


def registry_answers(host: str) -> bool:
    """Whether a registry answers at all; a refusal for lack of credentials is an answer."""
    url = _HUB_API if host == HUB else f"https://{host}/v2/"
    for address in (url, url.replace("https:", "http:")):
        try:
            urllib3.request("GET", address, timeout=_ANSWER_SECONDS, retries=False)
        except urllib3.exceptions.HTTPError:
            continue
        return True
    return False


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
