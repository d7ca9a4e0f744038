"""Values of Fluid's chart: the images that are set in it, in the shape that its version wants.

Charts up to 0.9 take an image in one string, ``image``; from 1.0 on it is ``imagePrefix``,
``imageName`` and ``imageTag``. The chart's own values say which, so no list of versions is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from clusters.errors import InfrastructureError
from clusters.kubernetes.fields import at

Values = dict[str, Any]
Place = tuple[str, ...]

#: Where the chart takes each of Fluid's images, by the image's own name (0.9.3 and 1.0.8 alike).
PLACES: Final[Mapping[str, Place]] = MappingProxyType(
    {
        "dataset-controller": ("dataset", "controller"),
        "csi-node-driver-registrar": ("csi", "registrar"),
        "fluid-csi": ("csi", "plugins"),
        "alluxioruntime-controller": ("runtime", "alluxio", "controller"),
        "thinruntime-controller": ("runtime", "thin", "controller"),
        "fluid-webhook": ("webhook",),
        "application-controller": ("fluidapp", "controller"),
    }
)
#: Where it takes the image of Alluxio.
ALLUXIO_PLACES: Final[tuple[Place, ...]] = (("runtime", "alluxio", "runtime"), ("runtime", "alluxio", "fuse"))
#: What is set for Alluxio's controller. By default it draws host ports at random, without a look at
#: those of other Datasets (pkg/ddc/base/portallocator/random_allocator.go of 1.0.8): now and then two
#: Datasets on one node get one port, and the worker of the later one stays Pending for good.
ALLUXIO_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType(
    {"enabled": True, "portAllocatePolicy": "bitmap"}
)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image name as the later charts want it: prefix, name and tag apart."""

    prefix: str
    name: str
    tag: str

    @classmethod
    def of(cls, reference: str) -> ImageRef:
        """Take ``registry/prefix/name:tag`` apart; without a tag it is ``latest``."""
        prefix, _, last = reference.rpartition("/")
        name, _, tag = last.partition(":")
        return cls(prefix, name, tag or "latest")

    def values(self) -> dict[str, str]:
        """As chart values."""
        return {"imagePrefix": self.prefix, "imageName": self.name, "imageTag": self.tag}


def own_values(chart: Path) -> Values:
    """The values that a chart brings itself."""
    own: Values = yaml.safe_load((chart / "values.yaml").read_text())
    return own


def image_at(own: Values, place: Place, reference: str) -> Values:
    """An image as chart values, in the shape that the chart has at that place.

    Args:
        own: the chart's own values.
        place: path of keys.
        reference: ``registry/prefix/name:tag``.

    Raises:
        InfrastructureError: the chart takes no image there, so that what was set would have no effect.
    """
    there = at(own, *place)
    if isinstance(there, dict) and "image" in there:
        return {"image": reference}
    if isinstance(there, dict) and "imageName" in there:
        return dict(ImageRef.of(reference).values())
    raise InfrastructureError(
        f"Fluid's chart takes no image at {'.'.join(place)}",
        subject=reference,
        last_seen=str(there)[:200],
        advice="see clusters/product/fluid_chart.py; this chart is of a version that it does not know",
    )


def values(
    chart: Path, fluid: Mapping[str, str], alluxio: str, *, features: str = "FuseRecovery=false"
) -> Values:
    """The chart's defaults, with our images.

    Args:
        chart: folder of Fluid's chart.
        fluid: image references by the images' own names, as in `PLACES`.
        alluxio: image reference of the Alluxio runtime and Fuse.
        features: feature gates of the CSI plugin.
    """
    own = own_values(chart)
    # The hook upgrades CRDs of an older Fluid and needs an image of its own.
    wanted: Values = {"crdUpgrade": {"enabled": False}, "csi": {"featureGates": features}}
    images = [(PLACES[name], reference) for name, reference in fluid.items()]
    images += [(place, alluxio) for place in ALLUXIO_PLACES]
    for place, reference in images:
        _at(wanted, place).update(image_at(own, place, reference))
    _at(wanted, ("runtime", "alluxio")).update(ALLUXIO_SETTINGS)
    return wanted


def _at(values: Values, place: Place) -> Values:
    """The values at a place, made where there are none."""
    for key in place:
        values = values.setdefault(key, {})
    return values
