"""One run at a time on a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil
import pytest

from clusters.errors import RefusalError
from clusters.kubernetes import run_lease
from clusters.kubernetes.run_lease import (
    PROCESS,
    RunLease,
    is_dead,
    require_free,
    require_unused,
    this_process,
)
from clusters.kubernetes.write_guard import WriteGuard
from tests.clusters.stored_objects import StoredObjects

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeClock

LEASE = "/apis/coordination.k8s.io/v1/namespaces/fluid-conformance/leases/run"
NAMESPACE = "/api/v1/namespaces/fluid-conformance"
ELSEWHERE = "other-boot pid:[1] 7 1.00"


@pytest.fixture
def store() -> StoredObjects:
    """An empty cluster."""
    return StoredObjects()


def a_lease(store: StoredObjects, clock: FakeClock, run: str = "r1") -> RunLease:
    """The Lease as a run sees it; it is not renewed in the background."""
    clock.on_wait = threading.Event.set
    return RunLease(store.kube(run), clock)


def held_by(store: StoredObjects, process: str, renewed: datetime | None = None) -> None:
    """Somebody holds the Lease."""
    store.put(NAMESPACE, metadata={"labels": {"app.kubernetes.io/managed-by": "fluid-conformance"}})
    when = (renewed or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {
        "holderIdentity": "run r0 of alice on host build-7",
        "leaseDurationSeconds": 60,
        "acquireTime": "2026-11-28T03:14:15.000000Z",
        "renewTime": when,
    }
    store.put(LEASE, metadata={"annotations": {PROCESS: process}}, spec=spec)


def test_a_run_holds_the_lease_until_it_ends(store: StoredObjects, clock: FakeClock) -> None:
    """It says who holds it, and is gone afterwards."""
    with a_lease(store, clock).held():
        spec = store.objects[LEASE]["spec"]
        assert spec["holderIdentity"].startswith("run r1 of ")
        assert spec["holderIdentity"].endswith(f" on host {os.uname().nodename}")
        assert store.objects[LEASE]["metadata"]["labels"]["fluid-conformance/run"] == "r1"
    assert LEASE not in store.objects


def test_a_second_run_is_refused_in_one_sentence(store: StoredObjects, clock: FakeClock) -> None:
    """With who uses the cluster and since when."""
    held_by(store, ELSEWHERE)
    says = "in use by run r0 of alice on host build-7 since 2026-11-28T03:14:15 UTC"
    with pytest.raises(RefusalError, match=says):
        a_lease(store, clock).acquire()
    assert store.objects[LEASE]["metadata"]["annotations"][PROCESS] == ELSEWHERE
    assert clock.slept == []


def test_an_expired_lease_is_watched_and_taken_over(store: StoredObjects, clock: FakeClock) -> None:
    """Its holder had time to renew it."""
    held_by(store, ELSEWHERE, datetime.now(UTC) - timedelta(minutes=5))
    a_lease(store, clock).acquire()
    assert store.objects[LEASE]["spec"]["holderIdentity"].startswith("run r1 of ")
    assert store.objects[LEASE]["spec"]["leaseTransitions"] == 1
    assert sum(clock.slept) >= run_lease.WATCH_SECONDS


def test_a_lease_that_is_renewed_by_a_slow_clock_is_not_taken(store: StoredObjects, clock: FakeClock) -> None:
    """The clock of the other machine is behind: its Lease seems to have expired, and is renewed."""
    old = datetime.now(UTC) - timedelta(minutes=5)
    held_by(store, ELSEWHERE, old)

    def renew(method: str, path: str) -> None:
        if path == LEASE and clock.slept:
            held_by(store, ELSEWHERE, old)

    store.before = renew
    with pytest.raises(RefusalError, match="in use by run r0"):
        a_lease(store, clock).acquire()


def test_the_lease_of_a_process_that_ended_here_is_taken_over_at_once(
    store: StoredObjects, clock: FakeClock
) -> None:
    """A killed run needs no time to expire on its own machine."""
    here = this_process().rsplit(" ", 2)[0]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        known = f"{here} {process.pid} {psutil.Process(process.pid).create_time():.2f}"
        assert not is_dead(known)
        held_by(store, known)
        with pytest.raises(RefusalError):
            a_lease(store, clock).acquire()
        process.kill()
    assert is_dead(known)
    assert is_dead(f"{here} {os.getpid()} 1.00"), "its id belongs to another process now"
    a_lease(store, clock).acquire()
    assert clock.slept == []


@pytest.mark.parametrize("process", ["", "x", ELSEWHERE, "a b c d e"])
def test_a_process_of_another_machine_is_not_known_to_be_dead(process: str) -> None:
    """Only its Lease can expire."""
    assert not is_dead(process)


def test_of_two_runs_that_start_together_one_gets_it(store: StoredObjects, clock: FakeClock) -> None:
    """The conflict refuses the other one."""

    def first(method: str, path: str) -> None:
        if method == "POST" and path.endswith("leases"):
            store.before = lambda method, path: None
            held_by(store, ELSEWHERE)

    store.before = first
    with pytest.raises(RefusalError, match="in use by run r0"):
        a_lease(store, clock).acquire()


def test_a_run_that_lost_its_lease_writes_nothing_more(store: StoredObjects, clock: FakeClock) -> None:
    """Another one took it over, such as while this machine slept."""
    store.guard = WriteGuard("fluid-system")
    lease = RunLease(store.kube(), clock)
    clock.on_wait = lambda event: held_by(store, ELSEWHERE)
    lease.acquire()
    assert lease._thread is not None
    lease._thread.join(5)
    assert "held by run r0 of alice" in store.guard.closed
    lease.release()
    assert LEASE in store.objects


def test_a_lease_is_renewed(store: StoredObjects, clock: FakeClock) -> None:
    """While the run lives."""
    lease = RunLease(store.kube(), clock)
    waits = iter([False, False])

    def on_wait(event: threading.Event) -> None:
        if next(waits, None) is None:
            event.set()

    clock.on_wait = on_wait
    lease.acquire()
    assert lease._thread is not None
    lease._thread.join(5)
    assert store.objects[LEASE]["spec"]["renewTime"] > store.objects[LEASE]["spec"]["acquireTime"]


def test_a_namespace_that_is_being_deleted_is_waited_for(store: StoredObjects, clock: FakeClock) -> None:
    """The run before has just ended."""
    labels = {"app.kubernetes.io/managed-by": "fluid-conformance"}
    store.put(NAMESPACE, metadata={"labels": labels, "deletionTimestamp": "now"})
    lease = a_lease(store, clock)

    def end(method: str, path: str) -> None:
        if len(clock.slept) > 2:
            store.objects.pop(NAMESPACE, None)
            store.before = lambda method, path: None

    store.before = end
    lease.acquire()
    assert LEASE in store.objects


def test_a_foreign_namespace_is_refused(store: StoredObjects) -> None:
    """The harness needs its own namespace, and touches none that it did not create."""
    require_free(store.kube())
    store.put(NAMESPACE, metadata={"labels": {"app.kubernetes.io/managed-by": "fluid-conformance"}})
    require_free(store.kube())
    store.put(NAMESPACE)
    with pytest.raises(RefusalError, match="did not create"):
        require_free(store.kube())


def test_whether_a_run_uses_the_cluster_can_be_asked(store: StoredObjects) -> None:
    """Without acquiring anything; a Lease that has expired is nobody's."""
    require_unused(store.kube())
    held_by(store, ELSEWHERE, datetime.now(UTC) - timedelta(minutes=5))
    require_unused(store.kube())
    held_by(store, ELSEWHERE)
    with pytest.raises(RefusalError, match="in use by run r0"):
        require_unused(store.kube())
