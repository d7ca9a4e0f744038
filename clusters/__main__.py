"""`python -m clusters up|status|down|restore|reap`: a cluster that is kept, to develop on."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from clusters import cleanup
from clusters.cluster_check import check_cluster
from clusters.errors import HarnessError, RefusalError
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.host.machine_lock import machine_lock
from clusters.host.probes import probe
from clusters.host_check import check_host
from clusters.images.tools import Tools
from clusters.kubernetes.client import Kube
from clusters.options import DEFAULT_NAME, Options, add_arguments, options_of
from clusters.paths import cache_root, cluster_folder
from clusters.product import fluid
from clusters.product.helm import Helm
from clusters.progress import Progress
from clusters.providers.reaper import reap
from clusters.system import SystemBuilder

#: Exit codes: refused or failed, and interrupted as shells report it (128 + SIGINT).
FAILED = 2
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clusters", description=__doc__)
    add_commands(parser)
    given = parser.parse_args(arguments)
    try:
        options = replace(options_of(vars(given)), keep_cluster=True)
        _COMMANDS[given.action][0](options)
    except HarnessError as error:
        _say(str(error), sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted; `python -m clusters reap` removes what could not be deleted", sys.stderr)
        return INTERRUPTED
    return 0


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their options to a parser."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")
    for name, (_, purpose) in _COMMANDS.items():
        add_arguments(commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}."))


def _say(text: str, stream: TextIO) -> None:
    print(text, file=stream, flush=True)


def _up(options: Options) -> None:
    progress = Progress()
    with machine_lock(cache_root()):
        builder = SystemBuilder(options, f"warm-{int(time.time())}", progress)
        try:
            system = builder.up()
            builder.leave()
        except BaseException:
            builder.down()
            raise
    total = sum(stage.seconds for stage in progress.stages)
    _say(f"up in {total:.0f} s; export KUBECONFIG={system.cluster.kubeconfig}", sys.stdout)


def _status(options: Options) -> None:
    """Versions and state of one cluster, or of all clusters of the harness if none is named."""
    if options.kubeconfig is not None:
        _say(_state(options.kubeconfig), sys.stdout)
        return
    existing_ones = {file.parent.name: file for file in sorted(cache_root().glob("clusters/*/kubeconfig"))}
    if options.cluster_name in existing_ones:
        _say(_state(existing_ones[options.cluster_name]), sys.stdout)
        return
    if options.cluster_name != DEFAULT_NAME or not existing_ones:
        names = ", ".join(existing_ones)
        raise RefusalError(
            f"there is no cluster {options.cluster_name} of the harness: "
            f"{cluster_folder(options.cluster_name) / 'kubeconfig'} does not exist",
            advice=f"clusters of the harness: {names}" if names else "create one: python -m clusters up",
        )
    for name, kubeconfig in existing_ones.items():
        try:
            text = _state(kubeconfig)
        except HarnessError as error:
            text = error.message
        _say(f"{name}: {text}", sys.stdout)


def _state(kubeconfig: Path) -> str:
    """Versions and state of the cluster of a kubeconfig, in one line."""
    kube = Kube.connect(kubeconfig, run="status")
    try:
        state = fluid.state(kube) if fluid.installed(kube) else None
        return f"Kubernetes {kube.server_version()}; Fluid: {state or 'not installed'}"
    finally:
        kube.close()


def _down(options: Options) -> None:
    if options.kubeconfig is not None:
        _leave(options.kubeconfig, options)
        return
    with machine_lock(cache_root()):
        _say(str(reap(Progress(), only_cluster=options.cluster_name)), sys.stdout)


def _leave(kubeconfig: Path, options: Options) -> None:
    """Delete the harness's objects from a foreign cluster; the cluster and its own Fluid stay."""
    progress = Progress()

    def helm() -> Helm:
        return Tools(options, probe(), ArtifactCache(cache_root(), SystemCommands(), progress)).helm()

    with machine_lock(cache_root()):
        removed = cleanup.remove(kubeconfig, options.registry, progress, helm)
    count = len(removed.namespaces)
    names = f"removed namespace{'s' if count > 1 else ''} {', '.join(removed.namespaces)}"
    parts = [names if count else "there was nothing of the harness"]
    if removed.fluid_of:
        parts += [f"Fluid, which run {removed.fluid_of} had installed, was uninstalled", "the cluster stays"]
    else:
        parts += ["the cluster stays, and Fluid if it has it"]
    _say("; ".join(parts), sys.stdout)


def _restore(options: Options) -> None:
    """Undo what a killed run changed on a cluster outside the harness's namespaces."""
    kubeconfig = options.kubeconfig or cluster_folder(options.cluster_name) / "kubeconfig"
    if not kubeconfig.is_file():
        raise RefusalError(
            f"there is no cluster {options.cluster_name} of the harness: {kubeconfig} does not exist",
            advice="name the cluster with --kubeconfig or --cluster-name",
        )
    with machine_lock(cache_root()):
        done = cleanup.restore(kubeconfig, options.registry, Progress())
    changes = f"{len(done)} change{'s' if len(done) > 1 else ''}"
    _say(f"{changes} undone" if done else "nothing had to be undone", sys.stdout)


def _reap(_: Options) -> None:
    with machine_lock(cache_root()):
        _say(str(reap(Progress())), sys.stdout)


def _check(options: Options) -> None:
    """Print what a run would find on this host, or on a cluster; creates and changes nothing."""
    if options.kubeconfig is None:
        checked = check_host(options, SystemCommands(), Progress())
    else:
        kube = Kube.connect(options.kubeconfig, run="check")
        try:
            checked = check_cluster(options, kube)
        finally:
            kube.close()
    _say("\n".join(map(str, checked)), sys.stdout)
    unmet = sum(bool(one.problem) for one in checked)
    if unmet:
        raise RefusalError(
            f"{unmet} requirement{'s are' if unmet > 1 else ' is'} not met", advice="see the lines with no"
        )


_COMMANDS = {
    "up": (_up, "create the cluster with NFS server and Fluid, and keep it"),
    "check": (
        _check,
        "check whether this host, or the cluster of --kubeconfig, can run the harness; changes nothing",
    ),
    "status": (_status, "show which versions run on the cluster"),
    "down": (_down, "remove the cluster; on a cluster of yours, remove what the harness created"),
    "restore": (_restore, "undo what a killed run changed outside the harness's namespaces"),
    "reap": (_reap, "remove what a killed run left: clusters, mounts, networks, container engine"),
}

if __name__ == "__main__":
    # A CI system ends a job so; it is cleaned up as at Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
