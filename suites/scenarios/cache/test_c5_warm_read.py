"""Reads from the cache, which cost the NFS server nothing."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, nfs_server, page_cache
from suites.steps.stalled_reads import check_no_slow_read
from suites.steps.user import DATASET, SOURCE, User
from workloads import pod_commands

#: Seconds for a read of raw NFS while the server is stopped: it must stall.
STALL_SECONDS: Final = 6.0


@scenario("C5", Level.SMOKE, alone=True, nfs_server="counts what the NFS server sends, and stops it")
def test_cached_read_costs_the_nfs_server_nothing(shared_user: User) -> None:
    """A cached read costs the NFS server nothing, and works with the server stopped.

    The user's application reads all files once. Then their pages are dropped on the mounts of readers and
    workers, and it reads them again, first with the server up, then with the server stopped. A Pod on
    raw NFS is the control.
    """
    warm = shared_user.starts(shared_user.application("c5-warm", DATASET))
    raw = shared_user.starts(shared_user.application("c5-raw", SOURCE))
    checks.served_by_fluid(shared_user, warm)
    shared_user.reads_right(warm)
    checks.all_cached(shared_user)
    observer = shared_user.observer

    page_cache.drop_files(shared_user, warm)
    before = observer.served()
    shared_user.reads_right(warm, who="application, page cache dropped", source_counted=True)
    checks.assert_nfs_sent_nothing(shared_user, observer.served().since(before), "a read through Fluid")

    page_cache.drop_files(shared_user, raw)
    before = observer.served()
    shared_user.reads_right(raw, who="control on raw NFS, page cache dropped", source_counted=True)
    checks.assert_nfs_sent_all(shared_user, observer.served().since(before), "a read of raw NFS")

    page_cache.drop_files(shared_user, warm)
    with nfs_server.stopped(shared_user) as fault:
        shared_user.evidence.fact("NFS server", fault.says)
        shared_user.reads_right(warm, who="application, NFS server stopped", source_stopped=True)
        _check_stalls(shared_user, raw)
    shared_user.reads_right(raw, who="control on raw NFS, server running again")


def _check_stalls(user: User, pod: PodSnapshot) -> None:
    """A read of one file of raw NFS does not end: the server really is out of reach."""
    path = f"/data/{user.files.files[0].path}"
    try:
        done = user.observer.inside(pod, pod_commands.read_argv(path, direct=True), timeout=STALL_SECONDS)
    except ExecTimeoutError:
        check_no_slow_read(user.observer, pod, STALL_SECONDS, source_stopped=True)
        user.evidence.fact("control on raw NFS", f"a read stalls for {STALL_SECONDS:g} s")
        return
    checks.fail(
        "a read of raw NFS ended while the NFS server was stopped",
        subject=f"Pod {pod.namespace}/{pod.name}",
        expected="a stall",
        seen=f"exit code {done.exit_code}: {done.stdout}{done.stderr}",
        advice="the control proves nothing, so the read through Fluid proves nothing either",
    )
