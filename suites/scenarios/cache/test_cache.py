"""Group C: what is cached, proved from sides that do not ask each other."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fluid_snapshots import CacheStates
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.idle_watch import IdleResult
from suites.steps.user import DATASET, SOURCE, User
from workloads import pod_commands
from workloads.faults import stopped

#: Seconds until the hit ratio shows reads: it is worked out at most once a minute, on a look of the
#: controller (every 90 s), from the figures of two such looks (pkg/ddc/alluxio/cache.go:99-120 of 1.0.8).
RATIO_SECONDS: Final = 420.0
#: Per cent from which a ratio counts as all: Fluid rounds to one decimal, and readers overlap samples.
NEARLY_ALL: Final = 90.0

#: Seconds that a read of raw NFS is given while the server is stopped: it has to stall.
STALL_SECONDS = 6.0


@scenario("C1", Level.CONFORMANCE)
def test_fuse_pod_comes_with_the_first_application_and_not_before(
    dataset_owner: User, idle_watch: IdleResult, window: float
) -> None:
    """No Fuse Pod runs and no node is labelled until an application uses the claim; then just one.

    The user leaves a Bound Dataset alone for a while, and then starts an application.
    """
    checks.no_fuse_over_window(dataset_owner, window, lambda: None, before=idle_watch)
    checks.nothing_cached(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("c1-first", DATASET))
    fuse = checks.served_by_fluid(dataset_owner, pod)
    if fuse.labelled != (pod.node,) or fuse.desired != 1:
        checks.fail(
            "more Fuse Pods are wanted than nodes have an application",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected=f"one Fuse Pod, on {pod.node}, and only that node labelled",
            seen=str(fuse),
        )
    checks.one_fuse_pod(dataset_owner, pod.node)


@scenario("C4", Level.CONFORMANCE, alone=True, untouched=True)
def test_status_tells_what_is_cached_and_how_reads_are_served(dataset_owner: User) -> None:
    """The Dataset's status tells size and number of files, what is cached, and that reads hit the cache.

    The user reads all files and looks at ``status.cacheStates``, then reads on from the cache.
    """
    observer = dataset_owner.observer
    checks.nothing_cached(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("c4-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    checks.all_cached(dataset_owner, status_too=True)
    dataset = observer.dataset(dataset_owner.namespace, DATASET)
    number = len(dataset_owner.files.files)
    if dataset.file_num != str(number):
        checks.fail(
            f"the status tells {dataset.file_num or 'no'} files where {number} lie at the source",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected="status.fileNum as at the source",
            seen=str(dataset),
        )
    dataset_owner.evidence.fact(
        "Dataset status", f"{dataset.file_num} files, {dataset.ufs_total}", files=dataset.file_num
    )

    def reads_on() -> CacheStates:
        # Pages of the kernel would be read instead, and Alluxio would have nothing to count.
        observer.drop_page_cache(pod.node)
        dataset_owner.reads_right_quietly(pod)
        dataset_owner.request_reconcile()
        return observer.dataset(dataset_owner.namespace, DATASET).cache

    with dataset_owner.evidence.phase("waiting", "the hit ratio shows the reads"):
        cache = wait(
            reads_on,
            # A worker on the reader's own node counts as remote here: a Fuse Pod that opened a file cold goes
            # on reading through the worker (C8 shows a read that is local).
            lambda seen: min(seen.hit_ratio or 0.0, _shares(seen)) >= NEARLY_ALL,
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            condition=f"cacheHitRatio of at least {NEARLY_ALL:g} %",
            timeout=RATIO_SECONDS,
            delay=5.0,
            describe=lambda seen: f"hits {seen.hit_ratio} %, local and remote {_shares(seen):g} %",
            advice="see `alluxio fsadmin report metrics`, Cluster.BytesRead…",
        )
    dataset_owner.evidence.fact(
        "Dataset status",
        f"cacheHitRatio {cache.hit_ratio:g} %, of it local {cache.local_hit_ratio or 0:g} %, "
        f"remote {cache.remote_hit_ratio or 0:g} %",
    )


def _shares(cache: CacheStates) -> float:
    """Local and remote hits together, %."""
    return (cache.local_hit_ratio or 0.0) + (cache.remote_hit_ratio or 0.0)


@scenario("C5", Level.SMOKE, alone=True)
def test_a_warm_read_costs_the_nfs_server_nothing(shared_user: User) -> None:
    """A cached read costs the NFS server nothing, and works with the server stopped.

    The user's application reads all files once. Then the page cache is dropped, and it reads them
    again, first with the server up, then with the server stopped; a Pod on raw NFS is the control.
    """
    warm = shared_user.starts(shared_user.application("c5-warm", DATASET))
    raw = shared_user.starts(shared_user.application("c5-raw", SOURCE))
    checks.served_by_fluid(shared_user, warm)
    shared_user.reads_right(warm)
    checks.all_cached(shared_user)
    observer = shared_user.observer

    observer.drop_page_cache(warm.node)
    before = observer.served()
    shared_user.reads_right(warm, who="application, page cache dropped")
    checks.assert_nfs_sent_nothing(shared_user, observer.served().since(before), "a read through Fluid")

    observer.drop_page_cache(raw.node)
    before = observer.served()
    shared_user.reads_right(raw, who="control on raw NFS, page cache dropped")
    checks.assert_nfs_sent_all(shared_user, observer.served().since(before), "a read of raw NFS")

    observer.drop_page_cache(warm.node)
    server = observer.on_node(shared_user.system.nfs.node)
    with stopped(server, "ganesha.nfsd") as fault:
        shared_user.evidence.fact("NFS server", fault.says)
        shared_user.reads_right(warm, who="application, NFS server stopped", source_stopped=True)
        stalls(shared_user, raw)
    shared_user.reads_right(raw, who="control on raw NFS, server back")


def stalls(user: User, pod: PodSnapshot) -> None:
    """A read of one file of raw NFS does not end: the server really is out of reach."""
    path = f"/data/{user.files.files[0].path}"
    try:
        done = user.observer.inside(pod, pod_commands.read_argv(path, direct=True), timeout=STALL_SECONDS)
    except ExecTimeoutError:
        user.evidence.fact("control on raw NFS", f"a read stalls for {STALL_SECONDS:g} s")
        return
    checks.fail(
        "a read of raw NFS ended while the NFS server was stopped",
        subject=f"Pod {pod.namespace}/{pod.name}",
        expected="a stall",
        seen=f"exit code {done.exit_code}: {done.stdout}{done.stderr}",
        advice="the control proves nothing, so neither does the read through Fluid",
    )
