"""The bench: data, Dataset and readers that rounds are measured with, and how their state is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from clusters.errors import HarnessError, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots import PodSnapshot
from clusters.product import fluid_names
from clusters.product.nfs import CONTAINER as NFS_CONTAINER
from clusters.product.nfs import EXPORT, ServedBytes
from clusters.product.nfs import NAME as NFS_NAME
from clusters.product.nfs import NAMESPACE as NFS_NAMESPACE
from clusters.progress import Progress
from clusters.system import System
from clusters.waiting import WaitTimeoutError, wait
from suites.benchmark import alluxio_rest
from suites.benchmark.alluxio_rest import CacheState
from suites.benchmark.fio_run import FORGET, HungError, forget_argv, read_whole_argv
from suites.benchmark.proxy import MOUNT_OPTIONS, NfsProxy
from suites.benchmark.shaping import BandwidthLimiter, TokenBucket
from suites.record.evidence import Evidence
from suites.steps.observer import Observer
from suites.steps.user import DATASET, SOURCE, User, unique
from workloads.application import CONTAINER
from workloads.data import DataFile, Files
from workloads.faults import delete_pod, kill_process
from workloads.fio import Plan
from workloads.models.small_runtime import laptop_runtime

#: Folder of the export that the benchmark's Dataset shows.
FOLDER: Final = f"{EXPORT}/benchmark"
MOUNT: Final = "/data"
#: Where Alluxio's workers have the source claim (`ufsVolumes` in the values that Fluid 1.0.8 makes).
BELOW: Final = "/underFSStorage"
QUOTA: Final = "1536Mi"
DIRECT: Final = "1g"

DATA_SECONDS: Final = 900.0
STATE_SECONDS: Final = 120.0
#: Seconds until Alluxio has cached what was read (seen: 5), and what it had to be helped with.
CACHED_SECONDS: Final = 20.0
HELPED_SECONDS: Final = 60.0
FREED_SECONDS: Final = 30.0

#: Reads of all data until the page cache holds it: a FUSE client may leave pieces out the first time.
FILLS: Final = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Files as a workload needs them, in several copies.

    Attributes:
        name: of the folder of all copies.
        files: of one copy; its folder's name is the copy's number.
        copies: how many.
    """

    name: str
    files: Files
    copies: int

    @classmethod
    def of(cls, plan: Plan, copies: int) -> Layout:
        """The layout that a plan reads; workloads on the same files share it."""
        one = plan.files[0]
        name = f"one-{one.size}" if len(plan.files) == 1 else f"{plan.job}-{plan.numjobs}"
        made = tuple(DataFile(str(file.path), file.size, f"bench-{file.size}") for file in plan.files)
        return cls(name, Files(made), copies)

    def folder(self, copy: int) -> str:
        """The folder of a copy, below the Dataset's root."""
        return f"{self.name}/{copy}"


@dataclass(frozen=True, slots=True)
class Look:
    """What the caches' counters said at one moment.

    Attributes:
        at: when.
        alluxio: what Alluxio said.
        served: what the NFS server had sent.
        fuse_pod: uid of the Fuse Pod on the reader's node; empty without one.
    """

    at: datetime
    alluxio: CacheState
    served: ServedBytes
    fuse_pod: str


@dataclass
class Bench:
    """A namespace with a source claim, a Dataset over it, and a reader on each of the two claims.

    Attributes:
        system: the cluster.
        progress: where stages are told.
        user: who made all of it.
        hold: holds back what its readers get from NFS.
    """

    system: System
    progress: Progress
    user: User
    limiter: BandwidthLimiter
    _raw: PodSnapshot | None = field(default=None, init=False)
    _fluid: PodSnapshot | None = field(default=None, init=False)
    _number: int = field(default=0, init=False)
    _port: int = field(default=0, init=False)
    _jobs: int = field(default=0, init=False)

    @classmethod
    def prepared(
        cls, system: System, progress: Progress, layouts: Sequence[Layout], proxy: NfsProxy | None = None
    ) -> Bench:
        """Make data, check it on the server's own disk, make Dataset and readers.

        Args:
            system: the cluster.
            progress: where stages are told.
            layouts: the data; made already where there is a proxy.
            proxy: through which the source claim mounts the server; None mounts it directly.

        Raises:
            InfrastructureError: the data did not come out right.
            HarnessError: something else did not get ready; what was made is removed.
        """
        if proxy is None:
            unique_layouts = tuple({layout.name: layout for layout in layouts}.values())
            _makes_data(system, progress, unique_layouts)
        everything = Files(())
        user = User(system, Evidence(silent=True), unique("fc-bench"), folder=FOLDER, files=everything)
        run = partial(system.provider.node_exec, system.nfs.node)
        made = cls(system, progress, user, proxy or TokenBucket(run))
        try:
            with progress.stage("benchmark's Dataset gets Bound"):
                user.makes_namespace()
                if proxy is None:
                    user.makes_source()
                else:
                    user.makes_source(server=proxy.address, mount_options=MOUNT_OPTIONS)
                user.makes_dataset(
                    runtime=laptop_runtime(user.namespace, DATASET, quota=QUOTA, direct=DIRECT, quick=False)
                )
                user.waits_until_bound()
            with progress.stage("readers on both claims"):
                made._port = alluxio_rest.web_port(system.kube, user.namespace, DATASET)
                made._raw = user.starts(user.application("raw", SOURCE))
                made.starts_client()
        except BaseException:
            with contextlib.suppress(HarnessError):
                made.removed()
            raise
        return made

    @property
    def raw(self) -> PodSnapshot:
        """The reader on the source claim."""
        assert self._raw is not None
        return self._raw

    @property
    def fluid(self) -> PodSnapshot:
        """The reader on Fluid's claim; started again where the last try to start one failed."""
        if self._fluid is None:
            self.starts_client()
        assert self._fluid is not None
        return self._fluid

    def starts_client(self) -> None:
        """A reader on Fluid's claim, and with it a Fuse Pod where there is none; on the raw reader's node."""
        self._number += 1
        application = self.user.application(f"fluid-{self._number}", DATASET, node=self.raw.node)
        self._fluid = None
        try:
            self._fluid = self.user.starts(application)
        except HarnessError:
            with contextlib.suppress(HarnessError):
                self.system.kube.delete(kinds.POD, application.name, application.namespace)
            raise

    def fresh_client(self, *, hung: bool = False) -> None:
        """Replace every Fuse Pod, and with them the reader, whose mount would be dead.

        Args:
            hung: the Fuse answers no more, so that it has to go first and at once: what reads through
                it cannot end before.
        """
        fuses = tuple(self.user.observer.fuse(self.user.namespace, DATASET).pods.values())
        if hung:
            self._ends(fuses, because="it hangs", grace_seconds=1)
        if self._fluid is not None:
            self.user.stops(self._fluid)
            self._fluid = None
        if not hung:
            self._ends(fuses, because="a Fuse process that starts after the data was cached is measured")
        self.starts_client()

    def _ends(self, fuses: Sequence[PodSnapshot], *, because: str, grace_seconds: int | None = None) -> None:
        for old in fuses:
            delete_pod(
                self.system.kube, old.namespace, old.name, because=because, grace_seconds=grace_seconds
            )

    def fuse_pod(self) -> PodSnapshot | None:
        """The Fuse Pod on the reader's node."""
        fuse = self.user.observer.fuse(self.user.namespace, DATASET)
        return fuse.pods.get(self.raw.node)

    def look(self, layout: Layout, copy: int, plan: Plan) -> Look:
        """Ask Alluxio, the API and the NFS server; none of the questions reads from NFS."""
        alluxio = self._look_held(layout, copy, plan)
        fuse = self.fuse_pod()
        return Look(datetime.now(UTC), alluxio, self.system.nfs.served(), fuse.uid if fuse else "")

    def look_at_all(
        self, layout: Layout, plan: Plan, copies: Sequence[int], pods: Sequence[PodSnapshot]
    ) -> Look:
        """The same for several copies together, which several Pods read: the worst of them counts."""
        seen = [self._look_held(layout, copy, plan) for copy in copies]
        percents = [one.percent for one in seen]
        known = [percent for percent in percents if percent is not None]
        alluxio = replace(seen[-1], percent=min(known) if len(known) == len(percents) else None)
        fuses = self.user.observer.fuse(self.user.namespace, DATASET).pods
        uids = sorted({fuses[pod.node].uid for pod in pods if pod.node in fuses})
        everywhere = all(pod.node in fuses for pod in pods)
        return Look(
            datetime.now(UTC), alluxio, self.system.nfs.served(), "+".join(uids) if everywhere else ""
        )

    def next_job(self, what: str) -> str:
        """A name for a Job."""
        self._jobs += 1
        return f"{what}-{self._jobs}"

    def drop_page_cache(self, pod: PodSnapshot, folder: str) -> None:
        """Drop what the page cache of the reader's node holds of a folder, on that mount alone."""
        self._state(pod, forget_argv(f"{MOUNT}/{folder}"))

    def forget_below(self, folder: str) -> None:
        """Drop what the page cache holds of a folder on the mounts through which Alluxio itself reads NFS.

        What its workers read once lies there, too: freed by Alluxio, it would come from there again.
        """
        workers = self.user.observer.view.pods(self.user.namespace, fluid_names.pod_labels(DATASET, "worker"))
        for pod in workers:
            done = self.system.kube.exec(
                pod.namespace,
                pod.name,
                fluid_names.WORKER_CONTAINER,
                ("bash", "-euc", FORGET, "forget", f"{BELOW}/{folder}"),
                timeout=STATE_SECONDS,
            )
            if done.exit_code != 0:
                raise InfrastructureError(
                    f"the page cache below Alluxio could not be dropped in Pod {pod.name}",
                    last_seen=(done.stdout + done.stderr).strip()[-500:],
                )

    def fill_page_cache(self, pod: PodSnapshot, folder: str, data_bytes: int) -> None:
        """Read a folder until the page cache holds all of it; the proof tells when it never does."""
        for _ in range(FILLS):
            if int(self._state(pod, read_whole_argv(f"{MOUNT}/{folder}"))) >= data_bytes:
                return

    def makes_cached(self, layout: Layout, copy: int, plan: Plan) -> str:
        """Read a folder through Fluid unless Alluxio holds all of it, and wait until it does.

        Returns:
            The uids of all Fuse Pods that were there, joined by +; empty when nothing was to be read.

        Raises:
            WaitTimeoutError: Alluxio does not hold it, though all was read.
        """
        if self._look_held(layout, copy, plan).percent == 100:  # noqa: PLR2004 - per cent
            return ""
        self.fill_page_cache(self.fluid, layout.folder(copy), 0)
        self.all_cached(layout, copy, plan)
        fuses = self.user.observer.fuse(self.user.namespace, DATASET).pods.values()
        return "+".join(sorted(pod.uid for pod in fuses))

    def all_cached(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Wait until Alluxio holds all of a folder; it caches behind the reader's back.

        Blocks that a client read in pieces, here and there, may stay out for good: neither time nor
        that client's reading again brought them (seen: 6 of 8 after four random readers). So another
        client reads all, and the proof tells that it is another one.

        Raises:
            WaitTimeoutError: it does not, though another client read all.
        """
        try:
            self._cached(layout, copy, plan, CACHED_SECONDS)
        except WaitTimeoutError:
            self.fresh_client()
            self.fill_page_cache(self.fluid, layout.folder(copy), 0)
            self._cached(layout, copy, plan, HELPED_SECONDS)

    def free(self, folder: str = "") -> None:
        """Ask Alluxio to let go of a folder, or of all; whether it did is seen where it matters."""
        self.user.observer.alluxio(self.user.namespace, DATASET).free(f"/{folder}")

    def none_cached(self, layout: Layout, copy: int, plan: Plan) -> None:
        """Wait until Alluxio holds nothing of a folder; the proof tells when it still does."""

        def look() -> float | None:
            return self._look_held(layout, copy, plan).percent

        if look():
            self.free(layout.folder(copy))
            with contextlib.suppress(HarnessError):
                wait(
                    look,
                    lambda percent: percent == 0,
                    subject=f"folder {layout.folder(copy)}",
                    condition="nothing of it in Alluxio",
                    timeout=FREED_SECONDS,
                )

    def end_reading(self, pod: PodSnapshot) -> None:
        """End a fio that nobody waits for any more."""
        run = partial(self.system.kube.exec, pod.namespace, pod.name, CONTAINER)
        with contextlib.suppress(HarnessError):
            kill_process(run, "fio")

    def removed(self) -> None:
        """Remove all that was made; the data on the server stays for the next run.

        Raises:
            HarnessError: something would not go.
        """
        with self.progress.stage("benchmark's Dataset goes"):
            self.user.leaves()

    def _look_held(self, layout: Layout, copy: int, plan: Plan) -> CacheState:
        return alluxio_rest.look(
            self.system.kube,
            self.user.namespace,
            DATASET,
            port=self._port,
            folder=layout.folder(copy),
            files=plan.files,
        )

    def _cached(self, layout: Layout, copy: int, plan: Plan, seconds: float) -> None:
        wait(
            lambda: self._look_held(layout, copy, plan).percent,
            lambda percent: percent == 100,  # noqa: PLR2004 - per cent
            subject=f"folder {layout.folder(copy)}",
            condition="100 % in Alluxio",
            timeout=seconds,
            delay=1.0,
            describe=lambda percent: "not listed" if percent is None else f"{percent:g} %",
        )

    def _state(self, pod: PodSnapshot, argv: tuple[str, ...]) -> str:
        try:
            done = self.user.observer.inside(pod, argv, STATE_SECONDS)
        except ExecTimeoutError as error:
            raise HungError(
                f"the mount in Pod {pod.name} did not answer within {STATE_SECONDS:g} s while its "
                "page cache was set or dropped",
                subject=f"Pod {pod.namespace}/{pod.name}",
                last_seen=error.last_seen,
            ) from error
        if done.exit_code != 0:
            raise InfrastructureError(
                f"the page cache's state could not be changed in Pod {pod.name}",
                last_seen=(done.stdout + done.stderr).strip()[-500:],
            )
        return done.stdout.split()[-1]


def _makes_data(system: System, progress: Progress, layouts: Sequence[Layout]) -> None:
    """Make all copies on the server, and compare their checksums with those that are known."""
    total = sum(layout.files.total_bytes * layout.copies for layout in layouts)
    with progress.stage(f"{total / 2**20:.0f} MiB of data on the NFS server, checksummed"):
        for layout in layouts:
            for copy in range(layout.copies):
                folder = f"{FOLDER}/{layout.folder(copy)}"
                done = system.kube.exec(
                    NFS_NAMESPACE,
                    NFS_NAME,
                    NFS_CONTAINER,
                    ["bash", "-s"],
                    stdin=layout.files.shell(folder).encode(),
                    timeout=DATA_SECONDS,
                )
                if done.exit_code != 0:
                    raise InfrastructureError(
                        "the benchmark's data could not be made", last_seen=done.stderr.strip()[-500:]
                    )
                # Reading it for its checksum also puts it into the server's own page cache.
                found = Observer(system).at_the_source(folder)
                if difference := layout.files.difference(found):
                    raise InfrastructureError(f"the benchmark's data is wrong: {difference}")
