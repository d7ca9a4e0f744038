"""Names that Fluid gives, read backwards."""

from __future__ import annotations

import pytest

from clusters.product import fluid_names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (fluid_names.host_mount("demo", "a"), ("demo", "a")),
        ("/runtime-mnt/jindo/x/y/jindofs-fuse", ("x", "y")),
        ("/runtime-mnt/alluxio/demo/a", None),
        ("/runtime-mnt/alluxio/demo/a/alluxio-fuse/train", None),
        ("/data", None),
    ],
)
def test_a_mount_point_names_its_dataset(path: str, expected: tuple[str, str] | None) -> None:
    """Of any runtime; a folder above or below it is no mount point."""
    assert fluid_names.mounted_dataset(path) == expected


def test_the_folder_of_a_staged_volume() -> None:
    """As seen on a node of Kubernetes 1.33."""
    handle = "9a420c15d311cff7128f920037c459dd71d40385f9a20b6301685a876b4cad17"
    folder = fluid_names.staging_folder("fc-afe405", "demo")
    assert folder == f"/var/lib/kubelet/plugins/kubernetes.io/csi/fuse.csi.fluid.io/{handle}"


def test_names_follow_fluid() -> None:
    """Labels and names are those of Fluid's source."""
    assert fluid_names.dataset_id("demo", "a") == "demo-a"
    assert fluid_names.fuse_label("demo", "a") == "fluid.io/f-demo-a"
    assert fluid_names.volume_name("demo", "a") == "demo-a"
    assert fluid_names.worker_labels("demo", "a") == (
        "fluid.io/s-demo-a",
        "fluid.io/s-alluxio-demo-a",
        "fluid.io/s-h-alluxio-m-demo-a",
        "fluid.io/s-h-alluxio-d-demo-a",
        "fluid.io/s-h-alluxio-t-demo-a",
    )
    assert fluid_names.exclusive_value("demo", "a") == "demo_a"


@pytest.mark.parametrize(("length", "short"), [(62, True), (63, False), (64, False)])
def test_a_long_name_gives_way_to_the_uid(length: int, short: bool) -> None:
    """If the whole key with its prefix has 63 characters or more, the uid replaces the name."""
    name = "x" * (length - len("fluid.io/f-demo-"))
    label = fluid_names.fuse_label("demo", name, "uid-1")
    assert label == (f"fluid.io/f-demo-{name}" if short else "fluid.io/f-uid-1")
    assert fluid_names.fuse_label("demo", name) == f"fluid.io/f-demo-{name}"
