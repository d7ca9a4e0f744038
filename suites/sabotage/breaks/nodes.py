"""Programs that a sabotage runs on the nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters.disruption import Disruption
from clusters.kubernetes.undo import NodeCommand
from suites.sabotage.model import Environment, Tampering
from workloads.faults import FaultError


def run_on_node(environment: Environment, node: str, *argv: str) -> str:
    """Run a program on a node and return its standard output.

    Raises:
        FaultError: the program failed.
    """
    done = environment.system.provider.node_exec(node, argv, changes=Disruption.NODE)
    if done.exit_code != 0:
        raise FaultError(
            f"`{' '.join(argv)}` failed on {node}", last_seen=(done.stdout + done.stderr).strip()
        )
    return done.stdout


@contextmanager
def run_on_every_node(
    environment: Environment, breaks: tuple[str, ...], restores: tuple[str, ...]
) -> Iterator[Tampering]:
    """Run one program on each node, and later another one that undoes its effect."""
    nodes = environment.system.nodes
    undo = [NodeCommand(node, restores) for node in nodes]
    with environment.system.journal.undoing(f"`{' '.join(breaks)}` ran on nodes", *undo):
        for node in nodes:
            run_on_node(environment, node, *breaks)
        yield Tampering()
