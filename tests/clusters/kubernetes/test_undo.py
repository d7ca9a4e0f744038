"""Steps that undo a change: written as JSON, repeatable, and exact."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.disruption import Disruption
from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.undo import (
    NodeCommand,
    NodeFolders,
    NodeLabel,
    Patch,
    Undo,
    from_json,
    inverse,
    to_json,
)
from tests.clusters.stored_objects import StoredObjects, merge

NODE = "/api/v1/nodes/n1"
WEBHOOK = "/apis/apps/v1/namespaces/fluid-system/deployments/fluid-webhook"

LEAVES = st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
KEYS = st.sampled_from("abc")
OBJECTS = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=3),
    lambda inner: st.dictionaries(KEYS, st.one_of(LEAVES, inner), max_size=3),
    max_leaves=8,
)
PATCHES = st.recursive(
    st.dictionaries(KEYS, st.one_of(LEAVES, st.none()), max_size=3),
    lambda inner: st.dictionaries(KEYS, st.one_of(LEAVES, st.none(), inner), max_size=3),
    max_leaves=8,
)


def no_command(node: str, argv: Sequence[str], /, *, timeout: float, changes: Disruption) -> Completed:
    """No program runs on a node."""
    raise AssertionError(argv)


@given(OBJECTS, PATCHES)
def test_a_patch_and_its_inverse_leave_the_object_as_it_was(
    before: dict[str, Any], change: dict[str, Any]
) -> None:
    """For all objects and patches, of whatever nesting."""
    undo = inverse(before, change)
    now = copy.deepcopy(before)
    merge(now, change)
    merge(now, undo)
    assert now == before


@pytest.mark.parametrize(
    "step",
    [
        Patch.of(kinds.DEPLOYMENT, "fluid-webhook", "fluid-system", {"spec": {"replicas": 1}}),
        Patch.of(kinds.NODE, "n1", None, {"metadata": {"labels": {"a": None}}}),
        NodeLabel("n1", "a"),
        NodeLabel("n1", "a", "true"),
        NodeCommand("n1", ("rmdir", "/x")),
        NodeFolders("n1", ("/x", "/y"), only_empty=True),
    ],
)
def test_each_step_survives_json(step: Undo) -> None:
    """Another process reads what this one wrote."""
    assert from_json(to_json(step)) == step


@pytest.mark.parametrize("data", [{"type": "dance"}, {"type": "patch", "colour": "red"}, {}])
def test_a_step_of_another_version_is_refused(data: dict[str, Any]) -> None:
    """With the version to use."""
    with pytest.raises(HarnessError, match="cannot undo") as caught:
        from_json(data)
    assert "with the version" in caught.value.advice


def test_a_patch_of_an_object_that_is_gone_does_nothing() -> None:
    """There is nothing to restore."""
    store = StoredObjects()
    step = Patch.of(kinds.DEPLOYMENT, "fluid-webhook", "fluid-system", {"spec": {"replicas": 1}})
    step.apply(store.kube(), no_command)
    store.put(WEBHOOK, spec={"replicas": 0})
    step.apply(store.kube(), no_command)
    assert store.objects[WEBHOOK]["spec"] == {"replicas": 1}


@pytest.mark.parametrize(
    ("managers", "stays"),
    [(("fluid-conformance",), False), (("fluid-conformance", "csi"), True), ((), True)],
)
def test_a_label_that_another_client_has_set_since_stays(managers: tuple[str, ...], stays: bool) -> None:
    """Fluid removes the label of a Fuse and sets it again; then it is Fluid's."""
    store = StoredObjects()
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {"f:a": {}}}}
    managed = [{"manager": name, "fieldsV1": fields} for name in managers]
    store.put(NODE, metadata={"labels": {"a": "true", "b": "c"}, "managedFields": managed})
    NodeLabel("n1", "a").apply(store.kube(), no_command)
    assert ("a" in store.objects[NODE]["metadata"]["labels"]) == stays
    assert store.objects[NODE]["metadata"]["labels"]["b"] == "c"


def test_a_command_runs_on_its_node_if_there_is_one() -> None:
    """A node that was removed needs none; a command that fails is an error."""
    ran: list[tuple[str, tuple[str, ...]]] = []

    def node_exec(node: str, argv: Sequence[str], /, *, timeout: float, changes: Disruption) -> Completed:
        assert changes is Disruption.NODE
        ran.append((node, tuple(argv)))
        return Completed(tuple(argv), int(argv[0] == "false"), "", "no")

    store = StoredObjects()
    NodeCommand("n1", ("rmdir", "/x")).apply(store.kube(), node_exec)
    assert ran == []
    store.put(NODE)
    NodeCommand("n1", ("rmdir", "/x")).apply(store.kube(), node_exec)
    assert ran == [("n1", ("rmdir", "/x"))]
    with pytest.raises(InfrastructureError, match="failed on node n1"):
        NodeCommand("n1", ("false",)).apply(store.kube(), node_exec)
