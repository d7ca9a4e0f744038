"""Fluid's chart: the values that the harness sets, and the images that the chart names.

Charts up to 0.9 have an image in one string, ``image``; from 1.0 on it is ``imagePrefix``,
``imageName`` and ``imageTag``. The chart's own values show which, so that no list of versions is kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from clusters.errors import InfrastructureError
from clusters.image_names import reference
from clusters.kubernetes.fields import Json, at, items, text
from clusters.product.fluid import NAMESPACE, RELEASE
from clusters.product.helm import Helm

Values = dict[str, Any]
Place = tuple[str, ...]

#: Places of Fluid's images in the values, by the image's own name (the same in 0.9.3 and 1.0.8; the last one
#: is new in 1.1).
PLACES: Final[Mapping[str, Place]] = MappingProxyType(
    {
        "dataset-controller": ("dataset", "controller"),
        "csi-node-driver-registrar": ("csi", "registrar"),
        "fluid-csi": ("csi", "plugins"),
        "alluxioruntime-controller": ("runtime", "alluxio", "controller"),
        "thinruntime-controller": ("runtime", "thin", "controller"),
        "fluid-webhook": ("webhook",),
        "application-controller": ("fluidapp", "controller"),
        "cacheruntime-controller": ("runtime", "cache", "controller"),
    }
)
#: Controllers that the chart has with no replicas and that Fluid starts when they are needed: a Dataset
#: over `dataset://` needs this one (pkg/controllers/deploy/runtime_controllers.go:83 of 1.0.8).
ON_DEMAND: Final = frozenset({"thinruntime-controller"})
#: Places of Alluxio's image.
ALLUXIO_PLACES: Final[tuple[Place, ...]] = (("runtime", "alluxio", "runtime"), ("runtime", "alluxio", "fuse"))
#: Settings of Alluxio's controller. By default it chooses host ports at random without regard to those
#: of other Datasets (pkg/ddc/base/portallocator/random_allocator.go of 1.0.8): sometimes two Datasets on
#: one node receive the same port, and the worker of the later one stays Pending for ever.
ALLUXIO_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType(
    {"enabled": True, "portAllocatePolicy": "bitmap"}
)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image name in the three parts of later charts."""

    prefix: str
    name: str
    tag: str

    @classmethod
    def of(cls, reference: str) -> ImageRef:
        """Split ``registry/prefix/name:tag``; without a tag it is ``latest``."""
        prefix, _, last = reference.rpartition("/")
        name, _, tag = last.partition(":")
        return cls(prefix, name, tag or "latest")

    def values(self) -> dict[str, str]:
        """As chart values."""
        return {"imagePrefix": self.prefix, "imageName": self.name, "imageTag": self.tag}


def own_values(chart: Path) -> Values:
    """The values in the chart itself."""
    own: Values = yaml.safe_load((chart / "values.yaml").read_text())
    return own


def image_at(own: Values, place: Place, image: str) -> Values:
    """An image as chart values, in the form that the chart has at that place.

    Args:
        own: the chart's own values.
        place: path of keys.
        image: ``registry/prefix/name:tag``.

    Raises:
        InfrastructureError: the chart has no image there, so that the value would have no effect.
    """
    there = at(own, *place)
    if isinstance(there, dict) and "image" in there:
        return {"image": image}
    if isinstance(there, dict) and "imageName" in there:
        return dict(ImageRef.of(image).values())
    raise InfrastructureError(
        f"Fluid's chart has no image at {'.'.join(place)}",
        subject=image,
        last_seen=str(there)[:200],
        advice="see clusters/product/fluid_chart.py; this chart is of a version that it does not know",
    )


def values(
    chart: Path,
    alluxio: str,
    fluid: Mapping[str, str] = MappingProxyType({}),
    *,
    mirror: str | None = None,
    features: str = "FuseRecovery=false",
) -> Values:
    """Values that differ from the chart's own: images that are set, and settings of the harness.

    Args:
        chart: folder of Fluid's chart.
        alluxio: image of the Alluxio runtime and Fuse.
        fluid: image names by Fluid's own names, as in `PLACES`; empty to keep the chart's, which are
            the published ones.
        mirror: registry from which the nodes pull every image themselves.
        features: feature gates of the CSI plugin; ``FuseRecovery=false`` is the chart's default.

    Raises:
        InfrastructureError: the chart has no place for one of the images.
    """
    own = own_values(chart)
    changed: Values = _on_mirror(own, mirror) if mirror is not None else {}
    # The hook upgrades CRDs of an older Fluid and needs an image of its own.
    changed["crdUpgrade"] = {"enabled": False}
    _at(changed, ("csi",))["featureGates"] = features
    _at(changed, ("runtime", "alluxio")).update(ALLUXIO_SETTINGS)
    images = [(PLACES[name], image) for name, image in fluid.items()]
    images += [(place, reference(alluxio, mirror)) for place in ALLUXIO_PLACES]
    for place, image in images:
        _at(changed, place).update(image_at(own, place, image))
    return changed


def named_images(chart: Path, chart_values: Mapping[str, Any], helm: Helm, folder: Path) -> tuple[str, ...]:
    """The images of the Pods that the chart starts with these values.

    Args:
        chart: folder of Fluid's chart.
        chart_values: as from `values`.
        helm: renders the chart.
        folder: for the file of values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rendered-values.yaml"
    file.write_text(yaml.safe_dump(dict(chart_values), sort_keys=False))
    manifests = yaml.safe_load_all(helm.render(RELEASE, NAMESPACE, chart, file))
    return images_of([manifest for manifest in manifests if isinstance(manifest, dict)])


def images_of(manifests: Sequence[Json]) -> tuple[str, ...]:
    """The images of all Pod templates among the manifests, each once.

    Controllers without replicas are left out, because they do not start, but for `ON_DEMAND`.
    """
    found: dict[str, None] = {}
    for manifest in manifests:
        if at(manifest, "spec", "replicas") == 0 and text(manifest, "metadata", "name") not in ON_DEMAND:
            continue
        for group in ("initContainers", "containers"):
            for container in items(manifest, "spec", "template", "spec", group):
                found[text(container, "image")] = None
    return tuple(found)


def restore_dependencies(charts: Path) -> None:
    """Copy charts that another chart names by a relative path to where helm searches for them.

    In Fluid's repository they are symbolic links, which the archive of a Go module leaves out.
    """
    for file in charts.rglob("Chart.yaml"):
        chart: dict[str, Any] = yaml.safe_load(file.read_text())
        for dependency in chart.get("dependencies", []):
            source = str(dependency.get("repository", ""))
            place = file.parent / "charts" / dependency["name"]
            if source.startswith("file://") and not place.exists():
                place.parent.mkdir(exist_ok=True)
                shutil.copytree(file.parent / source.removeprefix("file://"), place)


def _at(changed: Values, place: Place) -> Values:
    """The values at a place, created if there are none."""
    for key in place:
        changed = changed.setdefault(key, {})
    return changed


def _on_mirror(values: Values, mirror: str) -> Values:
    """The values of a chart that name images, with the images' names on a mirror."""
    changed: Values = {}
    for key, value in _named(values):
        if isinstance(value, dict):
            inner = _on_mirror(value, mirror)
            if inner:
                changed[key] = inner
        elif key == "imagePrefix":
            changed[key] = reference(f"{value}/name", mirror).removesuffix("/name")
        elif key == "image" and isinstance(value, str) and value:
            changed[key] = reference(value, mirror)
    return changed


def _named(values: Values) -> Iterator[tuple[str, Any]]:
    """All values but a prefix without an image, which is an anchor of the values file."""
    for key, value in values.items():
        if key != "imagePrefix" or "imageName" in values:
            yield key, value
