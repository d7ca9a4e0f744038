"""Archives as `docker save` writes them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.clusters.fakes import Ran


def write(file: Path, **members: Any) -> None:
    """An archive with these JSON files, their names without the suffix."""
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            text = json.dumps(content).encode()
            info = tarfile.TarInfo(f"{name}.json")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))


def read(file: Path) -> dict[str, Any]:
    """The JSON files of an archive by name."""
    with tarfile.open(file) as archive:
        return {
            member.name: json.load(content)
            for member in archive
            if (content := archive.extractfile(member)) is not None
        }


def save(ran: Ran) -> None:
    """Play `docker save -o FILE NAME…`, one image for each name."""
    at = ran.argv.index("-o")
    write(Path(ran.argv[at + 1]), manifest=[{"RepoTags": [name]} for name in ran.argv[at + 2 :]])


def names_in(file: Path) -> list[str]:
    """The names of all images in an archive, in its order."""
    return [name for image in read(file)["manifest.json"] for name in image["RepoTags"]]
