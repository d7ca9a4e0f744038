from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.host.commands import Completed
from clusters.host.mountinfo import Mount
from tests.clusters.conftest import FakeClock as Clock
from tests.clusters.stored_objects import StoredObjects
from workloads.node_setup import labelled, nfs_mounted

KEY = "fluid.io/f-demo-imagenet"
ROOT = "81 57 0:39 / / rw,relatime shared:3 - overlay overlay rw\n"
FOLDER = "/var/lib/data"
NODE = "/api/v1/nodes/n1"


class Nodes(StoredObjects):
    """One node; it may ignore labels."""

    def __init__(self, labels: Mapping[str, str] | None = None, *, deaf: bool = False) -> None:
        super().__init__()
        self.put(NODE, metadata={"labels": dict(labels or {})})
        self.deaf = deaf

    @property
    def labels(self) -> dict[str, str]:
        """Of the node."""
        found: dict[str, str] = self.objects[NODE]["metadata"]["labels"]
        return found

    def request(self, method: str, path: str, **more: Any) -> bytes:
        """Ignore labels, or change them."""
        if self.deaf and method == "PATCH" and path == NODE:
            return b"{}"
        return super().request(method, path, **more)

    def set(self, key: str, value: str | None, manager: str) -> None:
        """Set a label as another client."""
        self.label(NODE, key, value, manager)


def no_program(argv: Sequence[str], /, *, timeout: float) -> Completed:
    """No program is needed for a label."""
    pytest.fail(f"no {argv[0]} is needed")


def test_label_is_set_and_removed_also_after_an_error() -> None:
    """The node has the label while the context lasts, and not after it, whatever happened."""
    nodes = Nodes({"other": "x"})

    def fail() -> None:
        assert nodes.labels == {"other": "x", KEY: "true"}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), labelled(nodes.journal(no_program), "n1", KEY):
        fail()
    assert nodes.labels == {"other": "x"}


def test_label_that_fluid_sets_as_well_is_still_removed() -> None:
    """If Fluid sets the value that is there already, the label still belongs to the harness."""
    nodes = Nodes()
    with labelled(nodes.journal(no_program), "n1", KEY):
        nodes.set(KEY, "true", "fluid-csi")
    assert KEY not in nodes.labels


def test_label_that_fluid_removed_and_set_again_is_left_to_it() -> None:
    """A label that is recorded as foreign is never removed."""
    nodes = Nodes()
    with labelled(nodes.journal(no_program), "n1", KEY):
        nodes.set(KEY, None, "fluid-csi")
        nodes.set(KEY, "true", "fluid-csi")
    assert nodes.labels[KEY] == "true"


@pytest.mark.parametrize("value", ["true", ""])
def test_label_that_is_there_already_is_refused_and_stays(value: str) -> None:
    """A label that the node has already is foreign."""
    nodes = Nodes({KEY: value})
    with pytest.raises(RefusalError, match="already"), labelled(nodes.journal(no_program), "n1", KEY):
        pytest.fail("the context must not be entered")
    assert nodes.labels == {KEY: value}


def test_label_that_is_not_set_is_reported() -> None:
    """A label that is not there after it was set is an error before anything is judged."""
    with (
        pytest.raises(InfrastructureError, match="could not be set"),
        labelled(Nodes(deaf=True).journal(no_program), "n1", KEY),
    ):
        pytest.fail("the context must not be entered")


class Node:
    """A node that can mount."""

    def __init__(self, fs_type: str = "nfs", *, fails: str = "") -> None:
        self.folders: set[str] = set()
        self.mounts: dict[str, str] = {}
        self.options: list[str] = []
        self.fs_type = fs_type
        self.fails = fails

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Run one of the five programs that are needed."""
        program, last = argv[0], argv[-1]
        if program == self.fails:
            return Completed(tuple(argv), 32, "", f"{program}: no")
        said = ""
        match program:
            case "mkdir":
                self.folders.add(last)
            case "mount":
                self.mounts[last] = argv[-2]
                self.options.extend(argv[3:-2])
            case "sh":
                self.mounts.pop(last, None)
                self.folders.discard(last)
            case "test":
                return Completed(tuple(argv), int(last not in self.folders), "", "")
            case "cat":
                said = ROOT + "".join(map(self._line, self.mounts))
            case _:
                pytest.fail(f"no {program} is needed")
        return Completed(tuple(argv), 0, said, "")

    def _line(self, folder: str) -> str:
        return f"700 81 0:99 / {folder} rw shared:9 - {self.fs_type} {self.mounts[folder]} rw\n"


def test_export_is_mounted_and_unmounted_also_after_an_error() -> None:
    """The folder is on NFS while the context lasts; after it neither mount nor folder are there."""
    node = Node()
    mounting = nfs_mounted(StoredObjects().journal(node, clock=Clock()), "n1", "10.0.0.1", "/export", FOLDER)

    def fail(mount: Mount) -> None:
        assert (mount.mount_point, mount.source) == (FOLDER, "10.0.0.1:/export")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), mounting as mount:
        fail(mount)
    assert not node.mounts
    assert not node.folders


def test_export_is_mounted_with_the_options_that_are_given() -> None:
    """As mount(8) reads them."""
    node = Node()
    journal = StoredObjects().journal(node, clock=Clock())
    with nfs_mounted(journal, "n1", "10.0.0.1", "/export", FOLDER, options=("nfsvers=4.1", "hard")):
        assert node.options == ["-o", "nfsvers=4.1,hard"]


def test_folder_is_deleted_when_nothing_could_be_mounted() -> None:
    """A mount that fails says so, in mount's own words, and leaves no folder."""
    node = Node(fails="mount")
    with (
        pytest.raises(InfrastructureError, match="could not mount") as caught,
        nfs_mounted(StoredObjects().journal(node, clock=Clock()), "n1", "10.0.0.1", "/export", FOLDER),
    ):
        pytest.fail("the context must not be entered")
    assert caught.value.last_seen == "mount: no"
    assert not node.folders


def test_mount_of_another_kind_is_no_mount_of_nfs() -> None:
    """The new mount must be NFS according to the kernel, or nothing is judged."""
    node = Node("ext4")
    with (
        pytest.raises(InfrastructureError, match="not on NFS"),
        nfs_mounted(StoredObjects().journal(node, clock=Clock()), "n1", "10.0.0.1", "/export", FOLDER),
    ):
        pytest.fail("the context must not be entered")
    assert not node.mounts


def test_folder_that_is_there_is_left_alone() -> None:
    """A folder that exists is foreign: it is neither mounted on nor removed."""
    node = Node()
    node.folders.add(FOLDER)
    with (
        pytest.raises(InfrastructureError, match=r"has a folder .* already"),
        nfs_mounted(StoredObjects().journal(node, clock=Clock()), "n1", "10.0.0.1", "/export", FOLDER),
    ):
        pytest.fail("the context must not be entered")
    assert node.folders == {FOLDER}
    assert not node.mounts
