"""Faults of the network of one node: packets to and from some addresses are dropped, all of them or a part.

They are rules of the node's packet filter (iptables), because the kernels of small hosts lack ``netem``. A
mount of NFS belongs to the node's own network namespace, so the rules are in its chains INPUT and OUTPUT.
There, traffic with a Service shows the address of the Service or of its Pod, depending on the chain and on
the implementation of Services: both have to be passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.undo import NodeCommand
from workloads.faults.base import COMMAND_SECONDS, Fault, FaultError

#: Begins the comment of each rule, so that an administrator knows whose it is.
COMMENT: Final = "fluid-conformance"


@dataclass(frozen=True, slots=True)
class Impairment:
    """Which packets are dropped.

    Attributes:
        says: the effect, in plain words.
        match: further conditions of the rule, as iptables accepts them.
        both_ways: packets from the node to the addresses are dropped, too.
    """

    says: str
    match: tuple[str, ...] = ()
    both_ways: bool = False


PARTITIONED: Final = Impairment("no packet passes", both_ways=True)
LOSSY: Final = Impairment(
    "30 % of the received packets are lost",
    ("-m", "statistic", "--mode", "random", "--probability", "0.3"),
)
SLOW: Final = Impairment(
    "received packets above 1 MB/s are dropped",
    (
        "-m", "hashlimit", "--hashlimit-above", "1mb/s",
        "--hashlimit-mode", "srcip", "--hashlimit-name", "fc-slow",
    ),
)  # fmt: skip


@contextmanager
def impaired(
    journal: Journal, node: str, addresses: Sequence[str], impairment: Impairment
) -> Iterator[Fault]:
    """Packets between a node and some addresses are dropped while the context lasts.

    Args:
        journal: removes the rules, also if this process is killed.
        node: whose packet filter is changed.
        addresses: IP addresses of the other side.
        impairment: which packets.

    Raises:
        FaultError: the rules could not be added.
        HarnessError: they could not be removed.
    """
    rules = _rules(addresses, impairment)
    remove = "\n".join(f"while {rule.command('-D')} 2> /dev/null; do :; done" for rule in rules)
    undo = NodeCommand(node, ("sh", "-c", remove))
    says = f"between node {node} and {', '.join(addresses)} {impairment.says}"
    with journal.undoing(says, undo):
        script = "set -e\n" + "\n".join(rule.command("-I") for rule in rules)
        done = journal.node_exec(node, ("sh", "-c", script), timeout=COMMAND_SECONDS, changes=Disruption.NODE)
        if done.exit_code != 0:
            raise FaultError(
                f"the packet filter of node {node} accepts no such rule",
                last_seen=(done.stdout + done.stderr).strip()[-1_000:],
                advice="the node needs iptables, and its kernel the match that the rule names",
            )
        yield Fault(says)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule of the packet filter.

    Attributes:
        program: the filter of the address's family.
        rest: the chain, and what follows.
    """

    program: str
    rest: str

    def command(self, action: str) -> str:
        """The shell command that adds it (``-I``) or deletes it (``-D``)."""
        return f"{self.program} --wait 10 {action} {self.rest}"


def _rules(addresses: Sequence[str], impairment: Impairment) -> tuple[_Rule, ...]:
    """The rules for all addresses."""
    rest = " ".join((*impairment.match, "-m", "comment", "--comment", COMMENT, "-j", "DROP"))
    rules = []
    for address in addresses:
        program = "ip6tables" if ":" in address else "iptables"
        rules.append(_Rule(program, f"INPUT -s {address} {rest}"))
        if impairment.both_ways:
            rules.append(_Rule(program, f"OUTPUT -d {address} {rest}"))
    return tuple(rules)
