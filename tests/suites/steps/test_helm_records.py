"""Helm's records of before an upgrade: a load that is run again, and Secrets that stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from suites.record.evidence import Evidence
from suites.steps import helm_records, leaks
from suites.steps.user import User


def secret(release: str, number: int = 1) -> dict[str, Any]:
    """Helm's record of a release."""
    name = f"sh.helm.release.v1.{release}.v{number}"
    return {"metadata": {"name": name, "labels": {"owner": "helm", "name": release}}}


@dataclass
class Cluster:
    """A namespace.

    Attributes:
        objects: by kind.
        job: uid of the Job of each load.
    """

    objects: dict[Kind, list[dict[str, Any]]] = field(default_factory=dict)
    job: str = "one"
    evidence: Evidence = field(default_factory=lambda: Evidence(silent=True))
    namespace: str = "demo"
    sent: tuple[dict[str, Any], ...] = ()
    loads: list[str] = field(default_factory=list)

    @property
    def user(self) -> User:
        """A user of that namespace."""
        return cast("User", self)

    @property
    def system(self) -> Any:
        """Its API, on a cluster without nodes."""
        return SimpleNamespace(kube=self, nodes=())

    @property
    def observer(self) -> Any:
        """Reads snapshots."""
        return SimpleNamespace(objects=SimpleNamespace(get=self.snapshot, list=lambda *_: ()))

    def snapshot(self, kind: type, name: str, namespace: str = "") -> JobSnapshot | None:
        """The Job of the load; no volume."""
        if kind is not JobSnapshot or name != "before-loader-job" or not self.job:
            return None
        return JobSnapshot.of({"metadata": {"name": name, "uid": self.job}})

    def waits_for_load(self, name: str) -> None:
        """The load ends at once."""
        self.loads.append(name)

    def list(self, kind: Kind, namespace: str, *, labels: str = "") -> list[dict[str, Any]]:
        """All objects of a kind."""
        assert labels in {"", "owner=helm"}
        return self.objects.get(kind, [])

    def get(self, kind: Kind, name: str, namespace: str) -> None:
        """No Dataset is there."""

    def delete(self, kind: Kind, name: str, namespace: str, *, because: str = "") -> None:
        """Delete an object; one that Fluid created only for a reason."""
        assert because, f"{name} was not created by the harness"
        left = [one for one in self.objects[kind] if one["metadata"]["name"] != name]
        assert len(left) == len(self.objects[kind]) - 1
        self.objects[kind] = left


@pytest.mark.parametrize(("job", "again"), [("one", False), ("two", True), ("", True)])
def test_load_that_is_run_again_has_another_job(job: str, again: bool) -> None:
    """The Job of before is there, another one is, or it was deleted; the load is waited for first."""
    cluster = Cluster(job=job)
    helm_records.check_load_under_way(cluster.user, "before", "one")
    assert cluster.loads == ["before"]
    key = helm_records.LOAD_RUN_AGAIN.key
    assert (cluster.evidence.defects_seen, cluster.evidence.defects_gone) == (
        ([key], []) if again else ([], [key])
    )


def test_records_that_stay_are_reported_and_deleted() -> None:
    """Those of the named releases alone, each with its revision."""
    cluster = Cluster({kinds.SECRET: [secret("demo"), secret("before-loader"), secret("another")]})
    helm_records.check_none_left(cluster.user, ("demo", "written", "before-loader"))
    assert cluster.evidence.defects_seen == [helm_records.RECORD_LEFT.key]
    assert "Secret sh.helm.release.v1.before-loader.v1, Secret sh.helm.release.v1.demo.v1" in (
        cluster.evidence.facts[-1].says
    )
    assert [one["metadata"]["labels"]["name"] for one in cluster.objects[kinds.SECRET]] == ["another"]


def test_no_record_left_is_the_defect_gone() -> None:
    """As where helmDriver is secret, or the records are moved."""
    cluster = Cluster()
    helm_records.check_none_left(cluster.user, ("demo",))
    assert cluster.evidence.defects_gone == [helm_records.RECORD_LEFT.key]


def test_defects_of_the_upgrade_are_those_of_an_old_version() -> None:
    """An upgrade from 1.0 must show neither."""
    for one in helm_records.DEFECTS:
        assert one.affected.covers("v0.9.3")
        assert not one.affected.covers("v1.0.8")


def test_another_datasets_claim_is_no_leftover() -> None:
    """Two Datasets of a namespace are distinguished, and a record counts as left of its own Dataset."""
    claim = {"metadata": {"name": "written", "annotations": {"CreatedBy": "fluid"}}}
    cluster = Cluster({kinds.CLAIM: [claim], kinds.SECRET: [secret("demo")]})
    assert leaks.of_dataset(cluster.user, "demo").objects == ("Secret sh.helm.release.v1.demo.v1",)
    assert leaks.of_dataset(cluster.user, "written").objects == ("PersistentVolumeClaim written",)
