"""The API server is unreachable for a while, for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.disruption import Disruption
from clusters.errors import FailureClass, HarnessError
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.kinds import NODE
from clusters.kubernetes.undo import NodeCommand
from clusters.waiting import wait
from workloads.faults.base import COMMAND_SECONDS, Fault
from workloads.faults.network import COMMENT

#: Port of the API server on its node (kubeadm's default).
PORT: Final = 6443
#: Seconds until the API must refuse, and until it must answer again after its time is over.
REFUSES_SECONDS: Final = 20.0
ANSWERS_SECONDS: Final = 90.0
#: Longest time: the kubelet restarts an API server whose probe failed for 80 s (kubeadm: 8 times, each 10 s).
MOST_SECONDS: Final = 70.0

_RULE: Final = f"INPUT -p tcp --dport {PORT} -m comment --comment {COMMENT} -j REJECT --reject-with tcp-reset"
_REMOVE: Final = f"while iptables --wait 10 -D {_RULE} 2> /dev/null; do :; done"


@contextmanager
def unreachable(
    journal: Journal, control_plane: str, seconds: float, *, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Fault]:
    """Connections to the API server are reset for a fixed time, which begins with the context.

    The journal is in the API server itself, so the fault ends by itself: the node removes the rule after that
    time, whatever happens to this process. The context ends when the API answers again.

    Args:
        journal: removes the rule, if the node has not done so.
        control_plane: the node of the API server.
        seconds: how long.
        clock: replaced by tests.

    Raises:
        ValueError: ``seconds`` is longer than the kubelet leaves the API server alone.
        WaitTimeoutError: the API did not become unreachable, or does not answer again; an infrastructure
            failure.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"{seconds:g} s: at most {MOST_SECONDS:g} s")
    script = f"iptables --wait 10 -I {_RULE} || exit 1; sleep {seconds:g}; {_REMOVE}"
    # The parent ends at once; what it leaves behind has no terminal and no open file of the caller.
    detached = ("sh", "-c", 'setsid sh -c "$1" > /dev/null 2>&1 < /dev/null &', "detach", script)
    with journal.undoing(
        f"the API server is unreachable for {seconds:g} s",
        NodeCommand(control_plane, ("sh", "-c", _REMOVE)),
    ):
        journal.node_exec(control_plane, detached, timeout=COMMAND_SECONDS, changes=Disruption.NODE)
        began = clock.now()
        _await(journal, control_plane, answers=False, seconds=REFUSES_SECONDS, clock=clock)
        try:
            yield Fault(f"the API server is unreachable for {seconds:g} s")
        finally:
            left = max(0.0, seconds - (clock.now() - began))
            _await(journal, control_plane, answers=True, seconds=left + ANSWERS_SECONDS, clock=clock)


def _await(journal: Journal, node: str, *, answers: bool, seconds: float, clock: Clock) -> None:
    def observe() -> str:
        try:
            journal.kube.get(NODE, node)
        except HarnessError as error:
            return error.message
        return ""

    wait(
        observe,
        lambda problem: (not problem) is answers,
        subject="API server",
        condition="an answer" if answers else "refusal of connections",
        timeout=seconds,
        delay=1.0,
        describe=lambda problem: problem or "it answers",
        failure_class=FailureClass.INFRASTRUCTURE,
        clock=clock,
    )
