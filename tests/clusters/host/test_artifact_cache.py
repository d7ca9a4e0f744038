"""The cache folder, and artifacts that are created completely or not at all."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.digests import digest, file_digest
from clusters.errors import InfrastructureError, RefusalError
from clusters.host.artifact_cache import Artifact, ArtifactCache, disk_errors
from clusters.paths import cache_root
from clusters.progress import Progress, RunningStage
from tests.clusters.fakes import FakeCommands


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    """An empty cache folder."""
    (tmp_path / "w").mkdir()
    return ArtifactCache(tmp_path / "w", FakeCommands(), Progress(io.StringIO()))


def thing(
    make: Callable[[Path], None], name: str = "thing-1.2.3", *, needs: tuple[Artifact, ...] = ()
) -> Artifact:
    """An artifact that this function creates."""
    return Artifact(name, ("1",), lambda _, folder, __: make(folder), needs=needs)


def hello(folder: Path) -> None:
    """Create a file."""
    (folder / "file").write_text("hello")


def test_the_cache_folder_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The harness's own variable has priority, then the user's cache folder, then the default."""
    monkeypatch.setenv("FLUID_CONFORMANCE_CACHE", str(tmp_path / "mine"))
    assert cache_root() == tmp_path / "mine"
    monkeypatch.delenv("FLUID_CONFORMANCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "fluid-conformance"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / ".cache" / "fluid-conformance"
    assert list(cache_root().iterdir()) == []


def test_a_cache_folder_that_cannot_be_made_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Root may write everywhere, so a file is at the path of the folder here."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLUID_CONFORMANCE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(RefusalError, match="cannot be written to: Not a directory") as caught:
        cache_root()
    assert "FLUID_CONFORMANCE_CACHE" in caught.value.advice


def test_a_cache_folder_that_cannot_be_written_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing is tried, because permissions do not show a read-only file system."""

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(RefusalError, match="cannot be written to: Read-only file system"):
        cache_root()


def test_an_artifact_is_made_once(cache: ArtifactCache) -> None:
    """The second time it is found, without a stage."""
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        hello(folder)

    artifact = thing(make)
    place = cache.obtain(artifact)
    assert (place / "file").read_text() == "hello"
    assert cache.obtain(artifact) == place
    assert len(made) == 1
    assert [stage.name for stage in cache.progress.stages] == ["build thing-1.2.3"]
    assert place.stat().st_mode & 0o777 == 0o755


def test_what_another_is_made_from_is_made_first(cache: ArtifactCache) -> None:
    """A dependency that exists is not created again."""
    order: list[str] = []
    need = thing(lambda folder: order.append("need"), "need-1")
    cache.obtain(thing(lambda folder: order.append("thing"), needs=(need,)))
    cache.obtain(need)
    assert order == ["need", "thing"]


@pytest.mark.parametrize("raised", [ValueError("x"), KeyboardInterrupt(), InfrastructureError("x")])
def test_a_failure_leaves_nothing_half_made(cache: ArtifactCache, raised: BaseException) -> None:
    """Neither the artifact nor a part of it is there, and the next try starts afresh."""

    def fail(folder: Path) -> None:
        hello(folder)
        raise raised

    with pytest.raises(type(raised)):
        cache.obtain(thing(fail))
    assert [path.name for path in (cache.root / "artifacts").iterdir() if path.is_dir()] == []
    assert (cache.obtain(thing(hello)) / "file").exists()


def test_what_a_killed_run_left_is_not_used(cache: ArtifactCache) -> None:
    """It is removed, and that of another artifact with a similar name stays."""
    place = cache.path(thing(hello))
    other = cache.path(thing(hello, "thing-1.2.4"))
    for stale in (f"{place}.partial", f"{place}.partial-x1", f"{other}.partial-x2"):
        Path(stale).mkdir(parents=True)
        (Path(stale) / "half").write_text("")
    assert [file.name for file in cache.obtain(thing(hello)).iterdir()] == ["file"]
    assert [path.name for path in place.parent.glob("*.partial*")] == [f"{other.name}.partial-x2"]
    cache.clear_partials()
    assert list(place.parent.glob("*.partial*")) == []
    assert place.exists()


def test_clearing_removes_only_what_is_incomplete(cache: ArtifactCache) -> None:
    """Archives, tools and artifacts that are whole stay; contexts of dead runs go."""
    kept = ["artifacts/a-1", "archives/abc", "tools/go-1", "clusters/warm", "engine"]
    gone = ["artifacts/a-2.partial-x", "archives/def.partial", "tools/go-2.partial", "contexts/tmp1"]
    for name in (*kept, *gone):
        (cache.root / name).mkdir(parents=True)
    cache.clear_partials()
    assert all((cache.root / name).exists() for name in kept)
    assert not any((cache.root / name).exists() for name in gone)


def test_a_full_disk_is_called_that(cache: ArtifactCache) -> None:
    """No traceback: what could not be created, why, and what to do."""

    def fill(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        InfrastructureError, match=r"thing-1\.2\.3 could not be made: the disk is full"
    ) as caught:
        cache.obtain(thing(fill))
    assert "free some disk" in caught.value.advice


def test_other_errors_of_files_are_reported_as_they_are() -> None:
    """The file and the system's words are there."""
    with (
        pytest.raises(InfrastructureError, match=r"image a:1 could not be made: .*'/x/y'"),
        disk_errors("image a:1"),
    ):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/x/y")


def test_the_key_has_all_that_decides_the_content(tmp_path: Path) -> None:
    """Name, inputs, dependencies and recipe change it; the build function and the clock do not."""
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    (recipe / "main.go").write_text("package main")

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        """Create nothing."""

    def key(name: str = "a", *inputs: str, needs: tuple[Artifact, ...] = ()) -> str:
        return Artifact(name, inputs, make, recipe=(recipe,), needs=needs).key

    keys = {key(), key("b"), key("a", "1"), key("a", "1", "2"), key("a", "12"), key(needs=(thing(hello),))}
    assert len(keys) == 6
    before = key()
    assert before == key()
    (recipe / "main.go").write_text("package other")
    assert key() != before


def test_a_folders_digest_knows_names_and_content(tmp_path: Path) -> None:
    """A moved file changes it, an empty folder does not."""
    (tmp_path / "a").write_text("1")
    before = file_digest(tmp_path)
    (tmp_path / "empty").mkdir()
    assert file_digest(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert file_digest(tmp_path) != before
    assert digest(["ab", "c"]) != digest(["a", "bc"])
