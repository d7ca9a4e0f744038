"""Go builds, with a fake Go that records its arguments."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import CommandError
from clusters.images.offline import go, go_sums
from clusters.progress import Progress, RunningStage
from tests.clusters.fakes import FakeCommands, Ran
from tests.clusters.images.offline.module_hashes import downloads


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hashes of one module are kept."""
    lines = frozenset({"a.example/b v1.2.3 h1:b=", "a.example/b v1.2.3/go.mod h1:mod="})
    monkeypatch.setattr(go_sums, "kept", lambda: lines)


@pytest.fixture
def commands() -> FakeCommands:
    """Programs that do nothing."""
    return FakeCommands()


@pytest.fixture
def cache(tmp_path: Path, commands: FakeCommands) -> ArtifactCache:
    """A cache folder with a Go."""
    return ArtifactCache(tmp_path, commands, Progress(io.StringIO()), go=Path("/opt/go/bin/go"))


@pytest.fixture
def stage() -> RunningStage:
    """A stage that accepts details."""
    return RunningStage("build", 0)


def test_a_module_is_fetched_by_name_and_version(
    cache: ArtifactCache, commands: FakeCommands, tmp_path: Path
) -> None:
    """Go says where it put it; its go.mod is read from there."""
    (tmp_path / "go.mod").write_text("module a.example/b\n")
    downloads(commands, tmp_path)
    module = go.download(cache, "a.example/b", "1.2.3")
    assert commands.ran[0].argv == ("go", "mod", "download", "-json", "a.example/b@v1.2.3")
    assert (module.folder, module.go_mod) == (tmp_path, "module a.example/b\n")
    assert commands.ran[0].env["GOSUMDB"] == "off"


def test_a_module_with_another_hash_is_refused(
    cache: ArtifactCache, commands: FakeCommands, tmp_path: Path
) -> None:
    """Whatever the proxy answers; Go asks no database, which need not be reached."""
    (tmp_path / "go.mod").write_text("module a.example/b\n")
    reported = {
        "Dir": str(tmp_path),
        "GoMod": str(tmp_path / "go.mod"),
        "Sum": "h1:x=",
        "GoModSum": "h1:mod=",
    }
    commands.on("go", "download", stdout=json.dumps(reported))
    with pytest.raises(InfrastructureError, match="is not the one whose hash is kept"):
        go.download(cache, "a.example/b", "1.2.3")


def test_a_build_that_needs_an_unknown_module_is_refused(
    cache: ArtifactCache, commands: FakeCommands, stage: RunningStage, tmp_path: Path
) -> None:
    """Go adds its hash to go.sum; the program is deleted."""
    (tmp_path / "go.sum").write_text("a.example/b v1.2.3 h1:b=\n")

    def build(ran: Ran) -> None:
        (tmp_path / "x").write_text("")
        (tmp_path / "go.sum").write_text("a.example/b v1.2.3 h1:b=\nc.example/d v1.0.0 h1:d=\n")

    commands.on("go", "build", does=build)
    with pytest.raises(InfrastructureError, match="nothing vouches for them"):
        go.build(cache, tmp_path, tmp_path / "x", stage)
    assert not (tmp_path / "x").exists()


def test_a_module_that_cannot_be_fetched_is_a_sentence(cache: ArtifactCache, commands: FakeCommands) -> None:
    """A network that is away and a version that is not there end the same way, with Go's words."""
    said = '{"Error": "a.example/b@v9.9.9: unknown revision v9.9.9"}'
    commands.on("go", "download", exit_code=1, stdout=said)
    with pytest.raises(CommandError, match=r"Go module a\.example/b v9\.9\.9 cannot be fetched") as caught:
        go.download(cache, "a.example/b", "9.9.9")
    assert "unknown revision" in caught.value.last_seen
    assert "GOPROXY" in caught.value.advice


def test_a_program_is_built_in_a_module_of_our_own(
    cache: ArtifactCache, commands: FakeCommands, stage: RunningStage, tmp_path: Path
) -> None:
    """It requires what is published, forces what must be forced, and the module is deleted afterwards."""
    seen: dict[str, str] = {}

    (tmp_path / "go.mod").write_text("module a.example/b\n")
    (tmp_path / "go.sum").write_text("c.example/d v0.1.0 h1:d=\n")
    downloads(commands, tmp_path)

    def build(ran: Ran) -> None:
        assert ran.cwd is not None
        seen["go.mod"] = (ran.cwd / "go.mod").read_text()
        seen["go.sum"] = (ran.cwd / "go.sum").read_text()
        seen["main.go"] = (ran.cwd / "main.go").read_text()

    commands.on("go", "build", does=build)
    (tmp_path / "out").mkdir()
    main = tmp_path / "main.go"
    main.write_text("package main")
    go.build_wrapper(
        cache,
        tmp_path / "out" / "program",
        stage,
        require={"a.example/b": "1.2.3"},
        main=main,
        replace={"c.example/d": "0.1.0"},
        go="1.23.4",
        variables={"a.example/b.version": "v1"},
    )
    assert seen["go.mod"].splitlines() == [
        "module harness.invalid/build",
        "go 1.23.4",
        "require a.example/b v1.2.3",
        "replace c.example/d => c.example/d v0.1.0",
    ]
    assert seen["main.go"] == "package main"
    assert seen["go.sum"].splitlines() == [*sorted(go_sums.kept()), "c.example/d v0.1.0 h1:d="]
    (ran,) = commands.asked("go", "build")
    argv = ran.argv
    assert argv[argv.index("-ldflags") + 1] == "-s -w -X a.example/b.version=v1"
    assert argv[-2:] == (str(tmp_path / "out" / "program"), ".")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_build_is_static_and_of_the_local_go(
    cache: ArtifactCache, commands: FakeCommands, stage: RunningStage, tmp_path: Path
) -> None:
    """A program contains nothing of the host's settings or of this checkout."""
    go.build(cache, tmp_path, tmp_path / "x", stage, package="./cmd/x")
    ran = commands.ran[0]
    assert {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOWORK": "off",
    }.items() <= ran.env.items()
    assert {"-trimpath", "-buildvcs=false"} <= set(ran.argv)
    assert ran.argv[ran.argv.index("-ldflags") + 1] == "-s -w"


def test_a_users_own_memory_limit_is_kept(
    cache: ArtifactCache,
    commands: FakeCommands,
    stage: RunningStage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The harness sets one only where there is none."""
    monkeypatch.delenv("GOMEMLIMIT", raising=False)
    go.build(cache, tmp_path, tmp_path / "x", stage)
    monkeypatch.setenv("GOMEMLIMIT", "2GiB")
    go.build(cache, tmp_path, tmp_path / "x", stage)
    assert ["GOMEMLIMIT" in ran.env for ran in commands.ran] == [True, False]


def test_a_build_reports_its_progress(
    cache: ArtifactCache, commands: FakeCommands, stage: RunningStage, tmp_path: Path
) -> None:
    """Downloads are reported as such, and packages are counted."""
    details: list[str] = []

    def build(ran: Ran) -> None:
        for line in ("go: downloading a.example/b v1", "a.example/b/c", "a.example/b/d"):
            ran.on_line(line)
            details.append(stage.detail)

    commands.on("go", "build", does=build)
    go.build(cache, tmp_path, tmp_path / "x", stage)
    assert details == [
        "go: downloading a.example/b v1",
        "1 packages compiled, now a.example/b/c",
        "2 packages compiled, now a.example/b/d",
    ]


def test_staging_modules_have_the_version_they_are_published_as() -> None:
    """Kubernetes 1.33.13 requires v0.0.0 and publishes them as 0.33.13."""
    go_mod = "require (\n\tk8s.io/api v0.0.0\n\tk8s.io/klog/v2 v2.130.1\n\tk8s.io/cri-api v0.0.0\n)\n"
    assert go.staging_versions(go_mod, "1.33.13") == {"k8s.io/api": "0.33.13", "k8s.io/cri-api": "0.33.13"}


def test_a_kubernetes_without_staging_modules_is_an_error() -> None:
    """A changed layout is reported, not built into parts that do not fit."""
    with pytest.raises(CommandError, match=r"Kubernetes 2\.0\.0 names no staging modules"):
        go.staging_versions("module k8s.io/kubernetes\n", "2.0.0")


def test_the_language_version_is_read() -> None:
    """A go.mod without one has none."""
    assert go.go_line("module a\n\ngo 1.24.0\n") == "1.24.0"
    assert go.go_line("module a\n") == ""


def test_a_copied_module_can_be_written_to(tmp_path: Path) -> None:
    """Go keeps its cache read-only, and a build may not write there."""
    source = tmp_path / "source"
    (source / "charts").mkdir(parents=True)
    (source / "go.mod").write_text("module a\n")
    for path in (source / "go.mod", source / "charts", source):
        path.chmod(0o555)
    go.copy_module(go.Module("a", "1.0.0", source, ""), tmp_path / "copy")
    for name in ("go.mod", "charts", ""):
        assert (tmp_path / "copy" / name).stat().st_mode & 0o200


def test_a_copied_folder_of_a_module_can_be_written_to(tmp_path: Path) -> None:
    """An ordinary user cannot add files to a folder that has the mode of Go's cache."""
    inner = tmp_path / "source" / "charts" / "fluid"
    inner.mkdir(parents=True)
    inner.chmod(0o555)
    go.copy_module(go.Module("a", "1.0.0", tmp_path / "source", ""), tmp_path / "copy", "charts")
    assert (tmp_path / "copy" / "fluid").stat().st_mode & 0o200
