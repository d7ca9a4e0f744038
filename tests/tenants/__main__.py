"""`python -m tests.tenants --kubeconfig FILE -- OPTIONS`: a run next to two teams that read all the time.

It creates two teams with Datasets on a cluster with Fluid, then runs the harness by the kubeconfig, by
default level smoke. Not one read of the teams may fail, no Pod of theirs may be started again, and a dump of
the whole cluster and the files on their NFS server must be as before the run. The harness's namespace must
not be in use. With ``--source-claim team-a/source`` among the options, the run uses the storage of a team.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from clusters.host import engine
from clusters.host.commands import SystemCommands
from clusters.kubernetes.client import Kube
from tests.killed_runs.dump import differences, dump
from tests.programs import end_with, say
from tests.tenants import workload

#: A team that reads less often than this, once in so many seconds, shows nothing.
SECONDS_A_READ = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; 1 if the run touched the teams."""
    parser = argparse.ArgumentParser(prog="python -m tests.tenants", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--registry", help="mirror with the images of the harness")
    parser.add_argument("--keep", action="store_true", help="leave the teams on the cluster")
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("options", nargs="*", help="of the run")
    given = parser.parse_args(arguments)
    kube = Kube.connect(given.kubeconfig, run="tenants")
    nodes = engine.find(SystemCommands())
    try:
        workload.create(kube, given.registry)
        cluster, files = dump(kube, nodes), workload.stored(kube)
        before = {team: workload.reads(kube, team) for team in workload.TEAMS}
        started = time.monotonic()
        code = _run(given)
        seconds = time.monotonic() - started
        after = {team: workload.reads(kube, team) for team in workload.TEAMS}
        found = list(workload.problems(before, after, int(seconds / SECONDS_A_READ)))
        if changed := differences(cluster, dump(kube, nodes)):
            found.append(f"the cluster is not as before:\n{changed}")
        if (now := workload.stored(kube)) != files:
            found.append(f"the files of the teams are not as before:\n{files}\nnow:\n{now}")
        for team in workload.TEAMS:
            number, longest = after[team].good - before[team].good, after[team].longest
            say(f"{team}: {number} reads while the run took {seconds:.0f} s, longest {longest} ms")
    finally:
        if not given.keep:
            workload.delete(kube)
        kube.close()
    say(f"the run ended with exit code {code}")
    say("\n".join(found) or "the teams were not touched")
    return int(bool(found) or code != 0)


def _run(given: argparse.Namespace) -> int:
    argv = [sys.executable, "-m", "pytest", "suites", "--kubeconfig", str(given.kubeconfig)]
    argv += ["--registry", given.registry] if given.registry else []
    argv += ["-p", "no:cacheprovider", "--out", str(given.out), *(given.options or ["--level", "smoke"])]
    return subprocess.run(argv, check=False).returncode


if __name__ == "__main__":
    sys.exit(end_with(main))
