"""Fluid's CSI plugin: when it counts as gone, and when as back."""

import pytest

from suites.csi_plugin import PluginState

ONE = frozenset({"n1"})
TWO = frozenset({"n1", "n2"})
NONE: frozenset[str] = frozenset()


def a_state(
    desired: int = 0,
    pods: frozenset[str] = NONE,
    ready: frozenset[str] = NONE,
    registered: frozenset[str] = NONE,
) -> PluginState:
    """A state, by default one without any plugin."""
    return PluginState(desired, pods, ready, registered)


def test_nothing_anywhere_is_gone_and_not_back() -> None:
    """Where it is wanted nowhere it is gone, and surely not back."""
    assert a_state().gone
    assert not a_state().back


@pytest.mark.parametrize(
    "left", [a_state(desired=1), a_state(pods=ONE), a_state(pods=frozenset({""})), a_state(registered=ONE)]
)
def test_whatever_is_left_of_it_is_not_gone(left: PluginState) -> None:
    """A Pod that is going, and a kubelet that knows the driver still, count."""
    assert not left.gone


def test_it_is_back_where_it_is_ready_and_known() -> None:
    """On every node that it is wanted on, and each kubelet knows it."""
    assert a_state(2, TWO, TWO, TWO).back
    assert not a_state(2, TWO, ONE, TWO).back
    assert not a_state(2, TWO, TWO, ONE).back
    assert "known to the kubelet of n1" in str(a_state(2, TWO, TWO, ONE))
