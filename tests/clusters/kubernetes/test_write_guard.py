"""Writes to a cluster that others use: those that are not declared are refused before they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clusters.disruption import ALL, Disruption
from clusters.errors import InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.ownership import MANAGED_BY, MANAGED_BY_LABEL
from clusters.kubernetes.write_guard import UndeclaredWriteError, WriteGuard, only_reads

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

FLUID = "fluid-system"
LABELS = {"metadata": {"labels": {MANAGED_BY_LABEL: MANAGED_BY}}}
REPLICAS = {"spec": {"replicas": 0}}


@pytest.fixture
def guard(kube: Kube, api: FakeApi) -> WriteGuard:
    """A guard for a cluster with the harness's namespace fc-1, Fluid's, and that of a team."""
    api.answer("GET", "/api/v1/namespaces/fc-1", LABELS)
    for foreign in (FLUID, "team", "kube-system"):
        api.answer("GET", f"/api/v1/namespaces/{foreign}", {"metadata": {"name": foreign}})
    kube.connection.guard = WriteGuard(FLUID)
    return kube.connection.guard


def test_objects_in_the_harness_namespaces_may_be_changed(
    api: FakeApi, kube: Kube, guard: WriteGuard
) -> None:
    """The namespace is read once; afterwards it is known."""
    api.answer("PATCH", "/api/v1/namespaces/fc-1/pods/a", {})
    for _ in range(2):
        kube.patch(kinds.POD, "a", "fc-1", {"metadata": {"labels": {"x": "y"}}})
    assert len(api.asked("GET", "/api/v1/namespaces/fc-1")) == 1
    assert guard.take_refused() == ()


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "body", "disturbs"),
    [
        (kinds.DEPLOYMENT, "fluid-webhook", FLUID, REPLICAS, Disruption.FLUID_COMPONENTS),
        (kinds.NODE, "n1", None, {"metadata": {"labels": {"a": "b"}}}, Disruption.NODE_LABELS),
        (kinds.NODE, "n1", None, {"spec": {"taints": []}}, Disruption.NODE),
        (kinds.CLUSTER_ROLE, "csi", None, {"rules": []}, Disruption.FLUID_COMPONENTS),
    ],
)
def test_a_foreign_object_is_changed_only_if_its_kind_is_permitted(
    *,
    api: FakeApi,
    kube: Kube,
    guard: WriteGuard,
    kind: kinds.Kind,
    name: str,
    namespace: str | None,
    body: dict[str, Any],
    disturbs: Disruption,
) -> None:
    """Without permission nothing is sent, and the refusal is remembered; other permissions do not help."""
    path = kind.path(namespace, name)
    api.answer("GET", path, {"metadata": {"annotations": {"meta.helm.sh/release-namespace": FLUID}}})
    api.answer("PATCH", path, {})
    with guard.permitting(ALL - {disturbs}), pytest.raises(UndeclaredWriteError, match=disturbs.value):
        kube.patch(kind, name, namespace, body)
    assert api.asked("PATCH", path) == []
    assert len(guard.take_refused()) == 1
    with guard.permitting(frozenset({disturbs})):
        kube.patch(kind, name, namespace, body)
    assert len(api.asked("PATCH", path)) == 1
    assert guard.take_refused() == ()


def test_objects_of_others_are_never_changed(api: FakeApi, kube: Kube, guard: WriteGuard) -> None:
    """No declaration permits a change in the namespace of a team, or of its cluster-wide objects."""
    api.answer("GET", "/api/v1/namespaces/team/pods/a", {"metadata": {"uid": "1"}})
    api.answer("GET", "/api/v1/persistentvolumes/theirs", {"spec": {"claimRef": {"namespace": "team"}}})
    api.answer("GET", kinds.CLUSTER_ROLE.path(name="admin"), {"metadata": {}})
    with guard.permitting(ALL):
        for kind, name, namespace in (
            (kinds.POD, "a", "team"),
            (kinds.VOLUME, "theirs", None),
            (kinds.CLUSTER_ROLE, "admin", None),
            (kinds.NAMESPACE, "team", None),
        ):
            with pytest.raises(UndeclaredWriteError, match="no scenario may change"):
                kube.delete(kind, name, namespace, because="a test")
    assert len(guard.take_refused()) == 4


def test_a_volume_of_a_claim_of_the_harness_is_its_own(api: FakeApi, kube: Kube, guard: WriteGuard) -> None:
    """Fluid creates it without the harness's label."""
    volume = {"metadata": {}, "spec": {"claimRef": {"namespace": "fc-1"}}}
    api.answer("GET", "/api/v1/persistentvolumes/fc-1-demo", volume)
    api.answer("DELETE", "/api/v1/persistentvolumes/fc-1-demo", {})
    kube.delete(kinds.VOLUME, "fc-1-demo", because="the user follows the diagnosis")
    assert guard.take_refused() == ()


def test_questions_are_no_writes(api: FakeApi, kube: Kube, guard: WriteGuard) -> None:
    """A dry run, and a question about rights, change nothing."""
    api.answer("POST", "/api/v1/namespaces/team/pods", {})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "team"}}
    kube.would_create(pod)
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    api.answer("POST", reviews, {})
    kube.connection.request("POST", reviews, what="ask what may be done")
    assert guard.take_refused() == ()


def test_restoring_is_always_permitted(api: FakeApi, kube: Kube, guard: WriteGuard) -> None:
    """What was changed is restored although the scenario that declared it has ended."""
    path = kinds.DEPLOYMENT.path(FLUID, "fluid-webhook")
    api.answer("PATCH", path, {})
    with guard.restoring():
        kube.patch(kinds.DEPLOYMENT, "fluid-webhook", FLUID, REPLICAS)
    assert len(api.asked("PATCH", path)) == 1


def test_nothing_is_written_after_the_cluster_was_lost(api: FakeApi, kube: Kube, guard: WriteGuard) -> None:
    """Another run may use the cluster by then."""
    guard.closed = "another run has taken it over"
    with pytest.raises(InfrastructureError, match="taken it over"):
        kube.patch(kinds.POD, "a", "fc-1", {})


def test_exec_in_a_foreign_pod_needs_permission(kube: Kube, guard: WriteGuard) -> None:
    """A command may change anything, so it is a write."""
    with pytest.raises(UndeclaredWriteError, match="kill 1"):
        kube.exec(FLUID, "webhook", "manager", ["kill", "1"], timeout=1)
    with guard.permitting(ALL), pytest.raises(UndeclaredWriteError, match="no scenario may change"):
        kube.exec("team", "app", "main", ["true"], timeout=1)


@pytest.mark.parametrize(
    ("argv", "changes", "disturbs"),
    [
        (("cat", "/proc/self/mountinfo"), None, None),
        (("find", "/dev/shm", "-type", "f"), None, None),
        (("find", "/dev/shm", "-delete"), None, Disruption.NODE),
        (("rm", "-rf", "/dev/shm/x"), None, Disruption.NODE),
        (("rm", "-rf", "/dev/shm/x"), Disruption.NOTHING, None),
        (("sh", "-c", "cat /etc/hosts"), None, Disruption.NODE),
        (("mount", "-t", "nfs", "a:/b", "/c"), Disruption.NODE, Disruption.NODE),
        (("sh", "-c", "echo 3 > /proc/sys/vm/drop_caches"), Disruption.NOTHING, Disruption.NODE_CACHE),
    ],
)
def test_commands_on_nodes_are_judged_by_what_they_change(
    argv: tuple[str, ...], changes: Disruption | None, disturbs: Disruption | None
) -> None:
    """A program that is not known to read only changes the node, unless the caller says what it changes."""
    guard = WriteGuard(FLUID)
    if disturbs is None:
        guard.check_node_command("n1", argv, changes)
        return
    with pytest.raises(UndeclaredWriteError, match=disturbs.value):
        guard.check_node_command("n1", argv, changes)
    with guard.permitting(frozenset({disturbs})):
        guard.check_node_command("n1", argv, changes)


def test_an_empty_command_is_not_known_to_read() -> None:
    """Only named programs are."""
    assert not only_reads(())
