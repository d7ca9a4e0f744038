"""`rights.json`: the rights that a run used, and those that no row declares."""

from __future__ import annotations

import json
from pathlib import Path

from clusters.kubernetes.used_rights import UsedRight
from clusters.product import fluid
from clusters.rights import rights_of_run
from suites.run.used_rights import FILE, save

USED = (
    UsedRight("create", "", "pods", "fc-drawn"),
    UsedRight("create", "", "pods", "fc-other"),
    UsedRight("list", "apps", "daemonsets", fluid.NAMESPACE),
    UsedRight("list", "", "nodes"),
    UsedRight("list", "", "secrets", "team"),
)


def test_rights_are_saved_by_the_kind_of_their_namespace(tmp_path: Path) -> None:
    """The names of the harness's own namespaces are drawn, so they are one."""
    folder = tmp_path / "run"
    undeclared = save(folder, rights_of_run(), USED, ("fc-drawn", "fc-other"))
    assert undeclared == (USED[-1],)
    assert json.loads((folder / FILE).read_text()) == {
        "used": [
            "Fluid's: list daemonsets.apps",
            "cluster: list nodes",
            "own: create pods",
            "team: list secrets",
        ],
        "undeclared": ["team: list secrets"],
    }
