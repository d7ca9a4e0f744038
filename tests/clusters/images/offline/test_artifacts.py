"""The content of each artifact, with fake programs."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from clusters.errors import InfrastructureError
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.images.offline import artifacts
from clusters.pins import AlluxioPin, pins
from clusters.product.fluid_chart import restore_dependencies
from clusters.progress import Progress
from tests.clusters.fakes import FakeCommands, Ran
from tests.clusters.images.offline.module_hashes import downloads


@pytest.fixture
def commands(tmp_path: Path) -> FakeCommands:
    """Programs that do nothing, and a Go whose builds are files."""
    fake = FakeCommands()
    (tmp_path / "go.mod").write_text("module a\n")
    downloads(fake, tmp_path)

    def build(ran: Ran) -> None:
        Path(ran.argv[ran.argv.index("-o") + 1]).write_text(ran.argv[-1])

    fake.on("go", "build", does=build)
    return fake


@pytest.fixture
def cache(tmp_path: Path, commands: FakeCommands) -> ArtifactCache:
    """An empty cache folder."""
    (tmp_path / "w").mkdir()
    return ArtifactCache(tmp_path / "w", commands, Progress(io.StringIO()))


def module(commands: FakeCommands, folder: Path, go_mod: str, files: dict[str, str]) -> None:
    """Let Go have fetched a module with these files."""
    (folder).mkdir()
    for name, text in {"go.mod": go_mod, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    downloads(commands, folder)


def test_kubernetes_reports_its_version(cache: ArtifactCache, commands: FakeCommands, tmp_path: Path) -> None:
    """The linker sets it, because kubeadm reads it there; staging modules match."""
    seen = {}

    def build(ran: Ran) -> None:
        assert ran.cwd is not None
        seen["go.mod"] = (ran.cwd / "go.mod").read_text()
        Path(ran.argv[ran.argv.index("-o") + 1]).write_text("")

    module(commands, tmp_path / "k", "module k8s.io/kubernetes\n\ngo 1.24.0\n\tk8s.io/api v0.0.0\n", {})
    commands.on("go", "build", does=build)
    place = cache.obtain(artifacts.kubernetes("1.33.13"))
    assert [file.name for file in place.iterdir()] == ["kubernetes"]
    flags = commands.asked("go", "build")[0].argv
    assert "-X k8s.io/component-base/version.gitVersion=v1.33.13" in flags[flags.index("-ldflags") + 1]
    assert "replace k8s.io/api => k8s.io/api v0.33.13" in seen["go.mod"]
    assert "go 1.24.0" in seen["go.mod"]


@pytest.mark.parametrize(
    ("artifact", "program", "package"),
    [
        (artifacts.kind(), "kind", "sigs.k8s.io/kind"),
        (artifacts.helm("3.18.4"), "helm", "helm.sh/helm/v3/cmd/helm"),
        (artifacts.etcd("3.5.24"), "etcd", "go.etcd.io/etcd/server/v3"),
        (artifacts.coredns("1.12.0"), "coredns", "github.com/coredns/coredns"),
        (artifacts.crane(), "crane", "github.com/google/go-containerregistry/cmd/crane"),
        (artifacts.toxiproxy(), "toxiproxy-server", "github.com/Shopify/toxiproxy/v2/cmd/server"),
    ],
)
def test_a_published_program_is_one_file(
    cache: ArtifactCache, artifact: Artifact, program: str, package: str
) -> None:
    """It is built from its module's command, and nothing else is kept."""
    place = cache.obtain(artifact)
    assert [file.name for file in place.iterdir()] == [program]
    assert (place / program).read_text() == package
    assert artifact.name.startswith(f"{program}-")


@pytest.mark.parametrize("name", ["pause", "registrar", "runtime-wrapper"])
def test_a_program_of_the_harness_is_one_file(cache: ArtifactCache, name: str) -> None:
    """Its source is copied for the build and then deleted."""
    place = cache.obtain(artifacts.own_program(name))
    assert [file.name for file in place.iterdir()] == [name]


FLUID_FILES = {
    "charts/fluid/fluid/Chart.yaml": yaml.safe_dump({"name": "fluid"}),
    "charts/alluxio/Chart.yaml": yaml.safe_dump(
        {"name": "alluxio", "dependencies": [{"name": "library", "repository": "file://../library"}]}
    ),
    "charts/library/Chart.yaml": yaml.safe_dump({"name": "library"}),
    "charts/library/templates/a.yaml": "a",
    "csi/shell/check_mount.sh": "#!/bin/sh\n",
}


def test_fluid_is_built_with_its_charts_and_scripts(
    cache: ArtifactCache, commands: FakeCommands, tmp_path: Path
) -> None:
    """All programs, the charts with the dependencies that the archive lost, scripts that can run."""
    module(commands, tmp_path / "f", "module github.com/fluid-cloudnative/fluid\n", FLUID_FILES)
    place = cache.obtain(artifacts.fluid("1.0.8"))
    assert {file.name for file in (place / "bin").iterdir()} == set(artifacts.FLUID_PROGRAMS.values())
    assert {ran.argv[-1] for ran in commands.asked("go", "build")} == {
        f"./cmd/{command}" for command in artifacts.FLUID_PROGRAMS
    }
    assert (place / "charts/alluxio/charts/library/templates/a.yaml").read_text() == "a"
    assert (place / "shell/check_mount.sh").stat().st_mode & 0o111
    assert {path.name for path in place.iterdir()} == {"bin", "charts", "shell"}


def test_only_lost_dependencies_are_put_back(tmp_path: Path) -> None:
    """Files that are there stay as they are, and charts with a URL are not searched on this disk."""
    folder = tmp_path / "charts" / "a"
    (folder / "charts" / "library").mkdir(parents=True)
    (folder / "charts" / "library" / "mine").write_text("")
    dependencies = [
        {"name": "library", "repository": "file://../library"},
        {"name": "redis", "repository": "https://charts.example"},
    ]
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"name": "a", "dependencies": dependencies}))
    restore_dependencies(tmp_path / "charts")
    assert [path.name for path in (folder / "charts").iterdir()] == ["library"]
    assert (folder / "charts" / "library" / "mine").exists()


def test_alluxio_comes_from_maven(
    cache: ArtifactCache, commands: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All modules have one version; the under-stores are also where Alluxio searches for them."""
    seen = {}

    def copy(ran: Ran) -> None:
        pom = Path(ran.argv[ran.argv.index("-f") + 1])
        seen["pom"] = pom.read_text()
        folder = next(word for word in ran.argv if word.startswith("-DoutputDirectory="))
        jars = Path(folder.partition("=")[2])
        jars.mkdir()
        for name in ("alluxio-shell-2.9.6.jar", "alluxio-underfs-local-2.9.6.jar"):
            (jars / name).write_text(name)

    commands.on("mvn", "dependency:copy-dependencies", does=copy)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    place = cache.obtain(artifacts.alluxio("2.9.6"))
    for name in artifacts.ALLUXIO_MODULES:
        assert f"<artifactId>{name}</artifactId><version>2.9.6</version>" in seen["pom"]
    assert [jar.name for jar in (place / "lib").iterdir()] == ["alluxio-underfs-local-2.9.6.jar"]
    assert {path.name for path in place.iterdir()} == {"jars", "lib"}
    (ran,) = commands.asked("mvn")
    assert "-Dhttps.proxyHost=proxy.example" in ran.env["MAVEN_OPTS"]


def test_other_jars_than_the_pinned_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One changed byte, one jar more or one less; the digest is that of the shell's sha256sum."""
    for name in ("b.jar", "a.jar"):
        (tmp_path / name).write_text(name)
    argv = ["bash", "-c", 'cd "$1" && LC_ALL=C sha256sum *.jar | sha256sum', "digest", str(tmp_path)]
    digest = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()[0]
    pinned = AlluxioPin(under_stores={}, jars=digest)
    fake = SimpleNamespace(alluxio={"2.9.0": pinned, "2.9.6": AlluxioPin(under_stores={})})
    monkeypatch.setattr(artifacts, "pins", lambda: fake)
    artifacts.require_pinned_jars("2.9.0", tmp_path)
    (tmp_path / "c.jar").write_text("more")
    with pytest.raises(InfrastructureError, match=r"jars of Alluxio 2\.9\.0 .* not those that are pinned"):
        artifacts.require_pinned_jars("2.9.0", tmp_path)
    artifacts.require_pinned_jars("2.9.6", tmp_path)


def test_an_interrupted_download_does_not_count_as_complete(
    cache: ArtifactCache, commands: FakeCommands
) -> None:
    """Some jars are no Alluxio: after Ctrl-C the next run fetches again."""
    commands.on("mvn", raises=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        cache.obtain(artifacts.alluxio("2.9.6"))
    assert not cache.path(artifacts.alluxio("2.9.6")).exists()


def test_debian_is_one_archive(cache: ArtifactCache, commands: FakeCommands) -> None:
    """Caches and manuals are left out of it, and the folder is deleted."""

    def bootstrap(ran: Ran) -> None:
        root = Path(ran.argv[-1])
        for name in ("var/cache/apt/archives/a.deb", "usr/share/doc/a", "etc/os-release"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("")

    def tar(ran: Ran) -> None:
        root = Path(ran.argv[ran.argv.index("-C") + 1])
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        Path(ran.argv[ran.argv.index("-cf") + 1]).write_text("\n".join(names))

    commands.on("debootstrap", does=bootstrap)
    commands.on("tar", does=tar)
    place = cache.obtain(artifacts.debian_root("bookworm"))
    assert [(file.name, file.read_text()) for file in place.iterdir()] == [("root.tar", "etc/os-release")]


def test_a_changed_pin_changes_only_its_own_artifact() -> None:
    """Each version has a key of its own."""
    assert artifacts.helm("3.18.4").key != artifacts.helm("3.18.6").key
    assert artifacts.kind().key == artifacts.go_program("kind", "sigs.k8s.io/kind", pins().build.kind).key
    assert artifacts.alluxio("2.9.6").key != artifacts.alluxio("2.9.4").key
