"""The rights that a run used on its cluster, and those of them that its roles would not grant."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.used_rights import UsedRight
from clusters.product import fluid
from clusters.progress import Progress
from clusters.rights import Grant, Rights, beyond, rights_of_run
from clusters.system import System
from suites.catalogue import scenario as scenarios
from suites.record.run import run_of
from suites.run.disruptive import will_run
from suites.run.options import GUARD

FILE: Final = "rights.json"
#: What a user with few rights does in each namespace that it creates (--bind-role).
BINDING: Final = Rights(own=(Grant(("create", "patch"), kinds.ROLE_BINDING),))


def rights_of_items(items: Iterable[pytest.Item]) -> Rights:
    """What the scenarios that will run declare that they need."""
    declared = [found for item in items if will_run(item) and (found := scenarios.of(item)) is not None]
    return rights_of_run(
        (one.kind for found in declared for one in found.disturbs),
        (kind for found in declared for kind in found.writes),
    )


def report(session: pytest.Session, system: System, progress: Progress) -> None:
    """Write ``rights.json``, and note on a cluster that the harness did not create what is not declared."""
    rights = rights_of_items(session.items)
    if system.options.bind_role:
        rights += BINDING
    undeclared = save(
        run_of(session.config).out,
        rights,
        system.kube.connection.used.take(),
        session.config.stash[GUARD].own_namespaces,
    )
    if undeclared and system.cluster.provider == "existing":
        progress.note(f"rights that no row of this run declares: {', '.join(map(str, undeclared))}")


def save(
    folder: Path, rights: Rights, used: Collection[UsedRight], own_namespaces: Collection[str]
) -> tuple[UsedRight, ...]:
    """Write ``rights.json`` to the folder of a run.

    Args:
        folder: of the run.
        rights: that its rows declare.
        used: that it used.
        own_namespaces: the namespaces that the harness created.

    Returns:
        The rights that it used although they are not declared.
    """
    undeclared = beyond(rights, used, own_namespaces)
    content = {
        "used": sorted({_shown(right, own_namespaces) for right in used}),
        "undeclared": sorted({_shown(right, own_namespaces) for right in undeclared}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(content, indent=1) + "\n")
    return undeclared


def _shown(right: UsedRight, own_namespaces: Collection[str]) -> str:
    """With the kind of its namespace, because the names of the harness's own are drawn."""
    if right.namespace in own_namespaces:
        where = "own"
    elif right.namespace == fluid.NAMESPACE:
        where = "Fluid's"
    else:
        where = right.namespace or "cluster"
    group = f".{right.group}" if right.group else ""
    return f"{where}: {right.verb} {right.resource}{group}"
