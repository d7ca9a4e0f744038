"""The documents name what there is: packages, options, files; and their picture is current."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import fluid_conformance

HOUSE = Path(fluid_conformance.__file__).parent
DOCUMENTS = [HOUSE / "README.md", HOUSE / "CONTRIBUTING.md", *sorted((HOUSE / "docs").glob("*.md"))]
FOLDERS = ("clusters", "workloads", "suites", "reports")
#: Packages that the map names by their parent, because it lists what is in them there.
WITHIN = re.compile(
    r"suites/(scenarios|diagnosis|benchmark|sabotage|mutants)/.+|clusters/(kubernetes|product)/.+"
)
#: A link of Markdown to a file of this repository.
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")


def test_map_of_the_design_names_every_package() -> None:
    """A newcomer finds each folder in docs/design.md."""
    design = (HOUSE / "docs" / "design.md").read_text()
    packages = {
        str(init.parent.relative_to(HOUSE))
        for folder in FOLDERS
        for init in (HOUSE / folder).rglob("__init__.py")
    }
    missing = [
        name
        for name in sorted(packages - set(FOLDERS))
        if f"`{name}/`" not in design and f"`{name}/" not in design and not WITHIN.fullmatch(name)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    """Each link to a file of the repository has its file."""
    broken = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert broken == []


def test_readme_has_every_option_of_a_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table of options in the README misses none that `run --help` shows."""
    monkeypatch.setattr(fluid_conformance, "version", lambda _: "1.2.3")
    readme = (HOUSE / "README.md").read_text()
    with pytest.raises(SystemExit):
        fluid_conformance.main(["run", "--help"])
    options = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert "--level" in options
    assert sorted(option for option in options if option not in readme) == []


def test_picture_is_drawn_from_its_source() -> None:
    """The picture of the design is that of its text (`python docs/draw.py` draws it)."""
    spec = importlib.util.spec_from_file_location("draw", HOUSE / "docs" / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    assert draw.is_current()
