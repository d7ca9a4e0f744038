"""The command `job`, as a user calls it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import fluid_conformance
from clusters.errors import RefusalError
from clusters.images.offline.harness_image import harness_image
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.product import fluid
from reports.job import command, in_pod, operations
from reports.job.manifests import NAMESPACE
from reports.job.operations import Status
from tests.clusters.stored_objects import StoredObjects


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> StoredObjects:
    """A cluster whose only node has the image of the harness."""
    store = StoredObjects()
    images = [{"names": [harness_image().name]}]
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "images": images}
    store.put("/api/v1/nodes/n1", status=ready)
    store.put(kinds.NAMESPACE.path(None, fluid.NAMESPACE))
    monkeypatch.setattr(Kube, "connect", lambda *_, **__: store.kube())
    return store


def test_run_uses_the_image_that_the_nodes_have(
    cluster: StoredObjects, capsys: pytest.CaptureFixture[str]
) -> None:
    """And creates nothing if they do not have it."""
    assert fluid_conformance.main(["job", "run", "--scenario", "A1,A2"]) == 0
    job = cluster.objects[kinds.JOB.path(NAMESPACE, "fluid-conformance")]
    containers = job["spec"]["template"]["spec"]["containers"]
    assert {one["image"] for one in containers} == {harness_image().name}
    assert "job status" in capsys.readouterr().out


def test_an_image_that_no_node_has_is_refused(
    cluster: StoredObjects, capsys: pytest.CaptureFixture[str]
) -> None:
    """With how to publish it."""
    cluster.objects["/api/v1/nodes/n1"]["status"]["images"] = []
    assert fluid_conformance.main(["job", "run"]) == 2
    assert "clusters.registry push" in capsys.readouterr().err
    assert not any("fluid-conformance" in path for path in cluster.objects)


def test_a_source_that_cannot_serve_is_refused(
    cluster: StoredObjects, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the Job is created; one that can is passed on to the run."""
    words = ["job", "run", "--scenario", "A1", "--source-claim", "team/photos"]
    assert fluid_conformance.main(words) == 2
    assert "there is no claim team/photos" in capsys.readouterr().err
    assert not any("fluid-conformance" in path for path in cluster.objects)
    cluster.put(
        kinds.CLAIM.path("team", "photos"),
        spec={"accessModes": ["ReadWriteMany"], "volumeName": "pv-1"},
        status={"phase": "Bound"},
    )
    cluster.put(kinds.VOLUME.path(None, "pv-1"), spec={"nfs": {"server": "10.0.0.5", "path": "/srv"}})
    assert fluid_conformance.main(words) == 0
    job = cluster.objects[kinds.JOB.path(NAMESPACE, "fluid-conformance")]
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--source-claim") + 1] == "team/photos"


def test_manifest_prints_yaml_without_a_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the image is named."""

    def refuse(*_: Any, **__: Any) -> Kube:
        raise RefusalError("no cluster")

    monkeypatch.setattr(Kube, "connect", refuse)
    words = ["job", "manifest", "--image", "r/h:1", "--schedule", "0 3 * * *", "--", "--window", "30"]
    assert fluid_conformance.main(words) == 0
    *_, cron = yaml.safe_load_all(capsys.readouterr().out)
    assert cron["kind"] == "CronJob"
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"][-2:] == ["--window", "30"]
    assert fluid_conformance.main(["job", "doctor", "--manifest", "--image", "r/h:1", "--", "--metrics"]) == 0
    *_, job = yaml.safe_load_all(capsys.readouterr().out)
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["doctor", "--metrics"]
    assert fluid_conformance.main(["job", "manifest"]) == 2


def test_plan_prints_rows_and_rights(capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no cluster."""
    assert fluid_conformance.main(["job", "plan", "--level", "full"]) == 0
    text = capsys.readouterr().out
    assert "B24: takes Fluid's CSI plugin off every node" in text
    assert "rights in the whole cluster:" in text


@pytest.mark.parametrize("action", ["status", "run"])
def test_waiting_ends_with_the_exit_code_of_the_run(
    cluster: StoredObjects, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a script need not read the verdict."""
    monkeypatch.setattr(operations, "wait_until_ended", lambda *_: Status("p", "ended", exit_code=5))
    assert fluid_conformance.main(["job", action, "--wait"]) == 5


def test_the_pod_calls_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options that follow."""
    called: list[Any] = []

    def part(given: Any) -> int:
        called.append(given)
        return 3

    monkeypatch.setattr(in_pod, "run", part)
    monkeypatch.setattr(in_pod, "hold", part)
    words = ["job", "in-pod", "run", "--", "--kubeconfig", "/k", "--level", "smoke"]
    assert fluid_conformance.main(words) == 3
    assert fluid_conformance.main(["job", "in-pod", "hold", "--keep", "0"]) == 3
    assert called == [["--kubeconfig", "/k", "--level", "smoke"], 0.0]
    assert command.COMMANDS == ("job",)
