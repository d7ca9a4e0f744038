"""An NFS server that is stopped."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.alluxio.output import Entry
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, nfs_server, page_cache, predicates
from suites.steps.stalled_reads import check_no_slow_read
from suites.steps.user import DATASET, SOURCE, User
from workloads import pod_commands

#: Seconds for a read that is expected to hang.
STALL_SECONDS: Final = 6.0


@scenario("D12", Level.CONFORMANCE, alone=True, nfs_server="stops the NFS server")
def test_cached_files_are_read_while_the_nfs_server_is_stopped(dataset_owner: User) -> None:
    """While the NFS server is stopped, cached files can be read and others cannot; later all can be read.

    The user's application has read one file when the NFS server stops. The Dataset stays Bound.
    """
    cached, uncached = (f"train/part-{number}.bin" for number in (0, 3))
    observer = dataset_owner.observer
    pod = dataset_owner.starts(dataset_owner.application("d12-reader", DATASET))
    raw = dataset_owner.starts(dataset_owner.application("d12-raw", SOURCE))
    checks.served_by_fluid(dataset_owner, pod)
    _check_reads_file(dataset_owner, pod, cached)
    _wait_until_cached(dataset_owner, cached)
    listing = observer.listing(dataset_owner.namespace, DATASET)
    other = listing.entry(f"/{uncached}")
    if other is not None and other.in_alluxio:
        checks.fail(
            f"{uncached} is cached, although no application has read it",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected="0 %",
            seen=str(other),
        )
    page_cache.drop_files(dataset_owner, pod, raw)
    with nfs_server.stopped(dataset_owner) as fault:
        dataset_owner.evidence.fact("NFS server", fault.says)
        _check_reads_file(dataset_owner, pod, cached, source_stopped=True)
        _check_does_not_read(dataset_owner, pod, uncached)
        _check_does_not_read(dataset_owner, raw, cached)
        with dataset_owner.evidence.phase("window", "the Dataset stays Bound"):
            observations = hold(
                dataset_owner.with_reconcile_requests(
                    lambda: observer.dataset(dataset_owner.namespace, DATASET)
                ),
                predicates.why_not_bound,
                subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
                condition="phase Bound while the NFS server is stopped",
                window=dataset_owner.two_reconciles,
            )
        dataset_owner.evidence.fact("Dataset status", "stays Bound", looks=len(observations))
    dataset_owner.reads_right(pod, who="application, NFS server running again")
    dataset_owner.reads_right(raw, who="control on raw NFS, server running again")


def _check_reads_file(user: User, pod: PodSnapshot, path: str, *, source_stopped: bool = False) -> None:
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


def _wait_until_cached(user: User, path: str) -> None:
    def is_cached(entry: Entry | None) -> bool:
        return entry is not None and entry.in_alluxio == 100  # noqa: PLR2004 - per cent

    with user.evidence.phase("waiting", f"{path} is cached"):
        wait(
            lambda: user.observer.listing(user.namespace, DATASET).entry(f"/{path}"),
            is_cached,
            subject=f"file /{path} in Alluxio",
            condition="100 % cached",
            timeout=checks.CACHED_SECONDS,
            delay=1.0,
        )


def _check_does_not_read(user: User, pod: PodSnapshot, path: str) -> None:
    """A read stalls or fails, because it needs the source."""
    argv = pod_commands.read_argv(f"/data/{path}")
    try:
        done = user.observer.inside(pod, argv, timeout=STALL_SECONDS)
    except ExecTimeoutError:
        check_no_slow_read(user.observer, pod, STALL_SECONDS, source_stopped=True)
        user.evidence.fact("application", f"{pod.name}: a read of {path} stalls for {STALL_SECONDS:g} s")
        return
    if done.exit_code == 0:
        checks.fail(
            f"{pod.name} read {path} while the NFS server was stopped",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="a stall or an error",
            seen=done.stderr.strip(),
            advice="it was served from an unknown cache, or the server was not stopped",
        )
    user.evidence.fact("application", f"{pod.name}: a read of {path} fails: {done.stderr.strip()[-200:]}")
