"""Building images with an engine that only pretends, and being interrupted at it."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.facts import Origin
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.host.commands import CommandError, SystemCommands
from clusters.images.offline import build
from clusters.images.offline.definitions import ImageDefinition, Part
from clusters.progress import Progress
from tests.clusters.archives import names_in, save
from tests.clusters.fakes import FakeCommands, FakeDocker, Ran, programs


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """A host with all that building needs."""
    programs(monkeypatch, "docker", "mvn", "java", "debootstrap")
    return FakeCommands()


@pytest.fixture
def docker(commands: FakeCommands) -> FakeDocker:
    """An engine that knows what it has built, imported and tagged."""
    fake = FakeDocker(commands)

    def built(ran: Ran) -> None:
        labels = dict([ran.argv[ran.argv.index("--label") + 1].split("=", 1)])
        image = {"Id": f"sha256:{len(fake.images)}", "Config": {"Labels": labels}}
        fake.images[ran.argv[ran.argv.index("-t") + 1]] = image

    def tagged(ran: Ran) -> None:
        fake.images[ran.argv[-1]] = fake.images[ran.argv[-2]]

    commands.on("docker", "build", does=built)
    commands.on("docker", "tag", does=tagged)
    return fake


@pytest.fixture
def cache(tmp_path: Path, commands: FakeCommands) -> ArtifactCache:
    """An empty cache folder."""
    (tmp_path / "w").mkdir()
    return ArtifactCache(tmp_path / "w", commands, Progress(io.StringIO()))


def artifact(name: str, make: Callable[[Path], None] | None = None) -> Artifact:
    """An artifact of one file of its own name."""

    def whole(folder: Path) -> None:
        (folder / name).write_text(name)

    return Artifact(name, (), lambda _, folder, __: (make or whole)(folder))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A folder with a Dockerfile."""
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


def test_an_image_is_built_from_its_context_once(
    cache: ArtifactCache, docker: FakeDocker, recipe: Path
) -> None:
    """Recipe, parts and link are in the context; names and arguments reach the engine."""
    part = Part(artifact("program-1"), "program-1", "root/program")
    image = ImageDefinition(
        ("a:1", "b:1"), recipe, Origin.BUILT, parts=(part,), args=(("PROGRAM", "x"),), link="usr-bin-x"
    )
    seen: dict[str, str] = {}
    done = docker.commands.deeds[1][1]

    def check_recipe(ran: Ran) -> object:
        context = Path(ran.argv[-1])
        for path in context.rglob("*"):
            seen[str(path.relative_to(context))] = str(path.readlink()) if path.is_symlink() else ""
        return done(ran)

    docker.commands.on("docker", "build", does=check_recipe)
    build.build_all(cache, docker.engine, [image])
    assert seen == {"Dockerfile": "", "root": "", "root/program": "", "root/usr-bin-x": "program"}
    ran = docker.commands.asked("docker", "build")[0]
    assert "PROGRAM=x" in ran.argv
    assert f"{build.KEY_LABEL}={image.key}" in ran.argv
    assert ran.env["DOCKER_HOST"] == docker.engine.address
    assert set(docker.images) == {"fluid-conformance/a:1"}
    build.build_all(cache, docker.engine, [image])
    assert len(docker.commands.asked("docker", "build")) == 1
    assert list((cache.root / "contexts").iterdir()) == []


def test_a_build_receives_the_proxies_without_their_values(
    cache: ArtifactCache, docker: FakeDocker, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's client reads the values, so that no error shows a password."""
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@proxy.example:3128")
    build.build_all(cache, docker.engine, [ImageDefinition(("a:1",), recipe, Origin.BUILT)])
    (ran,) = docker.commands.asked("docker", "build")
    given = [ran.argv[place + 1] for place, word in enumerate(ran.argv) if word == "--build-arg"]
    assert given == ["HTTP_PROXY", "NO_PROXY", "http_proxy", "no_proxy"]


def test_a_base_is_built_first_and_named(cache: ArtifactCache, docker: FakeDocker, recipe: Path) -> None:
    """Images that share it build it once."""
    base = ImageDefinition(("base:1",), recipe, Origin.SUBSTITUTE)
    images = [ImageDefinition((name,), recipe, Origin.BUILT, base=base) for name in ("a:1", "b:1")]
    build.build_all(cache, docker.engine, images)
    built = docker.commands.asked("docker", "build")
    names = [ran.argv[ran.argv.index("-t") + 1] for ran in built]
    assert names == [f"fluid-conformance/{name}:1" for name in ("base", "a", "b")]
    assert "BASE=fluid-conformance/base:1" in built[1].argv


def test_a_root_is_imported_before_its_labels_are_put_on(
    cache: ArtifactCache, docker: FakeDocker, recipe: Path
) -> None:
    """A Debian root is an archive, not the result of a Dockerfile; it is not sent as context too."""
    image = ImageDefinition(
        ("debian:1",), recipe, Origin.SUBSTITUTE, parts=(Part(artifact("root"), "root", "root.tar"),)
    )
    seen: list[object] = []
    docker.commands.on("docker", "import", does=lambda ran: seen.append(Path(ran.argv[2]).read_text()))
    docker.commands.on(
        "docker",
        "build",
        does=lambda ran: seen.append({p.name: p.read_text() for p in Path(ran.argv[-1]).iterdir()}),
    )
    build.build(cache, docker.engine, image)
    assert seen == ["root", {"Dockerfile": "FROM fluid-conformance/debian:1\n"}]


@pytest.mark.parametrize(
    "there",
    [
        [],
        [("fluid-conformance/a:1", "1", None)],
        [("fluid-conformance/a:1", "1", "old")],
        [("a:1", "1", "KEY"), ("b:1", "1", "KEY")],
    ],
)
def test_a_half_made_or_old_image_does_not_count(
    docker: FakeDocker, recipe: Path, there: list[tuple[str, str, str | None]]
) -> None:
    """Missing, without the label, of other inputs, or only under its published names: built again."""
    image = ImageDefinition(("a:1", "b:1"), recipe, Origin.BUILT)
    for name, found, key in there:
        labels = {build.KEY_LABEL: key.replace("KEY", image.key)} if key else None
        docker.images[name] = {"Id": found, "Config": {"Labels": labels}}
    assert build.image_id(docker.engine, image) is None


def test_a_failed_build_is_a_sentence(cache: ArtifactCache, docker: FakeDocker, recipe: Path) -> None:
    """A full disk is reported as such, and the context is deleted."""
    docker.commands.on("docker", "build", exit_code=1, stdout="write /x: no space left on device")
    with pytest.raises(CommandError, match="image a:1 was not built: the disk is full"):
        build.build(cache, docker.engine, ImageDefinition(("a:1",), recipe, Origin.BUILT))
    docker.commands.on("docker", "build", exit_code=1, stdout="E: unable to locate package x")
    with pytest.raises(CommandError, match=r"image a:1 was not built: docker build .* exit code 1") as caught:
        build.build(cache, docker.engine, ImageDefinition(("a:1",), recipe, Origin.BUILT))
    assert "unable to locate package x" in caught.value.last_seen
    assert list((cache.root / "contexts").iterdir()) == []


def test_contexts_of_killed_runs_are_removed(cache: ArtifactCache, docker: FakeDocker, recipe: Path) -> None:
    """The next build clears them away."""
    stale = cache.root / "contexts" / "tmpdead"
    stale.mkdir(parents=True)
    (stale / "file").write_text("")
    build.build(cache, docker.engine, ImageDefinition(("a:1",), recipe, Origin.BUILT))
    assert not stale.exists()


def test_a_part_that_is_not_there_is_reported(cache: ArtifactCache, docker: FakeDocker, recipe: Path) -> None:
    """A broken cache is named, not thrown as a traceback."""
    image = ImageDefinition(("a:1",), recipe, Origin.BUILT, parts=(Part(artifact("x-1"), "gone", "gone"),))
    with pytest.raises(InfrastructureError, match=r"a:1 could not be made: .*gone"):
        build.build(cache, docker.engine, image)


def test_images_are_packed_once_and_few_old_archives_are_kept(
    cache: ArtifactCache, docker: FakeDocker, recipe: Path
) -> None:
    """The same images are the same archive; those that were not used for long would only fill the disk."""
    images = [ImageDefinition(("a:1", "b:1"), recipe, Origin.BUILT)]
    build.build_all(cache, docker.engine, images)
    docker.commands.on("docker", "save", does=save)
    names = {image.local: image.names for image in images}
    for age, name in enumerate(("newest", "newer", "old", "oldest", "half.partial")):
        place = cache.root / "archives" / name
        place.mkdir(parents=True)
        os.utime(place, (1e9 - age, 1e9 - age))
    folder = build.pack(cache, docker.engine, ["id"], names)
    assert names_in(folder / "images.tar") == ["a:1", "b:1"]
    assert build.pack(cache, docker.engine, ["id"], names) == folder
    assert len(docker.commands.asked("docker", "save")) == 1
    assert {place.name for place in folder.parent.iterdir()} == {"newest", "newer", folder.name}
    # The last use counts, not the packing.
    os.utime(folder, (1, 1))
    build.pack(cache, docker.engine, ["id"], names)
    build.pack(cache, docker.engine, ["another"], names)
    build.pack(cache, docker.engine, ["a third"], names)
    assert folder.exists()
    assert len(list(folder.parent.iterdir())) == build.OTHER_ARCHIVES + 1


def test_an_interrupted_archive_is_not_used(cache: ArtifactCache, docker: FakeDocker) -> None:
    """A node that imports half an archive would lack images; it is packed again instead."""

    def half(ran: Ran) -> None:
        Path(ran.argv[3]).write_text("half")
        raise KeyboardInterrupt

    docker.commands.on("docker", "save", does=half)
    with pytest.raises(KeyboardInterrupt):
        build.pack(cache, docker.engine, ["id"], {"a:1": ("a:1",)})
    docker.commands.on("docker", "save", does=save)
    folder = build.pack(cache, docker.engine, ["id"], {"a:1": ("a:1",)})
    assert names_in(folder / "images.tar") == ["a:1"]
    assert len(list((cache.root / "archives").iterdir())) == 1


def sleeper(ready: Path) -> Callable[[Path], None]:
    """Creates an artifact with a real program that would run for a minute."""

    def make(folder: Path) -> None:
        SystemCommands().run(["sh", "-c", f"echo $$ > {ready}; sleep 60 & wait"], on_line=lambda line: None)

    return make


def gone(ready: Path) -> bool:
    """Whether that program has ended."""
    pid = int(ready.read_text())
    return not Path(f"/proc/{pid}").exists()


def appears(file: Path) -> None:
    """Wait for a file with something in it."""
    while not file.exists() or not file.read_text():
        time.sleep(0.01)


def test_one_failure_ends_the_other_lane(cache: ArtifactCache, tmp_path: Path) -> None:
    """A failed download is reported at once, not after minutes of compiling."""
    ready = tmp_path / "ready"

    def fail(folder: Path) -> None:
        appears(ready)
        raise CommandError("no network")

    begun = time.monotonic()
    never: list[str] = []
    after = artifact("after-1", lambda folder: never.append("made"))
    lanes = [artifact("compiled-1", sleeper(ready)), after, artifact("alluxio-1", fail)]
    with pytest.raises(CommandError, match="no network"):
        build.obtain_all(cache, lanes)
    assert time.monotonic() - begun < 5
    assert gone(ready)
    assert never == []


def test_an_interruption_ends_what_is_running(cache: ArtifactCache, tmp_path: Path) -> None:
    """Ctrl-C reaches the compilers, which a terminal's signal does not; nothing incomplete stays."""
    ready = tmp_path / "ready"

    def interrupt() -> None:
        appears(ready)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build.obtain_all(cache, [artifact("compiled-1", sleeper(ready))])
    thread.join()
    assert time.monotonic() - begun < 5
    assert gone(ready)
    assert [path for path in (cache.root / "artifacts").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("name", "lacking"), [("debian-bookworm", "debootstrap"), ("alluxio-2.9.6", "mvn and java")]
)
def test_a_missing_program_is_refused_before_anything_is_made(
    cache: ArtifactCache, monkeypatch: pytest.MonkeyPatch, name: str, lacking: str
) -> None:
    """Not after ten minutes of compiling."""
    programs(monkeypatch, "docker")
    made: list[str] = []
    first = artifact("first-1", lambda folder: made.append("made"))
    with pytest.raises(
        RefusalError, match=f"building {name} needs {lacking}, which this host lacks"
    ) as caught:
        build.obtain_all(cache, [first, artifact(name)])
    assert "--bootstrap" in caught.value.advice
    assert made == []


def test_a_debian_needs_root(
    cache: ArtifactCache, commands: FakeCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of debootstrap without it is hard to read."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RefusalError, match="building debian-bookworm needs root"):
        build.obtain_all(cache, [artifact("debian-bookworm")])
