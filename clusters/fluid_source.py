"""A local checkout of Fluid's source, as ``--fluid-source`` names it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.digests import digest, file_digest
from clusters.errors import RefusalError

#: The module that Fluid's go.mod declares.
FLUID_MODULE: Final = "github.com/fluid-cloudnative/fluid"
#: Fluid's own chart, in its repository.
FLUID_CHART: Final = "charts/fluid/fluid"
#: Folders of the repository that neither its programs nor its charts are made from. Modules come from the
#: proxy, not from `vendor`.
_UNUSED: Final = frozenset({".git", ".github", "docs", "static", "samples", "test", "vendor", "node_modules"})
_MODULE_LINE: Final = re.compile(r"^module\s+(\S+)\s*$", re.MULTILINE)
_RELEASE: Final = re.compile(r"v?(\d+\.\d+\.\d+)")
_ADVICE: Final = "name the folder of a git checkout of github.com/fluid-cloudnative/fluid"


@dataclass(frozen=True, slots=True)
class FluidSource:
    """A checkout of Fluid.

    Attributes:
        folder: the checkout.
        version: the release in the chart's ``appVersion``, such as ``1.0.8``.
        digest: of all files that programs and charts are made from.
    """

    folder: Path
    version: str
    digest: str

    @classmethod
    def of(cls, folder: Path) -> FluidSource:
        """Read a checkout.

        Raises:
            RefusalError: there is no such folder, it is not Fluid's, or it lacks the chart.
        """
        if not folder.is_dir():
            raise RefusalError(f"--fluid-source {folder}: there is no such folder", advice=_ADVICE)
        go_mod = folder / "go.mod"
        found = _MODULE_LINE.search(go_mod.read_text(errors="replace")) if go_mod.is_file() else None
        if found is None or found[1] != FLUID_MODULE:
            says = f"its go.mod declares {found[1]}" if found else "it has no go.mod with a module"
            raise RefusalError(f"--fluid-source {folder} is not Fluid's source: {says}", advice=_ADVICE)
        return cls(folder, _chart_version(folder), digest(_described(folder)))

    @property
    def tag(self) -> str:
        """The tag of the images that are built from it: another one for any other content."""
        return f"v{self.version}-src-{self.digest}"

    def copy(self, target: Path) -> None:
        """Copy what is built; links are replaced by what they point to.

        Raises:
            RefusalError: the checkout was changed since it was read.
        """
        shutil.copytree(
            self.folder,
            target,
            ignore=lambda inside, names: _UNUSED & set(names) if Path(inside) == self.folder else (),
            ignore_dangling_symlinks=True,
        )
        if digest(_described(self.folder)) != self.digest:
            raise RefusalError(
                f"--fluid-source {self.folder} was changed while it was copied",
                advice="run again when nothing writes to it",
            )


def _chart_version(folder: Path) -> str:
    file = folder / FLUID_CHART / "Chart.yaml"
    if not file.is_file():
        raise RefusalError(
            f"--fluid-source {folder} has no chart: {FLUID_CHART}/Chart.yaml does not exist", advice=_ADVICE
        )
    try:
        chart: Any = yaml.safe_load(file.read_text())
    except yaml.YAMLError:
        chart = None
    version = str(chart.get("appVersion", "")) if isinstance(chart, dict) else ""
    found = _RELEASE.match(version)
    if found is None:
        raise RefusalError(
            f"--fluid-source {folder}: the appVersion of its chart is no version: {version!r}",
            advice="write a version such as 1.1.0 there, because the rows depend on it",
        )
    return found[1]


def _described(folder: Path) -> Iterator[str]:
    """Path and digest of every file that is built, in order."""
    for top in sorted(folder.iterdir()):
        if top.name in _UNUSED:
            continue
        files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        yield from (f"{path.relative_to(folder)}:{file_digest(path)}" for path in files)
