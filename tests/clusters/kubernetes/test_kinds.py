"""Kinds of objects and their API paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clusters.errors import HarnessError
from clusters.kubernetes import kinds

if TYPE_CHECKING:
    pass


def test_paths_follow_group_and_scope() -> None:
    """Core kinds are below /api, others below /apis; namespaced kinds have their namespace."""
    assert kinds.POD.path("demo", "a") == "/api/v1/namespaces/demo/pods/a"
    assert kinds.NODE.path(None, "n") == "/api/v1/nodes/n"
    assert kinds.DATASET.path() == "/apis/data.fluid.io/v1alpha1/datasets"


def test_a_missing_namespace_is_an_error() -> None:
    """An object of a namespaced kind needs its namespace; a node must not have one."""
    with pytest.raises(HarnessError, match="Pod a was asked for without a namespace"):
        kinds.POD.path(None, "a")
    with pytest.raises(HarnessError, match="Node n was asked for with a namespace"):
        kinds.NODE.path("demo", "n")


def test_kind_of_a_manifest() -> None:
    """Kinds are found by apiVersion and kind, and an unknown one is named."""
    assert kinds.kind_of({"apiVersion": "data.fluid.io/v1alpha1", "kind": "Dataset"}) is kinds.DATASET
    with pytest.raises(HarnessError, match=r"no kind Dataset of v1"):
        kinds.kind_of({"apiVersion": "v1", "kind": "Dataset"})
