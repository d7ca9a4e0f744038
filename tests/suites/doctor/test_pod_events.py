"""`doctor --events`: what is wrong, on the Pod itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from suites.doctor import pod_events
from tests.clusters.stored_objects import StoredObjects
from tests.suites.doctor.doctor_cluster import NOW, Cluster, application

EVENT = kinds.EVENT.path("demo", "w.fluid-doctor.original-claim")


@pytest.fixture
def cluster() -> Cluster:
    """One Pod reads through Fluid, one uses the source."""
    return Cluster.right().add(application("w", "demo-src"), application("r", "demo"))


def test_what_is_wrong_is_an_event_on_its_pod(cluster: Cluster) -> None:
    """And what is right is none."""
    store = StoredObjects()
    assert pod_events.report(store.kube(), cluster.state(), cluster.findings(), NOW) == 1
    assert list(store.objects) == [EVENT]
    event = store.objects[EVENT]
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "NotServedByFluid", 1)
    assert event["involvedObject"]["uid"] == "uid-demo-w"
    (wrong,) = (finding for finding in cluster.findings() if finding.wrong)
    assert event["message"] == f"{wrong} (original-claim)"
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-11-22T12:00:00Z"


def test_the_next_run_renews_it(cluster: Cluster) -> None:
    """One object, however often the doctor runs."""
    store = StoredObjects()
    later = datetime(2026, 11, 22, 12, 10, tzinfo=UTC)
    for when in (NOW, later):
        pod_events.report(store.kube(), cluster.state(), cluster.findings(), when)
    assert list(store.objects) == [EVENT]
    event = store.objects[EVENT]
    assert event["count"] == 2
    assert (event["firstTimestamp"], event["lastTimestamp"]) == (
        "2026-11-22T12:00:00Z",
        "2026-11-22T12:10:00Z",
    )


@pytest.mark.parametrize(("status", "error"), [(403, RefusalError), (409, KubeError)])
def test_a_refusal_is_reported(cluster: Cluster, status: int, error: type[Exception]) -> None:
    """A missing right with the role that grants it."""
    store = StoredObjects()

    def refuse(method: str, path: str) -> None:
        if method == "PATCH":
            raise KubeError("report", status=status, reason="x")

    store.before = refuse
    with pytest.raises(error) as caught:
        pod_events.report(store.kube(), cluster.state(), cluster.findings(), NOW)
    assert status != 403 or "fluid-doctor-events" in str(caught.value)
