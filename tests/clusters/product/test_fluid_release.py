"""Which run installed Fluid's helm release, and when it is uninstalled."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest

from clusters.kubernetes import kinds
from clusters.kubernetes.ownership import MANAGED_BY, MANAGED_BY_LABEL
from clusters.product import fluid, fluid_release
from clusters.product.helm import Helm
from clusters.progress import Progress
from tests.clusters.fakes import FakeCommands
from tests.clusters.release_records import record
from tests.clusters.stored_objects import StoredObjects


def dataset(store: StoredObjects, namespace: str, **labels: str) -> None:
    """Store a Dataset."""
    meta = {"name": "demo", "namespace": namespace, "labels": labels}
    store.put(kinds.DATASET.path(namespace, "demo"), metadata=meta)


def test_the_run_that_installed_fluid_is_in_the_values_of_its_release() -> None:
    """From the first record on, which helm writes before the first object."""
    store = StoredObjects()
    assert fluid_release.installed_by(store.kube()) == ""
    record(store, fluid_release.marked({"csi": {}}, "r7"))
    record(store, {}, release="team")
    assert fluid_release.installed_by(store.kube()) == "r7"


@pytest.mark.parametrize("values", [{"csi": {}}, {}, None])
def test_a_release_of_others_has_no_run(values: Any) -> None:
    """Whatever values it was installed with."""
    store = StoredObjects()
    record(store, values)
    assert fluid_release.installed_by(store.kube()) == ""


@pytest.mark.parametrize("content", ["", "%", base64.b64encode(b"text").decode()])
def test_a_record_that_cannot_be_read_is_foreign(content: str) -> None:
    """Nothing is uninstalled because of it."""
    store = StoredObjects()
    record(store, fluid_release.marked({}, "r7"))
    path = kinds.SECRET.path(fluid.NAMESPACE, "sh.helm.release.v1.fluid.v1")
    store.objects[path]["data"]["release"] = content
    assert fluid_release.installed_by(store.kube()) == ""


def test_a_release_that_was_upgraded_since_belongs_to_who_did_that() -> None:
    """Helm keeps the values of before, and so the mark, with --reuse-values."""
    store = StoredObjects()
    for revision in (1, 2):
        record(store, fluid_release.marked({}, "r7"), revision=revision)
    assert fluid_release.installed_by(store.kube()) == ""
    first = kinds.SECRET.path(fluid.NAMESPACE, "sh.helm.release.v1.fluid.v1")
    del store.objects[first]  # helm keeps only so many revisions
    assert fluid_release.installed_by(store.kube()) == ""


@pytest.mark.parametrize("foreign", [False, True])
def test_fluid_that_others_use_stays(foreign: bool) -> None:
    """Without it, their Datasets could not be deleted any more; the message says who they are."""
    store, commands, said = StoredObjects(), FakeCommands(), io.StringIO()
    dataset(store, "fc-1", **{MANAGED_BY_LABEL: MANAGED_BY})
    if foreign:
        dataset(store, "team")
    release = fluid.release(Helm(Path("/usr/bin/helm"), commands), Path("/kc"))
    assert fluid_release.uninstall(store.kube(), release, Progress(said)) is not foreign
    assert bool(commands.asked("helm", "uninstall")) is not foreign
    assert ("Dataset team/demo" in said.getvalue().replace("\n", " ")) is foreign


def test_what_fluid_created_for_a_dataset_of_the_harness_is_not_foreign() -> None:
    """Such as the ThinRuntime of a Dataset that refers to another one, which has no label of the harness."""
    store, commands = StoredObjects(), FakeCommands()
    store.put("/api/v1/namespaces/fc-1", metadata={"name": "fc-1", "labels": {MANAGED_BY_LABEL: MANAGED_BY}})
    meta = {"name": "refers", "namespace": "fc-1"}
    store.put(kinds.THIN_RUNTIME.path("fc-1", "refers"), metadata=meta)
    release = fluid.release(Helm(Path("/usr/bin/helm"), commands), Path("/kc"))
    assert fluid_release.uninstall(store.kube(), release, Progress(io.StringIO()))
