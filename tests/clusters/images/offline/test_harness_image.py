"""The image of the harness: what is in it, and when it is another one."""

from __future__ import annotations

import io
import json
import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.images.offline import harness_image as module
from clusters.images.offline import package_lock
from clusters.images.offline.harness_image import harness_image, requirements
from clusters.progress import Progress
from tests.clusters.fakes import FakeCommands, Ran

HOUSE = Path(__file__).parents[4]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small harness."""
    house = tmp_path / "house"
    for name in ("clusters", "workloads", "suites", "reports"):
        (house / name / "__pycache__").mkdir(parents=True)
        (house / name / "one.py").write_text("x = 1\n")
        (house / name / "__pycache__" / "one.cpython-311.pyc").write_text("compiled")
    (house / "fluid_conformance.py").write_text("")
    shutil.copy(HOUSE / "pyproject.toml", house)
    monkeypatch.setattr(module, "HOUSE", house)
    module._digest_of_code.cache_clear()
    return house


@pytest.fixture
def commands() -> FakeCommands:
    """A pip that installs one package."""
    fake = FakeCommands()

    def install(ran: Ran) -> None:
        target = Path(ran.argv[ran.argv.index("--target") + 1])
        (target / "kubernetes" / "aio").mkdir(parents=True)
        (target / "kubernetes" / "client").mkdir()
        (target / "bin").mkdir()

    fake.on("pip", "install", does=install)
    return fake


def part(name: str) -> Artifact:
    """One of the artifacts of the image."""
    return next(part.artifact for part in harness_image().parts if part.to == name)


def obtained(name: str, tmp_path: Path, commands: FakeCommands) -> Path:
    """Its folder."""
    (tmp_path / "cache").mkdir()
    cache = ArtifactCache(tmp_path / "cache", commands, Progress(io.StringIO()))
    return cache.obtain(part(name)) / name


def test_the_code_is_all_of_it_and_nothing_compiled(
    house: Path, tmp_path: Path, commands: FakeCommands
) -> None:
    """And it says its version, as an installed package does."""
    code = obtained("code", tmp_path, commands)
    files = {path.relative_to(code).as_posix() for path in code.rglob("*") if path.is_file()}
    assert files == {
        "fluid_conformance.py",
        "fluid_conformance.dist-info/METADATA",
        *(f"{name}/one.py" for name in ("clusters", "workloads", "suites", "reports")),
    }
    described = (code / "fluid_conformance.dist-info/METADATA").read_text()
    assert "Name: fluid-conformance\nVersion: 0." in described


def test_packages_are_for_the_python_of_the_image(tmp_path: Path, commands: FakeCommands) -> None:
    """Whatever this machine runs; what nothing imports is removed."""
    packages = obtained("packages", tmp_path, commands)
    assert [path.name for path in (packages / "kubernetes").iterdir()] == ["client"]
    assert not (packages / "bin").exists()
    (install,) = commands.asked("pip", "install")
    assert install.argv[install.argv.index("--python-version") + 1] == module.PYTHON
    assert "--only-binary=:all:" in install.argv
    assert "--require-hashes" in install.argv


def test_the_tag_changes_with_the_code(house: Path) -> None:
    """What Python compiled does not count."""
    before = harness_image().name
    (house / "suites" / "__pycache__" / "two.cpython-311.pyc").write_text("compiled")
    module._digest_of_code.cache_clear()
    assert harness_image().name == before
    (house / "suites" / "one.py").write_text("x = 2\n")
    module._digest_of_code.cache_clear()
    assert harness_image().name != before


def test_requirements_are_pinned_and_leave_out_what_does_not_run_there() -> None:
    """All others are those of pyproject.toml."""
    found = list(requirements())
    assert all("==" in line for line in found)
    names = {line.partition("==")[0] for line in found}
    assert {"pytest", "kubernetes", "pydantic"} <= names
    assert not names & module.LEFT_OUT


def test_every_requirement_has_the_hashes_of_its_wheels() -> None:
    """Nothing else is installed then: pip refuses a package that one of them needs and that is not listed."""
    listed = module.PACKAGES.read_text()
    for line in requirements():
        name, _, version = line.partition("==")
        assert f"\n{name.lower()}=={version} \\\n    --hash=sha256:" in listed, (
            f"{line}: run python -m clusters.images.offline.package_lock"
        )
    assert not [line for line in listed.splitlines() if line.startswith(("pip==", "scipy=="))]


def test_hashes_of_all_machines_are_listed() -> None:
    """A wheel that is the same for all is listed once."""
    fake = FakeCommands()

    def report(ran: Ran) -> None:
        machine = next(word for word in ran.argv if word.startswith("manylinux2014_"))
        packages = [("Some_Pure", "1.0", "aa"), ("compiled", "2.0", machine.partition("_")[2])]
        install = [
            {
                "metadata": {"name": name, "version": version},
                "download_info": {"archive_info": {"hashes": {"sha256": value}}},
            }
            for name, version, value in packages
        ]
        Path(ran.argv[ran.argv.index("--report") + 1]).write_text(json.dumps({"install": install}))

    fake.on("pip", "install", does=report)
    head, _, packages = package_lock.locked(["compiled==2.0"], fake).partition("compiled")
    assert head.startswith("# Python packages")
    assert packages.replace(" \\\n   ", "") == (
        "==2.0 --hash=sha256:aarch64 --hash=sha256:x86_64\nsome-pure==1.0 --hash=sha256:aa\n"
    )


def test_an_installed_harness_knows_its_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its metadata, without the extras."""
    monkeypatch.setattr(module, "HOUSE", tmp_path)
    lines = ["pytest==9.2.0", "scipy==1.17.1", 'ruff==0.1; extra == "dev"']
    monkeypatch.setattr(module, "requires", lambda _: lines)
    assert list(requirements()) == ["pytest==9.2.0"]


def test_code_of_unknown_origin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pyproject.toml of another project is none of the harness."""
    monkeypatch.setattr(module, "HOUSE", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\ndependencies = ["evil==1"]\n')

    def missing(_: str) -> list[str]:
        raise PackageNotFoundError

    monkeypatch.setattr(module, "requires", missing)
    with pytest.raises(RefusalError, match="packages of the harness are not known"):
        list(requirements())
