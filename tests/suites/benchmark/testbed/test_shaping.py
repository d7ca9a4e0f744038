"""Limits of NFS by tbf, against a node that records the arguments of tc."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clusters.errors import HarnessError
from clusters.host.commands import Completed
from suites.benchmark.testbed.shaping import ShapingError, TokenBucket, limited_to, remove_limit

MIB = 1024 * 1024
STAT = "1089 (ganesha.nfsd) S " + " ".join(["0"] * 18) + " 4711 0 0\n"


class Node:
    """A node with a Ganesha, or without one, whose kernel has tbf, or has not."""

    def __init__(self, *, server: bool = True, tbf: bool = True, sticks: bool = False) -> None:
        self.server = server
        self.tbf = tbf
        self.sticks = sticks
        self.rates: list[str] = []

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Run a program."""
        words = tuple(argv)
        if words[0] == "env":
            return Completed(words, 0, STAT if self.server else "", "")
        assert words[:4] == ("nsenter", "--target", "1089", "--net")
        if "replace" in words:
            if not self.tbf:
                return Completed(words, 2, "", "Error: Specified qdisc kind is unknown.")
            self.rates.append(words[words.index("rate") + 1])
        elif "del" in words and not self.sticks:
            self.rates.append("")
        shown = (
            f"qdisc tbf 8001: root rate {self.rates[-1]}"
            if self.rates and self.rates[-1]
            else "qdisc noqueue"
        )
        return Completed(words, 0, shown, "")


def test_limit_holds_inside_and_is_removed_afterwards() -> None:
    """100 MiB/s are 838,860,800 bits a second, and nothing of it stays, also after an error."""
    node = Node()
    with limited_to(TokenBucket(node), 100 * MIB):
        assert node.rates == ["838860800bit"]
    assert node.rates[-1] == ""
    with pytest.raises(ZeroDivisionError), limited_to(TokenBucket(node), 100 * MIB):
        _ = 1 / 0
    assert node.rates[2:] == ["838860800bit", ""]


def test_outer_limit_is_restored() -> None:
    """An arm that is slowed down further leaves the series' own limit as it was."""
    node = Node()
    with (
        limited_to(TokenBucket(node), 100 * MIB),
        limited_to(TokenBucket(node), 60 * MIB, afterwards=100 * MIB),
    ):
        assert node.rates[-1] == "503316480bit"
    assert node.rates[-2:] == ["838860800bit", ""]


def test_no_limit_touches_nothing() -> None:
    """Without a limit the server is left alone."""
    node = Node()
    with limited_to(TokenBucket(node), None, afterwards=100 * MIB):
        assert node.rates == []
    assert node.rates == []


@pytest.mark.parametrize(("server", "tbf"), [(False, True), (True, False)])
def test_node_that_cannot_says_so(server: bool, tbf: bool) -> None:
    """A kernel without tbf, and a server that does not run, are reported."""
    with pytest.raises(ShapingError), limited_to(TokenBucket(Node(server=server, tbf=tbf)), MIB):
        pytest.fail("it must not get here")


def test_limit_that_stays_is_reported() -> None:
    """A limit that cannot be removed would make all later measurements invalid."""
    node = Node(sticks=True)
    node.rates = ["8bit"]
    with pytest.raises(HarnessError, match="not as it was set"):
        remove_limit(TokenBucket(node))
