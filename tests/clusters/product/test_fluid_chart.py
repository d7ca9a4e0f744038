"""Values of Fluid's chart, in the shape that each version wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.errors import InfrastructureError
from clusters.images.offline import definitions
from clusters.kubernetes.fields import at
from clusters.pins import pins, versions
from clusters.product import fluid_chart
from clusters.product.fluid_chart import ImageRef
from tests.clusters.fakes import chart_values

ALLUXIO = "alluxio/alluxio-dev:2.9.6"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("fluidcloudnative/fluid-csi:v1.0.8", ("fluidcloudnative", "fluid-csi", "v1.0.8")),
        ("mirror:5000/alluxio/alluxio-dev:2.9.6", ("mirror:5000/alluxio", "alluxio-dev", "2.9.6")),
        ("mirror:5000/alluxio-dev", ("mirror:5000", "alluxio-dev", "latest")),
        ("busybox", ("", "busybox", "latest")),
    ],
)
def test_an_image_name_is_taken_apart(reference: str, expected: tuple[str, str, str]) -> None:
    """A port is no tag, and no tag is the latest."""
    found = ImageRef.of(reference)
    assert (found.prefix, found.name, found.tag) == expected


def chart(folder: Path, own: dict[str, Any]) -> Path:
    """A chart with these values of its own."""
    (folder / "values.yaml").write_text(yaml.safe_dump(own))
    return folder


def images(version: str) -> dict[str, str]:
    """Fluid's images as they are built."""
    return {
        name: image.name
        for name, image in definitions.fluid(versions().model_copy(update={"fluid": version})).items()
    }


@pytest.mark.parametrize("version", sorted(pins().fluid))
def test_every_built_image_has_its_place(version: str, tmp_path: Path) -> None:
    """No image of Fluid's is built that the chart is not told of, whatever shape it wants."""
    wanted = images(version)
    assert set(wanted) == set(fluid_chart.PLACES)
    old = version.startswith("0.")
    values = fluid_chart.values(chart(tmp_path, chart_values("v1", whole=old)), wanted, ALLUXIO)
    for name, place in fluid_chart.PLACES.items():
        reference = wanted[name]
        there = at(values, *place)
        whole = there.get("image") or f"{there['imagePrefix']}/{there['imageName']}:{there['imageTag']}"
        assert whole == reference
    assert values["runtime"]["alluxio"]["enabled"] is True
    assert "enabled" not in values["runtime"]["thin"]
    assert values["crdUpgrade"] == {"enabled": False}


def test_later_charts_want_an_image_in_three_parts(tmp_path: Path) -> None:
    """Prefix, name and tag; an image that stays in one piece would have no effect."""
    values = fluid_chart.values(chart(tmp_path, chart_values("v1")), images("1.0.8"), ALLUXIO)
    parts = {"imagePrefix": "alluxio", "imageName": "alluxio-dev", "imageTag": "2.9.6"}
    assert values["runtime"]["alluxio"]["runtime"] == parts
    assert values["runtime"]["alluxio"]["fuse"] == parts
    assert values["csi"]["registrar"]["imageTag"].startswith("substitute-")
    assert values["csi"]["plugins"]["imageName"] == "fluid-csi"


def test_older_charts_want_an_image_in_one_piece(tmp_path: Path) -> None:
    """Three parts would have no effect there."""
    values = fluid_chart.values(chart(tmp_path, chart_values("v0", whole=True)), images("0.9.3"), ALLUXIO)
    assert values["runtime"]["alluxio"]["fuse"] == {"image": ALLUXIO}
    assert values["webhook"] == {"image": "fluidcloudnative/fluid-webhook:v0.9.3"}


def test_features_of_the_plugin_can_be_chosen(tmp_path: Path) -> None:
    """Fluid's default is not to mend mounts."""
    place = chart(tmp_path, chart_values("v1"))
    assert fluid_chart.values(place, {}, ALLUXIO)["csi"]["featureGates"] == "FuseRecovery=false"
    changed = fluid_chart.values(place, {}, ALLUXIO, features="FuseRecovery=true")
    assert changed["csi"]["featureGates"] == "FuseRecovery=true"


def test_a_place_that_the_chart_has_not_is_refused(tmp_path: Path) -> None:
    """Else the chart would start other images than those that were built, without a word."""
    own = chart_values("v1")
    del own["runtime"]["thin"]
    with pytest.raises(InfrastructureError, match=r"runtime\.thin\.controller"):
        fluid_chart.values(chart(tmp_path, own), images("1.0.8"), ALLUXIO)
