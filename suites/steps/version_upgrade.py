"""An upgrade of Fluid to another version, and what is in use meanwhile."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import yaml

from clusters.errors import FailureClass
from clusters.images.fluid_images import FluidRelease
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid, fluid_crds, fluid_names
from clusters.product.helm import HelmRelease
from clusters.product.predicates import fuse_is_absent
from clusters.waiting import wait
from suites.record.run import cannot_run_here
from suites.steps import checks, fluid_upgrade, source_files
from suites.steps.continuous_reads import ContinuousReads
from suites.steps.dataset_references import REFERENCE, creates_reference, needs_controller, referring_user
from suites.steps.user import DATASET, User
from workloads.faults import delete_pod
from workloads.models.alluxio_runtime import Fuse
from workloads.models.dataset import Dataset, NodeAffinity
from workloads.models.small_runtime import laptop_runtime

#: A Dataset that applications write to, whose Fuse Pods are deleted with their last application.
WRITABLE: Final = "written"
#: Alluxio's property for the target of a write: the cache and the source at once.
WRITE_THROUGH: Final = {"alluxio.user.file.writetype.default": "CACHE_THROUGH"}
#: What an application writes (`workloads.pod_commands.write_argv`).
TEXT: Final = "written by the conformance harness\n"
#: Seconds until a Fuse Pod that no application needs is deleted.
CLEANED_SECONDS: Final = 120.0
#: Seconds until a deleted worker is ready again, and until reads continue.
WORKER_BACK_SECONDS: Final = 240.0


@dataclass
class InUse:
    """What an old release of Fluid made and applications use while Fluid is upgraded.

    Attributes:
        reader: reads the Dataset of the scenario.
        writer: writes to `WRITABLE` and reads it back.
        guest: a user of another namespace, whose Dataset refers to that of the scenario.
        guest_reader: reads that Dataset.
        folder: of the export that `WRITABLE` shows.
        written: names of the files that the writer wrote.
    """

    reader: PodSnapshot
    writer: PodSnapshot
    guest: User
    guest_reader: PodSnapshot
    folder: str
    written: list[str]

    def writes(self, user: User, name: str) -> None:
        """Write one more file, and check that it is on the server."""
        result = user.observer.write(self.writer, f"/data/{name}")
        self.written.append(name)
        there = dict(user.observer.at_the_source(self.folder))
        if not result.written or there != self.expected:
            checks.fail(
                f"the file {name} was not written through Fluid to the NFS server",
                subject=f"Pod {self.writer.namespace}/{self.writer.name}",
                expected=", ".join(self.written),
                seen=f"{result.message or 'written'}; on the server: {', '.join(there) or 'nothing'}",
            )
        user.evidence.fact(user.system.nfs.observed_on, f"has {name}, checksum right", files=len(there))

    @property
    def expected(self) -> dict[str, str]:
        """Checksums of the files that the writer wrote, by name."""
        return dict.fromkeys(self.written, hashlib.sha256(TEXT.encode()).hexdigest())

    def reads_back(self, user: User) -> None:
        """The writer reads all that it wrote."""
        seen = user.reads(self.writer)
        if dict(seen.checksums) != self.expected:
            checks.fail(
                "an application does not read back what it wrote",
                subject=f"Pod {self.writer.namespace}/{self.writer.name}",
                expected=", ".join(self.written),
                seen=", ".join(dict(seen.checksums)) or "nothing",
            )

    def reads(self, user: User) -> Mapping[str, Callable[[], None]]:
        """One read of each application, by its name."""
        return {
            self.reader.name: partial(user.reads_right_quietly, self.reader),
            self.writer.name: partial(self.reads_back, user),
            self.guest_reader.name: partial(self.guest.reads_right_quietly, self.guest_reader),
        }


def target(user: User) -> FluidRelease:
    """The version to upgrade to; a run without ``--upgrade-from`` has none."""
    found = user.system.upgrade
    if found is None:
        cannot_run_here("it upgrades Fluid from an earlier version, which --upgrade-from names")
    return found


@contextmanager
def in_use(user: User) -> Iterator[InUse]:
    """A read-only Dataset, a read-write one, and a reference from another namespace, each with its reader."""
    needs_controller(user)
    source = user.system.nfs
    folder = source_files.folder_for_writing(user)
    source.create_writable(folder)
    try:
        user.creates_dataset()
        _creates_writable(user, folder)
        user.waits_until_bound()
        user.waits_until_bound(WRITABLE)
        with referring_user(user) as guest:
            creates_reference(user, guest)
            reader = user.starts(user.application("e14-reader", DATASET))
            writer = user.starts(user.application("e14-writer", WRITABLE, node=reader.node))
            guest_reader = guest.starts(guest.application("e14-guest", REFERENCE))
            used = InUse(reader, writer, guest, guest_reader, folder, [])
            for pod in (reader, guest_reader):
                checks.served_by_fluid(user, pod)
            user.reads_right(reader)
            guest.reads_right(guest_reader, who="application in another namespace")
            used.writes(user, "before-the-upgrade.txt")
            used.reads_back(user)
            yield used
    finally:
        source.empty(folder)


def upgrade(user: User, release: HelmRelease, to: FluidRelease, used: InUse) -> None:
    """Upgrade CRDs and chart as Fluid documents, while all applications read.

    Fluid's chart replaces the CRDs in a hook before the upgrade (charts/fluid/fluid/templates/upgrade of
    1.0.8); here the harness does the same, because the hook needs an image of its own.

    Raises:
        ProductFailureError: a read failed or was wrong meanwhile, or the new Fluid is not ready.
        InfrastructureError: helm failed.
    """
    old, clock = fluid_upgrade.uids_of_components(user), user.system.kube.clock
    before, begin = user.system.fluid.version, clock.now()

    def done(says: str) -> None:
        reads.check()
        user.evidence.fact("upgrade", says, seconds=round(clock.now() - begin, 1))

    with ContinuousReads(used.reads(user), clock) as reads:
        changed = fluid_crds.upgrade(user.system.kube, to.chart)
        done(f"{len(changed)} CRDs are created or replaced")
        _upgrade_chart(release, to)
        done(f"helm upgraded the chart of {before} to that of {to.version}")
        fluid_upgrade.wait_until_replaced(user, used.reader, old, FailureClass.PRODUCT)
        fluid_upgrade.wait_until_settled(user, "Fluid is upgraded", FailureClass.PRODUCT)
        _check_version(user, to)
        done("controllers and CSI plugin run in new Pods, and all are ready")
    for name, count in reads.counts.items():
        user.evidence.fact(
            "application",
            f"{name} read {count} times during the upgrade, each time right",
            reads=count,
            longest_seconds=round(reads.longest[name], 1),
        )


def ensure_upgraded(user: User, release: HelmRelease, to: FluidRelease) -> None:
    """Upgrade also when the scenario failed before it did: all rows that follow expect the new version."""
    if fluid.state(user.system.kube).version == to.version:
        return
    fluid_crds.upgrade(user.system.kube, to.chart)
    _upgrade_chart(release, to)
    fluid_upgrade.wait_until_settled(user, "Fluid is upgraded")


def check_fuse_cleaned_up(user: User) -> None:
    """The Fuse Pod of `WRITABLE` is deleted with its last application, and the node's label with it."""
    with user.evidence.phase("waiting", "the Fuse Pod on demand is deleted"):
        wait(
            lambda: user.observer.fuse(user.namespace, WRITABLE),
            fuse_is_absent,
            subject=f"Dataset {user.namespace}/{WRITABLE}",
            condition="the absence of Fuse Pods and labelled nodes after the last application",
            timeout=CLEANED_SECONDS * user.timeout_factor,
            advice="check the CSI plugin's log for NodeUnstageVolume",
        )
    user.evidence.fact("Fuse DaemonSet", f"the Fuse Pod of {WRITABLE} was deleted with its last application")


def replaces_worker(user: User) -> None:
    """Delete the worker of `WRITABLE`, and wait until another one is ready in its place."""
    name, objects = fluid_names.worker_pod(WRITABLE), user.observer.objects
    was = objects.get(PodSnapshot, name, user.namespace)
    fault = delete_pod(user.system.kube, user.namespace, name, because="the new version has to replace it")
    user.evidence.fact("fault", fault.says)

    def is_back(pod: PodSnapshot | None) -> bool:
        return pod is not None and pod.ready and (was is None or pod.uid != was.uid)

    with user.evidence.phase("waiting", "the worker is replaced"):
        wait(
            lambda: objects.get(PodSnapshot, name, user.namespace),
            is_back,
            subject=f"Pod {user.namespace}/{name}",
            condition="replacement by a ready Pod",
            timeout=WORKER_BACK_SECONDS * user.timeout_factor,
        )


def wait_until_read_back(user: User, used: InUse) -> None:
    """Wait until the writer reads all that it wrote; a read may fail while the cache has no worker."""

    def observe() -> dict[str, str]:
        return dict(user.observer.read(used.writer).checksums)

    def is_right(seen: dict[str, str]) -> bool:
        return seen == used.expected

    with user.evidence.phase("reading", "the writer reads what it wrote"):
        wait(
            observe,
            is_right,
            subject=f"Pod {used.writer.namespace}/{used.writer.name}",
            condition=f"the files {', '.join(used.written)} with their checksums",
            timeout=WORKER_BACK_SECONDS * user.timeout_factor,
            delay=2.0,
        )
    user.evidence.fact("application", f"{used.writer.name} reads on after its worker was replaced")


def _creates_writable(user: User, folder: str) -> None:
    user.creates_source("nfs-rw", folder=folder)
    runtime = laptop_runtime(user.namespace, WRITABLE, properties=WRITE_THROUGH)
    fuse = (runtime.fuse or Fuse()).evolve(clean_policy="OnDemand")
    dataset = Dataset.over_claim(user.namespace, WRITABLE, "nfs-rw").evolve(
        placement="Shared",
        access_modes=("ReadWriteMany",),
        # A worker that is replaced on another node leaves its blocks in memory, which row D15 shows.
        node_affinity=NodeAffinity.on(user.system.nodes[0]),
    )
    user.creates_dataset(dataset, runtime.evolve(fuse=fuse))


def _upgrade_chart(release: HelmRelease, to: FluidRelease) -> None:
    with tempfile.TemporaryDirectory() as folder:
        values = Path(folder) / "values.yaml"
        values.write_text(yaml.safe_dump(dict(to.values), sort_keys=False))
        release.install(to.chart, values)


def _check_version(user: User, to: FluidRelease) -> None:
    found = fluid.state(user.system.kube).version
    if found != to.version:
        checks.fail(
            "Fluid is not upgraded although helm says so",
            subject="Deployment fluid-system/dataset-controller",
            expected=f"image with tag {to.version}",
            seen=found,
        )
