"""What a user of Fluid does: makes a source claim, a Dataset, applications; reads; deletes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from clusters.errors import FailureClass, HarnessError, InfrastructureError, ProductFailureError
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.predicates import has_any_phase, has_phase, is_decided, is_ready, is_replaced
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.kubernetes.watch import Topic
from clusters.product import fluid, fluid_names
from clusters.product.fluid_snapshots import AlluxioRuntimeSnapshot, DataLoadSnapshot, DatasetSnapshot
from clusters.product.fuse import read_fuse
from clusters.system import System
from clusters.waiting import WaitError, is_empty, is_gone, wait
from suites.record.evidence import Evidence
from suites.steps.observer import Observer
from suites.steps.read_controls import blame_read
from workloads.application import Application
from workloads.data import Files
from workloads.models.alluxio_runtime import AlluxioRuntime
from workloads.models.base import Manifest, yaml_of
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime
from workloads.nfs_source import NfsSource

T = TypeVar("T")

#: Seconds in which a Dataset has to get Bound on a busy two-core machine (measured: 60 to 105).
BOUND_SECONDS: Final = 420.0
#: Seconds from Bound until the claim is there (retry of the controller: 20 s).
CLAIM_SECONDS: Final = 90.0
#: Seconds until an application runs; CSI waits 30 s for the mount and kubelet tries again.
APPLICATION_SECONDS: Final = 180.0
#: Seconds until a deleted Dataset and what belongs to it are gone (measured: 54).
GONE_SECONDS: Final = 240.0
#: Seconds in which a controller or the scheduler has looked at something new.
PHASE_SECONDS: Final = 60.0
#: Seconds between two nudges: Fluid's controllers look again after 10 to 20 s by themselves.
NUDGE_SECONDS: Final = 5.0
NUDGE: Final = "fluid-conformance/look"
#: Seconds between two nudges whose looks must be whole ones: sooner than 15 s the controller leaves out
#: what it does first (pkg/ddc/base/syncs.go:28-45 of 1.0.8).
WHOLE_LOOK_SECONDS: Final = 18.0

#: Ends all that runs in a container but its first process, which ends then by itself.
STOP_ALL: Final = ("sh", "-c", "kill -TERM -1")
STOP_SECONDS: Final = 5.0

#: Warnings that the error of a wait tells.
TOLD_EVENTS: Final = 3

#: Seconds until a DataLoad of the smoke data is Complete (the controller looks every 20 s).
LOAD_SECONDS: Final = 300.0

#: What users do with a Dataset's data by resources of their own.
OPERATIONS: Final = (kinds.DATA_LOAD, kinds.DATA_PROCESS, kinds.DATA_BACKUP, kinds.DATA_MIGRATE)

SOURCE: Final = "nfs-src"
DATASET: Final = "demo"


@dataclass
class User:
    """Acts in one namespace of its own.

    Attributes:
        system: the cluster.
        evidence: what is kept of what was done.
        namespace: of all that it makes.
        folder: of the export that its source claim shows.
        files: what lies in that folder.
        sent: the manifests, as they were sent.
        timeout_factor: share of the usual limits that this user waits for; less than 1 where the product
            is broken on purpose. What is cleaned up afterwards is always waited for in full.
    """

    system: System
    evidence: Evidence
    namespace: str
    folder: str
    files: Files
    sent: list[Manifest] = field(default_factory=list)
    timeout_factor: float = 1.0

    @property
    def observer(self) -> Observer:
        """Looks at what came of it."""
        return Observer(self.system)

    def applies(self, *manifests: Manifest) -> None:
        """Send manifests, keep them with the scenario."""
        for manifest in manifests:
            self.system.kube.apply(manifest)
            self.sent.append(manifest)
        self.evidence.attach("sent", yaml_of(*manifests), "yaml")

    def makes_namespace(self) -> None:
        """Make the namespace."""
        self.applies({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def makes_source(self, name: str = SOURCE, *, folder: str | None = None, **changes: Any) -> NfsSource:
        """Make volume and claim over the NFS export, and wait until they are bound to each other."""
        source = NfsSource(
            namespace=self.namespace,
            name=name,
            server=self.system.nfs.address,
            path=folder or self.folder,
        ).evolve(**changes)
        volume, claim = source.manifests()
        objects, of_volume = self.observer.objects, volume["metadata"]["name"]
        self.applies(volume)
        # A claim that Kubernetes sees before its volume is not looked at again for 15 s.
        self._gets(
            kinds.VOLUME, of_volume, lambda: objects.get(VolumeSnapshot, of_volume), ("Available", "Bound")
        )
        self.applies(claim)
        self._gets(kinds.CLAIM, name, lambda: objects.get(ClaimSnapshot, name, self.namespace), ("Bound",))
        return source

    def _gets(
        self,
        kind: Kind,
        name: str,
        look: Callable[[], VolumeSnapshot | ClaimSnapshot | None],
        phases: Sequence[str],
    ) -> None:
        """Wait until a volume or claim that is not Fluid's is in one of these phases, with all patience."""
        namespace = self.namespace if kind.namespaced else None
        with self.system.kube.changes(kind, namespace) as changed:
            wait(
                look,
                has_phase(*phases),
                subject=f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}",
                condition=f"phase {' or '.join(phases)}",
                timeout=PHASE_SECONDS,
                changes=changed,
                failure_class=FailureClass.INFRASTRUCTURE,
            )

    def makes_dataset(
        self,
        dataset: Dataset | None = None,
        runtime: AlluxioRuntime | None = None,
        *,
        without_runtime: bool = False,
    ) -> None:
        """Make a Dataset over the source claim, with a small AlluxioRuntime of the same name.

        Placement is Shared unless the scenario brings its own, so that Datasets of scenarios
        that run side by side find room on one node; Fluid's default is Exclusive.
        """
        wanted = dataset or Dataset.over_claim(self.namespace, DATASET, SOURCE).evolve(placement="Shared")
        self.applies(wanted.manifest())
        if not without_runtime:
            self.applies((runtime or laptop_runtime(self.namespace, wanted.name)).manifest())

    def waits_until_bound(self, name: str = DATASET) -> DatasetSnapshot:
        """Wait until the Dataset is Bound and its claim is there and Bound.

        An annotation of the runtime is touched when one of its Pods changed, so that the controller
        looks at once instead of after its 20 s (runtime_controller.go:271-300 of 1.0.8); untouched,
        the same Dataset needs twice as long.
        """
        kube, objects = self.system.kube, self.observer.objects
        nudged, pods_seen = kube.clock.now() - 2 * NUDGE_SECONDS, ""

        def look() -> tuple[DatasetSnapshot, tuple[PodSnapshot, ...], str]:
            nonlocal nudged, pods_seen
            dataset = self.observer.dataset(self.namespace, name)
            pods = objects.list(PodSnapshot, self.namespace, labels=f"release={name}")
            claim = objects.get(ClaimSnapshot, name, self.namespace)
            told = "; ".join(str(pod) for pod in pods)
            claim_phase = claim.phase if claim else ""
            if (dataset.bound or told != pods_seen) and kube.clock.now() - nudged > NUDGE_SECONDS:
                nudged, pods_seen = kube.clock.now(), told
                self.request_reconcile(name)
            return dataset, pods, claim_phase

        with (
            self.evidence.phase("dataset", f"Dataset {name} gets Bound"),
            self._explained(name),
            kube.changes(
                kinds.POD,
                self.namespace,
                more=[Topic(kinds.DATASET, self.namespace), Topic(kinds.CLAIM, self.namespace)],
            ) as changed,
        ):
            dataset, _, _ = wait(
                look,
                lambda seen: seen[0].bound and seen[2] == "Bound",
                subject=f"Dataset {self.namespace}/{name}",
                condition="phase Bound with a Bound claim",
                timeout=(BOUND_SECONDS + CLAIM_SECONDS) * self.timeout_factor,
                changes=changed,
                describe=lambda seen: "; ".join(
                    [str(seen[0]), *map(str, seen[1]), f"claim {seen[2] or 'not there'}"]
                ),
                advice="look at the runtime's Pods and at the events of Dataset and AlluxioRuntime",
            )
        return dataset

    def request_reconcile(self, name: str = DATASET, kind: Kind = kinds.ALLUXIO_RUNTIME) -> None:
        """Touch an annotation of an object of Fluid's, so that its controller looks at it soon."""
        body = {"metadata": {"annotations": {NUDGE: secrets.token_hex(4)}}}
        try:
            self.system.kube.patch(kind, name, self.namespace, body)
        except HarnessError:
            return  # there may be none yet or none any more, and it only saves time

    def with_reconcile_requests(self, look: Callable[[], T], name: str = DATASET) -> Callable[[], T]:
        """The same look, which also nudges the runtime's controller: at its first, and as often as helps."""
        clock = self.system.kube.clock
        nudged = clock.now() - 2 * WHOLE_LOOK_SECONDS

        def nudges_and_looks() -> T:
            nonlocal nudged
            now = clock.now()
            if now - nudged > WHOLE_LOOK_SECONDS:
                nudged = now
                self.request_reconcile(name)
            return look()

        return nudges_and_looks

    def nudging_at(
        self, sign: Callable[[], object], look: Callable[[], T], name: str, kind: Kind
    ) -> Callable[[], T]:
        """The same look, which also nudges a controller each time a sign changes that it is its turn.

        Not by the clock: an object that changes while its controller works on it makes the controller's own
        update fail (seen with a DataLoad of 0.9.3), again and again where that takes longer.

        Args:
            sign: of which only a change counts.
            look: what is called, and whose result is given.
            name: of the object that is touched.
            kind: of that object.
        """
        seen = sign()

        def nudges_and_looks() -> T:
            nonlocal seen
            before, seen = seen, sign()
            if seen != before:
                self.request_reconcile(name, kind)
            return look()

        return nudges_and_looks

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Add what the system told to the error of a wait: the cause seldom shows in what was waited for."""
        try:
            yield
        except WaitError as error:
            error.last_seen = "\n".join([error.last_seen, *self._told(name)])
            raise

    def _told(self, name: str) -> list[str]:
        """Warnings about an object, the Fuse where a Pod wants one, and what is missing of Fluid."""
        objects, kube = self.observer.objects, self.system.kube
        told = []
        try:
            warnings = [event for event in objects.events(self.namespace, name) if event.type == "Warning"]
            told += [
                f"{event.kind} {event.name}: {event.reason}: {event.message}"
                for event in warnings[-TOLD_EVENTS:]
            ]
            fuse = read_fuse(objects, self.namespace, DATASET)
            if not fuse.absent:
                told += [str(fuse), *map(str, (*fuse.pods.values(), *fuse.unplaced))]
            told += fluid.missing(fluid.state(kube))
        except HarnessError as error:
            told.append(f"(not all could be asked: {error.message})")
        return told

    def application(self, name: str, claim: str, **more: Any) -> Application:
        """An application of this user's that mounts ``claim``."""
        return Application(
            namespace=more.pop("namespace", self.namespace),
            name=name,
            claim=claim,
            image=self.system.toolbox,
            **more,
        )

    def starts(self, application: Application) -> PodSnapshot:
        """Start an application and wait until it runs."""
        self.applies(application.manifest())
        return self.waits_until_running(application)

    def waits_until_running(self, application: Application) -> PodSnapshot:
        """Wait until an application runs."""
        objects = self.observer.objects
        with (
            self.evidence.phase("waiting", f"Pod {application.name} starts"),
            self._explained(application.name),
            self.system.kube.changes(kinds.POD, application.namespace) as changed,
        ):
            pod = wait(
                lambda: objects.get(PodSnapshot, application.name, application.namespace),
                is_ready,
                subject=f"Pod {application.namespace}/{application.name}",
                condition="condition Ready",
                timeout=APPLICATION_SECONDS * self.timeout_factor,
                failed=lambda seen: f"ended: {seen}" if seen is not None and seen.ended else None,
                changes=changed,
                advice="look at the Pod's events and at the CSI plugin on its node",
            )
        assert pod is not None
        return pod

    def reads_right(
        self, pod: PodSnapshot, who: str = "application", *, source_stopped: bool = False
    ) -> None:
        """Read all files inside the application and compare them with those at the source.

        Args:
            pod: the application.
            who: reads, for the evidence.
            source_stopped: the NFS server is stopped on purpose, so it cannot serve as a control.
        """
        with self.evidence.phase("reading", f"Pod {pod.name} reads all files"):
            self.reads_right_quietly(pod, source_stopped=source_stopped)
        self.evidence.fact(
            who,
            f"read {len(self.files.files)} files, checksums right",
            pod=pod.name,
            bytes=self.files.total_bytes,
        )

    def reads_right_quietly(self, pod: PodSnapshot, *, source_stopped: bool = False) -> None:
        """Read all files inside the application; only a wrong result leaves evidence.

        Raises:
            ProductFailureError: the files are not read, or are not those at the source.
            InfrastructureError: a control without Fluid fails too, or the files at the source changed.
        """
        result = self.observer.read(pod)
        if result.hung:
            # Once more: on a busy machine a read may stall and then go on.
            result = self.observer.read(pod)
        difference = self.files.difference(result.checksums)
        if result.complete and not difference:
            return
        seen = result.message if result.hung else f"{difference}; {result.message}".strip("; ")
        if not result.complete:
            problem = f"hangs (no data for {result.hung:.0f} s, twice)" if result.hung else "fails"
            blame_read(self.system, pod, problem, seen, source_stopped=source_stopped)
        if not source_stopped:
            self._source_is_intact(pod, seen)
        raise ProductFailureError(
            f"Pod {pod.name} did not read the files at the source",
            subject=f"Pod {pod.namespace}/{pod.name}",
            condition=f"{len(self.files.files)} files with their checksums",
            last_seen=seen,
            advice="compare the export with the application's mount",
        )

    def _source_is_intact(self, pod: PodSnapshot, seen: str) -> None:
        """The control of wrong contents: the server's own disk holds the files that were put there."""
        changed = self.files.difference(self.observer.at_the_source(self.folder))
        if changed:
            raise InfrastructureError(
                f"the files at the source are not those that were put there, so what {pod.name} read "
                f"cannot be judged: {changed}",
                subject=f"export {self.folder}",
                condition="the files as they were made",
                last_seen=seen,
                advice="an earlier scenario changed them: it is named by its own failure",
            )

    def waits_for_load(
        self, name: str, *, given_up: Callable[[DataLoadSnapshot], bool] = lambda _: False
    ) -> DataLoadSnapshot:
        """Wait until a DataLoad is Complete; Failed ends the wait.

        Args:
            name: of the DataLoad.
            given_up: says of one that is not Complete that it never will be, which is no error here.
        """
        objects = self.observer.objects

        def job_ended() -> bool:
            job = objects.get(JobSnapshot, fluid_names.data_load_job(name), self.namespace)
            return job is not None and bool(job.conditions)

        with (
            self.evidence.phase("waiting", f"DataLoad {name} completes"),
            self._explained(name),
            self.system.kube.changes(
                kinds.DATA_LOAD, self.namespace, more=[Topic(kinds.JOB, self.namespace)]
            ) as changed,
        ):
            load = wait(
                self.nudging_at(
                    job_ended,
                    lambda: objects.get(DataLoadSnapshot, name, self.namespace),
                    name,
                    kinds.DATA_LOAD,
                ),
                lambda seen: seen is not None and (seen.phase == "Complete" or given_up(seen)),
                subject=f"DataLoad {self.namespace}/{name}",
                condition="phase Complete",
                timeout=LOAD_SECONDS * self.timeout_factor,
                failed=lambda seen: (
                    f"it failed: {seen}" if seen is not None and seen.phase == "Failed" else None
                ),
                changes=changed,
                advice="look at the log of the loader's Job",
            )
        assert load is not None
        self.evidence.fact("DataLoad status", str(load))
        return load

    def waits_for_phase(self, name: str) -> None:
        """Wait until Fluid has seen the Dataset, which any phase shows."""
        with self._explained(name), self.system.kube.changes(kinds.DATASET, self.namespace) as changed:
            wait(
                lambda: self.observer.dataset(self.namespace, name),
                has_any_phase,
                subject=f"Dataset {self.namespace}/{name}",
                condition="any phase",
                timeout=PHASE_SECONDS * self.timeout_factor,
                changes=changed,
                advice="look whether the dataset-controller runs",
            )

    def waits_for_scheduling_verdict(self, namespace: str, name: str) -> None:
        """Wait until the scheduler has looked at a Pod, whatever it decided."""
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

    def makes_namespace_beside(self, name: str) -> str:
        """Make one more namespace for the scenario."""
        self.applies({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.evidence.namespaces.append(name)
        return name

    def removes_namespace(self, name: str) -> None:
        """Ask for the removal of a namespace made beside; nobody needs to wait for it."""
        self.system.kube.delete(kinds.NAMESPACE, name)

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

    def deletes_dataset(self, name: str = DATASET) -> None:
        """Delete the Dataset and wait until it and its runtime are gone."""
        kube, objects = self.system.kube, self.observer.objects
        kube.delete(kinds.DATASET, name, self.namespace)

        hurried: set[str] = set()

        def look() -> tuple[str, ...]:
            left = (
                objects.get(DatasetSnapshot, name, self.namespace),
                objects.get(AlluxioRuntimeSnapshot, name, self.namespace),
            )
            pods = objects.list(PodSnapshot, self.namespace, labels=f"release={name}")
            if not any(left):
                self._hurries(pods, name, hurried)
            return tuple(str(item) for item in (*left, *pods) if item is not None)

        topics = [Topic(kinds.ALLUXIO_RUNTIME, self.namespace), Topic(kinds.POD, self.namespace)]
        looking: Callable[[], tuple[str, ...]] = look
        for kind in (kinds.DATASET, kinds.ALLUXIO_RUNTIME):
            # Each warning is a try that failed, after which its controller rests for 10 or 20 s.
            warnings = partial(self._warnings, name, kind)
            looking = self.nudging_at(warnings, looking, name, kind)
        with (
            self.evidence.phase("teardown", f"Dataset {name} is deleted"),
            self._explained(name),
            kube.changes(kinds.DATASET, self.namespace, more=topics) as changed,
        ):
            wait(
                looking,
                is_empty,
                subject=f"Dataset {self.namespace}/{name}",
                condition="deletion with runtime and Pods",
                timeout=GONE_SECONDS * self.timeout_factor,
                changes=changed,
                describe=lambda left: "; ".join(left) or "all gone",
                advice="look at the finalizers and the events of Dataset and AlluxioRuntime",
            )

    def _warnings(self, name: str, kind: Kind) -> int:
        """How many warnings there were about an object."""
        events = self.observer.objects.events(self.namespace, name, kind.name)
        return sum(event.count for event in events if event.type == "Warning")

    def _hurries(self, pods: Sequence[PodSnapshot], name: str, hurried: set[str]) -> None:
        """Pass the signal to stop on to a master that Fluid has deleted: it waits for its end in vain.

        Fluid's script starts Alluxio without ``exec`` (alluxio-mount-conf.yaml:44 of 1.0.8), so the signal
        reaches bash alone, and the master would be killed when its 30 s of grace are over.
        """
        for pod in pods:
            if pod.name != fluid_names.master_pod(name) or not pod.deleting or pod.uid in hurried:
                continue
            hurried.add(pod.uid)
            try:
                self.system.kube.exec(
                    self.namespace, pod.name, fluid_names.MASTER_CONTAINER, STOP_ALL, timeout=STOP_SECONDS
                )
            except HarnessError:
                continue  # it is gone already, and it only saves time
            self.evidence.fact("master Pod", f"{pod.name} was deleted by Fluid; it is told to stop now")

    def removes_datasets(self) -> None:
        """Delete this user's applications and data operations, then Datasets and runtimes; wait for these.

        Raises:
            HarnessError: something would not go.
        """
        kube, objects = self.system.kube, self.observer.objects
        for pod in objects.list(PodSnapshot, self.namespace):
            if pod.labels.get("app.kubernetes.io/managed-by") == "fluid-conformance":
                self.stops(pod)
        for kind in OPERATIONS:
            for operation in kube.list_if_known(kind, self.namespace):
                kube.delete(kind, operation["metadata"]["name"], self.namespace)
        runtimes = objects.list(AlluxioRuntimeSnapshot, self.namespace)
        for runtime in runtimes:
            # One that could not be set up has no owner yet, so it does not go with its Dataset.
            if not any(owner.kind == kinds.DATASET.name for owner in runtime.meta.owners):
                kube.delete(kinds.ALLUXIO_RUNTIME, runtime.name, self.namespace)
        names = {item.name for item in (*objects.list(DatasetSnapshot, self.namespace), *runtimes)}
        for name in sorted(names):
            self.deletes_dataset(name)

    def leaves(self) -> None:
        """Remove all that this user made, the applications first; bounded in time.

        Raises:
            HarnessError: something would not go.
        """
        self.removes_datasets()
        kube = self.system.kube
        kube.delete(kinds.NAMESPACE, self.namespace)
        for manifest in self.sent:
            if manifest["kind"] == "PersistentVolume":
                kube.delete(kinds.VOLUME, manifest["metadata"]["name"])
        with (
            self.evidence.phase("teardown", f"namespace {self.namespace} goes"),
            kube.changes(kinds.NAMESPACE) as changed,
        ):
            wait(
                lambda: kube.get(kinds.NAMESPACE, self.namespace),
                is_gone,
                subject=f"namespace {self.namespace}",
                condition="deletion",
                timeout=GONE_SECONDS,
                changes=changed,
                describe=lambda seen: "gone" if seen is None else str(seen.get("status", {})),
                failure_class=FailureClass.HARNESS,
            )


def fluid_volume(user: User, name: str = DATASET) -> str:
    """Name of the volume that Fluid makes for the Dataset."""
    return fluid_names.volume_name(user.namespace, name)


def unique(prefix: str) -> str:
    """A name that no other run uses."""
    return f"{prefix}-{secrets.token_hex(3)}"
