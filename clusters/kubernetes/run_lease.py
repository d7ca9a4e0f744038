"""One run at a time on a cluster: a Lease that names who uses it.

A run renews its Lease while it lives. The Lease of a dead run is taken over: at once if its process was on
this machine and has ended, otherwise when it was not renewed for its duration.
"""

from __future__ import annotations

import getpass
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, HarnessError, InfrastructureError, RefusalError
from clusters.kubernetes.client import Kube, Object
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import at, number, text
from clusters.kubernetes.kinds import LEASE, NAMESPACE
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, harness_namespace, is_managed
from clusters.waiting import wait

log = logging.getLogger(__name__)

NAME: Final = "run"
#: Seconds after which a Lease that is not renewed has expired, and between two renewals.
DURATION_SECONDS: Final = 60
RENEW_SECONDS: Final = 15.0
#: Seconds for which an expired Lease is watched before it is taken over: clocks of two machines may differ.
WATCH_SECONDS: Final = 20.0
#: Seconds until the namespace of a run that ends is gone.
GONE_SECONDS: Final = 120.0

#: Annotation with the process that holds the Lease.
PROCESS: Final = "fluid-conformance/process"
_CONFLICT: Final = 409
_ATTEMPTS: Final = 5


def this_process() -> str:
    """Identifies this process among all of all machines: boot, process namespace, id and start."""
    process = psutil.Process()
    return f"{_here()} {process.pid} {process.create_time():.2f}"


def is_dead(process: str) -> bool:
    """Whether a process is known to have ended; False for one of another machine."""
    here, _, own = process.rpartition(" ")[0].rpartition(" ")
    started = process.rpartition(" ")[2]
    if here != _here() or not own.isdecimal():
        return False
    try:
        return f"{psutil.Process(int(own)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True


def _here() -> str:
    """This machine since its boot, and the namespace of process ids in it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{boot.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{os.uname().nodename} -"


@dataclass
class RunLease:
    """The Lease of a cluster, for one run.

    Attributes:
        kube: the cluster.
        clock: replaced by tests.
    """

    kube: Kube
    clock: Clock = SYSTEM_CLOCK
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    @property
    def holder(self) -> str:
        """Who holds it, such as ``run 20261128-031415 of alice on host build-7``."""
        return f"run {self.kube.run} of {_user()} on host {os.uname().nodename}"

    def acquire(self) -> None:
        """Take the Lease, and renew it until `release`.

        Raises:
            RefusalError: another run uses the cluster.
            InfrastructureError: the namespace of a run that ended is not deleted in time.
        """
        self._create_namespace()
        for _ in range(_ATTEMPTS):
            if self._try():
                self._thread = threading.Thread(target=self._renew, name="renew-lease", daemon=True)
                self._thread.start()
                return
        raise InfrastructureError(f"the Lease {HARNESS_NAMESPACE}/{NAME} changes all the time")

    def stop_renewing(self) -> None:
        """Renew it no more: the harness's namespace will be deleted, or the cluster."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=RENEW_SECONDS)

    def release(self) -> None:
        """Give it up, if it is still held.

        Raises:
            HarnessError: it could not be deleted.
        """
        self.stop_renewing()
        found = self.kube.get(LEASE, NAME, HARNESS_NAMESPACE)
        if found is not None and self._holds(found):
            self.kube.delete(LEASE, NAME, HARNESS_NAMESPACE)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The Lease is held while the context lasts.

        Raises:
            RefusalError: another run uses the cluster.
        """
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _holds(self, lease: Object) -> bool:
        return text(lease, "metadata", "annotations", PROCESS) == this_process()

    def _create_namespace(self) -> None:
        def observe() -> Object | None:
            return self.kube.get(NAMESPACE, HARNESS_NAMESPACE)

        wait(
            observe,
            lambda seen: seen is None or at(seen, "metadata", "deletionTimestamp") is None,
            subject=f"namespace {HARNESS_NAMESPACE}",
            condition="deletion after the run before",
            timeout=GONE_SECONDS,
            delay=1.0,
            describe=lambda seen: text(seen, "status", "phase") or "gone",
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"kubectl describe namespace {HARNESS_NAMESPACE} says what holds it",
            clock=self.clock,
        )
        require_free(self.kube)
        self.kube.apply(harness_namespace())

    def _try(self) -> bool:
        """One attempt; False if another client was faster."""
        found = self.kube.get(LEASE, NAME, HARNESS_NAMESPACE)
        if found is None:
            return self._write(lambda: self.kube.create(self._manifest(0)))
        if not self._holds(found):
            self._require_dead(found)
            log.info("the Lease of a dead run is taken over: %s", text(found, "spec", "holderIdentity"))
        taken = self._manifest(number(found, "spec", "leaseTransitions") + 1)
        version = found["metadata"]["resourceVersion"]
        body = {"metadata": {**taken["metadata"], "resourceVersion": version}, "spec": taken["spec"]}
        return self._write(lambda: self.kube.patch(LEASE, NAME, HARNESS_NAMESPACE, body))

    def _write(self, write: Callable[[], Object]) -> bool:
        try:
            write()
        except KubeError as error:
            if error.status == _CONFLICT:
                return False
            raise
        return True

    def _manifest(self, transitions: int) -> dict[str, Any]:
        now = _micro_time(datetime.now(UTC))
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {
                "name": NAME,
                "namespace": HARNESS_NAMESPACE,
                "annotations": {PROCESS: this_process()},
            },
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": DURATION_SECONDS,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }

    def _require_dead(self, lease: Object) -> None:
        """Refuse the cluster unless the holder of its Lease is dead."""
        if is_dead(text(lease, "metadata", "annotations", PROCESS)):
            return
        if not _expired(lease) or self._is_renewed(lease):
            raise _in_use(lease)

    def _is_renewed(self, lease: Object) -> bool:
        """Whether somebody renews a Lease that seems to have expired by the clock of this machine."""
        version = lease["metadata"]["resourceVersion"]
        end = self.clock.now() + WATCH_SECONDS
        while self.clock.now() < end:
            self.clock.sleep(1.0)
            found = self.kube.get(LEASE, NAME, HARNESS_NAMESPACE)
            if found is None or found["metadata"]["resourceVersion"] != version:
                return found is not None
        return False

    def _renew(self) -> None:
        """Renew the Lease until it is given up; when it is lost, let nothing more be written."""
        while not self.clock.wait(self._stop, RENEW_SECONDS):
            try:
                found = self.kube.get(LEASE, NAME, HARNESS_NAMESPACE)
                if self._stop.is_set():
                    return
                if found is None or not self._holds(found):
                    whose = text(found, "spec", "holderIdentity") or "nobody"
                    self._lose(f"its Lease was lost; now it is held by {whose}")
                    return
                version = found["metadata"]["resourceVersion"]
                now = _micro_time(datetime.now(UTC))
                body = {"metadata": {"resourceVersion": version}, "spec": {"renewTime": now}}
                self.kube.patch(LEASE, NAME, HARNESS_NAMESPACE, body)
            except HarnessError as error:
                log.warning("the Lease cannot be renewed now: %s", error.message)

    def _lose(self, why: str) -> None:
        log.error("%s", why)
        guard = self.kube.connection.guard
        if guard is not None:
            guard.closed = why


def require_free(kube: Kube) -> None:
    """Refuse a cluster where the namespace that the harness needs is foreign.

    Raises:
        RefusalError: it is.
    """
    found = kube.get(NAMESPACE, HARNESS_NAMESPACE)
    if found is not None and not is_managed(found):
        raise RefusalError(
            f"this cluster has a namespace {HARNESS_NAMESPACE} that the harness did not create",
            advice="rename or remove it; the harness does not touch what it did not create",
        )


def require_unused(kube: Kube) -> None:
    """Refuse a cluster that a run uses; nothing is acquired.

    Raises:
        RefusalError: a run uses it, and is not known to be dead.
    """
    found = kube.get(LEASE, NAME, HARNESS_NAMESPACE)
    if found is None or _expired(found) or is_dead(text(found, "metadata", "annotations", PROCESS)):
        return
    raise _in_use(found)


def _in_use(lease: Object) -> RefusalError:
    return RefusalError(
        f"this cluster is in use by {text(lease, 'spec', 'holderIdentity')} since "
        f"{text(lease, 'spec', 'acquireTime')[:19]} UTC",
        advice="wait until that run ends; the Lease of a dead run expires after "
        f"{DURATION_SECONDS} s without renewal",
    )


def _expired(lease: Object) -> bool:
    renewed = text(lease, "spec", "renewTime")
    try:
        at_last = datetime.fromisoformat(renewed)
    except ValueError:
        return True
    duration = number(lease, "spec", "leaseDurationSeconds") or DURATION_SECONDS
    return datetime.now(UTC) - at_last > timedelta(seconds=duration)


def _micro_time(moment: datetime) -> str:
    """A time as Kubernetes writes it in a Lease (metav1.MicroTime)."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())
