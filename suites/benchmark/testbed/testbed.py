"""The testbed: data, Dataset and readers of a benchmark, and the control of their caches."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import ClassVar, Final

from clusters.disruption import Disruption
from clusters.errors import HarnessError, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.nfs import ServedBytes
from clusters.progress import Progress
from clusters.system import System
from clusters.waiting import WaitTimeoutError, wait
from suites.benchmark.testbed import alluxio_rest
from suites.benchmark.testbed.alluxio_rest import CacheState
from suites.benchmark.testbed.datasets import Variant, creates_dataset, reader_node
from suites.benchmark.testbed.fio_run import (
    FioRuns,
    HungError,
    measure_argv,
    parse_runs,
    read_all_argv,
    repeat_argv,
)
from suites.benchmark.testbed.layout import FOLDER, Layout, create_data
from suites.benchmark.testbed.nfs_proxy import MOUNT_OPTIONS, NfsProxy
from suites.benchmark.testbed.shaping import BandwidthLimiter, TokenBucket
from suites.record.evidence import Evidence
from suites.steps.user import DATASET, SOURCE, User, unique
from workloads.application import CONTAINER
from workloads.data import Files
from workloads.faults import delete_pod, kill_process
from workloads.fio import Plan
from workloads.page_cache import drop_argv

MOUNT: Final = "/data"
#: Mount of the source claim in Alluxio's workers (`ufsVolumes` in the chart values of Fluid 1.0.8).
WORKER_MOUNT: Final = "/underFSStorage"

STATE_SECONDS: Final = 120.0
#: Seconds until Alluxio has cached what was read (seen: 5), also after a second client has read it.
CACHED_SECONDS: Final = 20.0
SECOND_CLIENT_SECONDS: Final = 60.0
FREED_SECONDS: Final = 30.0

#: Seconds that the exec call may take longer than the programs in the Pod.
GRACE: Final = 30.0

#: Reads of all data until the page cache holds it: a FUSE client may skip pieces in the first read.
FILLS: Final = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """Caches and counters at one moment.

    Attributes:
        at: when.
        alluxio: cached data and counters of Alluxio.
        served: bytes that the NFS server has sent.
        fuse_pod: uid of the Fuse Pod on the reader's node; empty without one.
    """

    at: datetime
    alluxio: CacheState
    served: ServedBytes
    fuse_pod: str


@dataclass
class Testbed:
    """A namespace with a source claim, a Dataset over it, and a reader on each of the two claims.

    Attributes:
        system: the cluster.
        progress: receives the stages.
        user: owner of the objects.
        limiter: limits the bandwidth of NFS.
    """

    system: System
    progress: Progress
    user: User
    limiter: BandwidthLimiter
    __test__: ClassVar[bool] = False  # pytest collects classes whose names begin with Test
    _raw: PodSnapshot | None = field(default=None, init=False)
    _fluid: PodSnapshot | None = field(default=None, init=False)
    _number: int = field(default=0, init=False)
    _port: int = field(default=0, init=False)
    _jobs: int = field(default=0, init=False)

    @classmethod
    def create(
        cls,
        system: System,
        progress: Progress,
        layouts: Sequence[Layout],
        proxy: NfsProxy | None = None,
        variant: Variant = Variant(),  # noqa: B008 - it is frozen
    ) -> Testbed:
        """Create the data on the NFS server, the Dataset and the readers.

        Args:
            system: the cluster.
            progress: receives the stages.
            layouts: the data to create; none if it exists.
            proxy: through which the source claim mounts the server; None mounts it directly.
            variant: of the Dataset.

        Raises:
            InfrastructureError: the data could not be created.
            HarnessError: something else did not become ready; all objects are removed.
        """
        if layouts:
            create_data(system, progress, layouts)
        user = User(system, Evidence(silent=True), unique("fc-bench"), folder=FOLDER, files=Files(()))
        run = partial(system.provider.node_exec, system.nfs_server.node, changes=Disruption.NOTHING)
        testbed = cls(system, progress, user, proxy or TokenBucket(run, system.nfs_server.pid_namespace()))
        try:
            with progress.stage("Dataset of the benchmark becomes Bound"):
                user.creates_namespace()
                if proxy is None:
                    user.creates_source()
                else:
                    user.creates_source(server=proxy.address, mount_options=MOUNT_OPTIONS)
                creates_dataset(user, variant)
                user.waits_until_bound()
            with progress.stage("readers on both claims"):
                testbed._port = alluxio_rest.web_port(system.kube, user.namespace, DATASET)
                node = reader_node(user, variant)
                testbed._raw = user.starts(user.application("raw", SOURCE, node=node))
                testbed.start_client()
        except BaseException:
            with contextlib.suppress(HarnessError):
                testbed.remove()
            raise
        return testbed

    @property
    def raw(self) -> PodSnapshot:
        """The reader on the source claim."""
        assert self._raw is not None
        return self._raw

    @property
    def fluid(self) -> PodSnapshot:
        """The reader on Fluid's claim; started if the last attempt to start one failed."""
        if self._fluid is None:
            self.start_client()
        assert self._fluid is not None
        return self._fluid

    def start_client(self) -> None:
        """Start a reader on Fluid's claim, on the node of the raw reader; Fluid adds a Fuse Pod if needed."""
        self._number += 1
        application = self.user.application(f"fluid-{self._number}", DATASET, node=self.raw.node)
        self._fluid = None
        try:
            self._fluid = self.user.starts(application)
        except HarnessError:
            with contextlib.suppress(HarnessError):
                self.system.kube.delete(kinds.POD, application.name, application.namespace)
            raise

    def replace_client(self, *, hung: bool = False) -> None:
        """Replace every Fuse Pod, and the reader, because its mount does not survive that.

        Args:
            hung: the Fuse process does not answer. It is deleted first and at once, because the reader
                cannot end before.
        """
        fuses = tuple(self.user.observer.fuse(self.user.namespace, DATASET).pods.values())
        if hung:
            self._delete(fuses, because="it hangs", grace_seconds=1)
        if self._fluid is not None:
            self.user.stops(self._fluid)
            self._fluid = None
        if not hung:
            self._delete(fuses, because="a Fuse process that started after the data was cached is measured")
        self.start_client()

    def _delete(
        self, fuses: Sequence[PodSnapshot], *, because: str, grace_seconds: int | None = None
    ) -> None:
        for pod in fuses:
            delete_pod(
                self.system.kube, pod.namespace, pod.name, because=because, grace_seconds=grace_seconds
            )

    def fuse_pod(self) -> PodSnapshot | None:
        """The Fuse Pod on the reader's node."""
        fuse = self.user.observer.fuse(self.user.namespace, DATASET)
        return fuse.pods.get(self.raw.node)

    def observe(self, layout: Layout, copy: int, plan: Plan) -> Observation:
        """Ask Alluxio, the API server and the NFS server; none of the requests reads from NFS."""
        alluxio = self._cache_state(layout, copy, plan)
        fuse = self.fuse_pod()
        return Observation(
            datetime.now(UTC), alluxio, self.system.nfs_server.served(), fuse.uid if fuse else ""
        )

    def observe_all(
        self, layout: Layout, plan: Plan, copies: Sequence[int], pods: Sequence[PodSnapshot]
    ) -> Observation:
        """The same for several Pods that read a copy each, with the state of all copies together."""
        alluxio = self._state_of_all(layout, copies, plan)
        fuses = self.user.observer.fuse(self.user.namespace, DATASET).pods
        uids = sorted({fuses[pod.node].uid for pod in pods if pod.node in fuses})
        everywhere = all(pod.node in fuses for pod in pods)
        return Observation(
            datetime.now(UTC), alluxio, self.system.nfs_server.served(), "+".join(uids) if everywhere else ""
        )

    def next_job(self, what: str) -> str:
        """A name for a Job."""
        self._jobs += 1
        return f"{what}-{self._jobs}"

    def drop_page_cache(self, pod: PodSnapshot, folder: str) -> None:
        """Drop a folder from the page cache of the reader's node, on that mount alone."""
        self._page_cache(pod, drop_argv(f"{MOUNT}/{folder}"))

    def drop_worker_page_cache(self, folder: str) -> None:
        """Drop a folder from the page cache of the mounts through which Alluxio's workers read NFS.

        Otherwise a folder that Alluxio freed would be read from there again.
        """
        workers = self.user.observer.objects.list(
            PodSnapshot, self.user.namespace, labels=fluid_names.pod_labels(DATASET, "worker")
        )
        for pod in workers:
            done = self.system.kube.exec(
                pod.namespace,
                pod.name,
                fluid_names.WORKER_CONTAINER,
                drop_argv(f"{WORKER_MOUNT}/{folder}"),
                timeout=STATE_SECONDS,
            )
            if done.exit_code != 0:
                raise InfrastructureError(
                    f"the page cache of the worker Pod {pod.name} could not be dropped",
                    last_seen=(done.stdout + done.stderr).strip()[-500:],
                )

    def fill_page_cache(self, pod: PodSnapshot, folder: str, data_bytes: int) -> None:
        """Read a folder until the page cache holds all of it; the validation of a round checks the result."""
        for _ in range(FILLS):
            if int(self._page_cache(pod, read_all_argv(f"{MOUNT}/{folder}"))) >= data_bytes:
                return

    def all_cached(self, layout: Layout, copies: Sequence[int], plan: Plan) -> bool:
        """Whether Alluxio holds all of several copies."""
        return self._state_of_all(layout, copies, plan).percent == 100  # noqa: PLR2004 - per cent

    def ensure_cached(self, layout: Layout, copy: int, plan: Plan) -> str:
        """Read a folder through Fluid unless Alluxio holds all of it, and wait until it does.

        Returns:
            The uids of all running Fuse Pods, joined by +; empty if nothing had to be read.

        Raises:
            WaitTimeoutError: Alluxio does not hold it although all was read.
        """
        if self._cache_state(layout, copy, plan).percent == 100:  # noqa: PLR2004 - per cent
            return ""
        self.fill_page_cache(self.fluid, layout.folder(copy), 0)
        self.wait_until_cached(layout, copy, plan)
        fuses = self.user.observer.fuse(self.user.namespace, DATASET).pods.values()
        return "+".join(sorted(pod.uid for pod in fuses))

    def wait_until_cached(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Wait until Alluxio holds all of a folder; it caches asynchronously.

        Blocks that a client read only in part may never be cached: neither waiting nor reading again
        with that client helped (seen: 6 of 8 blocks after four random readers). So another client reads
        all; the uid of the Fuse Pod in the evidence shows that.

        Raises:
            WaitTimeoutError: it does not, although another client read all.
        """
        try:
            self._wait_cached(layout, copy, plan, CACHED_SECONDS)
        except WaitTimeoutError:
            self.replace_client()
            self.fill_page_cache(self.fluid, layout.folder(copy), 0)
            self._wait_cached(layout, copy, plan, SECOND_CLIENT_SECONDS)

    def free(self, folder: str = "") -> None:
        """Ask Alluxio to free a folder, or all; a cold arm checks whether it did."""
        self.user.observer.alluxio(self.user.namespace, DATASET).free(f"/{folder}")

    def evict(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Free a folder and wait until Alluxio holds nothing of it; the validation shows if it still does."""

        def percent() -> float | None:
            return self._cache_state(layout, copy, plan).percent

        if percent():
            self.free(layout.folder(copy))
            with contextlib.suppress(HarnessError):
                wait(
                    percent,
                    lambda seen: seen == 0,
                    subject=f"folder {layout.folder(copy)}",
                    condition="0 % in Alluxio",
                    timeout=FREED_SECONDS,
                )

    def read(
        self, pod: PodSnapshot, plan: Plan, folder: str, *, times: int, empty: bool, seconds: float
    ) -> FioRuns:
        """Run fio in a reader, several times in sequence.

        Args:
            pod: the reader.
            plan: what is read.
            folder: of the files, below the mount.
            times: how often.
            empty: drop the files from the page cache before each further run.
            seconds: after which a run is killed.

        Raises:
            HarnessError: a run did not end, or read nothing.
        """
        place = f"{MOUNT}/{folder}"
        argv = measure_argv(plan, place, seconds)
        done = self.system.kube.exec(
            pod.namespace,
            pod.name,
            CONTAINER,
            repeat_argv(argv, place, times, empty=empty),
            timeout=times * seconds + GRACE,
            stdin=plan.text.encode(),
        )
        who = f"the reader in Pod {pod.name}"
        return FioRuns.in_sequence(parse_runs(argv, done.stdout, times, who=who, stderr=done.stderr), plan)

    def stop_fio(self, pod: PodSnapshot) -> None:
        """Kill a fio process whose result is not needed."""
        run = partial(self.system.kube.exec, pod.namespace, pod.name, CONTAINER)
        with contextlib.suppress(HarnessError):
            kill_process(run, "fio")

    def remove(self) -> None:
        """Delete all objects; the data on the server stays for the next run.

        Raises:
            HarnessError: something could not be deleted.
        """
        with self.progress.stage("delete the Dataset of the benchmark"):
            self.user.removes_everything()

    def _cache_state(self, layout: Layout, copy: int, plan: Plan) -> CacheState:
        return self._state_of_all(layout, (copy,), plan)

    def _state_of_all(self, layout: Layout, copies: Sequence[int], plan: Plan) -> CacheState:
        files = [
            replace(file, path=PurePosixPath(f"{one}/{file.path}")) for one in copies for file in plan.files
        ]
        return alluxio_rest.cache_state(
            self.system.kube, self.user.namespace, DATASET, port=self._port, folder=layout.name, files=files
        )

    def _wait_cached(self, layout: Layout, copy: int, plan: Plan, seconds: float) -> None:
        wait(
            lambda: self._cache_state(layout, copy, plan).percent,
            lambda percent: percent == 100,  # noqa: PLR2004 - per cent
            subject=f"folder {layout.folder(copy)}",
            condition="100 % in Alluxio",
            timeout=seconds,
            delay=1.0,
            describe=lambda percent: "not listed" if percent is None else f"{percent:g} %",
        )

    def _page_cache(self, pod: PodSnapshot, argv: tuple[str, ...]) -> str:
        try:
            done = self.user.observer.inside(pod, argv, STATE_SECONDS)
        except ExecTimeoutError as error:
            raise HungError(
                f"the mount in Pod {pod.name} did not answer within {STATE_SECONDS:g} s while its "
                "page cache was dropped or filled",
                subject=f"Pod {pod.namespace}/{pod.name}",
                last_seen=error.last_seen,
            ) from error
        if done.exit_code != 0:
            raise InfrastructureError(
                f"the page cache could not be dropped or filled in Pod {pod.name}",
                last_seen=(done.stdout + done.stderr).strip()[-500:],
            )
        return done.stdout.split()[-1]
