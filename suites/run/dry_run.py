"""`--dry-run`: what a run would create, change and need; nothing is created or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from clusters.cluster_check import check_cluster
from clusters.disruption import Disruption
from clusters.errors import HarnessError
from clusters.host.commands import SystemCommands
from clusters.host_check import CheckedRequirement, check_host
from clusters.kubernetes.client import Kube
from clusters.kubernetes.ownership import HARNESS_NAMESPACE
from clusters.options import Options
from clusters.progress import Progress
from suites.catalogue import scenario as scenarios
from suites.catalogue.scenario import Scenario
from suites.record.run import CANNOT_RUN_HERE, NOT_RUN_DISRUPTIVE
from suites.run.disruptive import why_not, will_run
from suites.run.options import OPTIONS

#: Fixtures with a namespace, claim and Dataset of the scenario's own.
_OWN: tuple[str, ...] = ("dataset_owner", "user", "unbindable_dataset")


def print_plan(config: pytest.Config, items: Sequence[pytest.Item]) -> pytest.ExitCode:
    """Print what the run would do. Returns its exit code: 4 if the run would be refused."""
    options = config.stash[OPTIONS]
    reporter = config.get_terminal_writer()
    declared = [(item, found) for item in items if (found := scenarios.of(item)) is not None]
    for line in plan(options, declared):
        reporter.line(line)
    running = frozenset(one.kind for item, found in declared if will_run(item) for one in found.disturbs)
    problems = 0
    reporter.line("\nneeded:")
    try:
        for requirement in checked(options, running):
            problems += bool(requirement.problem)
            reporter.line(f"  {requirement}")
    except HarnessError as error:
        problems += 1
        reporter.line(f"  {error}")
    reporter.line("\nnothing was created or changed")
    return pytest.ExitCode.USAGE_ERROR if problems else pytest.ExitCode.OK


def plan(options: Options, declared: Sequence[tuple[pytest.Item, Scenario]]) -> Iterator[str]:
    """What would be created and changed, line by line."""
    running = [(item, found) for item, found in declared if will_run(item)]
    own = sum(bool(set(_OWN) & set(getattr(item, "fixturenames", ()))) for item, _ in running)
    shared = any("ready_dataset" in getattr(item, "fixturenames", ()) for item, _ in running)
    yield f"{len(running)} scenarios would run: {_names(found for _, found in running)}"
    yield "\ncreated, and removed at the end:"
    if options.kubeconfig is None:
        yield f"  kind cluster {options.cluster_name} with {options.nodes} nodes, unless it exists"
    server = "a Pod that mounts the source" if options.source else "an NFS server"
    yield f"  namespace {HARNESS_NAMESPACE} with {server}, a Lease, and a Pod for commands on each node"
    if options.source:
        yield f"  one folder fluid-conformance-… on {options.source}; nothing else there is read or changed"
    yield f"  up to {own + shared} namespaces fc-… with a claim, a Dataset, its runtime and applications each"
    yield "  for each Dataset: a PersistentVolume, a worker with up to 1 GiB in memory, node labels of Fluid"
    yield "\nchanged outside the harness's namespaces, and undone:"
    changes = [f"  {found.id}: {one}" for _, found in running for one in found.disturbs]
    yield from changes or ["  nothing"]
    left_out = [(found, why_not(item)) for item, found in declared if not will_run(item)]
    disruptive = [found for found, why in left_out if why.startswith(NOT_RUN_DISRUPTIVE)]
    if disruptive:
        yield "\nnot run, disruptive (--allow-disruptive permits it):"
        for found in disruptive:
            yield f"  {found.id}: {' and '.join(one.does for one in found.disturbs)}"
    if others := [(found, why) for found, why in left_out if found not in disruptive]:
        yield "\nnot run:"
        yield from (f"  {found.id}: {why.removeprefix(CANNOT_RUN_HERE)}" for found, why in others)


def checked(options: Options, disturbs: frozenset[Disruption]) -> Iterator[CheckedRequirement]:
    """What the run needs, of the cluster or of this host.

    Raises:
        RefusalError: the cluster cannot be reached.
    """
    if options.kubeconfig is None:
        yield from check_host(options, SystemCommands(), Progress())
        return
    kube = Kube.connect(options.kubeconfig, run="dry-run")
    try:
        yield from check_cluster(options, kube, disturbs)
    finally:
        kube.close()


def _names(found: Iterator[Scenario]) -> str:
    return ", ".join(dict.fromkeys(one.id for one in found)) or "none"
