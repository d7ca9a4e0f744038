"""`python -m tests.ordinary check|nfs|refusals|build|up`: the harness on an ordinary machine.

``build`` builds the machine and fills the registries, and ``up`` boots it and keeps it until Ctrl-C.
``check`` boots it and runs the README's command in it; what follows ``--`` is passed to that command. ``nfs``
runs it with each version of NFS and deletes the cluster while a mount hangs. ``refusals`` boots it and
observes what a run says when the registries limit, are slow, or are gone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from clusters.errors import HarnessError, InfrastructureError, RefusalError
from clusters.host import bootstrap
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.host.machine_lock import machine_lock
from clusters.images.offline import artifacts
from clusters.options import Options
from clusters.paths import cache_root
from clusters.pins import pins, versions
from clusters.progress import Progress
from reports.verdict.model import load
from tests.ordinary.checkout import FOLDER, REPOSITORY, clone, pin_digests, readme_command
from tests.ordinary.disk import USER, disk
from tests.ordinary.gateway import gateway
from tests.ordinary.guest import FIRST, MEMORY, SHARED, Guest, guest
from tests.ordinary.mappings import many_mappings
from tests.ordinary.names import DNS_NAMES
from tests.ordinary.network import GUEST, NAMESPACE, network
from tests.ordinary.nfs_check import HANGS, hang_and_delete, require_version
from tests.ordinary.proxy import VARIABLES, proxy, use_proxy
from tests.ordinary.refusals import observe, prepare
from tests.ordinary.registries import Registries, registries
from tests.ordinary.settings import as_file, settings
from tests.ordinary.store import Store, filled

#: Exit codes, as those of `python -m clusters`.
FAILED: Final = 2
INTERRUPTED: Final = 130
#: Of a run that judged its rows, and of which some did not pass (failed, inconclusive).
ROWS_FAILED: Final = (1, 5)
#: Of the README's command; one CPU of a busy machine needs 25 minutes for the smoke suite.
RUN_SECONDS: Final = 7_200.0
#: What a run requires (`clusters.host.probes.CPUS_FOR_RUN`).
CPUS: Final = 2
#: Image stores of Docker: its own, and containerd's.
OVERLAY2: Final = "overlay2"
CONTAINERD: Final = "containerd"
#: Programs that a run obtains where the machine has none.
TOOLS: Final = ("helm", "kind")
#: Programs of the host, by the Debian package that has them.
_PROGRAMS: Final = {
    "debootstrap": "debootstrap",
    "chrt": "util-linux",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "unshare": "util-linux",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """The ordinary machine while it runs.

    Attributes:
        guest: the machine.
        registries: what it pulls from.
        store: the images there.
        progress: where stages are reported.
    """

    guest: Guest
    registries: Registries
    store: Store
    progress: Progress


@contextmanager
def machine(
    own: ArtifactCache,
    store: Store,
    *,
    cpus: int,
    memory: str,
    image_store: str = OVERLAY2,
    proxied: bool = False,
    priority: Sequence[str] = SHARED,
    programs: Sequence[Path] = (),
) -> Iterator[Machine]:
    """The machine with everything that it reaches, while the context lasts.

    Args:
        own: the cache of this check.
        store: the images that can be pulled.
        cpus: of the guest.
        memory: of the guest, such as ``8G``.
        image_store: of its Docker.
        proxied: it reaches everything through a proxy, and nothing otherwise.
        priority: of its processes on this machine, see `tests.ordinary.guest`.
        programs: that its user has installed.
    """
    parts = own.obtain(disk())
    runs = own.root / "runs"
    runs.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(many_mappings())
        net = stack.enter_context(network(own.commands))
        # The namespace is this process's alone, so that no other run uses a folder here.
        for stale in runs.iterdir():
            own.commands.run(["rm", "-r", stale])
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=runs)))
        stack.enter_context(gateway(net, direct=not proxied))
        way_out = stack.enter_context(proxy(net)) if proxied else None
        served = stack.enter_context(registries(net, store, parts / "server.pem"))
        running = stack.enter_context(guest(own, net, folder, cpus=cpus, memory=memory, priority=priority))
        variables = settings(own.commands) | (VARIABLES if proxied else {})
        running.run("cat > /etc/environment", user="root", stdin=as_file(variables))
        for program in programs:
            running.install(program)
        if image_store == CONTAINERD:
            running.use_containerd_store()
        if proxied:
            use_proxy(running)
        yield Machine(running, served, store, own.progress)
        if way_out is not None:
            _say(
                f"hosts that were reached through the proxy: {len(way_out.hosts)}, registries among them: "
                f"{', '.join(sorted(way_out.hosts & set(DNS_NAMES)))}"
            )


def prepare_checkout(here: Machine) -> None:
    """A clean checkout in the guest, which pulls what the stand-in has."""
    commit = clone(here.guest)
    pinned = pin_digests(here.guest, here.store)
    _say(f"commit {commit}; digests of the stand-in for {', '.join(pinned) or 'no image'}")
    _say(here.guest.run("id; uname -a; docker info --format '{{.ServerVersion}} {{.Driver}}'").stdout)


def run_readme(here: Machine, arguments: Sequence[str], out: Path) -> int:
    """Run the README's command in the guest, and copy what it wrote; returns its exit code.

    Raises:
        InfrastructureError: the guest's kernel failed.
    """
    command = readme_command((REPOSITORY / "README.md").read_text(), arguments)
    _say(f"$ {command}")
    start = time.monotonic()
    done = here.guest.run(f"cd {FOLDER} && {command}", check=False, timeout=RUN_SECONDS, on_line=_say)
    _say(f"exit code {done.exit_code} after {time.monotonic() - start:.0f} s")
    out.mkdir(parents=True, exist_ok=True)
    (out / "output.txt").write_text(done.stdout)
    (out / "requests.txt").write_text("\n".join(here.registries.requests) + "\n")
    shutil.copy(here.guest.console, out / "console.txt")
    if here.guest.run(f"test -d {FOLDER}/out", check=False).exit_code == 0:
        here.guest.copy_out(f"{FOLDER}/out", out)
    if complaints := here.guest.kernel_errors():
        raise InfrastructureError(
            "the guest's kernel could not run a program", last_seen="; ".join(complaints[-3:])
        )
    return done.exit_code


def check(here: Machine, arguments: Sequence[str], out: Path) -> int:
    """Run the README's command in a clean checkout in the guest; returns its exit code.

    Raises:
        InfrastructureError: the run left containers in the guest, or the guest's kernel failed.
    """
    prepare_checkout(here)
    exit_code = run_readme(here, arguments, out)
    left = here.guest.run("docker ps --all --format '{{.Names}}'").stdout.split()
    if left:
        raise InfrastructureError(f"the run left containers in the guest: {', '.join(left)}")
    return exit_code


def check_nfs(here: Machine, arguments: Sequence[str], out: Path, *, smoke: bool = False) -> int:
    """Run with each version of NFS, and delete each cluster while a mount hangs; returns an exit code.

    Where rows failed, the cluster is there all the same, and its deletion is observed.

    Args:
        here: the machine.
        arguments: further ones for the README's command.
        out: folder for what was run.
        smoke: the first run has all rows of the smoke suite.

    Raises:
        InfrastructureError: another version was mounted, or a deletion did not end or left something.
    """
    prepare_checkout(here)
    failed = 0
    first, *others = HANGS
    for hang in (replace(first, rows="") if smoke else first, *others):
        place = out / f"nfs-{hang.version}"
        exit_code = run_readme(here, [*hang.arguments, *arguments], place)
        if exit_code not in {0, *ROWS_FAILED}:
            return exit_code
        failed = failed or exit_code
        image = require_version(load(place / "latest" / "verdict.json").system, hang.version)
        hang_and_delete(here.guest, hang, image, _say)
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    passed: list[str] = []
    if "--" in given:
        passed = given[given.index("--") + 1 :]
        given = given[: given.index("--")]
    parser = argparse.ArgumentParser(prog="python -m tests.ordinary", description=__doc__)
    parser.add_argument(
        "command", nargs="?", choices=("check", "nfs", "refusals", "build", "up"), default="check"
    )
    parser.add_argument("--cpus", type=int, default=CPUS, help=f"of the guest (default {CPUS})")
    parser.add_argument("--memory", default=MEMORY, help=f"of the guest (default {MEMORY})")
    parser.add_argument(
        "--first", action="store_true", help="the guest runs before all other work of this machine"
    )
    parser.add_argument(
        "--with-tools",
        nargs="?",
        const=",".join(TOOLS),
        default="",
        metavar="NAMES",
        help=f"these are installed in the guest (without names {' and '.join(TOOLS)}; default: none)",
    )
    parser.add_argument(
        "--image-store",
        choices=(OVERLAY2, CONTAINERD),
        default=OVERLAY2,
        help=f"where Docker keeps images (default {OVERLAY2})",
    )
    parser.add_argument(
        "--kubernetes",
        default=pins().default.kubernetes,
        help=f"the version that the registries serve and the run uses (default {pins().default.kubernetes})",
    )
    parser.add_argument(
        "--proxy", action="store_true", help="the guest reaches everything through a proxy alone"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="of nfs: its first run is the smoke suite as a whole"
    )
    parser.add_argument("--out", type=Path, default=Path("out/ordinary"), help="folder for what was run")
    options = parser.parse_args(given)
    progress = Progress()
    try:
        _require()
        commands = SystemCommands()
        images = ArtifactCache(cache_root(), commands, progress)
        own = ArtifactCache(images.root / "ordinary", commands, progress)
        own.root.mkdir(exist_ok=True)
        with machine_lock(own.root):
            own.clear_partials()
            if options.command == "build":
                own.obtain(disk())
            store = filled(own, images, Options(versions=versions(kubernetes=options.kubernetes)))
            if options.command == "build":
                return 0
            with machine(
                own,
                store,
                cpus=options.cpus,
                memory=options.memory,
                image_store=options.image_store,
                proxied=options.proxy,
                priority=FIRST if options.first else SHARED,
                programs=_programs(images, options.with_tools),
            ) as here:
                if options.command in {"check", "nfs"}:
                    if options.kubernetes != pins().default.kubernetes:
                        passed += ["--kubernetes", options.kubernetes]
                    run = partial(check_nfs, smoke=options.smoke) if options.command == "nfs" else check
                    return run(here, passed, options.out)
                if options.command == "refusals":
                    clone(here.guest)
                    pin_digests(here.guest, here.store)
                    prepare(here.guest)
                    _say("\n".join(observe(here.guest, here.registries, progress)))
                    return 0
                key = own.obtain(disk()) / "id"
                _say(
                    f"ip netns exec {NAMESPACE} ssh -i {key} {USER}@{GUEST}   # Ctrl-C here ends the machine"
                )
                threading.Event().wait()
    except HarnessError as error:
        _say(str(error), sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _programs(images: ArtifactCache, names: str) -> list[Path]:
    """Programs by their names, separated by commas, in the versions that the harness builds.

    Raises:
        RefusalError: one is not known.
    """
    chosen = [name for name in names.split(",") if name]
    if unknown := set(chosen) - set(TOOLS):
        raise RefusalError(f"--with-tools: unknown {', '.join(sorted(unknown))}", advice=", ".join(TOOLS))
    known = pins()
    made = {"helm": artifacts.helm(known.fluid[known.default.fluid].helm), "kind": artifacts.kind()}
    return [images.obtain(made[name]) / name for name in chosen]


def _require() -> None:
    """Refuse a host that cannot build or run the machine.

    Raises:
        RefusalError: not root, or programs are missing.
    """
    if os.geteuid() != 0:
        raise RefusalError("the ordinary machine needs root on this host, for its network and its disk")
    missing = bootstrap.missing(_PROGRAMS)
    if missing:
        raise RefusalError(
            f"missing on this host: {', '.join(missing)}", advice=f"apt-get install {' '.join(missing)}"
        )


def _say(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)


if __name__ == "__main__":
    # Started in the background, a shell has Ctrl-C ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
