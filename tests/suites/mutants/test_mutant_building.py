"""Edits of a file of Fluid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from clusters.host.artifact_cache import Artifact
from clusters.images.offline import artifacts
from clusters.progress import Progress
from suites.mutants.building import NotBuildableError, build, edited
from suites.mutants.model import FLUID_CHART, Edit, Mutant, Part

TEXT = "package a\nfunc f() { return one }\nfunc g() { return one + one }\n"


def source(tmp_path: Path) -> Path:
    """A module with one file."""
    file = tmp_path / "source" / "pkg" / "a.go"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT)
    return tmp_path / "source"


def test_lines_are_changed_in_a_copy(tmp_path: Path) -> None:
    """Several edits of one file go into one copy, and the original stays."""
    edits = (Edit("pkg/a.go", 2, "one", "two"), Edit("pkg/a.go", 1, "package a", "package b"))
    module = source(tmp_path)
    (copy,) = edited(module, edits, tmp_path / "changed").values()
    assert copy.read_text() == TEXT.replace("return one }", "return two }").replace("package a", "package b")
    assert (module / "pkg" / "a.go").read_text() == TEXT


@pytest.mark.parametrize("edit", [Edit("pkg/a.go", 3, "one", "two"), Edit("pkg/a.go", 9, "one", "two")])
def test_an_edit_that_does_not_fit_is_refused(tmp_path: Path, edit: Edit) -> None:
    """What is to be replaced must be there just once."""
    with pytest.raises(NotBuildableError, match=f"line {edit.line} of pkg/a.go"):
        edited(source(tmp_path), (edit,), tmp_path / "changed")


@dataclass
class Cache:
    """Holds Fluid's source."""

    source: Path

    def obtain(self, _: object) -> Path:
        """The source."""
        return self.source


def test_changed_crds_are_a_chart_with_all_crds(tmp_path: Path) -> None:
    """The API server then uses the changed one and, when it is taken out, the original ones again."""
    crds = tmp_path / "source" / FLUID_CHART / "crds"
    crds.mkdir(parents=True)
    (crds / "datasets.yaml").write_text("kind: Dataset\nminItems: 1\n")
    (crds / "dataloads.yaml").write_text("kind: DataLoad\n")
    edit = Edit(f"{FLUID_CHART}/crds/datasets.yaml", 2, "1", "0")
    mutant = Mutant("M01", "it is broken", Part.CHARTS, ("B30",), (edit,))
    (tmp_path / "work").mkdir()
    built = build(cast("Any", Cache(tmp_path / "source")), mutant, tmp_path / "work")
    assert built.files == {}
    assert built.crds is not None
    changed, original = built.crds
    assert original == crds.parent
    assert {file.name: file.read_text() for file in (changed / "crds").iterdir()} == {
        "datasets.yaml": "kind: Dataset\nminItems: 0\n",
        "dataloads.yaml": "kind: DataLoad\n",
    }


@dataclass
class Programs:
    """A cache with Fluid's source behind a symbolic link, and an unchanged program."""

    tmp_path: Path
    progress: Progress

    def obtain(self, artifact: Artifact) -> Path:
        """The folder of an artifact."""
        return self.tmp_path / ("unchanged" if artifact.name.startswith("unchanged") else "link")


@pytest.mark.parametrize("change_is_compiled", [True, False])
def test_a_change_that_is_not_compiled_in_is_no_mutant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, change_is_compiled: bool
) -> None:
    """A mutant that is the unchanged program would survive, and say that a check is missing."""
    module = source(tmp_path)
    (tmp_path / "link").symlink_to(module)
    (tmp_path / "unchanged").mkdir()
    (tmp_path / "unchanged" / "alluxioruntime-controller").write_text("program")
    (tmp_path / "work").mkdir()
    replaced: dict[str, str] = {}

    def compiles(*_: object, out: Path, overlay: Path, **__: object) -> None:
        replaced.update(json.loads(overlay.read_text())["Replace"])
        out.write_text("changed program" if change_is_compiled else "program")

    monkeypatch.setattr(artifacts, "fluid_program", compiles)
    mutant = Mutant("M01", "it is broken", Part.CSI_PLUGIN, ("A2",), (Edit("pkg/a.go", 2, "one", "two"),))
    cache = cast("Any", Programs(tmp_path, Progress()))
    if change_is_compiled:
        build(cache, mutant, tmp_path / "work")
    else:
        with pytest.raises(NotBuildableError, match="M01 is the same program as the unchanged one"):
            build(cache, mutant, tmp_path / "work")
    assert list(replaced) == [str(module / "pkg" / "a.go")]
