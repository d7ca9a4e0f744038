"""The images of one version of Fluid, pulled or built, with the chart that names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.fluid_source import FLUID_CHART, FluidSource
from clusters.host.artifact_cache import Artifact
from clusters.images import charts
from clusters.images.offline import artifacts, definitions
from clusters.images.offline.definitions import ImageDefinition
from clusters.images.pull import Pulled, Registry
from clusters.images.tools import Tools
from clusters.pins import Versions, require_buildable
from clusters.product import fluid_chart

#: The image whose tag is the version of an installed Fluid (`clusters.product.fluid.state`).
_NAMED_BY: Final = "dataset-controller"


@dataclass(frozen=True, slots=True)
class Piece:
    """Images of the same origin: by name, and what is known of each."""

    names: tuple[str, ...]
    build: tuple[ImageDefinition, ...] = ()
    pulled: tuple[Pulled, ...] = ()

    @classmethod
    def built(cls, *images: ImageDefinition) -> Piece:
        """Images that the harness builds."""
        return cls(tuple(name for image in images for name in image.names), build=images)

    @classmethod
    def taken(cls, *images: Pulled) -> Piece:
        """Images that were pulled."""
        return cls(tuple(image.name for image in images), pulled=images)

    @property
    def local(self) -> dict[str, tuple[str, ...]]:
        """The published names of each image by its name in the engine."""
        found = {image.local: image.names for image in self.build}
        found |= {image.local: (image.name,) for image in self.pulled}
        known = {name for names in found.values() for name in names}
        # Named by --kind-image: the engine has it under that name.
        return found | {name: (name,) for name in self.names if name not in known}


@dataclass(frozen=True, slots=True)
class FluidImages:
    """Fluid's images with the chart that names them.

    Attributes:
        version: the tag of the images.
        piece: the images.
        chart: has the chart's folder.
        inside: path of that folder in ``chart``.
        images: image names to set in the chart, by Fluid's own names; empty to keep the chart's.
    """

    version: str
    piece: Piece
    chart: Artifact
    inside: str
    images: Mapping[str, str]

    def release(self, tools: Tools, alluxio: str) -> FluidRelease:
        """What helm installs, once the chart is there.

        Args:
            tools: obtains the chart.
            alluxio: name of Alluxio's image.
        """
        chart = tools.obtain(self.chart) / self.inside
        return FluidRelease(self.version, chart, fluid_chart.values(chart, alluxio, self.images))


@dataclass(frozen=True, slots=True)
class FluidRelease:
    """A version of Fluid that helm can install on the cluster.

    Attributes:
        version: the tag of its images.
        chart: folder of the chart.
        values: what to set in it.
    """

    version: str
    chart: Path
    values: Mapping[str, Any]


def pulled(tools: Tools, registry: Registry, versions: Versions) -> FluidImages:
    """The published images that the published chart of a version names.

    Raises:
        NotPublishedError: the registry lacks one of them.
    """
    helm = tools.helm()
    artifact = charts.fluid_chart(versions.fluid, helm)
    chart = (tools if charts.in_module(versions.fluid) else tools.cache).obtain(artifact) / "fluid"
    values = fluid_chart.values(chart, definitions.alluxio(versions.alluxio).name)
    names = fluid_chart.named_images(chart, values, helm, tools.cache.root / "tools")
    # The chart has tags such as v1.0.8-6533239.
    tags = [name.rpartition(":")[2] for name in names if name.rpartition(":")[0].endswith(_NAMED_BY)]
    piece = Piece.taken(*(registry.pull(name) for name in names))
    return FluidImages((tags or [f"v{versions.fluid}"])[0], piece, artifact, "fluid", {})


def built(versions: Versions, checkout: FluidSource | None = None) -> FluidImages:
    """The images of a version as they are built here, from its module or from a local checkout.

    Raises:
        RefusalError: the version cannot be built.
    """
    if checkout is None:
        require_buildable(versions, "fluid")
    images = definitions.fluid(versions, checkout)
    return FluidImages(
        checkout.tag if checkout else f"v{versions.fluid}",
        Piece.built(*images.values()),
        artifacts.fluid(versions.fluid, checkout),
        FLUID_CHART,
        {name: image.name for name, image in images.items()},
    )
