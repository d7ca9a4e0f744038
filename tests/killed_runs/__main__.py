"""`python -m tests.killed_runs --kubeconfig FILE`: kills disruptive runs, restores, and compares the cluster.

Each round starts one row by the kubeconfig of a cluster with Fluid, kills it with SIGKILL at a random moment
after its first change outside the harness's namespaces, runs `python -m clusters down --kubeconfig FILE`, and
compares a dump of the whole cluster with the one from before. The harness's namespace must not be in use; it
is removed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from clusters.disruption import ALL
from clusters.host import engine
from clusters.host.commands import SystemCommands
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.journal import NAME
from clusters.kubernetes.ownership import HARNESS_NAMESPACE
from tests.killed_runs.dump import differences, dump
from tests.live_cluster import settle
from tests.programs import end_with, say

#: Rows that change something outside the harness's namespaces: the CSI plugin, the webhook, an argument of
#: the plugin, labels of nodes, a mount on a node, a stopped process, a controller that Fluid starts, a node
#: that is cordoned or tainted, its packet filter, the size of its memory tier, an export of the NFS server,
#: a folder on a node.
ROWS: Final = (
    "B24", "B37", "D2", "B31", "B25", "A12", "D12", "A16", "D16", "D17", "D18", "D23", "D24", "B26", "B27",
    "A25", "A51",
)  # fmt: skip
#: Seconds until a run has made its first change, after which it is killed in any case.
FIRST_CHANGE_SECONDS: Final = 420.0
#: Seconds after the first change within which a run is killed.
LATEST_KILL: Final = 30.0
#: Seconds for `cluster down`, and until Fluid's components run again.
DOWN_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Round:
    """One killed run.

    Attributes:
        row: that ran.
        killed_after: seconds from its start.
        changed: what it had changed when its first change was seen, by its journal.
        journal: what was changed when it was killed.
        down: exit code of `cluster down`.
        difference: between the dumps; empty if the cluster is as before.
    """

    row: str
    killed_after: float
    changed: tuple[str, ...]
    journal: tuple[str, ...]
    down: int
    difference: str

    @property
    def restored(self) -> bool:
        """The cluster is as it was before."""
        return self.down == 0 and not self.difference


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds; 1 if the cluster differed after one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.killed_runs", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--rows", default=",".join(ROWS), help=f"rows in turn (default {','.join(ROWS)})")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no round after so many")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the result and the runs")
    parser.add_argument("options", nargs="*", help="of the runs, such as --source-claim")
    given = parser.parse_args(arguments)
    moments = random.Random(given.seed)  # noqa: S311 - moments, not secrets
    rows = given.rows.split(",")
    given.out.mkdir(parents=True, exist_ok=True)
    kube = Kube.connect(given.kubeconfig, run="killed-runs")
    started, rounds = time.monotonic(), []
    _down(given.kubeconfig, given.out)
    settle(kube)
    before = dump(kube, engine.find(SystemCommands()))
    for number in range(given.rounds):
        if time.monotonic() - started > given.seconds:
            break
        row = rows[number % len(rows)]
        # Most changes last for a few seconds: early moments are tried more often than late ones.
        later = LATEST_KILL * moments.random() ** 3
        rounds.append(_round(kube, given, row, later, before))
        result = json.dumps([asdict(one) for one in rounds], indent=1)
        (given.out / "killed-runs.json").write_text(result)
        _say(rounds[-1])
    failed = [one for one in rounds if not one.restored]
    say(f"{len(rounds) - len(failed)} of {len(rounds)} killed runs left the cluster as it was")
    return int(bool(failed) or not rounds)


def _round(kube: Kube, given: argparse.Namespace, row: str, later: float, before: dict[str, str]) -> Round:
    permitted = ",".join(sorted(kind.option for kind in ALL))
    argv = [sys.executable, "-m", "pytest", "suites", "--kubeconfig", str(given.kubeconfig)]
    argv += ["--scenario", row, "--allow-disruptive", permitted, "-p", "no:cacheprovider"]
    argv += ["--out", str(given.out / "runs"), *given.options]
    start = time.monotonic()
    with (given.out / f"{row}.log").open("ab") as log:
        run = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        while not (changed := _journal(kube)) and run.poll() is None:
            if time.monotonic() - start > FIRST_CHANGE_SECONDS:
                break
            time.sleep(0.1)  # a real clock on purpose: the moment of the kill is what is tried
        time.sleep(later)
        journal = _journal(kube)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    killed_after = round(time.monotonic() - start, 1)
    down = _down(given.kubeconfig, given.out)
    settle(kube)
    after = dump(kube, engine.find(SystemCommands()))
    return Round(row, killed_after, changed, journal, down, differences(before, after))


def _journal(kube: Kube) -> tuple[str, ...]:
    """What the journal says was changed."""
    found = kube.get(kinds.CONFIG_MAP, NAME, HARNESS_NAMESPACE) or {}
    return tuple(str(json.loads(entry)["says"]) for entry in (found.get("data") or {}).values())


def _down(kubeconfig: Path, out: Path) -> int:
    argv = [sys.executable, "-m", "clusters", "down", "--kubeconfig", str(kubeconfig)]
    with (out / "down.log").open("ab") as log:
        return subprocess.run(argv, stdout=log, stderr=log, check=False, timeout=DOWN_SECONDS).returncode


def _say(done: Round) -> None:
    state = "as before" if done.restored else f"DIFFERS (cluster down: {done.down})\n{done.difference}"
    first, then = ("; ".join(one) or "nothing" for one in (done.changed, done.journal))
    say(f"{done.row} killed after {done.killed_after} s, changed: {first}, when killed: {then}: {state}")


if __name__ == "__main__":
    sys.exit(end_with(main))
