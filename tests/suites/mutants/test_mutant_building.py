"""Edits of a file of Fluid."""

from __future__ import annotations

from pathlib import Path

import pytest

from suites.mutants.building import NotBuildableError, edited
from suites.mutants.model import Edit

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
