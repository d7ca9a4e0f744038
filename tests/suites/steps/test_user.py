"""What a user does so that Fluid's controllers reconcile sooner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import HarnessError, InfrastructureError, ProductFailureError
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.system import System
from suites.record.evidence import Evidence
from suites.steps.reconcile import FULL_RECONCILE_DELAY, RECONCILE_ANNOTATION
from suites.steps.user import DATASET, SOURCE, User
from workloads.data import DataFile, Files, one_file
from workloads.pod_commands import ReadResult


class Touched:
    """A Kubernetes access with a manual clock that records patches."""

    def __init__(self, *, refuses: bool = False) -> None:
        """Nothing was touched yet, at second 0."""
        self.seconds = 0.0
        self.refuses = refuses
        self.touched: list[tuple[str, str, float]] = []
        self.clock = SimpleNamespace(now=lambda: self.seconds)

    def patch(self, kind: Kind, name: str, namespace: str, body: dict[str, Any]) -> None:
        """Note it, or refuse."""
        assert namespace == "fc-1"
        assert list(body["metadata"]["annotations"]) == [RECONCILE_ANNOTATION]
        if self.refuses:
            message = "not found"
            raise InfrastructureError(message)
        self.touched.append((kind.name, name, self.seconds))


def a_user(kube: Touched) -> User:
    """A user on that access."""
    system = cast("System", SimpleNamespace(kube=kube))
    return User(system, Evidence(silent=True), "fc-1", folder="/export/smoke", files=one_file("data", 10))


def test_the_first_observation_requests_a_reconcile_and_later_ones_after_a_full_period() -> None:
    """The runtime is annotated at once and then only as often as its controller reconciles in full."""
    kube = Touched()
    observe = a_user(kube).with_reconcile_requests(lambda: "seen")
    for second in range(int(2 * FULL_RECONCILE_DELAY)):
        kube.seconds = float(second)
        assert observe() == "seen"
    assert kube.touched == [
        (kinds.ALLUXIO_RUNTIME.name, DATASET, 0.0),
        (kinds.ALLUXIO_RUNTIME.name, DATASET, FULL_RECONCILE_DELAY + 1),
    ]


def test_a_controller_is_nudged_when_a_sign_says_that_it_is_its_turn_and_never_by_the_clock() -> None:
    """An object is touched once for each change of its sign; two signs do not disturb each other."""
    kube = Touched()
    signs = {"load": 0, "dataset": 0}
    user = a_user(kube)
    observe = user.with_reconcile_at_change(lambda: signs["load"], lambda: 1, "load", kinds.DATA_LOAD)
    observe = user.with_reconcile_at_change(lambda: signs["dataset"], observe, DATASET, kinds.DATASET)
    for second, changed in enumerate(("", "load", "", "dataset", "dataset", "")):
        kube.seconds = 100.0 * second
        if changed:
            signs[changed] += 1
        assert observe() == 1
    load, dataset = (kinds.DATA_LOAD.name, "load"), (kinds.DATASET.name, DATASET)
    assert kube.touched == [(*load, 100.0), (*dataset, 300.0), (*dataset, 400.0)]


def test_a_request_for_a_missing_object_is_ignored() -> None:
    """A request only saves time: one that is refused changes no observation."""
    assert a_user(Touched(refuses=True)).with_reconcile_requests(lambda: "seen")() == "seen"


class Cluster:
    """A Kubernetes that has seen a volume, or bound a claim, only at the second observation."""

    def __init__(self) -> None:
        """Nothing is there."""
        self.applied: list[str] = []
        self.observations: list[int] = []

    @contextmanager
    def changes(self, kind: Kind, namespace: str | None) -> Iterator[None]:
        """Reports no change, so that the next observation is soon."""
        yield None

    def apply(self, manifest: dict[str, Any], **_: Any) -> None:
        """Note its kind."""
        self.applied.append(manifest["kind"])
        if manifest["kind"] == "PersistentVolume":
            assert manifest["spec"]["mountOptions"] == ["nfsvers=4.1"]
        self.observations.append(0)

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Pending at first."""
        self.observations[-1] += 1
        there = "Available" if kind is kinds.VOLUME else "Bound"
        phase = there if self.observations[-1] > 1 else "Pending"
        return {"metadata": {"name": name}, "status": {"phase": phase}}


def test_a_source_claim_is_made_when_its_volume_was_seen() -> None:
    """Kubernetes reads a claim that it saw before its volume again only 15 s later."""
    cluster = Cluster()
    nfs = SimpleNamespace(address="10.0.0.9", mount_options=("nfsvers=4.1",))
    system = cast("System", SimpleNamespace(kube=cluster, nfs=nfs))
    user = User(system, Evidence(silent=True), "fc-1", folder="/export/smoke", files=one_file("data", 10))
    source = user.creates_source()
    assert (source.name, source.mount_options) == (SOURCE, ("nfsvers=4.1",))
    assert cluster.applied == ["PersistentVolume", "PersistentVolumeClaim"]
    assert cluster.observations == [2, 2]


class Served:
    """Observations of an application that reads nothing right, and of the files at the source."""

    def __init__(self, source: dict[str, str]) -> None:
        """The source has these files with their checksums."""
        self.source = source

    def read(self, _: PodSnapshot) -> ReadResult:
        """Another file than those that are there."""
        return ReadResult({"other": "0"}, "")

    def at_the_source(self, folder: str) -> dict[str, str]:
        """All files of the folder."""
        assert folder == "/export/smoke"
        return self.source


@pytest.mark.parametrize(
    ("lost", "error"), [("", ProductFailureError), ("labels/1.txt", InfrastructureError)]
)
def test_source_of_a_dataset_over_a_folder_is_judged_by_all_its_files(
    monkeypatch: pytest.MonkeyPatch, lost: str, error: type[HarnessError]
) -> None:
    """A Dataset that shows one folder is the product's failure, unless the source itself has changed."""
    files = Files(tuple(DataFile(path, 10, "seed") for path in ("labels/1.txt", "train/1.bin")))
    at_source = {path: sum_ for path, sum_ in files.checksums().items() if path != lost}
    monkeypatch.setattr(User, "observer", property(lambda _: Served(at_source)))
    reader = replace(a_user(Touched()), files=files).seeing(files.below("train"))
    assert reader.seeing(files.below("labels")).source_files == files
    with pytest.raises(error):
        reader.reads_right_quietly(PodSnapshot.of({"metadata": {"name": "a9", "namespace": "fc-1"}}))
