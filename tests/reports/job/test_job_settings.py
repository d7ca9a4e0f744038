"""Which rows run in the cluster, and with which rights."""

from __future__ import annotations

import pytest

from clusters.disruption import ALL, Disruption
from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.rights import BASE, Grant
from clusters.source_choice import SourceChoice
from reports.job.settings import Settings, described, selection
from suites.catalogue import discovery
from suites.catalogue.scenario import Level


def ids(rows: tuple[object, ...]) -> set[str]:
    """Their ids."""
    return {row.id for row in rows}  # type: ignore[attr-defined] # scenarios


def test_smoke_runs_whole_with_the_base_rights() -> None:
    """None of its rows disturbs anybody."""
    found = selection(Settings("image"))
    assert ids(found.running) == {row.id for row in discovery.declared() if row.level is Level.SMOKE}
    assert found.rights == BASE
    assert found.disruptive == found.administrators == ()


def test_disruptive_rows_run_with_permission_and_with_more_rights() -> None:
    """Each permission adds what its rows need, and nothing else."""
    patch = Grant(("patch",), kinds.NODE)
    assert "B31" in ids(selection(Settings("image", Level.FULL)).disruptive)
    assert patch not in selection(Settings("image", Level.FULL)).rights.cluster
    permitted = frozenset({Disruption.NODE_LABELS})
    found = selection(Settings("image", Level.FULL, permitted=permitted))
    assert "B31" in ids(found.running)
    assert patch in found.rights.cluster
    assert "B24" in ids(found.disruptive)


def test_rights_come_from_the_rows_that_run() -> None:
    """A24 creates DataProcesses; without it nobody may."""
    grant = Grant(("create", "patch", "delete"), kinds.DATA_PROCESS)
    assert grant in selection(Settings("image", scenario="a24")).rights.own
    assert grant not in selection(Settings("image", scenario="A1,A2")).rights.own


def test_rows_that_create_roles_do_not_run_in_the_cluster() -> None:
    """Only an administrator may, whatever is permitted."""
    found = selection(Settings("image", Level.FULL, permitted=ALL))
    assert ids(found.administrators) == {"A51", "DOC1"}
    assert not {"clusterroles", "roles"} & {
        grant.resource
        for grant in (*found.rights.cluster, *found.rights.own)
        if set(grant.verbs) - {"get", "list", "watch"}
    }


def test_rows_that_need_the_nfs_server_do_not_run_with_an_existing_source() -> None:
    """The run gets the option, and no more rights."""
    source = SourceChoice(claim=("team", "photos"))
    settings = Settings("image", source=source)
    found = selection(settings)
    assert ids(found.nfs_server) == {"C5"}
    assert found.rights == BASE
    assert "  C5: it counts what the NFS server sends, and stops it" in list(described(found))
    assert settings.arguments()[-2:] == ["--source-claim", "team/photos"]
    assert not selection(Settings("image")).nfs_server


def test_every_row_is_in_one_list() -> None:
    """None is left out without a word."""
    found = selection(Settings("image", Level.FULL))
    listed = [row.id for rows in (found.running, found.disruptive, found.administrators) for row in rows]
    assert sorted(listed) == sorted(row.id for row in discovery.declared())
    text = "\n".join(described(found))
    assert all(row.id in text for row in discovery.declared())
    assert "secrets: create, delete, get, list, patch, watch" in text


@pytest.mark.parametrize(("rows", "says"), [("A1,X9", "no scenario X9"), ("B24", "none of the rows B24")])
def test_what_cannot_run_is_refused(rows: str, says: str) -> None:
    """Before anything is created."""
    with pytest.raises(RefusalError, match=says):
        selection(Settings("image", scenario=rows))
