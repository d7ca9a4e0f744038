"""Fluid's chart: where it comes from, which images it names, and what the harness sets in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.errors import RefusalError
from clusters.host.commands import Commands
from clusters.images.offline import go
from clusters.images.offline.artifact_cache import Artifact, ArtifactCache
from clusters.images.offline.artifacts import FLUID_MODULE, restore_chart_dependencies
from clusters.images.pull import reference
from clusters.kubernetes.fields import Json, at, items, text
from clusters.pins import pins
from clusters.product.fluid import NAMESPACE, RELEASE
from clusters.product.fluid_chart import ALLUXIO_PLACES, ALLUXIO_SETTINGS, Values, image_at, own_values
from clusters.progress import RunningStage

#: Where Fluid publishes its charts.
CHART_REPOSITORY: Final = "https://fluid-cloudnative.github.io/charts"
FETCH_SECONDS: Final = 120.0
RENDER_SECONDS: Final = 60.0
#: Controllers that the chart has with no replicas and that Fluid starts when they are needed: a Dataset
#: over `dataset://` needs this one (pkg/controllers/deploy/runtime_controllers.go:83 of 1.0.8).
ON_DEMAND: Final = frozenset({"thinruntime-controller"})


def in_module(version: str) -> bool:
    """Whether the chart of that version of Fluid can be had from its Go module."""
    return version in pins().fluid


def fluid_chart(version: str, helm: Path) -> Artifact:
    """Fluid's chart as the folder `fluid`: from its Go module, else from Fluid's chart repository.

    Not every published version is a Go module; the chart repository holds all of them.
    """

    def from_module(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        stage.says(f"Go module {FLUID_MODULE}")
        module = go.download(cache, FLUID_MODULE, version)
        charts = folder / ".charts"
        shutil.copytree(module.folder / "charts", charts, copy_function=shutil.copyfile)
        restore_chart_dependencies(charts)
        (charts / "fluid" / "fluid").rename(folder / "fluid")
        shutil.rmtree(charts)

    def from_repository(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        argv: list[str | Path] = [helm, "pull", "fluid", "--repo", CHART_REPOSITORY, "--version", version]
        argv += ["--untar", "--untardir", folder]
        done = cache.commands.run(argv, check=False, timeout=FETCH_SECONDS, on_line=stage.says)
        if done.exit_code != 0:
            raise RefusalError(
                f"the chart of Fluid {version} cannot be had from {CHART_REPOSITORY}",
                last_seen=done.stdout[-1_000:].strip(),
                advice=f"versions that need no chart repository: {', '.join(pins().fluid)}",
            )

    make = from_module if in_module(version) else from_repository
    return Artifact(f"fluid-chart-{version}", (version, CHART_REPOSITORY), make)


def published_values(chart: Path, alluxio: str, mirror: str | None = None) -> Values:
    """What to set in a chart whose images are the published ones: little more than Alluxio's version.

    Args:
        chart: folder of Fluid's chart.
        alluxio: image of the Alluxio runtime and Fuse; charts up to 0.9 want it in one piece, later
            ones as prefix, name and tag.
        mirror: where the nodes themselves are to pull every image from.
    """
    own = own_values(chart)
    values: Values = {"crdUpgrade": {"enabled": False}, "runtime": {"alluxio": dict(ALLUXIO_SETTINGS)}}
    if mirror is not None:
        values = _merged(_through(own, mirror), values)
        alluxio = reference(alluxio, mirror)
    for place in ALLUXIO_PLACES:
        values["runtime"]["alluxio"][place[-1]] = image_at(own, place, alluxio)
    return values


def named_images(
    chart: Path, values: Mapping[str, Any], *, helm: Path, folder: Path, commands: Commands
) -> tuple[str, ...]:
    """The images of the Pods that the chart starts, rendered with these values.

    Controllers that are switched off are in the chart with no replicas; of their images just those of
    `ON_DEMAND` are needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rendered-values.yaml"
    file.write_text(yaml.safe_dump(dict(values), sort_keys=False))
    argv: list[str | Path] = [helm, "template", RELEASE, chart, "--namespace", NAMESPACE, "--values", file]
    argv.append("--no-hooks")
    done = commands.run(argv, timeout=RENDER_SECONDS)
    return images_of([found for found in yaml.safe_load_all(done.stdout) if isinstance(found, dict)])


def images_of(manifests: Sequence[Json]) -> tuple[str, ...]:
    """The images of all Pod templates among the manifests, each once."""
    found: dict[str, None] = {}
    for manifest in manifests:
        if at(manifest, "spec", "replicas") == 0 and text(manifest, "metadata", "name") not in ON_DEMAND:
            continue
        for group in ("initContainers", "containers"):
            for container in items(manifest, "spec", "template", "spec", group):
                found[text(container, "image")] = None
    return tuple(found)


def _through(values: Values, mirror: str) -> Values:
    """Those of a chart's values that name images, led through a mirror."""
    changed: Values = {}
    for key, value in _named(values):
        if isinstance(value, dict):
            inner = _through(value, mirror)
            if inner:
                changed[key] = inner
        elif key == "imagePrefix":
            changed[key] = reference(f"{value}/name", mirror).removesuffix("/name")
        elif key == "image" and isinstance(value, str) and value:
            changed[key] = reference(value, mirror)
    return changed


def _named(values: Values) -> Iterator[tuple[str, Any]]:
    """The values; a prefix on its own, without the image that it is for, is the file's own shorthand."""
    for key, value in values.items():
        if key != "imagePrefix" or "imageName" in values:
            yield key, value


def _merged(below: Values, above: Values) -> Values:
    """Two sets of values as one; ``above`` wins."""
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        both[key] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return both
