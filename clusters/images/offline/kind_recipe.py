"""The base of a kind node, from the recipe in kind's own Go module.

The entrypoint, systemd units, control group scripts and containerd's configuration are kind's files,
read from its module when the image is built. Of kind's Dockerfile (images/base/Dockerfile of 0.30.0)
the first stage is used as it is, but for options that Docker's classic builder does not know; the
programs that its other stages compile from repositories are Debian packages (recipes/kind-base).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.images.offline import go
from clusters.images.offline.artifacts import RECIPES
from clusters.pins import pins
from clusters.progress import RunningStage

MODULE: Final = "sigs.k8s.io/kind"
#: A COPY of the classic builder has no --chmod: the files in the build context receive the mode instead.
_COPY: Final = re.compile(r"^COPY --chmod=(?P<mode>[0-7]+) (?P<source>\S+) (?P<target>\S+)$", re.MULTILINE)
_FROM: Final = re.compile(r"^ARG BASE_IMAGE=\S+\nFROM \$BASE_IMAGE AS base$", re.MULTILINE)
#: The OCI specification that containerd starts containers from, with kind's hook.
_OCI_SPEC: Final = re.compile(r"^RUN ctr oci spec(?:.*\\\n)*.*$", re.MULTILINE)
_METADATA: Final = re.compile(r"^(?:ENV container=|STOPSIGNAL |ENTRYPOINT ).*$", re.MULTILINE)


def kind_recipe() -> Artifact:
    """A build context without its base image: `Dockerfile`, and kind's files in `files/`."""
    version, recipe = pins().build.kind, RECIPES / "kind-base"

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        stage.says(f"Go module {MODULE}")
        source = go.download(cache, MODULE, version).folder / "images" / "base"
        shutil.copytree(source / "files", folder / "files", copy_function=shutil.copyfile)
        for place in (folder / "files").rglob("*"):
            place.chmod(0o755 if place.is_dir() else 0o644)
        text = (source / "Dockerfile").read_text()
        set_modes(text, folder)
        (folder / "Dockerfile").write_text(dockerfile(text, (recipe / "runtime.Dockerfile").read_text()))

    return Artifact(f"kind-recipe-{version}", (version,), make, recipe=(recipe,))


def dockerfile(text: str, runtime: str) -> str:
    """Kind's Dockerfile with Debian's programs, for the classic builder; its base image is ``BASE``.

    Args:
        text: kind's own Dockerfile.
        runtime: instructions that install the programs which kind compiles.

    Raises:
        InfrastructureError: the Dockerfile has another structure.
    """
    begin, end = _FROM.search(text), text.find("\nFROM ", text.find("AS base"))
    spec, metadata = _OCI_SPEC.search(text), _METADATA.findall(text)
    if begin is None or end < 0 or spec is None or not any("ENTRYPOINT" in line for line in metadata):
        raise InfrastructureError(
            "the Dockerfile of this version of kind has a structure that the harness does not know",
            last_seen=text[:500],
            advice="see clusters/images/offline/kind_recipe.py; choose kind 0.30.0 in clusters/pins.toml",
        )
    stage = _COPY.sub(r"COPY \g<source> \g<target>", text[begin.end() : end])
    return "\n".join(["ARG BASE", "FROM ${BASE}", stage, runtime, spec[0], *metadata, ""])


def set_modes(text: str, context: Path) -> None:
    """Give the files of a build context the modes of the Dockerfile's ``COPY --chmod`` instructions."""
    for copy in _COPY.finditer(text):
        for source in context.glob(copy["source"].rstrip("/")):
            files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
            for file in files:
                file.chmod(int(copy["mode"], 8))
