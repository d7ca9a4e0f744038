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
def test_a_mount_point_tells_its_dataset(path: str, expected: tuple[str, str] | None) -> None:
    """Of any runtime; a folder above or below it is no mount point."""
    assert fluid_names.mounted_dataset(path) == expected


def test_the_folder_of_a_staged_volume() -> None:
    """As seen on a node of Kubernetes 1.33."""
    handle = "9a420c15d311cff7128f920037c459dd71d40385f9a20b6301685a876b4cad17"
    folder = fluid_names.staging_folder("fc-afe405", "demo")
    assert folder == f"/var/lib/kubelet/plugins/kubernetes.io/csi/fuse.csi.fluid.io/{handle}"
