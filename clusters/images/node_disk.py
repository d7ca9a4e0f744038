"""The disk that the nodes of a new cluster need, by the sizes of the images that they receive."""

from __future__ import annotations

import tarfile
from functools import partial
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError
from clusters.host import probes
from clusters.host.engine import Engine
from clusters.host.requirements import Requirement

#: Bytes of a node besides its images: etcd, logs, writable layers (measured: 0.3 GiB in a smoke run).
REST_OF_NODE: Final = 2**29
#: Bytes of a run besides its nodes: cached blocks on a node's disk (A20: 1.3 GiB), logs, the report.
REST_OF_RUN: Final = 2 * 2**30
_GIB: Final = 2**30
_GZIP: Final = b"\x1f\x8b"
#: How much larger a layer is unpacked, where it does not say so itself (zstd).
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_FACTOR: Final = 3


def of_nodes(engine: Engine, archive: Path, nodes: int) -> Requirement:
    """The disk of the engine's data, which holds the nodes: for their images.

    A constant cannot say it: a node with images that were built needs 3 GiB, and published images have
    other sizes. An engine on another machine, or in a virtual one, is not judged.

    Args:
        engine: runs the nodes.
        archive: folder of the archive that each node imports.
        nodes: how many are created.
    """
    root = _root(engine)
    if root is None:
        return Requirement("disk of the nodes", "not known: the engine's data are elsewhere", lambda: None)
    free = f"{probes.free_disk(root) / _GIB:.1f} GiB free for {root}"
    return Requirement("disk of the nodes", free, partial(_require, root, needed(archive, nodes), nodes))


def needed(archive: Path, nodes: int) -> int:
    """Bytes for so many nodes: containerd keeps each layer as it came, and unpacked."""
    file = archive / "images.tar"
    return nodes * (file.stat().st_size + unpacked_bytes(file) + REST_OF_NODE) + REST_OF_RUN


def unpacked_bytes(archive: Path) -> int:
    """Bytes of an archive's members once they are unpacked: of packed layers, their size before.

    gzip has it in the last four bytes of a member (RFC 1952), modulo 4 GiB.
    """
    total = 0
    with tarfile.open(archive) as members, archive.open("rb") as file:
        for member in members:
            file.seek(member.offset_data)
            start = file.read(4) if member.isreg() else b""
            if start.startswith(_GZIP):
                file.seek(member.offset_data + member.size - 4)
                total += int.from_bytes(file.read(4), "little")
            else:
                total += member.size * (_ZSTD_FACTOR if start == _ZSTD else 1)
    return total


def _root(engine: Engine) -> Path | None:
    """The folder of the engine's data, if it is on this machine."""
    if not engine.address.startswith("unix:"):
        return None
    said = engine.run("info", "--format", "{{.DockerRootDir}}", check=False).stdout.strip()
    root = Path(said)
    try:
        return root if said and root.is_dir() else None
    except OSError:  # an ordinary user may not look into it
        return None


def _require(root: Path, needed: int, nodes: int) -> None:
    free = probes.free_disk(root)
    if free < needed:
        raise RefusalError(
            f"{root} has {free / _GIB:.1f} GiB free; "
            f"the images of {nodes} nodes need {needed / _GIB:.1f} GiB",
            advice="free some disk, run with fewer --nodes, or let the engine keep its data on a larger disk",
        )
