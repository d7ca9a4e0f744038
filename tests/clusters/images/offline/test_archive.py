"""Images under published names in the archive for the nodes."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from clusters.images.offline import archive
from tests.clusters.archives import read, write

NAMES = {
    "fluid-conformance/kube-apiserver:v1": (
        "registry.k8s.io/kube-apiserver:v1",
        "registry.k8s.io/kube-proxy:v1",
    )
}


def test_names_in_the_list_of_docker(tmp_path: Path) -> None:
    """Several names of one image, and names that stay; the oldest list, with private names, is left out."""
    images = [
        {"Config": "a", "RepoTags": ["fluid-conformance/kube-apiserver:v1"], "Layers": ["l"]},
        {"Config": "b", "RepoTags": ["alluxio/alluxio-dev:2.9.0"]},
        {"Config": "c", "RepoTags": None},
    ]
    write(tmp_path / "old.tar", manifest=images, config={"kept": True})
    with tarfile.open(tmp_path / "old.tar", "a") as old:
        old.addfile(tarfile.TarInfo("repositories"))
    archive.rename(tmp_path / "old.tar", tmp_path / "new.tar", NAMES)
    found = read(tmp_path / "new.tar")
    first, second, third = found["manifest.json"]
    assert first == {
        "Config": "a",
        "RepoTags": ["registry.k8s.io/kube-apiserver:v1", "registry.k8s.io/kube-proxy:v1"],
        "Layers": ["l"],
    }
    assert second == images[1]
    assert third["RepoTags"] == []
    assert found["config.json"] == {"kept": True}
    assert "repositories" not in found


def test_names_in_an_oci_index(tmp_path: Path) -> None:
    """Containerd reads the names from annotations, one entry for each."""
    entry = {
        "digest": "sha256:1",
        "annotations": {
            "io.containerd.image.name": "docker.io/fluid-conformance/kube-apiserver:v1",
            "org.opencontainers.image.ref.name": "v1",
        },
    }
    write(tmp_path / "old.tar", index={"schemaVersion": 2, "manifests": [entry, {"digest": "sha256:2"}]})
    archive.rename(tmp_path / "old.tar", tmp_path / "new.tar", NAMES)
    index = read(tmp_path / "new.tar")["index.json"]
    names = [one.get("annotations", {}).get("io.containerd.image.name") for one in index["manifests"]]
    assert names == ["registry.k8s.io/kube-apiserver:v1", "registry.k8s.io/kube-proxy:v1", None]
    assert [one["digest"] for one in index["manifests"]] == ["sha256:1", "sha256:1", "sha256:2"]
    assert index["schemaVersion"] == 2


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("debian:12", "docker.io/library/debian:12"),
        ("a/b:1", "docker.io/a/b:1"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("h:5/a:1", "h:5/a:1"),
    ],
)
def test_full_names(name: str, full: str) -> None:
    """As containerd writes them."""
    assert archive.full_name(name) == full
