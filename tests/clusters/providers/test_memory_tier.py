"""/dev/shm of nodes: enlarged where the harness may, checked elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.host.commands import Completed
from clusters.providers import memory_tier
from tests.clusters.fakes import FakeCommands, FakeDocker


def node_exec(stdout: str, exit_code: int = 0) -> memory_tier.NodeExec:
    """A node on which df prints this."""

    def run(node: str, argv: Sequence[str]) -> Completed:
        assert (node, argv[0], argv[-1]) == ("n1", "df", memory_tier.FOLDER)
        return Completed(tuple(argv), exit_code, stdout, "")

    return run


def test_own_nodes_are_remounted() -> None:
    """One command on the node, so that the node image stays as kind creates it."""
    commands = FakeCommands()
    memory_tier.enlarge(FakeDocker(commands).engine, "demo-control-plane")
    (ran,) = commands.asked("docker", "exec")
    assert ran.argv[2:] == ("demo-control-plane", "mount", "-o", "remount,size=50%", "/dev/shm")


def test_foreign_node_with_the_default_size_is_refused() -> None:
    """64 MiB is what engines give a container; the message has the remedy."""
    with pytest.raises(RefusalError, match="of node n1 has 64 MiB") as caught:
        memory_tier.require(node_exec(f"1B-blocks\n{64 * 1024**2}\n"), ["n1"])
    assert "mount -o remount,size=2G /dev/shm" in caught.value.advice
    memory_tier.require(node_exec(f"1B-blocks\n{2 * 1024**3}\n"), ["n1"])


@pytest.mark.parametrize(("stdout", "exit_code"), [("", 0), ("no such file", 1), ("1B-blocks\n-\n", 0)])
def test_unknown_size_is_an_error(stdout: str, exit_code: int) -> None:
    """A node that does not report its size is never taken for one that is large enough."""
    with pytest.raises(InfrastructureError):
        memory_tier.require(node_exec(stdout, exit_code), ["n1"])
