"""The user's applications: started, read through, stopped."""

from __future__ import annotations

from typing import Any, Final

from clusters.errors import FailureClass, InfrastructureError, ProductFailureError
from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import is_decided, is_ready, is_replaced
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import wait
from suites.steps.actor import PHASE_SECONDS, Actor
from suites.steps.predicates import ended_reason
from suites.steps.read_controls import blame_read
from suites.steps.stalled_reads import read_again
from workloads.application import Application
from workloads.pod_commands import ReadResult

#: Seconds until an application runs; CSI waits 30 s for the mount and the kubelet tries again.
APPLICATION_SECONDS: Final = 180.0


class ApplicationSteps(Actor):
    """Runs applications and reads files in them."""

    def application(self, name: str, claim: str, **more: Any) -> Application:
        """An application of this user that mounts ``claim``."""
        return Application(
            namespace=more.pop("namespace", self.namespace),
            name=name,
            claim=claim,
            image=self.system.toolbox,
            **more,
        )

    def starts(self, application: Application) -> PodSnapshot:
        """Start an application and wait until it is ready."""
        self.applies(application.manifest())
        return self.waits_until_running(application)

    def waits_until_running(self, application: Application) -> PodSnapshot:
        """Wait until an application is ready."""
        objects = self.observer.objects
        with (
            self.evidence.phase("waiting", f"Pod {application.name} starts"),
            self.explaining(application.name),
            self.system.kube.changes(kinds.POD, application.namespace) as changed,
        ):
            pod = wait(
                lambda: objects.get(PodSnapshot, application.name, application.namespace),
                is_ready,
                subject=f"Pod {application.namespace}/{application.name}",
                condition="condition Ready",
                timeout=APPLICATION_SECONDS * self.timeout_factor,
                failed=ended_reason,
                changes=changed,
                advice="check the Pod's events and the CSI plugin on its node",
            )
        assert pod is not None
        return pod

    def reads_right(
        self,
        pod: PodSnapshot,
        who: str = "application",
        *,
        source_stopped: bool = False,
        source_counted: bool = False,
    ) -> None:
        """Read all files inside the application and compare them with those at the source.

        Args:
            pod: the application.
            who: reads, for the evidence.
            source_stopped: the NFS server is stopped on purpose, so it cannot serve as a control.
            source_counted: what the NFS server sends is counted, so a control of a read that stalls must not
                ask it.
        """
        with self.evidence.phase("reading", f"Pod {pod.name} reads all files"):
            self.reads_right_quietly(pod, source_stopped=source_stopped, source_counted=source_counted)
        self.evidence.fact(
            who,
            f"read {len(self.files.files)} files, checksums right",
            pod=pod.name,
            bytes=self.files.total_bytes,
            files=len(self.files.files),
        )

    def reads_right_quietly(
        self, pod: PodSnapshot, *, source_stopped: bool = False, source_counted: bool = False
    ) -> None:
        """Read all files inside the application; only a stall or a wrong result leaves evidence.

        Raises:
            ProductFailureError: the files are not read, or are not those at the source.
            InfrastructureError: see `reads`; or the files at the source changed.
        """
        result = self.reads(pod, source_stopped=source_stopped, source_counted=source_counted)
        difference = self.files.difference(result.checksums)
        if not difference:
            return
        seen = str(difference)
        if not source_stopped:
            self._source_is_intact(pod, seen)
        raise ProductFailureError(
            f"Pod {pod.name} did not read the files at the source",
            subject=f"Pod {pod.namespace}/{pod.name}",
            condition=f"{len(self.files.files)} files with their checksums",
            last_seen=seen,
            advice="compare the export with the application's mount",
        )

    def reads(
        self,
        pod: PodSnapshot,
        *,
        source_stopped: bool = False,
        source_counted: bool = False,
        may_fail: bool = False,
    ) -> ReadResult:
        """Read all files inside the application, whichever they are.

        A read that stalls is repeated next to a control without Fluid, whose time stretches its limits.

        Args:
            pod: the application.
            source_stopped: see `reads_right`.
            source_counted: see `reads_right`.
            may_fail: return the result also if files could not be read, because the caller judges that.

        Raises:
            ProductFailureError: the read fails, or hangs each time.
            InfrastructureError: so does a control without Fluid, or it is too slow as well.
        """
        result, stretch = self.observer.read(pod), None
        if result.hung:
            first = result.message
            result, stretch = read_again(
                self.observer, pod, first, without_source=source_stopped or source_counted
            )
            self.evidence.fact(
                "read that stalled", f"{pod.name}: {first}; read again with {stretch:g} times the limits"
            )
        if result.hung:
            problem = f"hangs each time ({result.message})"
            blame_read(
                self.system, pod, problem, result.message, source_stopped=source_stopped, stretch=stretch
            )
        if not (result.complete or may_fail):
            seen = f"{len(result.checksums)} files were read; {result.message}"
            blame_read(self.system, pod, "fails", seen, source_stopped=source_stopped)
        return result

    def _source_is_intact(self, pod: PodSnapshot, seen: str) -> None:
        """The control of wrong contents: the server's own disk holds the files that were put there."""
        expected = self.source_files or self.files
        changed = expected.difference(self.observer.at_the_source(self.folder))
        if changed:
            raise InfrastructureError(
                f"the files at the source are not those that were put there, so what {pod.name} read "
                f"cannot be judged: {changed}",
                subject=f"export {self.folder}",
                condition="the files as they were made",
                last_seen=seen,
                advice="an earlier scenario changed them: it is named by its own failure",
            )

    def waits_for_scheduling_verdict(self, namespace: str, name: str) -> None:
        """Wait until the scheduler has decided about a Pod, whatever it decided."""
        objects = self.observer.objects
        with self.system.kube.changes(kinds.POD, namespace) as changed:
            wait(
                lambda: objects.get(PodSnapshot, name, namespace),
                is_decided,
                subject=f"Pod {namespace}/{name}",
                condition="a decision of the scheduler",
                timeout=PHASE_SECONDS * self.timeout_factor,
                changes=changed,
                failure_class=FailureClass.INFRASTRUCTURE,
            )

    def stops(self, pod: PodSnapshot) -> None:
        """Delete an application and wait until it is gone."""
        kube, objects = self.system.kube, self.observer.objects
        kube.delete(kinds.POD, pod.name, pod.namespace)
        with kube.changes(kinds.POD, pod.namespace) as changed:
            wait(
                lambda: objects.get(PodSnapshot, pod.name, pod.namespace),
                is_replaced(pod.uid),
                subject=f"Pod {pod.namespace}/{pod.name}",
                condition="deletion",
                timeout=APPLICATION_SECONDS * self.timeout_factor,
                changes=changed,
            )
