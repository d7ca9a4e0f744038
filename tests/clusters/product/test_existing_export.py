"""An existing claim or server as the source: what is accepted, and what is done there."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds, source_folder
from clusters.kubernetes.client import Kube
from clusters.kubernetes.journal import NAME, Journal
from clusters.kubernetes.ownership import HARNESS_NAMESPACE
from clusters.kubernetes.source_folder import CONTAINER, MOUNT, SourceFolder
from clusters.kubernetes.undo import from_json, to_json
from clusters.product import existing_export
from clusters.product.existing_export import ExistingExport, MountSource
from clusters.product.nfs import own_server
from clusters.progress import Progress
from clusters.source_choice import SourceChoice
from clusters.waiting import WaitTimeoutError
from tests.clusters.conftest import FakeClock
from tests.clusters.fake_kube import FakeKube
from tests.clusters.stored_objects import StoredObjects

CHOICE = SourceChoice(claim=("team", "photos"))
BOUND: dict[str, Any] = {
    "spec": {"accessModes": ["ReadWriteMany"], "volumeName": "pv-1"},
    "status": {"phase": "Bound"},
}
NFS = {"nfs": {"server": "10.0.0.5", "path": "/srv/photos"}}


def resolved(claim: dict[str, Any] | None, volume: dict[str, Any] | None) -> MountSource | None:
    """What the choice of this claim comes to."""
    kube = FakeKube()
    if claim is not None:
        kube.add(kinds.CLAIM, "photos", "team", **claim)
    if volume is not None:
        kube.add(kinds.VOLUME, "pv-1", spec=volume)
    return existing_export.resolve(cast("Kube", kube), CHOICE)


def csi(**attributes: str) -> dict[str, Any]:
    """A volume of csi-driver-nfs."""
    return {"csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": attributes}}


@pytest.mark.parametrize(
    ("volume", "source"),
    [
        (NFS, MountSource("10.0.0.5", "/srv/photos")),
        (
            {**NFS, "mountOptions": ["nfsvers=4.1", "hard"]},
            MountSource("10.0.0.5", "/srv/photos", ("nfsvers=4.1", "hard")),
        ),
        (csi(server="nas", share="/vol", subDir="pvc-1"), MountSource("nas", "/vol/pvc-1")),
        (csi(Server="nas", share="/"), MountSource("nas", "/")),
    ],
)
def test_a_claim_comes_to_the_export_of_its_volume(volume: dict[str, Any], source: MountSource) -> None:
    """With the options of its mount."""
    assert resolved(BOUND, volume) == source


def test_a_server_needs_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a run with neither has the server of the harness."""
    kube = cast("Kube", None)
    assert existing_export.resolve(kube, SourceChoice(server="h", path="/p")) == MountSource("h", "/p")
    assert existing_export.resolve(kube, None) is None


PENDING: dict[str, Any] = {**BOUND, "status": {"phase": "Pending"}}
ONCE: dict[str, Any] = {**BOUND, "spec": {**BOUND["spec"], "accessModes": ["ReadWriteOnce"]}}
DELETED: dict[str, Any] = {**BOUND, "metadata": {"deletionTimestamp": "2026-11-28T09:00:00Z"}}


@pytest.mark.parametrize(
    ("claim", "volume", "says"),
    [
        (None, NFS, "there is no claim team/photos"),
        (PENDING, NFS, "claim team/photos is not Bound: its phase is Pending"),
        (DELETED, NFS, "claim team/photos is being deleted"),
        (ONCE, NFS, "does not have access mode ReadWriteMany: it has ReadWriteOnce"),
        (BOUND, None, "volume pv-1 of claim team/photos does not exist"),
        (BOUND, {"hostPath": {"path": "/data"}}, "is not on NFS: it is of kind hostPath"),
        (BOUND, {"csi": {"driver": "fuse.csi.fluid.io"}}, "is not on NFS: .* CSI driver fuse.csi.fluid.io"),
        (BOUND, {"nfs": {**NFS["nfs"], "readOnly": True}}, "is read-only"),
        (BOUND, {**NFS, "mountOptions": ["ro"]}, "is read-only"),
        (BOUND, csi(server="nas"), "does not say which export it is"),
        (BOUND, csi(server="nas", share="/v", subDir="${pvc.metadata.name}"), "does not say which export"),
    ],
)
def test_a_claim_that_cannot_serve_is_refused(
    claim: dict[str, Any] | None, volume: dict[str, Any] | None, says: str
) -> None:
    """In one sentence, before anything is created."""
    with pytest.raises(RefusalError, match=says):
        resolved(claim, volume)


@dataclass
class Nas:
    """A cluster whose Pods see an export that is a folder here.

    Attributes:
        export: that folder.
        store: the objects.
        starts: whether the Pod becomes Ready.
    """

    export: Path
    store: StoredObjects = field(default_factory=StoredObjects)
    starts: bool = True
    clock: FakeClock = field(default_factory=FakeClock)

    def kube(self, run: str = "r1") -> Kube:
        """A client, whose exec runs here."""
        nas = self

        class Client(Kube):
            def apply(self, manifest: Any) -> Any:
                if manifest["kind"] == "Pod" and nas.starts:
                    ready = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
                    manifest = {**manifest, "status": ready}
                return super().apply(manifest)

            def exec(self, namespace: str, pod: str, container: str, argv: Sequence[str], **more: Any) -> Any:
                assert (namespace, container) == (HARNESS_NAMESPACE, CONTAINER)
                assert nas.store.objects[kinds.POD.path(namespace, pod)]
                here = [word.replace(MOUNT, str(nas.export)) if word == MOUNT else word for word in argv]
                done = subprocess.run(here, capture_output=True, text=True, check=False)
                return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

        return Client(cast("Any", self.store), run, clock=self.clock)

    def journal(self, run: str = "r1") -> Journal:
        """The journal, which needs no command on a node."""
        return Journal(self.kube(run), cast("Any", None))

    def use(self, run: str = "r1") -> ExistingExport:
        """What a run does when it begins."""
        source = MountSource("10.0.0.5", "/srv/photos", ("nfsvers=4.1",))
        return existing_export.use(
            self.kube(run), self.journal(run), source, "toolbox:1", Progress(io.StringIO())
        )

    def content(self) -> dict[str, str]:
        """All files of the export."""
        return {
            str(file.relative_to(self.export)): file.read_text()
            for file in self.export.rglob("*")
            if file.is_file()
        }


@pytest.fixture
def nas(tmp_path: Path) -> Nas:
    """An export with files of its user."""
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "deep" / "photo").write_text("a photo")
    (tmp_path / ".hidden").write_text("hidden")
    return Nas(tmp_path)


def test_a_run_works_in_one_folder_and_removes_it(nas: Nas) -> None:
    """Whatever is in it then; the user's files stay as they were, and so does a link to them."""
    before = nas.content()
    export = nas.use()
    assert (export.address, export.root) == ("10.0.0.5", "/srv/photos/fluid-conformance-r1")
    assert export.mount_options == ("nfsvers=4.1",)
    inside = export.inside(export.folder("smoke"))
    assert inside == "/source/fluid-conformance-r1/smoke"
    assert export.volume() == (
        {"persistentVolumeClaim": {"claimName": export.pod}},
        "fluid-conformance-r1",
    )
    folder = nas.export / "fluid-conformance-r1"
    (folder / "smoke" / "deep").mkdir(parents=True)
    (folder / "smoke" / "deep" / "data").write_text("x")
    (folder / "link").symlink_to(nas.export / "mine")
    assert nas.journal("r2").replay(late=False) == ()
    assert folder.exists()
    assert nas.journal("r2").replay(late=True) == ("folder fluid-conformance-r1 is on 10.0.0.5:/srv/photos",)
    assert not folder.exists()
    assert nas.content() == before
    left = [path for path in nas.store.objects if "nfs-source" in path]
    assert left == []


def test_the_pod_mounts_the_export_with_its_options(nas: Nas) -> None:
    """By a volume that is kept, and with attributes that are not cached."""
    export = nas.use()
    volume = nas.store.objects[kinds.VOLUME.path(None, export.pod)]
    assert volume["spec"]["nfs"] == {"server": "10.0.0.5", "path": "/srv/photos"}
    assert volume["spec"]["mountOptions"] == ["nfsvers=4.1", "actimeo=0"]
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert volume["spec"]["claimRef"]["namespace"] == HARNESS_NAMESPACE


def test_a_foreign_folder_of_that_name_is_refused_and_stays(nas: Nas) -> None:
    """Also an empty one, and a link."""
    folder = nas.export / "fluid-conformance-r1"
    for link in (False, True):
        folder.symlink_to(nas.export / "nowhere") if link else folder.mkdir()
        with pytest.raises(RefusalError, match=r"there is a folder fluid-conformance-r1 on .* already"):
            nas.use()
        assert nas.journal().entries() == ()
        assert folder.is_symlink() if link else folder.is_dir()
        folder.unlink() if link else folder.rmdir()


def test_a_folder_that_another_run_created_meanwhile_stays(nas: Nas) -> None:
    """The mark in it is not that of this run, so that it is not removed."""
    step = SourceFolder("10.0.0.5", "/srv/photos", (), "toolbox:1", "fluid-conformance-r1", "mark-1")
    other = replace(step, mark="mark-2")
    kube = nas.kube()
    other.start(kube)
    other.create(kube)
    with pytest.raises(RefusalError, match=r"cannot be created .*File exists"):
        step.create(kube)
    with pytest.raises(InfrastructureError, match="cannot be removed") as caught:
        step.apply(kube, cast("Any", None))
    assert "stays: this run did not create it" in caught.value.last_seen
    assert (nas.export / "fluid-conformance-r1").is_dir()
    other.apply(kube, cast("Any", None))
    assert not (nas.export / "fluid-conformance-r1").exists()


@pytest.mark.parametrize("half", ["nothing", "folder", "removed"])
def test_a_run_that_was_killed_between_two_steps_leaves_nothing(nas: Nas, half: str) -> None:
    """Before its folder, before its mark, and while its folder was removed."""
    before = nas.content()
    export = nas.use()
    folder = nas.export / "fluid-conformance-r1"
    if half == "nothing":
        shutil.rmtree(folder)
    else:
        (folder / ".fluid-conformance").unlink(missing_ok=half == "removed")
    if half == "removed":
        for path in [path for path in nas.store.objects if export.pod in path]:
            del nas.store.objects[path]
    nas.journal("r2").replay(late=True)
    assert not folder.exists()
    assert nas.content() == before
    found = nas.store.objects[kinds.CONFIG_MAP.path(HARNESS_NAMESPACE, NAME)]
    assert not found.get("data")


def test_the_step_survives_json() -> None:
    """Another process takes it."""
    step = SourceFolder("h", "/p", ("hard",), "toolbox:1", "fluid-conformance-r1", "mark")
    assert from_json(to_json(step)) == step


def test_an_export_that_cannot_be_mounted_is_refused(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the kubelet says, and nothing is in the journal."""
    nas.starts = False
    nas.store.put(
        kinds.EVENT.path(HARNESS_NAMESPACE, "e1"),
        type="Warning",
        message="SetUp failed: exit status 32\nMounting arguments: -t nfs\nOutput: mount.nfs: refused",
        involvedObject={"kind": "Pod"},
    )

    def times_out(*_: Any, **given: Any) -> None:
        raise WaitTimeoutError(
            "timed out",
            failure_class=given["failure_class"],
            subject="",
            condition="",
            elapsed=90.0,
            last_seen="Pending",
            advice="",
        )

    monkeypatch.setattr(source_folder, "wait", times_out)
    with pytest.raises(
        RefusalError, match=r"10\.0\.0\.5:/srv/photos cannot be mounted .* 90 s: mount.nfs: refused"
    ):
        nas.use()
    assert nas.journal().entries() == ()


def test_it_is_not_a_server_that_can_be_stopped(nas: Nas) -> None:
    """A scenario that needs one must declare it."""
    with pytest.raises(Exception, match="no NFS server of the harness"):
        own_server(nas.use())
