"""The disk that the nodes of a new cluster need for their images."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host import probes
from clusters.host.engine import Engine
from clusters.images import node_disk
from tests.clusters.fakes import FakeCommands

MIB = 2**20
GIB = 2**30


def an_archive(folder: Path, *layers: bytes) -> Path:
    """The folder of an archive with these layers."""
    with tarfile.open(folder / "images.tar", "w") as archive:
        for number, layer in enumerate((b"[]", *layers)):
            member = tarfile.TarInfo(f"blobs/sha256/{number}")
            member.size = len(layer)
            archive.addfile(member, io.BytesIO(layer))
    return folder


def an_engine(root: object = "", address: str = "unix:///var/run/docker.sock") -> Engine:
    """An engine that says where its data are."""
    commands = FakeCommands()
    commands.on("docker", "info", stdout=f"{root}\n")
    return Engine(address, "28.0", managed=False, commands=commands)


def test_layers_that_are_not_packed_count_as_they_are(tmp_path: Path) -> None:
    """Such as `docker save` writes them without containerd's image store."""
    folder = an_archive(tmp_path, bytes(3 * MIB), bytes(MIB))
    assert node_disk.unpacked_bytes(folder / "images.tar") == 4 * MIB + 2


def test_packed_layers_count_with_their_unpacked_size(tmp_path: Path) -> None:
    """With containerd's image store, published layers are in the archive as they were pulled."""
    folder = an_archive(tmp_path, gzip.compress(bytes(64 * MIB)), bytes(MIB))
    assert node_disk.unpacked_bytes(folder / "images.tar") == 65 * MIB + 2


@pytest.mark.parametrize("nodes", [1, 3])
def test_each_node_holds_the_archive_and_what_it_unpacks(tmp_path: Path, nodes: int) -> None:
    """Containerd keeps both; the rest of a run is needed once."""
    archive = an_archive(tmp_path, bytes(8 * MIB))
    size = (archive / "images.tar").stat().st_size
    expected = nodes * (size + 8 * MIB + 2 + node_disk.REST_OF_NODE) + node_disk.REST_OF_RUN
    assert node_disk.needed(archive, nodes) == expected


def test_too_little_disk_for_the_nodes_is_refused_before_a_cluster_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the engine's folder, its free space, the number of nodes and what they need."""
    archive = an_archive(tmp_path, bytes(MIB))
    monkeypatch.setattr(node_disk, "needed", lambda _, nodes: nodes * 3 * GIB)
    monkeypatch.setattr(probes, "free_disk", lambda _: 8 * GIB)
    node_disk.of_nodes(an_engine(tmp_path), archive, 2).require()
    with pytest.raises(RefusalError, match=r"8\.0 GiB free; the images of 3 nodes need 9\.0 GiB") as caught:
        node_disk.of_nodes(an_engine(tmp_path), archive, 3).require()
    assert str(tmp_path) in caught.value.message
    assert "--nodes" in caught.value.advice


@pytest.mark.parametrize(
    ("root", "address"),
    [
        ("", "unix:///var/run/docker.sock"),
        ("/nowhere/docker", "unix:///x.sock"),
        ("/", "tcp://10.0.0.7:2375"),
    ],
)
def test_disk_of_another_machine_is_not_judged(tmp_path: Path, root: str, address: str) -> None:
    """An engine in a virtual machine, or on another host, has its data where this process cannot look."""
    archive = an_archive(tmp_path, bytes(MIB))
    requirement = node_disk.of_nodes(an_engine(root, address), archive, 1000)
    requirement.require()
    assert "not known" in requirement.found


def test_folder_that_an_ordinary_user_may_not_look_into_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the data below /var/lib/docker of an engine with user namespaces."""

    def forbidden(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_dir", forbidden)
    requirement = node_disk.of_nodes(an_engine(tmp_path), tmp_path, 1)
    requirement.require()
    assert "not known" in requirement.found
