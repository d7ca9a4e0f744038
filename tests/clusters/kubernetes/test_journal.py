"""The journal: whatever ends a run, the next one undoes what it changed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from clusters.disruption import Disruption
from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.journal import NAME, Journal
from clusters.kubernetes.undo import NodeCommand, NodeFolders, Patch
from clusters.kubernetes.write_guard import WriteGuard
from tests.clusters.stored_objects import StoredObjects

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeClock

FLUID = "fluid-system"
WEBHOOK = f"/apis/apps/v1/namespaces/{FLUID}/deployments/fluid-webhook"
PLUGIN = f"/apis/apps/v1/namespaces/{FLUID}/daemonsets/csi-nodeplugin-fluid"
NODE = "/api/v1/nodes/n1"
ENTRIES = f"/api/v1/namespaces/fluid-conformance/configmaps/{NAME}"


class Killed(BaseException):
    """The process is killed: no statement after it runs."""


class Cluster:
    """A cluster with a webhook, a CSI plugin, and a node with a process."""

    def __init__(self, clock: FakeClock) -> None:
        self.store = StoredObjects()
        self.clock = clock
        self.running = True
        self.folder = False
        self.store.put(WEBHOOK, spec={"replicas": 2})
        self.store.put(PLUGIN, spec={"template": {"spec": {"containers": []}}})
        self.store.put(NODE, metadata={"name": "n1", "labels": {"zone": "a"}})

    def node_exec(
        self, node: str, argv: Sequence[str], /, *, timeout: float, changes: Disruption
    ) -> Completed:
        """Stop or continue the process, or remove the folder."""
        if "rm -rf" in " ".join(argv):
            self.folder = False
        else:
            self.running = argv[0] == "continue"
        return Completed(tuple(argv), 0, "", "")

    def journal(self, run: str = "r1") -> Journal:
        """The journal as a run sees it."""
        return Journal(self.store.kube(run, clock=self.clock), self.node_exec)

    def dump(self) -> dict[str, Any]:
        """All objects, without the journal, versions, and the namespace of the harness."""
        found = copy.deepcopy(self.store.objects)
        for path, obj in list(found.items()):
            for name in ("resourceVersion", "managedFields"):
                obj["metadata"].pop(name, None)
            if "fluid-conformance" in path:
                del found[path]
        return {**found, "running": self.running}


@pytest.fixture
def cluster(clock: FakeClock) -> Cluster:
    """A cluster."""
    return Cluster(clock)


def disrupt(journal: Journal) -> None:
    """Change all that a run may change, one inside the other, and undo it."""
    kube = journal.kube
    selector = {"spec": {"template": {"spec": {"nodeSelector": {"nowhere": "true"}}}}}
    with (
        journal.patched(kinds.DEPLOYMENT, "fluid-webhook", FLUID, {"spec": {"replicas": 0}}),
        journal.patched(kinds.DAEMON_SET, "csi-nodeplugin-fluid", FLUID, selector),
        journal.patched(kinds.NODE, "n1", None, {"metadata": {"labels": {"zone": None, "x": "y"}}}),
        journal.undoing("a process is stopped", NodeCommand("n1", ("continue",))),
    ):
        journal.node_exec("n1", ("stop",), timeout=1, changes=Disruption.NODE)
        kube.patch(kinds.NODE, "n1", None, {"metadata": {"annotations": {"seen": "yes"}}})
        kube.patch(kinds.NODE, "n1", None, {"metadata": {"annotations": None}})


def test_a_change_is_undone_and_leaves_no_entry(cluster: Cluster) -> None:
    """Also after an error."""
    before = cluster.dump()
    disrupt(cluster.journal())
    assert cluster.dump() == before
    with (
        pytest.raises(ValueError, match="failed"),
        cluster.journal().patched(kinds.DEPLOYMENT, "fluid-webhook", FLUID, {"spec": {"replicas": 0}}),
    ):
        raise ValueError("failed")
    assert cluster.dump() == before
    assert cluster.journal().entries() == ()


def requests_of_a_disruptive_run(clock: FakeClock) -> int:
    """How many requests a run sends that is not killed."""
    whole = Cluster(clock)
    count = 0

    def add(method: str, path: str) -> None:
        nonlocal count
        count += 1

    whole.store.before = add
    disrupt(whole.journal())
    return count


def test_a_run_that_is_killed_at_any_request_is_undone_by_the_next(clock: FakeClock) -> None:
    """Killed before each of its requests in turn: the next run brings back every object."""
    for moment in range(requests_of_a_disruptive_run(clock)):
        cluster = Cluster(clock)
        before = cluster.dump()
        left = iter(range(moment))

        def die(method: str, path: str, left: Any = left) -> None:
            if next(left, None) is None:
                raise Killed

        cluster.store.before = die
        with pytest.raises(Killed):
            disrupt(cluster.journal("killed"))
        cluster.store.before = lambda method, path: None
        cluster.journal("next").replay(late=True)
        after = cluster.dump()
        after[NODE]["metadata"].pop("annotations", None)  # not in the journal
        assert after == before, f"killed before request {moment}"
        assert cluster.journal().entries() == ()


def test_nothing_is_changed_when_the_journal_cannot_be_written(cluster: Cluster) -> None:
    """The entry comes first."""
    before = cluster.dump()

    def refuse(method: str, path: str) -> None:
        if path == ENTRIES and method == "PATCH":
            raise KubeError("patch the journal", status=403, reason="Forbidden")

    cluster.store.before = refuse
    with (
        pytest.raises(KubeError),
        cluster.journal().patched(kinds.DEPLOYMENT, "fluid-webhook", FLUID, {"spec": {"replicas": 0}}),
    ):
        raise AssertionError
    assert cluster.dump() == before


def test_undoing_is_tried_again_until_it_works(cluster: Cluster) -> None:
    """An API server that does not answer for a while, such as after a restart."""
    failures = iter(range(5))

    def fail(method: str, path: str) -> None:
        if path == WEBHOOK and method == "PATCH" and next(failures, None) is not None:
            raise KubeError("patch", said="connection refused")

    before = cluster.dump()
    with cluster.journal().patched(kinds.DEPLOYMENT, "fluid-webhook", FLUID, {"spec": {"replicas": 0}}):
        cluster.store.before = fail
    assert cluster.dump() == before


def test_what_cannot_be_undone_stays_in_the_journal(cluster: Cluster) -> None:
    """The others are undone; the error names what is left."""

    def fail(method: str, path: str) -> None:
        if path == WEBHOOK:
            raise KubeError("patch", said="connection refused")

    journal = cluster.journal()
    journal.undo_at_the_end("the webhook", Patch.of(kinds.DEPLOYMENT, "fluid-webhook", FLUID, {}))
    journal.undo_at_the_end("a process", NodeCommand("n1", ("continue",)))
    cluster.running = False
    cluster.store.before = fail
    with pytest.raises(InfrastructureError, match="1 changes could not be undone: the webhook"):
        journal.replay(late=True)
    assert cluster.running
    assert [entry.says for entry in journal.entries()] == ["the webhook"]


def test_what_must_stay_for_the_objects_of_a_run_is_undone_last(cluster: Cluster) -> None:
    """Such as a controller that Fluid needs to delete them."""
    journal = cluster.journal()
    journal.undo_at_the_end("a process", NodeCommand("n1", ("continue",)))
    assert journal.replay(late=False) == ()
    assert journal.replay(late=True) == ("a process",)


def test_undoing_needs_no_permission(cluster: Cluster) -> None:
    """A run that may disturb nothing undoes what another one left."""
    cluster.journal().undo_at_the_end(
        "the webhook", Patch.of(kinds.DEPLOYMENT, "fluid-webhook", FLUID, {"spec": {"replicas": 3}})
    )
    cluster.store.guard = WriteGuard(FLUID)
    cluster.store.put(f"/api/v1/namespaces/{FLUID}")
    cluster.journal("next").replay(late=True)
    assert cluster.store.objects[WEBHOOK]["spec"] == {"replicas": 3}


def test_a_missing_object_is_reported_before_anything_is_written(cluster: Cluster) -> None:
    """There is nothing to change."""
    with (
        pytest.raises(InfrastructureError, match="there is no Deployment fluid-system/other"),
        cluster.journal().patched(kinds.DEPLOYMENT, "other", FLUID, {}),
    ):
        raise AssertionError


def test_an_entry_that_cannot_be_read_is_not_lost(cluster: Cluster) -> None:
    """A person decides."""
    cluster.store.put(ENTRIES, data={"r1.x": "{"})
    with pytest.raises(HarnessError, match=r"entry r1\.x .* cannot be read"):
        cluster.journal().replay(late=True)
    assert cluster.store.objects[ENTRIES]["data"] == {"r1.x": "{"}


def test_a_change_that_objects_of_the_run_can_repeat_is_undone_after_them(cluster: Cluster) -> None:
    """After a kill; a run that goes on undoes it at once."""
    step = NodeFolders("n1", ("/var/lib/fluid-conformance-1",))
    with cluster.journal().undoing("a folder is created", step):
        cluster.folder = True
    assert not cluster.folder
    assert cluster.journal().entries() == ()
    changing = cluster.journal().undoing("a folder is created", step)
    changing.__enter__()
    cluster.folder = True
    # Killed here.
    assert cluster.journal("r2").replay(late=False) == ()
    assert cluster.folder
    assert cluster.journal("r2").replay(late=True) == ("a folder is created",)
    assert not cluster.folder
