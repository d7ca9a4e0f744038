"""`python -m tests.hostile_clusters --kubeconfig FILE`: a run on clusters as their owners keep them.

On a kind cluster with Fluid, whose nodes are containers of this machine's engine, each condition is created,
`cluster check` and a run by the kubeconfig are started, and the condition is undone. The run must pass, or be
refused with the sentence that the condition deserves, as the table of the conditions says; the check must say
the same before it; and the cluster must be as before. The harness's namespace must not be in use.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host import engine
from clusters.host.commands import SystemCommands
from clusters.images import on_nodes
from clusters.images.offline import definitions
from clusters.kubernetes.client import Kube
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.node import NodeSnapshot
from tests.hostile_clusters.conditions import FAKE_NODES, Cluster, Condition, chosen, undo_all
from tests.killed_runs.dump import differences, dump
from tests.live_cluster import settle
from tests.programs import end_with, say

#: Seconds for one command, and until Fluid's components run again after a condition.
COMMAND_SECONDS: Final = 900.0
#: Exit codes of a run, and of `clusters`: refused.
PASSED, REFUSED, CHECK_REFUSED = 0, 4, 2
_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended.

    Attributes:
        code: its exit code.
        says: why it was refused or failed; empty if it succeeded.
        seconds: that it took.
    """

    code: int
    says: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """What happened under a condition.

    Attributes:
        condition: its name.
        effect: what the condition did.
        check: `cluster check`.
        run: the run; None if it was not asked for.
        down: `cluster down` after it.
        difference: between the cluster before and after; empty if there is none.
        problems: what is not as it must be.
    """

    condition: str
    effect: str
    check: Done
    run: Done | None
    down: Done
    difference: str
    problems: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the conditions; 1 if one of them has a problem."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile_clusters", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--conditions", default="", help="names, separated by commas; by default all")
    parser.add_argument("--check-only", action="store_true", help="start no runs")
    parser.add_argument("--undo", action="store_true", help="only undo what a check that was killed left")
    parser.add_argument("--registry", help="mirror with the images of the harness")
    parser.add_argument("--scenario", default="A1", help="of the runs")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no condition after so many"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the result and the runs")
    given = parser.parse_args(arguments)
    conditions = chosen(given.conditions)
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hostile-clusters-") as folder:
        cluster = _cluster(given, Path(folder))
        try:
            undo_all(cluster)
            return 0 if given.undo else _try_all(cluster, conditions, given)
        finally:
            cluster.kube.close()


def _cluster(given: argparse.Namespace, folder: Path) -> Cluster:
    kube = Kube.connect(given.kubeconfig, run="hostile")
    running = engine.find(SystemCommands())
    if running is None:
        raise InfrastructureError("no container engine answers, and the nodes must be its containers")
    nodes = [node for node in ClusterReader(kube).list(NodeSnapshot) if node.name not in FAKE_NODES]
    image = on_nodes.harness_image(definitions.toolbox(), nodes, given.registry)
    return Cluster(kube, running, image, folder)


def _try_all(cluster: Cluster, conditions: Sequence[Condition], given: argparse.Namespace) -> int:
    started, results = time.monotonic(), []
    if _command(given, "down").code != 0:
        raise InfrastructureError("the cluster cannot be cleaned up before the check", advice="see down.log")
    settle(cluster.kube)
    before = dump(cluster.kube, cluster.engine)
    for condition in conditions:
        if time.monotonic() - started > given.seconds:
            break
        results.append(_try(cluster, condition, given, before))
        text = json.dumps([asdict(one) for one in results], indent=1)
        (given.out / "hostile-clusters.json").write_text(text)
        say(f"{condition.name}: {'; '.join(results[-1].problems) or 'as expected'}")
    say("\n".join(table(results)))
    return int(not results or any(one.problems for one in results))


def _try(cluster: Cluster, condition: Condition, given: argparse.Namespace, before: dict[str, str]) -> Result:
    run = None
    try:
        with condition.set_up(cluster) as effect:
            check = _command(given, "check")
            if not given.check_only:
                run = _run(given, condition.name)
            did = effect()
            # Under the condition, as its user would; a namespace with a quota is deleted like any other.
            down = _command(given, "down")
    finally:
        condition.undo(cluster)
    settle(cluster.kube)
    difference = differences(before, dump(cluster.kube, cluster.engine))
    result = Result(condition.name, did, check, run, down, difference, ())
    return replace(result, problems=tuple(problems(condition, result)))


def problems(condition: Condition, found: Result) -> Iterator[str]:
    """What is not as the condition says it must be."""
    run = found.run
    if not found.effect and run is not None:
        yield "the condition had no effect"
    if found.check.code != (CHECK_REFUSED if condition.refused and condition.checked else PASSED):
        yield f"`cluster check` ended with exit code {found.check.code}: {found.check.says}"
    if run is not None and run.code != (REFUSED if condition.refused else PASSED):
        yield f"the run ended with exit code {run.code}: {run.says}"
    if run is not None and condition.refused and condition.sentence not in run.says:
        yield f"the refusal does not say “{condition.sentence}”: {run.says}"
    if found.down.code != PASSED:
        yield f"`cluster down` ended with exit code {found.down.code}: {found.down.says}"
    if found.difference:
        yield f"the cluster is not as before:\n{found.difference}"


def _command(given: argparse.Namespace, name: str) -> Done:
    argv = [sys.executable, "-m", "clusters", name, "--kubeconfig", str(given.kubeconfig)]
    argv += ["--registry", given.registry] if given.registry else []
    return _ended(argv, given.out / f"{name}.log")


def _run(given: argparse.Namespace, name: str) -> Done:
    argv = [sys.executable, "-m", "pytest", "suites", "--kubeconfig", str(given.kubeconfig)]
    argv += ["--registry", given.registry] if given.registry else []
    argv += ["--scenario", given.scenario, "-p", "no:cacheprovider", "--out", str(given.out / "runs" / name)]
    return _ended(argv, given.out / f"{name}.log")


def _ended(argv: Sequence[str], log: Path) -> Done:
    started = time.monotonic()
    done = subprocess.run(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    with log.open("a") as file:
        file.write(done.stdout)
    says = "" if done.returncode == 0 else reason(done.stdout)
    return Done(done.returncode, says, round(time.monotonic() - started, 1))


def reason(output: str) -> str:
    """The sentence of a refusal or a failure in the output of a command; a few last lines if there is none.

    The check prints a requirement that is not met as ``no`` with its problem in the next line; pytest prints
    the sentence of a refusal after ``Exit:``, and a failure after ``E``.
    """
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines()]
    unmet = [following for line, following in itertools.pairwise(lines) if line.startswith("no ")]
    if unmet:
        return "; ".join(unmet)
    said = [line for line in lines if re.match(r"(!+ |E  |ERROR: |[a-z_.]*Exit)", line)]
    kept = said[:_LINES] or [line for line in lines if line][-_LINES:]
    return " / ".join(line.strip("! ").removeprefix("_pytest.outcomes.Exit: ") for line in kept)


def table(results: Iterable[Result]) -> Iterator[str]:
    """The results as a table in Markdown."""
    yield "| condition | effect | `cluster check` | run | afterwards |"
    yield "|---|---|---|---|---|"
    for one in results:
        check = one.check.says or "ok"
        run = "not started" if one.run is None else f"{one.run.says or 'pass'}, {one.run.seconds:g} s"
        after = "as before" if not one.difference else "differs"
        yield f"| {one.condition} | {one.effect} | {_cell(check)} | {_cell(run)} | {after} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(end_with(main))
