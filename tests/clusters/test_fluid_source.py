"""A local checkout of Fluid: what is accepted, what is built, how it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.fluid_source import FluidSource
from clusters.options import options_of

FILES = {
    "go.mod": "module github.com/fluid-cloudnative/fluid\n\ngo 1.24.12\n",
    "cmd/dataset/main.go": "package main\n",
    "charts/fluid/fluid/Chart.yaml": "name: fluid\nappVersion: 1.1.0-36f0467\n",
    "docs/en/index.md": "# Fluid\n",
    ".git/HEAD": "ref: refs/heads/master\n",
    "vendor/modules.txt": "",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of Fluid."""
    for name, text in FILES.items():
        file = tmp_path / "fluid" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "fluid"


def test_version_is_that_of_the_chart(checkout: Path) -> None:
    """The options have it, and nodes know the images by their content."""
    options = options_of({"fluid_source": str(checkout)})
    assert options.fluid_source is not None
    assert options.versions.fluid == "1.1.0"
    assert options.fluid_source.tag == f"v1.1.0-src-{options.fluid_source.digest}"


def test_digest_is_that_of_what_is_built(checkout: Path) -> None:
    """Documents and git's own files decide nothing; code and charts do."""
    before = FluidSource.of(checkout)
    (checkout / "docs/en/index.md").write_text("other\n")
    (checkout / ".git/index").write_text("")
    assert FluidSource.of(checkout) == before
    (checkout / "cmd/dataset/main.go").write_text("package main // changed\n")
    assert FluidSource.of(checkout).digest != before.digest


def test_copy_has_what_is_built(checkout: Path, tmp_path: Path) -> None:
    """Links are replaced by files; a broken link does not matter."""
    (checkout / "charts/library").mkdir()
    (checkout / "charts/library/a.yaml").write_text("a")
    (checkout / "charts/fluid/library").symlink_to(checkout / "charts/library")
    (checkout / "broken").symlink_to("nowhere")
    FluidSource.of(checkout).copy(tmp_path / "copy")
    copied = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.*")}
    assert copied == {
        "go.mod",
        "cmd/dataset/main.go",
        "charts/fluid/fluid/Chart.yaml",
        "charts/library/a.yaml",
        "charts/fluid/library/a.yaml",
    }
    assert not (tmp_path / "copy/charts/fluid/library").is_symlink()


def test_change_while_it_is_copied_is_refused(checkout: Path, tmp_path: Path) -> None:
    """The digest would not be that of what is built."""
    source = FluidSource.of(checkout)
    (checkout / "cmd/dataset/main.go").write_text("package main // changed\n")
    with pytest.raises(RefusalError, match="was changed while it was copied"):
        source.copy(tmp_path / "copy")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "go.mod",
            "module example.com/other\n",
            "is not Fluid's source: its go.mod declares example.com/other",
        ),
        ("go.mod", None, "is not Fluid's source: it has no go.mod with a module"),
        ("charts/fluid/fluid/Chart.yaml", None, "has no chart: charts/fluid/fluid/Chart.yaml does not exist"),
        ("charts/fluid/fluid/Chart.yaml", "appVersion: next\n", "its chart is no version: 'next'"),
        ("charts/fluid/fluid/Chart.yaml", "{", "its chart is no version: ''"),
    ],
)
def test_what_is_not_fluid_is_refused(checkout: Path, name: str, text: str | None, says: str) -> None:
    """One sentence says what is missing."""
    if text is None:
        (checkout / name).unlink()
    else:
        (checkout / name).write_text(text)
    with pytest.raises(RefusalError) as refused:
        FluidSource.of(checkout)
    assert says in refused.value.message
    assert "\n" not in refused.value.message


def test_missing_folder_and_two_versions_are_refused(checkout: Path, tmp_path: Path) -> None:
    """Before anything is created."""
    with pytest.raises(RefusalError, match="there is no such folder"):
        options_of({"fluid_source": str(tmp_path / "missing")})
    with pytest.raises(RefusalError, match="--fluid and --fluid-source both choose the version of Fluid"):
        options_of({"fluid_source": str(checkout), "fluid": "1.0.8"})
    (tmp_path / "config").write_text("")
    with pytest.raises(RefusalError, match="--fluid-source describes a new cluster"):
        options_of({"fluid_source": str(checkout), "kubeconfig": str(tmp_path / "config")})
