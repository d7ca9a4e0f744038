"""The image of the harness itself, which runs in a cluster."""

from __future__ import annotations

import platform
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

from clusters.digests import digest, file_digest
from clusters.errors import RefusalError
from clusters.facts import Origin
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.images.offline import definitions
from clusters.images.offline.artifacts import RECIPES
from clusters.images.offline.definitions import ImageDefinition, Part
from clusters.progress import RunningStage

#: The folder with the code of the harness, and what of it belongs into the image.
HOUSE: Final = Path(__file__).parents[3]
CODE: Final = ("clusters", "workloads", "suites", "reports", "fluid_conformance.py")
_DISTRIBUTION: Final = "fluid-conformance"
#: Version of Python in the image: that of Debian bookworm.
PYTHON: Final = "3.11"
#: Packages that only benchmarks and the building of images use, which do not run in a cluster.
LEFT_OUT: Final = frozenset({"pip", "scipy"})
#: The packages with the hashes of their wheels; `clusters.images.offline.package_lock` writes it.
PACKAGES: Final = RECIPES / "harness" / "packages.txt"
#: Folders of packages that nothing here imports: the asynchronous half of the client of Kubernetes, 41 MiB.
_UNUSED: Final = ("kubernetes/aio",)
#: Names of the platforms whose wheels run on Debian bookworm (glibc 2.36).
_PLATFORMS: Final = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")


def harness_image() -> ImageDefinition:
    """The image of the harness as it is now; its tag names the code and the packages."""
    recipe, packages, code = RECIPES / "harness", _packages(), _code()
    tag = digest([packages.key, code.key, file_digest(recipe)])
    return ImageDefinition(
        (f"fluid-conformance/harness:{tag}",),
        recipe,
        Origin.BUILT,
        base=definitions.base(),
        parts=(Part(packages, "packages", "packages"), Part(code, "code", "code")),
    )


def _code() -> Artifact:
    files = tuple(code_files())

    def make(_: ArtifactCache, folder: Path, __: RunningStage) -> None:
        for file in files:
            target = folder / "code" / file.relative_to(HOUSE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
        described = folder / "code" / "fluid_conformance.dist-info"
        described.mkdir()
        text = f"Metadata-Version: 2.1\nName: {_DISTRIBUTION}\nVersion: {_version()}\n"
        (described / "METADATA").write_text(text)

    return Artifact("harness-code", (_version(), _digest_of_code()), make)


def code_files() -> Iterator[Path]:
    """The files of the harness that the image has, without what Python compiled."""
    for name in CODE:
        place = HOUSE / name
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in found:
            if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts:
                yield path


@cache
def _digest_of_code() -> str:
    return digest(f"{path.relative_to(HOUSE)}:{file_digest(path)}" for path in code_files())


def _packages() -> Artifact:
    wanted = tuple(requirements())
    machine = platform.machine()

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        target = folder / "packages"
        argv: list[str | Path] = [sys.executable, "-m", "pip", "install", "--no-compile", "--require-hashes"]
        argv += [*for_the_image(machine, target), "-r", PACKAGES]
        cache.commands.run(argv, on_line=stage.says)
        for name in _UNUSED:
            shutil.rmtree(target / name)
        shutil.rmtree(target / "bin", ignore_errors=True)  # programs with the path of this machine's Python

    return Artifact("harness-packages", (PYTHON, machine, *_UNUSED, *wanted, file_digest(PACKAGES)), make)


def for_the_image(machine: str, target: Path) -> list[str]:
    """Arguments with which pip installs for Python and system of the image, whatever this machine has.

    Args:
        machine: such as ``x86_64``.
        target: folder to install into.
    """
    argv = ["--target", str(target), "--only-binary=:all:", "--implementation", "cp"]
    argv += ["--python-version", PYTHON]
    for name in _PLATFORMS:
        argv += ["--platform", f"{name}_{machine}"]
    return argv


def requirements() -> Iterator[str]:
    """The Python packages of the harness, as pinned, without those that are left out.

    Raises:
        RefusalError: the harness is neither a checkout nor installed as a package.
    """
    project = _project()
    for line in project["dependencies"] if project is not None else _installed_requirements():
        name = re.split(r"[=<>~! ;\[]", line, maxsplit=1)[0].lower()
        if name not in LEFT_OUT:
            yield line


def _installed_requirements() -> list[str]:
    try:
        found = requires(_DISTRIBUTION) or []
    except PackageNotFoundError as error:
        raise RefusalError(
            f"the packages of the harness are not known: there is no {HOUSE / 'pyproject.toml'}, and it is "
            "not installed",
            advice="build the image from a checkout, or install the harness with pip",
        ) from error
    return [line for line in found if "extra ==" not in line]


def _version() -> str:
    project = _project()
    if project is not None:
        return str(project["version"])
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "0"


def _project() -> dict[str, Any] | None:
    """The table ``project`` of the checkout's pyproject.toml; None if this is no checkout."""
    try:
        found: dict[str, Any] = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return None
    return found if found.get("name") == _DISTRIBUTION else None
