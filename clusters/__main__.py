"""`python -m clusters up|status|down|reap`: a cluster to develop on, kept warm."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

from clusters import fluid
from clusters.errors import HarnessError
from clusters.images.workshop import cache_root
from clusters.kube import Kube
from clusters.options import Options, add_arguments, options_of
from clusters.progress import Progress
from clusters.reaper import reap
from clusters.stack import Stack, machine_lock


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clusters", description=__doc__)
    parser.add_argument("command", choices=("up", "status", "down", "reap"))
    add_arguments(parser)
    given = parser.parse_args(arguments)
    try:
        options = replace(options_of(vars(given)), keep_cluster=True)
        return _COMMANDS[given.command](options)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was made is labelled, and `python -m clusters reap` removes it", file=sys.stderr)
        return 130


def _up(options: Options) -> int:
    progress = Progress()
    with machine_lock(cache_root()):
        system = Stack(options, f"warm-{int(time.time())}", progress).up()
    total = sum(stage.seconds for stage in progress.stages)
    print(f"up in {total:.0f} s; export KUBECONFIG={system.cluster.kubeconfig}")
    return 0


def _status(options: Options) -> int:
    kubeconfig = options.kubeconfig or cache_root() / "clusters" / options.cluster_name / "kubeconfig"
    kube = Kube.connect(kubeconfig, run="status")
    state = fluid.state(kube) if fluid.installed(kube) else None
    print(f"Kubernetes {kube.server_version()}; Fluid: {state or 'not installed'}")
    return 0


def _down(options: Options) -> int:
    reap(Progress(), only_cluster=options.cluster_name)
    return 0


def _reap(_: Options) -> int:
    reap(Progress())
    return 0


_COMMANDS = {"up": _up, "status": _status, "down": _down, "reap": _reap}

if __name__ == "__main__":
    sys.exit(main())
