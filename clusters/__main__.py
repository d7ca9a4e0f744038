"""`python -m clusters up|status|down|reap`: a cluster to develop on, kept warm."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from clusters.errors import HarnessError
from clusters.images.offline.artifact_cache import cache_root
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.ownership import is_managed
from clusters.options import Options, add_arguments, options_of
from clusters.product import fluid
from clusters.product.nfs import NAMESPACE
from clusters.progress import Progress
from clusters.providers import existing
from clusters.providers.reaper import reap
from clusters.system import SystemBuilder, machine_lock

#: Exit codes: refused or failed, and interrupted as shells tell it (128 + SIGINT).
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
        _say("interrupted; `python -m clusters reap` removes what could not be taken down", sys.stderr)
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
        stack = SystemBuilder(options, f"warm-{int(time.time())}", progress)
        try:
            system = stack.up()
        except BaseException:
            stack.down()
            raise
    total = sum(stage.seconds for stage in progress.stages)
    _say(f"up in {total:.0f} s; export KUBECONFIG={system.cluster.kubeconfig}", sys.stdout)


def _status(options: Options) -> None:
    kubeconfig = options.kubeconfig or cache_root() / "clusters" / options.cluster_name / "kubeconfig"
    kube = Kube.connect(kubeconfig, run="status")
    try:
        state = fluid.state(kube) if fluid.installed(kube) else None
        _say(f"Kubernetes {kube.server_version()}; Fluid: {state or 'not installed'}", sys.stdout)
    finally:
        kube.close()


def _down(options: Options) -> None:
    if options.kubeconfig is not None:
        _leave(options.kubeconfig)
        return
    with machine_lock(cache_root()):
        _say(str(reap(Progress(), only_cluster=options.cluster_name)), sys.stdout)


def _leave(kubeconfig: Path) -> None:
    """Take what is ours off a cluster that somebody else made; the cluster and its Fluid stay."""
    with machine_lock(cache_root()):
        kube = Kube.connect(kubeconfig, run="down")
        try:
            progress = Progress()
            # The NFS server, which is in our own namespace, has to be there while Datasets go.
            removed = [*existing.remove_leftovers(kube, progress)]
            if is_managed(kube.get(kinds.NAMESPACE, NAMESPACE) or {}):
                removed.append(NAMESPACE)
            existing.ExistingProvider(kubeconfig, kube, progress=progress).down()
        finally:
            kube.close()
    names = f"removed namespace{'s' if len(removed) > 1 else ''} {', '.join(removed)}"
    told = names if removed else "nothing of ours was there"
    _say(f"{told}; the cluster stays, and Fluid if it has it", sys.stdout)


def _reap(_: Options) -> None:
    with machine_lock(cache_root()):
        _say(str(reap(Progress())), sys.stdout)


def _interrupt(number: int, _: object) -> None:
    """End as at Ctrl-C, taking down what was made, when a CI system asks for it."""
    raise KeyboardInterrupt(number)


_COMMANDS = {
    "up": (_up, "create the cluster with NFS server and Fluid, and keep it"),
    "status": (_status, "show which versions run on the cluster"),
    "down": (_down, "remove the cluster; on a cluster of yours, remove what the harness created"),
    "reap": (_reap, "remove what a killed run left: clusters, mounts, networks, container engine"),
}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
