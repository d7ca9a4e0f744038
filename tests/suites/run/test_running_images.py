"""Which images ran, by the status of the Pods."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from clusters.facts import RunningImage
from clusters.kubernetes.client import Kube
from suites.run.running_images import RunningImages


def a_pod(namespace: str, image: str, image_id: str, **labels: str) -> dict[str, Any]:
    """A Pod with one container."""
    return {
        "metadata": {"namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": image}]},
        "status": {"containerStatuses": [{"name": "main", "image": "sha256:x", "imageID": image_id}]},
    }


def a_cluster(*pods: dict[str, Any]) -> Kube:
    """A cluster with these Pods."""
    return cast("Kube", SimpleNamespace(list=lambda kind: list(pods)))


def test_images_of_fluid_and_alluxio_are_read_where_they_run() -> None:
    """Other Pods do not count, and neither does a container that has not started."""
    running = RunningImages()
    found = running.observe(
        a_cluster(
            a_pod("fluid-system", "fluid:1", "sha256:a"),
            a_pod("fc-1", "alluxio:2", "sha256:b", role="alluxio-worker"),
            a_pod("fc-1", "alluxio:3", "", role="alluxio-fuse"),
            a_pod("fc-1", "toolbox:1", "sha256:c"),
        )
    )
    assert found == (
        RunningImage(name="alluxio:2", at_start=("sha256:b",), at_end=("sha256:b",)),
        RunningImage(name="fluid:1", at_start=("sha256:a",), at_end=("sha256:a",)),
    )


def test_an_image_that_was_exchanged_shows_both_ids() -> None:
    """What runs at the end under the same name is another image; one that is gone keeps its last id."""
    running = RunningImages()
    running.observe(
        a_cluster(
            a_pod("fluid-system", "fluid:1", "sha256:a"),
            a_pod("fc-1", "alluxio:2", "sha256:b", role="alluxio-worker"),
        )
    )
    found = running.observe(a_cluster(a_pod("fluid-system", "fluid:1", "sha256:changed")))
    assert [(image.name, image.at_start, image.at_end) for image in found] == [
        ("alluxio:2", ("sha256:b",), ("sha256:b",)),
        ("fluid:1", ("sha256:a",), ("sha256:changed",)),
    ]
