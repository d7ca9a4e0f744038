"""Group D: parts of the system die, and what of it a user notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.errors import InfrastructureError
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.fuse import FuseSnapshot
from clusters.product.predicates import is_bound
from clusters.waiting import WaitError, hold, objection, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.diagnosis import FindingCode
from suites.record.versions import ByVersion
from suites.steps import checks, csi_plugin
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, SOURCE, User
from workloads import pod_commands
from workloads.faults import delete_pod, kill_process, stopped
from workloads.models.dataset import Dataset, NodeAffinity

#: Seconds until a killed Fuse has started again and its mount is back on the node.
FUSE_BACK_SECONDS: Final = 120.0
#: Seconds until a recovered mount has reached the application (Fluid looks every 5 s).
RECOVERED_SECONDS: Final = 90.0
#: Seconds until a worker that was deleted is there again and reads are answered.
WORKER_BACK_SECONDS: Final = 240.0
#: Seconds until the Dataset is Bound when its worker is back; where it never was anything else, it is so now.
BOUND_AGAIN_SECONDS: Final = ByVersion({"0.9": 120.0, "1.0": 0.0})
#: Seconds that a read is given where it is expected to hang.
STALL_SECONDS: Final = 6.0
#: Seconds for which the Dataset is watched while the NFS server is stopped.
DOWN_SECONDS: Final = 20.0

#: What a Dataset may be while it has no worker. Up to 0.9 it is Failed until the worker is back
#: (pkg/ddc/alluxio/health_check.go:38-59 of 0.9.3), later it stays Bound.
WITHOUT_WORKER: Final = ByVersion({"0.9": ("Bound", "Failed"), "1.0": ("Bound",)})

RECOVERY_OFF: Final = "--feature-gates=FuseRecovery=false"
RECOVERY_ON: Final = "--feature-gates=FuseRecovery=true"


@scenario("D1", Level.CONFORMANCE, issues=(1279,))
def test_killed_fuse_serves_new_applications_and_leaves_old_ones_dead(dataset_owner: User) -> None:
    """A killed Fuse starts again in its Pod and serves new applications; those from before must be made anew.

    The Fuse's process is killed while the user's application has the claim mounted. Fluid's
    default is not to mend mounts (FuseRecovery=false).
    """
    if RECOVERY_ON in csi_plugin.arguments(dataset_owner.system.kube):
        raise InfrastructureError(
            "the CSI plugin mends mounts here, and this scenario is about one that does not"
        )
    old = dataset_owner.starts(dataset_owner.application("d1-before", DATASET))
    before = checks.served_by_fluid(dataset_owner, old)
    dataset_owner.reads_right(old)
    _kill_fuse(dataset_owner, old.node, before)
    checks.dead_mount(dataset_owner, old)
    assert_diagnosis(
        dataset_owner,
        old.name,
        FindingCode.DEAD_MOUNT,
        names=(old.name, f"Delete Pod `{old.name}`"),
        inside=True,
    )
    new = dataset_owner.starts(dataset_owner.application("d1-after", DATASET, node=old.node))
    checks.served_by_fluid(dataset_owner, new)
    dataset_owner.reads_right(new)
    dataset_owner.stops(old)
    again = dataset_owner.starts(dataset_owner.application("d1-before", DATASET, node=old.node))
    dataset_owner.reads_right(again, who="application, made anew")


@scenario(
    "D2",
    Level.CONFORMANCE,
    alone=True,
    issues=(2719, 3399, 5416),
    defects=(
        Defect(
            "recovered-event-without-recovery",
            "The event that a mount was mended is told although the application cannot read.",
            "pkg/csi/recover/recover.go:169-181 (1.0.8)",
        ),
    ),
)
def test_killed_fuse_is_mended_under_an_application_that_hears_of_mounts(dataset_owner: User) -> None:
    """With FuseRecovery, an application that hears of mounts reads on after its Fuse was killed.

    The administrator switches the feature on. Two applications run, one with mountPropagation HostToContainer
    and one without; then the Fuse is killed.
    """
    with _recovery(dataset_owner):
        hears = dataset_owner.starts(
            dataset_owner.application("d2-hears", DATASET, mount_propagation="HostToContainer")
        )
        deaf = dataset_owner.starts(dataset_owner.application("d2-deaf", DATASET, node=hears.node))
        before = checks.served_by_fluid(dataset_owner, hears)
        checks.served_by_fluid(dataset_owner, deaf)
        _kill_fuse(dataset_owner, hears.node, before)
        try:
            advice = "look at the CSI plugin's log for `recover`"
            checks.reads_again(dataset_owner, hears, RECOVERED_SECONDS, advice=advice)
        except WaitError:
            told = _recovered_events(dataset_owner)
            if told:
                says = f"told, and the application cannot read: {told}"
                dataset_owner.evidence.defect("recovered-event-without-recovery", seen=True, says=says)
            raise
        dataset_owner.reads_right(hears, who="application that hears of mounts")
        dataset_owner.evidence.fact("events", _recovered_events(dataset_owner) or "none of a mended mount")
        checks.dead_mount(dataset_owner, deaf)


def _recovered_events(user: User) -> str:
    events = user.observer.objects.events(user.namespace)
    return "; ".join(f"{e.reason}: {e.message}" for e in events if e.reason.startswith("FuseRecover"))


def _kill_fuse(user: User, node: str, before: FuseSnapshot) -> None:
    """Kill the process of this Dataset's Fuse, and wait until the same Pod has mounted again."""
    was = before.pod_on(node)
    assert was is not None
    mount_point = fluid_names.host_mount(user.namespace, DATASET)
    # Only this Fuse has its mount point among its arguments.
    fault = kill_process(user.observer.on_node(node), mount_point)
    user.evidence.fact("fault", fault.says, node=node)

    def look() -> tuple[FuseSnapshot, bool]:
        mounts = user.observer.host_mounts(node, user.namespace, DATASET)
        there = any(m.mount_point == mount_point and m.serves == "fluid" for m in mounts)
        return user.observer.fuse(user.namespace, DATASET), there

    def back(seen: tuple[FuseSnapshot, bool]) -> bool:
        pod = seen[0].pod_on(node)
        return seen[0].ready_on(node) and pod is not None and pod.restarts > was.restarts and seen[1]

    with user.evidence.phase("waiting", "the Fuse starts again"):
        fuse, _ = wait(
            look,
            back,
            subject=f"Fuse of {user.namespace}/{DATASET}",
            condition="a restart and a new mount on the node",
            timeout=FUSE_BACK_SECONDS,
            describe=lambda seen: f"{seen[0]}; {'mounted' if seen[1] else 'not mounted'}",
            advice="look at the Fuse Pod's previous log",
        )
    pod = fuse.pod_on(node)
    if pod is None or pod.uid != was.uid:
        checks.fail(
            "the Fuse Pod was replaced, not started again",
            subject=f"Fuse of {user.namespace}/{DATASET}",
            expected=f"Pod {was.name}",
            seen=str(pod),
        )
    user.evidence.fact("Fuse Pod", f"{pod.name} started again and mounted", restarts=pod.restarts)


@contextmanager
def _recovery(user: User) -> Iterator[None]:
    """Switch the CSI plugin's FuseRecovery on while the context lasts."""
    kube = user.system.kube
    if RECOVERY_ON in csi_plugin.arguments(kube):
        yield
        return
    try:
        with user.evidence.phase("waiting", "the CSI plugin starts with FuseRecovery"):
            csi_plugin.switch(kube, RECOVERY_OFF, RECOVERY_ON)
        user.evidence.fact("CSI plugin", f"runs with {RECOVERY_ON}")
        yield
    finally:
        if RECOVERY_ON in csi_plugin.arguments(kube):
            with user.evidence.phase("waiting", "the CSI plugin starts without FuseRecovery"):
                csi_plugin.switch(kube, RECOVERY_ON, RECOVERY_OFF)


def _for_one_node(user: User) -> None:
    wanted = Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared")
    user.creates_dataset(wanted.evolve(node_affinity=NodeAffinity.on(user.system.nodes[0])))


@scenario("D4", Level.CONFORMANCE, alone=True, dataset=_for_one_node)
def test_deleted_worker_comes_back_and_reads_go_on(dataset_owner: User) -> None:
    """A worker that is deleted comes back by itself; reads then go on and the cache fills again.

    The only worker's Pod is deleted while everything is cached; the Dataset stays Bound. The Dataset is for
    one node, so that the worker comes back there: on another one it would find none of its blocks, and
    those that it had would stay in memory.
    """
    pod = dataset_owner.starts(dataset_owner.application("d4-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner)
    name = fluid_names.worker_pod(DATASET)
    objects, allowed = dataset_owner.observer.objects, WITHOUT_WORKER.on(dataset_owner.system)
    was = objects.get(PodSnapshot, name, dataset_owner.namespace)
    fault = delete_pod(
        dataset_owner.system.kube, dataset_owner.namespace, name, because="the scenario's fault"
    )
    dataset_owner.evidence.fact("fault", fault.says)
    dataset_owner.observer.drop_page_cache(pod.node)

    def look() -> tuple[PodSnapshot | None, DatasetSnapshot]:
        return objects.get(PodSnapshot, name, dataset_owner.namespace), dataset_owner.observer.dataset(
            dataset_owner.namespace, DATASET
        )

    def unbound(seen: tuple[PodSnapshot | None, DatasetSnapshot]) -> str | None:
        return None if seen[1].phase in allowed else f"the Dataset's phase is {seen[1].phase}"

    with dataset_owner.evidence.phase("waiting", "the worker comes back"):
        wait(
            look,
            lambda seen: seen[0] is not None and seen[0].ready and (was is None or seen[0].uid != was.uid),
            subject=f"Pod {dataset_owner.namespace}/{name}",
            condition=f"a ready replacement, with a Dataset that stays {' or '.join(allowed)},",
            timeout=WORKER_BACK_SECONDS,
            failed=unbound,
        )
    checks.reads_again(dataset_owner, pod, WORKER_BACK_SECONDS, advice="look at the worker's log")
    dataset_owner.reads_right(pod, who="application, worker back")
    checks.all_cached(dataset_owner)
    dataset = _bound_again(dataset_owner)
    dataset_owner.evidence.fact("Dataset status", f"phase {dataset.phase}; meanwhile {' or '.join(allowed)}")


def _bound_again(user: User) -> DatasetSnapshot:
    """The Dataset is Bound; where it may have been something else meanwhile, Fluid is given time to look."""

    def look() -> DatasetSnapshot:
        user.request_reconcile()
        return user.observer.dataset(user.namespace, DATASET)

    with user.evidence.phase("waiting", "the Dataset is Bound"):
        return wait(
            look,
            is_bound,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound",
            timeout=BOUND_AGAIN_SECONDS.on(user.system),
            delay=5.0,
        )


@scenario("D12", Level.CONFORMANCE, alone=True)
def test_cached_files_are_read_while_the_nfs_server_is_stopped(dataset_owner: User) -> None:
    """While the NFS server is stopped, cached files are read and others stall; after it, all are read.

    The user's application has read one file when the NFS server stops. The Dataset stays Bound.
    """
    cached, uncached = (f"train/part-{number}.bin" for number in (0, 3))
    observer = dataset_owner.observer
    pod = dataset_owner.starts(dataset_owner.application("d12-reader", DATASET))
    raw = dataset_owner.starts(dataset_owner.application("d12-raw", SOURCE))
    checks.served_by_fluid(dataset_owner, pod)
    _reads_file(dataset_owner, pod, cached)
    _is_cached(dataset_owner, cached)
    listing = observer.listing(dataset_owner.namespace, DATASET)
    other = listing.entry(f"/{uncached}")
    if other is not None and other.in_alluxio:
        checks.fail(
            f"{uncached} is cached, though nobody has read it",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected="0 %",
            seen=str(other),
        )
    observer.drop_page_cache(pod.node)
    with stopped(observer.on_node(dataset_owner.system.nfs.node), "ganesha.nfsd") as fault:
        dataset_owner.evidence.fact("NFS server", fault.says)
        _reads_file(dataset_owner, pod, cached, source_stopped=True)
        _does_not_read(dataset_owner, pod, uncached)
        _does_not_read(dataset_owner, raw, cached)
        with dataset_owner.evidence.phase("window", "the Dataset stays Bound"):
            looks = hold(
                lambda: observer.dataset(dataset_owner.namespace, DATASET),
                objection(is_bound),
                subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
                condition="phase Bound without the NFS server",
                window=DOWN_SECONDS,
            )
        dataset_owner.evidence.fact("Dataset status", "stays Bound", looks=len(looks))
    dataset_owner.reads_right(pod, who="application, NFS server back")
    dataset_owner.reads_right(raw, who="control on raw NFS, server back")


def _reads_file(user: User, pod: PodSnapshot, path: str, *, source_stopped: bool = False) -> None:
    size = next(file.size for file in user.files.files if file.path == path)
    done = user.observer.read_file(pod, f"/data/{path}", source_stopped=source_stopped)
    if done.bytes != size:
        checks.fail(
            f"{pod.name} read {done.bytes} bytes of {path}",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{size} bytes",
            seen=str(done.bytes),
        )
    user.evidence.fact("application", f"{pod.name} read {path}", bytes=done.bytes)


def _is_cached(user: User, path: str) -> None:
    with user.evidence.phase("waiting", f"Alluxio holds {path}"):
        wait(
            lambda: user.observer.listing(user.namespace, DATASET).entry(f"/{path}"),
            lambda seen: seen is not None and seen.in_alluxio == 100,  # noqa: PLR2004 - per cent
            subject=f"file /{path} in Alluxio",
            condition="100 % in the cache",
            timeout=checks.CACHED_SECONDS,
            delay=1.0,
        )


def _does_not_read(user: User, pod: PodSnapshot, path: str) -> None:
    """A read stalls or fails: the source is needed, and it is out of reach."""
    argv = pod_commands.read_argv(f"/data/{path}")
    try:
        done = user.observer.inside(pod, argv, timeout=STALL_SECONDS)
    except ExecTimeoutError:
        user.evidence.fact("application", f"{pod.name}: a read of {path} stalls for {STALL_SECONDS:g} s")
        return
    if done.exit_code == 0:
        checks.fail(
            f"{pod.name} read {path} while the NFS server was stopped",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="a stall or an error",
            seen=done.stderr.strip(),
            advice="it came from a cache that nobody knows of, or the server was not stopped",
        )
    user.evidence.fact("application", f"{pod.name}: a read of {path} fails: {done.stderr.strip()[-200:]}")
