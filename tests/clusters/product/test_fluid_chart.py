"""Values of Fluid's chart, in the shape that each version needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.errors import InfrastructureError
from clusters.images.offline import definitions
from clusters.kubernetes.fields import at
from clusters.pins import pins, versions
from clusters.product import fluid_chart, fluid_versions
from clusters.product.fluid_chart import ALLUXIO_SETTINGS, ImageRef
from tests.clusters.fakes import chart_values

ALLUXIO = "alluxio/alluxio-dev:2.9.6"
MIRROR = "127.0.0.1:5001"
NEW_VALUES = chart_values("v1")
OLD_VALUES = chart_values("v0.9.3-e0184cf", whole=True)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("fluidcloudnative/fluid-csi:v1.0.8", ("fluidcloudnative", "fluid-csi", "v1.0.8")),
        ("mirror:5000/alluxio/alluxio-dev:2.9.6", ("mirror:5000/alluxio", "alluxio-dev", "2.9.6")),
        ("mirror:5000/alluxio-dev", ("mirror:5000", "alluxio-dev", "latest")),
        ("busybox", ("", "busybox", "latest")),
    ],
)
def test_an_image_name_is_parsed(reference: str, expected: tuple[str, str, str]) -> None:
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
    """Every built image of Fluid is in the chart's values, whatever shape these have."""
    expected = images(version)
    added = set(fluid_versions.VERSIONS[-1].added_programs.values())
    assert set(expected) | added == set(fluid_chart.PLACES)
    old = version.startswith("0.")
    values = fluid_chart.values(chart(tmp_path, chart_values("v1", whole=old)), ALLUXIO, expected)
    for name, reference in expected.items():
        place = fluid_chart.PLACES[name]
        there = at(values, *place)
        whole = there.get("image") or f"{there['imagePrefix']}/{there['imageName']}:{there['imageTag']}"
        assert whole == reference
    assert values["runtime"]["alluxio"]["enabled"] is True
    assert "enabled" not in values["runtime"]["thin"]
    assert values["crdUpgrade"] == {"enabled": False}


def test_later_charts_need_an_image_in_three_parts(tmp_path: Path) -> None:
    """Prefix, name and tag; an image that stays in one piece would have no effect."""
    values = fluid_chart.values(chart(tmp_path, chart_values("v1")), ALLUXIO, images("1.0.8"))
    parts = {"imagePrefix": "alluxio", "imageName": "alluxio-dev", "imageTag": "2.9.6"}
    assert values["runtime"]["alluxio"]["runtime"] == parts
    assert values["runtime"]["alluxio"]["fuse"] == parts
    assert values["csi"]["registrar"]["imageTag"].startswith("substitute-")
    assert values["csi"]["plugins"]["imageName"] == "fluid-csi"


def test_older_charts_need_an_image_in_one_piece(tmp_path: Path) -> None:
    """Three parts would have no effect there."""
    values = fluid_chart.values(chart(tmp_path, chart_values("v0", whole=True)), ALLUXIO, images("0.9.3"))
    assert values["runtime"]["alluxio"]["fuse"] == {"image": ALLUXIO}
    assert values["webhook"] == {"image": "fluidcloudnative/fluid-webhook:v0.9.3"}


def test_features_of_the_plugin_can_be_chosen(tmp_path: Path) -> None:
    """Fluid's default is not to mend mounts."""
    place = chart(tmp_path, chart_values("v1"))
    assert fluid_chart.values(place, ALLUXIO, {})["csi"]["featureGates"] == "FuseRecovery=false"
    changed = fluid_chart.values(place, ALLUXIO, {}, features="FuseRecovery=true")
    assert changed["csi"]["featureGates"] == "FuseRecovery=true"


def test_a_place_that_the_chart_has_not_is_refused(tmp_path: Path) -> None:
    """Otherwise the chart would start other images than the built ones, without an error."""
    own = chart_values("v1")
    del own["runtime"]["thin"]
    with pytest.raises(InfrastructureError, match=r"runtime\.thin\.controller"):
        fluid_chart.values(chart(tmp_path, own), ALLUXIO, images("1.0.8"))


def test_built_and_published_images_have_the_same_settings(tmp_path: Path) -> None:
    """Both run the same Fluid: only the names of images differ."""
    place = chart(tmp_path, NEW_VALUES)
    built = fluid_chart.values(place, ALLUXIO, images("1.0.8"))
    published = fluid_chart.values(place, ALLUXIO)
    assert built["csi"]["featureGates"] == published["csi"]["featureGates"]
    assert built["runtime"]["alluxio"]["portAllocatePolicy"] == "bitmap"
    assert published["runtime"]["alluxio"]["portAllocatePolicy"] == "bitmap"


def test_published_images_are_those_of_the_chart(tmp_path: Path) -> None:
    """Only settings of the harness and Alluxio's version are set."""
    values = fluid_chart.values(chart(tmp_path, NEW_VALUES), "alluxio/alluxio-dev:2.9.4")
    alluxio = {"imagePrefix": "alluxio", "imageName": "alluxio-dev", "imageTag": "2.9.4"}
    assert values == {
        "crdUpgrade": {"enabled": False},
        "csi": {"featureGates": "FuseRecovery=false"},
        "runtime": {"alluxio": {**ALLUXIO_SETTINGS, "runtime": alluxio, "fuse": alluxio}},
    }


def test_older_charts_have_published_images_in_one_string(tmp_path: Path) -> None:
    """Charts up to 0.9 have one value for an image."""
    values = fluid_chart.values(chart(tmp_path, OLD_VALUES), "alluxio/alluxio-dev:2.9.4")
    assert values["runtime"]["alluxio"]["fuse"] == {"image": "alluxio/alluxio-dev:2.9.4"}


def test_images_on_a_mirror(tmp_path: Path) -> None:
    """For a cluster that pulls images itself, every image has its name on the mirror."""
    values = fluid_chart.values(chart(tmp_path, NEW_VALUES), "alluxio/alluxio-dev:2.9.4", mirror=MIRROR)
    assert values["dataset"] == {"controller": {"imagePrefix": f"{MIRROR}/fluidcloudnative"}}
    assert values["runtime"]["thin"]["controller"] == {"imagePrefix": f"{MIRROR}/fluidcloudnative"}
    assert values["runtime"]["alluxio"]["fuse"]["imagePrefix"] == f"{MIRROR}/alluxio"
    assert "imagePrefix" not in values
    assert "image" not in values
    older = fluid_chart.values(chart(tmp_path, OLD_VALUES), "alluxio/alluxio-dev:2.9.4", mirror=MIRROR)
    assert older["dataset"]["controller"]["image"].startswith(
        f"{MIRROR}/fluidcloudnative/dataset-controller:"
    )


def workload(kind: str, *images: str, name: str = "", **spec: Any) -> dict[str, Any]:
    """A workload whose Pods run these images."""
    containers = [{"name": str(number), "image": image} for number, image in enumerate(images)]
    template = {"spec": {"containers": containers}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {**spec, "template": template}}


def test_images_of_controllers_that_start() -> None:
    """Controllers without replicas do not start; one of them is started by Fluid on demand."""
    manifests = [
        workload("Deployment", "a:1", replicas=1),
        workload("Deployment", "jindo:1", name="jindoruntime-controller", replicas=0),
        workload("Deployment", "thin:1", name="thinruntime-controller", replicas=0),
        workload("DaemonSet", "b:1", "a:1"),
        {"kind": "ConfigMap", "data": {}},
    ]
    assert fluid_chart.images_of(manifests) == ("a:1", "thin:1", "b:1")
