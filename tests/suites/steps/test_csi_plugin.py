"""Fluid's CSI plugin: when it counts as removed, and when as ready again."""

from typing import Any

import pytest

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.kubernetes.journal import NAME, Journal
from clusters.product import fluid
from suites.steps import csi_plugin
from suites.steps.csi_plugin import PluginState
from tests.clusters import conftest as fakes

api = fakes.api
kube = fakes.kube

ONE = frozenset({"n1"})
TWO = frozenset({"n1", "n2"})
NONE: frozenset[str] = frozenset()


def a_journal(kube: Kube) -> Journal:
    """Of a cluster on whose nodes nothing runs."""
    return Journal(kube, lambda node, argv, /, *, timeout, changes: Completed(tuple(argv), 1, "", ""))


def a_state(
    desired: int = 0,
    pods: frozenset[str] = NONE,
    ready: frozenset[str] = NONE,
    registered: frozenset[str] = NONE,
) -> PluginState:
    """A state, by default one without any plugin."""
    return PluginState(desired, pods, ready, registered)


def test_nothing_anywhere_is_gone_and_not_back() -> None:
    """If no node needs it, it is gone and not back."""
    assert a_state().gone
    assert not a_state().back


@pytest.mark.parametrize(
    "left", [a_state(desired=1), a_state(pods=ONE), a_state(pods=frozenset({""})), a_state(registered=ONE)]
)
def test_whatever_is_left_of_it_is_not_gone(left: PluginState) -> None:
    """A Pod that is going, and a kubelet that knows the driver still, count."""
    assert not left.gone


def test_it_is_back_where_it_is_ready_and_known() -> None:
    """On every node that needs it, and each kubelet knows it."""
    assert a_state(2, TWO, TWO, TWO).back
    assert not a_state(2, TWO, ONE, TWO).back
    assert not a_state(2, TWO, TWO, ONE).back
    assert "known to the kubelet of n1" in str(a_state(2, TWO, TWO, ONE))


OFF, ON = "--feature-gates=FuseRecovery=false", "--feature-gates=FuseRecovery=true"
DAEMON_SET = f"/apis/apps/v1/namespaces/{fluid.NAMESPACE}/daemonsets/{fluid.CSI_DAEMON_SET}"
ENTRIES = f"/api/v1/namespaces/fluid-conformance/configmaps/{NAME}"
PODS = f"/api/v1/namespaces/{fluid.NAMESPACE}/pods"


def a_daemon_set(*arguments: str, desired: int = 2) -> dict[str, Any]:
    """The plugin's, with these arguments."""
    containers = [{"name": "node-driver-registrar"}, {"name": "plugins", "args": list(arguments)}]
    return {
        "metadata": {"name": fluid.CSI_DAEMON_SET, "namespace": fluid.NAMESPACE},
        "spec": {"template": {"spec": {"containers": containers}}},
        "status": {"desiredNumberScheduled": desired},
    }


def the_pods(*arguments: str) -> dict[str, Any]:
    """One ready Pod of the plugin for each argument, which it was started with."""
    return {
        "metadata": {},
        "items": [
            {
                "metadata": {"name": f"plugin-{number}", "namespace": fluid.NAMESPACE},
                "spec": {"nodeName": f"n{number}", "containers": [{"name": "plugins", "args": [argument]}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }
            for number, argument in enumerate(arguments, 1)
        ],
    }


def test_an_argument_is_replaced_on_every_node_and_restored(api: fakes.FakeApi, kube: Kube) -> None:
    """The others stay, all Pods are deleted at once each time, and each node is waited for."""
    api.answer("GET", DAEMON_SET, a_daemon_set("start", OFF))
    api.answer("PATCH", DAEMON_SET, a_daemon_set("start", ON))
    api.answer("PATCH", ENTRIES, {})
    api.answer(
        "GET",
        PODS,
        the_pods(OFF, OFF),
        the_pods(ON, OFF),
        the_pods(ON, ON),
        the_pods(ON, ON),
        the_pods(OFF, OFF),
    )
    for number in (1, 2):
        api.answer("GET", f"{PODS}/plugin-{number}", the_pods(OFF, OFF)["items"][number - 1])
        api.answer("DELETE", f"{PODS}/plugin-{number}", {})
    with csi_plugin.argument_replaced(a_journal(kube), OFF, ON):
        assert len(api.asked("GET", PODS)) == 3
        assert all(len(api.asked("DELETE", f"{PODS}/plugin-{number}")) == 1 for number in (1, 2))
    patches = [request.body["spec"]["template"]["spec"] for request in api.asked("PATCH", DAEMON_SET)]
    assert patches == [
        {"containers": [{"name": "plugins", "args": ["start", ON]}]},
        {"containers": [{"name": "plugins", "args": ["start", OFF]}]},
    ]
    (written, removed) = api.asked("PATCH", ENTRIES)
    assert written.body["data"].keys() == removed.body["data"].keys()
    assert all(len(api.asked("DELETE", f"{PODS}/plugin-{number}")) == 2 for number in (1, 2))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (a_daemon_set("start"), "not started with --feature-gates=FuseRecovery=false"),
        ({"spec": {"template": {"spec": {"containers": []}}}}, "no container plugins"),
        (None, "no CSI plugin"),
    ],
)
def test_nothing_is_switched_that_is_not_there(
    api: fakes.FakeApi, kube: Kube, answer: dict[str, Any] | None, says: str
) -> None:
    """No such argument, container or DaemonSet: it is said, and nothing is changed."""
    if answer is not None:
        api.answer("GET", DAEMON_SET, answer)
    with (
        pytest.raises(InfrastructureError, match=says),
        csi_plugin.argument_replaced(a_journal(kube), OFF, ON),
    ):
        pytest.fail("the context must not be entered")
    assert not [request for request in api.requests if request.method != "GET"]


def test_arguments(api: fakes.FakeApi, kube: Kube) -> None:
    """They are those of the plugin's own container."""
    api.answer("GET", DAEMON_SET, a_daemon_set("start", ON))
    assert csi_plugin.arguments(kube) == ("start", ON)
