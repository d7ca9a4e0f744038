"""Images under their published names in the archive for the nodes, whatever the engine calls them.

In the engine of the user an image of the harness has a private name: under a published one, a later
``docker run`` or ``kind create`` of the user would take it for the product's. An archive of `docker save`
has the names in ``manifest.json`` and, from Docker 25 on, also in ``index.json`` (OCI image layout).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clusters.image_names import HUB, split_host

_NAME: Final = "io.containerd.image.name"
_TAG: Final = "org.opencontainers.image.ref.name"
#: The image list of the first Docker versions; containerd reads it only where there is no other.
_OLD_LIST: Final = "repositories"


def rename(source: Path, target: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Copy an archive of images with other names.

    Args:
        source: as `docker save` writes it.
        target: the file to write.
        names: the new names of each image by its name in the engine; others keep theirs.
    """
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member)
            if member.name == _OLD_LIST:
                continue
            if content is not None and member.name in ("manifest.json", "index.json"):
                change = _manifest if member.name == "manifest.json" else _index
                text = json.dumps(change(json.load(content), names)).encode()
                member.size, content = len(text), io.BytesIO(text)
            new.addfile(member, content)


def _manifest(images: Any, names: Mapping[str, Sequence[str]]) -> Any:
    return [
        {**image, "RepoTags": [new for tag in image["RepoTags"] or () for new in names.get(tag, (tag,))]}
        for image in images
    ]


def _index(index: Any, names: Mapping[str, Sequence[str]]) -> Any:
    known = {full_name(name): new for name, new in names.items()}
    manifests = []
    for manifest in index["manifests"]:
        notes = manifest.get("annotations") or {}
        for new in known.get(notes.get(_NAME, ""), (None,)):
            changed = dict(notes)
            if new is not None:
                changed |= {_NAME: full_name(new), _TAG: new.rpartition(":")[2]}
            manifests.append({**manifest, "annotations": changed} if changed else manifest)
    return {**index, "manifests": manifests}


def full_name(name: str) -> str:
    """An image name with its registry, and ``library`` for an official image of Docker's hub."""
    host, path = split_host(name)
    return f"{host}/{path if '/' in path or host != HUB else 'library/' + path}"
