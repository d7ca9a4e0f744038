"""`python -m clusters.registry serve|push`: a registry of our own, and filling one.

`serve` runs a registry on this machine and fills it with the images that are built here, under
the names that the published ones have, so that `--images=pull --registry HOST` is tried also
where no public registry is in reach. `push HOST` fills a registry of yours, from which the nodes
of an existing cluster can pull what is published nowhere.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from clusters.errors import FailureClass, HarnessError, InfrastructureError, RefusalError
from clusters.host import engine, probes
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.host.engine import Engine, docker_client
from clusters.host.machine_lock import machine_lock
from clusters.image_names import reference
from clusters.images import charts
from clusters.images.offline import artifacts, build, definitions
from clusters.images.offline.definitions import ImageDefinition, SystemImages
from clusters.images.offline.harness_image import harness_image
from clusters.images.resolver import ImageResolver
from clusters.images.tools import Tools
from clusters.options import add_arguments, options_of
from clusters.paths import cache_root
from clusters.pins import pins, require_buildable
from clusters.product import fluid_chart
from clusters.progress import Progress
from clusters.waiting import WaitFailedError, wait

PORT: Final = 5001
START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0
PUSH_SECONDS: Final = 1_800.0
#: Exit codes: refused or failed, and interrupted as shells report it (128 + SIGINT).
FAILED: Final = 2
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Entry:
    """An image of the engine, and its published name for a registry."""

    local: str
    published: str


@contextmanager
def serving(crane: Path, folder: Path, port: int = PORT) -> Iterator[str]:
    """A registry of our own on this machine's loopback while the context lasts; yields ``HOST:PORT``.

    Args:
        crane: program; its registry keeps layers on disk and the list of images in memory
            (go-containerregistry 0.22.0), so it is to be filled after each start.
        folder: for the layers.
        port: to listen on.

    Raises:
        RefusalError: the port is in use.
        InfrastructureError: it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address, log = f"127.0.0.1:{port}", folder / "registry.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*_with_parent(), crane, "registry", "serve", "--address", address, "--disk", folder],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ended(_: bool) -> str | None:
        code = process.poll()
        return None if code is None else f"the registry ended with exit code {code}: {log.read_text()[-500:]}"

    try:
        try:
            wait(
                # A foreign registry on that port would answer, too.
                lambda: process.poll() is None and _answers(address),
                bool,
                failed=ended,
                subject=f"registry on {address}",
                condition="an answer",
                timeout=START_SECONDS,
                failure_class=FailureClass.INFRASTRUCTURE,
                advice=f"see {log}",
            )
        except WaitFailedError as error:
            if "address already in use" in str(error):
                raise RefusalError(f"port {port} is in use", advice="choose another with --port") from error
            raise
        yield address
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _with_parent() -> tuple[str, ...]:
    """Lets Linux end a program with the process that started it, also after SIGKILL, where util-linux is."""
    return ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()


def harness_entries() -> list[Entry]:
    """The images of the harness's own, which are published nowhere."""
    return [Entry(image.local, image.name) for image in (definitions.nfs_server(), definitions.toolbox())]


def build_harness_image(tools: Tools, running: Engine) -> Entry:
    """Build the image in which the harness itself runs, if it is missing.

    A registry has it under one name, whichever Debian it is on.
    """
    image = ImageResolver(tools, running).on_own_base(harness_image())
    build_missing(tools, running, [image])
    return Entry(image.local, harness_image().name)


def system_entries(images: Sequence[ImageDefinition], published_fluid: Sequence[str]) -> list[Entry]:
    """All images of a built system under published names, and the Debian that the harness's own are based on.

    Args:
        images: of the system.
        published_fluid: names of Fluid's published images in its chart; a built one has the name of the
            published one of the same repository.
    """
    published = {name.rpartition(":")[0]: name for name in published_fluid}
    entries = [
        Entry(image.local, published.get(name.rpartition(":")[0], name))
        for image in images
        for name in image.names
    ]
    return [*entries, Entry(definitions.debian().local, f"debian:{pins().build.debian}-slim")]


def push(running: Engine, registry: str, entries: Sequence[Entry], progress: Progress) -> None:
    """Push images of the engine to a registry; the engine's own names for them stay as they are.

    Raises:
        InfrastructureError: the registry refuses one.
    """
    for entry in entries:
        target = reference(entry.published, registry)
        with progress.stage(f"push {entry.published}") as stage:
            running.run("tag", entry.local, target)
            try:
                done = running.commands.run(
                    [docker_client(), "push", target],
                    env=running.env,
                    check=False,
                    timeout=PUSH_SECONDS,
                    on_line=stage.says,
                )
            finally:
                # Otherwise the engine would treat the image as pulled from there.
                running.run("rmi", target, check=False)
            if done.exit_code != 0:
                raise InfrastructureError(
                    f"{registry} refuses {entry.published}",
                    last_seen=done.stdout[-1_000:].strip(),
                    advice="docker login, or see that the engine may speak to it without TLS",
                )


def published_images(tools: Tools, images: SystemImages) -> tuple[list[ImageDefinition], list[Entry]]:
    """The images of a whole system, and the names under which a registry has them; nothing is built.

    Raises:
        RefusalError: a version cannot be built.
    """
    require_buildable(tools.options.versions)
    helm = tools.helm()
    chart = charts.chart_folder(tools, helm)
    values = fluid_chart.values(chart, definitions.alluxio(tools.options.versions.alluxio).name)
    names = fluid_chart.named_images(chart, values, helm, tools.cache.root / "tools")
    return [*images.all, definitions.debian()], system_entries(images.all, names)


def built_entries(tools: Tools, running: Engine, *, everything: bool) -> list[Entry]:
    """Build the images that are missing; returns them with the names under which a registry has them."""
    itself = build_harness_image(tools, running)
    if not everything:
        build_missing(tools, running, [definitions.nfs_server(), definitions.toolbox()])
        return [*harness_entries(), itself]
    facts = tools.host
    images = definitions.system(
        tools.options.versions, wrapped=not facts.sys_resource, user_space_nfs=not facts.kernel_nfs
    )
    needed, entries = published_images(tools, images)
    build_missing(tools, running, needed)
    return [*entries, itself]


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clusters.registry", description=__doc__)
    parser.add_argument("command", choices=("serve", "push"))
    parser.add_argument("host", nargs="?", metavar="HOST", help="push: the registry to fill")
    parser.add_argument("--port", type=int, default=PORT, help=f"serve: where to listen (default {PORT})")
    parser.add_argument("--all", action="store_true", help="push: Fluid, Alluxio and Kubernetes as well")
    add_arguments(parser)
    given = parser.parse_args(arguments)
    try:
        options = options_of(vars(given))
        if (given.command == "push") != (given.host is not None):
            raise RefusalError("push needs a HOST, and serve has none", advice="see --help")
        commands, progress = SystemCommands(), Progress()
        cache = ArtifactCache(cache_root(), commands, progress)
        tools = Tools(options, probes.probe(), cache)
        running = engine.require(commands)
        with machine_lock(cache.root):
            entries = built_entries(tools, running, everything=given.all or given.command == "serve")
            crane = tools.obtain(artifacts.crane()) / "crane" if given.command == "serve" else None
        if crane is None:
            push(running, given.host, entries, progress)
            return 0
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with serving(crane, cache.root / "registry", given.port) as address:
            push(running, address, entries, progress)
            _say(f"filled; use it with --images=pull --registry {address}; Ctrl-C ends it", sys.stdout)
            threading.Event().wait()
    except HarnessError as error:
        _say(str(error), sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _say(text: str, stream: TextIO) -> None:
    print(text, file=stream, flush=True)


def build_missing(tools: Tools, running: Engine, images: Sequence[ImageDefinition]) -> None:
    """Build the images that the engine does not have, and the artifacts that they need."""
    if build.missing_artifacts(tools.cache, running, images):
        tools.ready_to_build()
    build.build_all(tools.cache, running, images)


def _answers(address: str) -> bool:
    try:
        # The registry is on this host, and no proxy leads here.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{address}/v2/", timeout=1.0) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's own OK
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
