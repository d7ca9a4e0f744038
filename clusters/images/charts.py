"""Origin of Fluid's chart: its Go module, or Fluid's chart repository."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError
from clusters.fluid_source import FLUID_CHART, FLUID_MODULE
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.images.offline import artifacts, go
from clusters.images.tools import Tools
from clusters.pins import pins
from clusters.product.fluid_chart import restore_dependencies
from clusters.product.helm import Helm
from clusters.progress import RunningStage

#: Where Fluid publishes its charts.
CHART_REPOSITORY: Final = "https://fluid-cloudnative.github.io/charts"


def fluid_chart(version: str, helm: Helm) -> Artifact:
    """Fluid's chart as the folder `fluid`: from its Go module, else from Fluid's chart repository.

    Not every published version is a Go module; the chart repository has all of them.
    """

    def from_module(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        stage.says(f"Go module {FLUID_MODULE}")
        module = go.download(cache, FLUID_MODULE, version)
        charts = folder / ".charts"
        go.copy_module(module, charts, "charts")
        restore_dependencies(charts)
        (charts / "fluid" / "fluid").rename(folder / "fluid")
        shutil.rmtree(charts)

    def from_repository(_: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        done = helm.pull("fluid", version, repository=CHART_REPOSITORY, folder=folder, on_line=stage.says)
        if done.exit_code != 0:
            raise RefusalError(
                f"the chart of Fluid {version} cannot be downloaded from {CHART_REPOSITORY}",
                last_seen=done.stdout[-1_000:].strip(),
                advice="versions that need no chart repository: "
                + ", ".join(version for version in pins().fluid if in_module(version)),
            )

    make = from_module if in_module(version) else from_repository
    return Artifact(f"fluid-chart-{version}", (version, CHART_REPOSITORY), make)


def in_module(version: str) -> bool:
    """Whether Fluid's Go module of that version has the chart."""
    pin = pins().fluid.get(version)
    return pin is not None and pin.module


def chart_folder(tools: Tools, helm: Helm) -> Path:
    """The folder of Fluid's chart at the version of the options: of an existing build, else downloaded.

    Raises:
        RefusalError: the chart cannot be downloaded.
    """
    version, checkout = tools.options.versions.fluid, tools.options.fluid_source
    if checkout is not None:
        return tools.obtain(artifacts.fluid(version, checkout)) / FLUID_CHART
    built = tools.cache.path(artifacts.fluid(version))
    if built.exists():
        return built / FLUID_CHART
    artifact = fluid_chart(version, helm)
    return (tools if in_module(version) else tools.cache).obtain(artifact) / "fluid"
