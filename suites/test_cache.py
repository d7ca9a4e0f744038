"""Group C: what is cached, proved from sides that do not ask each other."""

from __future__ import annotations

from clusters.podexec import ExecTimeoutError
from clusters.snapshots import PodSnapshot
from suites import checks
from suites.scenario import Level, scenario
from suites.user import DATASET, SOURCE, User
from workloads import inside
from workloads.faults import stopped

#: Seconds that a read of raw NFS is given while the server is stopped: it has to stall.
STALL_SECONDS = 6.0


@scenario("C5", Level.SMOKE, alone=True)
def test_a_warm_read_costs_the_nfs_server_nothing(shared: User) -> None:
    """A cached read costs the NFS server nothing, and works with the server stopped.

    The user's application reads all files once. Then the page cache is dropped, and it reads them
    again, first with the server up, then with the server stopped; a Pod on raw NFS is the control.
    """
    warm = shared.starts(shared.application("c5-warm", DATASET))
    raw = shared.starts(shared.application("c5-raw", SOURCE))
    checks.served_by_fluid(shared, warm)
    shared.reads_right(warm)
    checks.all_cached(shared)
    observer = shared.observer

    observer.drop_page_cache(warm.node)
    before = observer.served()
    shared.reads_right(warm, who="application, page cache dropped")
    checks.costs_nothing(shared, observer.served().since(before), "a read through Fluid")

    observer.drop_page_cache(raw.node)
    before = observer.served()
    shared.reads_right(raw, who="control on raw NFS, page cache dropped")
    checks.costs_all(shared, observer.served().since(before), "a read of raw NFS")

    observer.drop_page_cache(warm.node)
    server = observer.on_node(shared.system.nfs.node)
    with stopped(server, "ganesha.nfsd") as fault:
        shared.evidence.fact("NFS server", fault.says)
        shared.reads_right(warm, who="application, NFS server stopped")
        stalls(shared, raw)
    shared.reads_right(raw, who="control on raw NFS, server back")


def stalls(user: User, pod: PodSnapshot) -> None:
    """A read of one file of raw NFS does not end: the server really is out of reach."""
    path = f"/data/{user.files.files[0].path}"
    try:
        done = user.observer.inside(pod, inside.read_argv(path, direct=True), timeout=STALL_SECONDS)
    except ExecTimeoutError:
        user.evidence.fact("control on raw NFS", f"a read stalls for {STALL_SECONDS:g} s")
        return
    raise checks.fail(
        "a read of raw NFS ended while the NFS server was stopped",
        subject=f"Pod {pod.namespace}/{pod.name}",
        expected="a stall",
        seen=f"exit code {done.exit_code}: {done.stdout}{done.stderr}",
        advice="the control proves nothing, so neither does the read through Fluid",
    )
