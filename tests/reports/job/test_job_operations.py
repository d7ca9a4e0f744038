"""Starting, observing, retrieving and removing a run in the cluster, on an API server in memory."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import HarnessError, RefusalError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.product import fluid
from reports.job import in_pod, manifests, operations
from reports.job.manifests import LABELS, NAMESPACE
from reports.job.settings import Settings
from tests.clusters.stored_objects import StoredObjects

FLUID = kinds.NAMESPACE.path(None, fluid.NAMESPACE)
JOB = kinds.JOB.path(NAMESPACE, "fluid-conformance")


class Cluster(StoredObjects):
    """A cluster whose Pods are deleted with their Job, and everything of a namespace with it."""

    def request(self, method: str, path: str, **more: Any) -> bytes:
        """One request."""
        answer = super().request(method, path, **more)
        if method == "DELETE":
            below = kinds.POD.path(NAMESPACE) if path == JOB else path
            for one in [one for one in self.objects if one.startswith(f"{below}/")]:
                del self.objects[one]
        return answer

    def pod(self, name: str, created: str, **states: dict[str, Any]) -> None:
        """A Pod of a run with the states of its containers."""
        self.put(
            kinds.POD.path(NAMESPACE, name),
            metadata={"name": name, "namespace": NAMESPACE, "labels": LABELS, "creationTimestamp": created},
            status={
                "phase": "Pending",
                "containerStatuses": [{"name": key, "state": state} for key, state in states.items()],
                "conditions": [{"type": "PodScheduled", "status": "False", "message": "no node fits"}],
            },
        )


def objects(**more: Any) -> list[manifests.Manifest]:
    """The objects of a run."""
    return manifests.manifests(Settings("image", **more))


SINCE = "2026-11-28T06:00:00Z"
ENDED = {"terminated": {"exitCode": 1, "message": "Fluid failed 1 of 12", "startedAt": SINCE}}
RUNNING = {"running": {"startedAt": SINCE}}


@pytest.fixture
def cluster() -> Cluster:
    """A cluster with the namespace of Fluid."""
    made = Cluster()
    made.put(FLUID, metadata={"name": fluid.NAMESPACE})
    return made


def test_start_creates_all_objects_without_the_labels_of_a_run(cluster: Cluster) -> None:
    """`cluster down` would remove them otherwise, with a run that waits to be retrieved."""
    operations.start(cluster.kube(), objects())
    assert JOB in cluster.objects
    created = [obj for path, obj in cluster.objects.items() if path != FLUID]
    assert len(created) == len(objects())
    for one in created:
        assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "fluid-conformance-job"


def test_a_cluster_without_fluid_is_refused(cluster: Cluster) -> None:
    """Before anything is created."""
    del cluster.objects[FLUID]
    with pytest.raises(RefusalError, match="has no Fluid"):
        operations.start(cluster.kube(), objects())
    assert cluster.objects == {}


@pytest.mark.parametrize("schedule", ["", "0 3 * * *"])
def test_a_second_run_is_refused(cluster: Cluster, schedule: str) -> None:
    """Its results would be lost."""
    operations.start(cluster.kube(), objects(schedule=schedule))
    with pytest.raises(RefusalError, match=r"there is a .*Job fluid-conformance-job/fluid-conformance"):
        operations.start(cluster.kube(), objects())


def test_status_without_a_run(cluster: Cluster) -> None:
    """Nothing, a schedule, or a Job without its Pod."""
    with pytest.raises(RefusalError, match="there is no run"):
        operations.status(cluster.kube())
    operations.start(cluster.kube(), objects(schedule="0 3 * * *"))
    assert str(operations.status(cluster.kube())) == "waiting: no run yet; its schedule is 0 3 * * *"


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ({}, "waiting: no node fits"),
        (
            {"run": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}},
            "waiting: ErrImagePull: no such image",
        ),
        ({"run": RUNNING, "results": RUNNING}, f"running, started at {SINCE}"),
        (
            {"run": ENDED, "results": RUNNING},
            f"ended with exit code 1, started at {SINCE}: Fluid failed 1 of 12\nresults: can be retrieved",
        ),
        (
            {"run": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "results": ENDED},
            "ended with exit code 137: OOMKilled\nresults: are gone, or in their claim",
        ),
    ],
)
def test_status_of_the_newest_run(cluster: Cluster, states: dict[str, Any], shown: str) -> None:
    """By the containers of its Pod; older runs of a schedule do not count."""
    cluster.pod("older", "2026-11-27T06:00:00Z", run=ENDED)
    cluster.pod("newer", "2026-11-28T06:00:00Z", **states)
    assert str(operations.status(cluster.kube())) == shown


def test_the_doctor_runs_next_to_a_run(cluster: Cluster) -> None:
    """Its objects have other names, and are removed with the others."""
    operations.start(cluster.kube(), objects())
    operations.start(cluster.kube(), manifests.doctor_manifests("image", "*/10 * * * *", ["--metrics"]))
    assert kinds.CRON_JOB.path(NAMESPACE, manifests.DOCTOR) in cluster.objects
    operations.delete(cluster.kube())
    assert list(cluster.objects) == [FLUID]


def results() -> str:
    """What the Pod sends."""
    stored = io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w:gz") as archive:
        text = b"{}"
        entry = tarfile.TarInfo("run-1/verdict.json")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
        link = tarfile.TarInfo("latest")
        link.type, link.linkname = tarfile.SYMTYPE, "run-1"
        archive.addfile(link)
    return base64.b64encode(stored.getvalue()).decode()


def executing(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Sequence[str]], Completed]
) -> list[Sequence[str]]:
    """Let programs in Pods be answered; returns them."""
    ran: list[Sequence[str]] = []

    def run(_: Kube, namespace: str, pod: str, container: str, argv: Sequence[str], **__: Any) -> Completed:
        assert (namespace, pod, container) == (NAMESPACE, "newer", "results")
        ran.append(argv)
        return answer(argv)

    monkeypatch.setattr(Kube, "exec", run)
    return ran


def test_retrieve_copies_the_results_and_lets_the_pod_end(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container that holds them is notified last."""
    cluster.pod("newer", "2026-11-28T06:00:00Z", run=ENDED, results=RUNNING)
    ran = executing(monkeypatch, lambda argv: Completed(tuple(argv), 0, results(), ""))
    folder = operations.retrieve(cluster.kube(), tmp_path / "out")
    assert folder == tmp_path / "out" / "run-1"
    assert (folder / "verdict.json").read_text() == "{}"
    assert ran[-1] == ["touch", f"/signals/{in_pod.RETRIEVED}"]


def test_a_broken_transfer_marks_nothing_as_retrieved(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it can be repeated."""
    cluster.pod("newer", "2026-11-28T06:00:00Z", run=ENDED, results=RUNNING)
    ran = executing(monkeypatch, lambda argv: Completed(tuple(argv), 2, "", "tar: no space"))
    with pytest.raises(HarnessError, match="results cannot be read"):
        operations.retrieve(cluster.kube(), tmp_path / "out")
    assert len(ran) == 1


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ({"run": RUNNING, "results": RUNNING}, "the run has not ended"),
        ({"run": ENDED, "results": ENDED}, "are not held any more"),
    ],
)
def test_results_that_are_not_there_are_refused(
    cluster: Cluster, states: dict[str, Any], says: str, tmp_path: Path
) -> None:
    """With what to do."""
    cluster.pod("newer", "2026-11-28T06:00:00Z", **states)
    with pytest.raises(RefusalError, match=says):
        operations.retrieve(cluster.kube(), tmp_path)


def test_delete_removes_everything_and_the_rights_last(cluster: Cluster) -> None:
    """The teardown of a run that is ended needs them."""
    operations.start(cluster.kube(), objects())
    cluster.pod("newer", "2026-11-28T06:00:00Z", run=RUNNING)
    foreign = kinds.CLUSTER_ROLE.path(None, "foreign")
    cluster.put(foreign, metadata={"name": "foreign"})
    order: list[str] = []
    cluster.before = lambda method, path: order.append(path) if method == "DELETE" else None
    assert operations.delete(cluster.kube())
    assert list(cluster.objects) == [FLUID, foreign]
    assert order[0] == JOB
    assert order[-1] == kinds.NAMESPACE.path(None, NAMESPACE)
    assert not operations.delete(cluster.kube())


def test_foreign_objects_of_these_names_are_not_deleted(cluster: Cluster) -> None:
    """They lack the label."""
    role = kinds.ROLE.path(fluid.NAMESPACE, "fluid-conformance")
    cluster.put(role, metadata={"name": "fluid-conformance", "namespace": fluid.NAMESPACE})
    assert not operations.delete(cluster.kube())
    assert role in cluster.objects
    cluster.put(kinds.NAMESPACE.path(None, NAMESPACE), metadata={"name": NAMESPACE})
    with pytest.raises(RefusalError, match="was not created by `job run`"):
        operations.delete(cluster.kube())


def test_log_of_a_run_that_has_not_started_is_refused(cluster: Cluster) -> None:
    """With why it waits."""
    cluster.pod("newer", "2026-11-28T06:00:00Z")
    with pytest.raises(RefusalError, match="has not started: no node fits"):
        list(operations.log(cluster.kube(), follow=False))
