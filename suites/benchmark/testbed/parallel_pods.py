"""FioRun in the Pods of a Job: a standalone Job without a connection to it, or several Pods in parallel.

Parallel Pods start together: each reports that it is ready and waits for a start time, given by the clock
of its own node. Each reads its own copy, because Pods on one node would read each other's page cache.
With one node for each Pod that does not change what NFS or Alluxio have to send.

A start and a log of each Pod, the clock of each node, and a few lists and watches are all calls of the API:
kubelets notice when the Pods are ready, and a watch passes it on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from clusters.errors import FailureClass, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.object_cache import ObjectCache
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import wait
from suites.benchmark.model.rounds import Part
from suites.benchmark.testbed.fio_run import END_OF_RUN, FioRun, FioRuns, measure_argv, parse_runs
from suites.benchmark.testbed.pod_placement import Placement
from suites.benchmark.testbed.testbed import MOUNT, Testbed
from workloads import page_cache
from workloads.application import CONTAINER, Application
from workloads.fio import Plan

_T = TypeVar("_T")

#: Placeholder for the number of a Pod in the arguments that all Pods share.
INDEX: Final = "@index@"

#: Seconds for the Pods of a Job to start and to end, without the reading, and in addition for each Pod.
JOB_SECONDS: Final = 150.0
JOB_SECONDS_EACH: Final = 0.5

#: Seconds from sending the start times to the start, and in addition for each Pod up to some number.
START_DELAY: Final = 0.5
START_DELAY_EACH: Final = 0.25
START_DELAY_PODS: Final = 120

#: Pods that are asked at the same time.
AT_ONCE: Final = 8

#: The API may take this many seconds longer than the Job.
GRACE: Final = 30.0

_SECOND: Final = 1_000_000_000
_EXEC_SECONDS: Final = 20.0
#: Pods that an error names.
_NAMED: Final = 5

#: FioRuns before the measured one, so that the mount has been used as often as that of the permanent reader.
WARM_UP_READS: Final = 1

_READ: Final = (
    "drop_page_cache() {"
    + page_cache.DROP
    + r"""}
folder=${1//@index@/$JOB_COMPLETION_INDEX} times=$2 signals=$3
shift 3
argv=("${@//@index@/$JOB_COMPLETION_INDEX}")
drop_page_cache "$folder"
find "$folder" -type f -exec cat {} + > /dev/null
drop_page_cache "$folder"
if [ -n "$signals" ]; then
  touch "$signals/ready"
  until [ -e "$signals/start" ]; do sleep 0.05; done
  left=$(( $(cat "$signals/start") - $(date +%s%N) ))
  [ "$left" -le 0 ] || sleep "$((left / 1000000000)).$(printf %09d $((left % 1000000000)))"
fi
while [ "$times" -gt 0 ]; do
  code=0
  printf %s "${JOB//@index@/$JOB_COMPLETION_INDEX}" | "${argv[@]}" || code=$?
"""
    + END_OF_RUN
    + r"""
  times=$((times - 1))
  drop_page_cache "$folder"
done
"""
)
_SIGNALS: Final = "/tmp"  # noqa: S108 - in a Pod of the harness
_START: Final = 'echo "$2" > "$1/start.part" && mv "$1/start.part" "$1/start"'


@dataclass(frozen=True, slots=True)
class PodRun:
    """The run of fio in one of several Pods.

    Attributes:
        number: of the Pod in its Job.
        node: on which it ran.
        zone: of the node, or empty.
        run: of fio.
        started: seconds by the harness's clock.
    """

    number: int
    node: str
    run: FioRun
    started: float
    zone: str = ""


def read_in_standalone_job(
    testbed: Testbed, plan: Plan, claim: str, folder: str, *, times: int, seconds: float
) -> FioRuns:
    """Read a folder in a Job, without a connection to its Pod.

    Args:
        testbed: with the claims.
        plan: what is read.
        claim: through which.
        folder: of the files, below the mount.
        times: how often it reads.
        seconds: after which one run of fio is killed.

    Raises:
        HarnessError: it did not end, or read nothing.
    """
    name = testbed.next_job("standalone")
    application = testbed.user.application(name, claim, node=testbed.raw.node, env={"JOB": plan.text})
    argv = measure_argv(plan, f"{MOUNT}/{folder}", seconds)
    job = application.job(
        "bash", "-euc", _READ, "read", f"{MOUNT}/{folder}", str(times), "", *argv,
        deadline=int(times * seconds + JOB_SECONDS),
    )  # fmt: skip
    testbed.system.kube.create(job)
    try:
        (pod,) = _wait_until_ended(testbed, name, 1, times * seconds + JOB_SECONDS)
        return FioRuns.in_sequence(_runs(testbed, pod, argv, times), plan)
    finally:
        testbed.system.kube.delete(kinds.JOB, name, testbed.user.namespace)


def read_in_parallel(
    testbed: Testbed,
    plan: Plan,
    claim: str,
    folder: str,
    *,
    pods: int,
    seconds: float,
    ready: Callable[[Sequence[PodSnapshot]], None],
    ended: Callable[[Sequence[PodSnapshot]], None],
) -> FioRuns:
    """Read in several Pods of one Job at the same time, on as many nodes as there are.

    Args:
        testbed: with the claims.
        plan: what each Pod reads, with `INDEX` for its number in the name of the folder.
        claim: through which.
        folder: of the files, below the mount, with `INDEX`.
        pods: how many.
        seconds: after which a run of fio is killed.
        ready: called when all Pods wait for their start.
        ended: called when all have ended.

    Raises:
        HarnessError: one of them did not start, or did not end.
    """
    name = testbed.next_job("parallel")
    placement = _placement(testbed)
    placement.require(pods)
    application: Application = testbed.user.application(name, claim, env={"JOB": plan.text})
    argv = measure_argv(plan, f"{MOUNT}/{folder}", seconds)
    limit = 2 * seconds + JOB_SECONDS + JOB_SECONDS_EACH * pods
    job = application.job(
        "bash", "-euc", _READ, "read", f"{MOUNT}/{folder}", "1", _SIGNALS, *argv,
        completions=pods, deadline=int(limit), spread=placement.spread, ready_file=f"{_SIGNALS}/ready",
    )  # fmt: skip
    testbed.system.kube.create(job)
    try:
        waiting = _wait_until_ready(testbed, name, pods, limit - seconds)
        ready(waiting)
        offsets = _start(testbed, waiting)
        finished = {pod.name: pod for pod in _wait_until_ended(testbed, name, pods, limit)}
        ended(waiting)
        several = _at_once(waiting, lambda pod: _runs(testbed, finished.get(pod.name, pod), argv, 1))
        return combined(
            [
                PodRun(
                    number,
                    pod.node,
                    one,
                    one.started / _SECOND - offsets[pod.node],
                    placement.zones.get(pod.node, ""),
                )
                for number, (pod, (one,)) in enumerate(zip(waiting, several, strict=True))
            ]
        )
    finally:
        testbed.system.kube.delete(kinds.JOB, name, testbed.user.namespace)


def _placement(testbed: Testbed) -> Placement:
    objects = testbed.user.observer.objects
    return Placement.of(objects.list(NodeSnapshot), objects.list(PodSnapshot))


def _at_once(pods: Sequence[PodSnapshot], ask: Callable[[PodSnapshot], _T]) -> list[_T]:
    """Ask several Pods at the same time; the answers have the order of the Pods."""
    with ThreadPoolExecutor(AT_ONCE, "parallel-pods") as threads:
        return list(threads.map(ask, pods))


def combined(found: Sequence[PodRun]) -> FioRuns:
    """The runs of several Pods, from the start of the first to the end of the last."""
    first = min(one.started for one in found)
    last = max(one.started + one.run.seconds for one in found)
    parts = tuple(
        Part(
            kind="pod",
            name=f"Pod {one.number + 1}, {one.started - first:.2f} s after the first",
            node=one.node,
            zone=one.zone,
            started=one.started - first,
            read_bytes=one.run.read_bytes,
            seconds=one.run.seconds,
            bytes_per_second=one.run.bytes_per_second,
        )
        for one in found
    )
    return FioRuns(tuple(one.run for one in found), last - first, parts)


def _wait_until_ready(testbed: Testbed, name: str, pods: int, seconds: float) -> tuple[PodSnapshot, ...]:
    """Wait until all Pods wait for their start."""
    kube, namespace = testbed.system.kube, testbed.user.namespace

    def describe(found: Sequence[PodSnapshot]) -> str:
        late = [pod for pod in found if not pod.ready]
        more = f" and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
        there = f"{len(found) - len(late)} of {pods} ready, {pods - len(found)} not created"
        return f"{there}; {'; '.join(map(str, late[:_NAMED]))}{more}"

    with ObjectCache(kube.connection, clock=kube.clock) as cache:

        def observe() -> tuple[PodSnapshot, ...]:
            found = cache.list(kinds.POD, namespace, labels=f"job-name={name}")
            return tuple(map(PodSnapshot.of, found))

        found = wait(
            observe,
            lambda found: len(found) == pods and all(pod.ready for pod in found),
            subject=f"Job {namespace}/{name}",
            condition=f"{pods} Pods ready to read",
            timeout=seconds,
            describe=describe,
            failed=lambda found: next((f"it ended: {pod}" for pod in found if pod.ended), None),
            failure_class=FailureClass.INFRASTRUCTURE,
            advice="read the events of the Pods; a node may have no room for another one",
        )
    # An Indexed Job names its Pods <job>-<number>-<chance>.
    return tuple(sorted(found, key=lambda pod: int(pod.name.rsplit("-", 2)[1])))


def _start(testbed: Testbed, pods: Sequence[PodSnapshot]) -> dict[str, float]:
    """Send each Pod its start time, and return by how many seconds the clock of each node is ahead."""
    kube, namespace = testbed.system.kube, testbed.user.namespace
    offsets = {}
    # One after the other: the time of an answer must not contain that of others.
    for node, pod in {pod.node: pod for pod in reversed(pods)}.items():
        before = time.time()
        done = kube.exec(namespace, pod.name, CONTAINER, ("date", "+%s%N"), timeout=_EXEC_SECONDS)
        after = time.time()
        if not done.stdout.strip().isdecimal():
            raise InfrastructureError(
                f"Pod {pod.name} does not report the time", last_seen=done.stderr[-300:]
            )
        offsets[node] = int(done.stdout) / _SECOND - (before + after) / 2
    start = time.time() + START_DELAY + START_DELAY_EACH * min(len(pods), START_DELAY_PODS)

    def send(pod: PodSnapshot) -> None:
        moment = int((start + offsets[pod.node]) * _SECOND)
        argv = ("bash", "-euc", _START, "start", _SIGNALS, str(moment))
        done = kube.exec(namespace, pod.name, CONTAINER, argv, timeout=_EXEC_SECONDS)
        if done.exit_code != 0:
            raise InfrastructureError(f"Pod {pod.name} cannot be started", last_seen=done.stderr[-300:])

    _at_once(pods, send)
    return offsets


def _wait_until_ended(testbed: Testbed, name: str, pods: int, seconds: float) -> tuple[PodSnapshot, ...]:
    """Wait until a Job has ended, and return its Pods."""
    kube, namespace, objects = testbed.system.kube, testbed.user.namespace, testbed.user.observer.objects

    with ObjectCache(kube.connection, clock=kube.clock) as cache:

        def observe() -> JobSnapshot | None:
            found = cache.list(kinds.JOB, namespace, fields=f"metadata.name={name}")
            return JobSnapshot.of(found[0]) if found else None

        wait(
            observe,
            lambda seen: seen is not None and (seen.succeeded >= pods or seen.failed > 0),
            subject=f"Job {namespace}/{name}",
            condition="the end",
            timeout=seconds + GRACE,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    return objects.list(PodSnapshot, namespace, labels=f"job-name={name}")


def _runs(testbed: Testbed, pod: PodSnapshot, argv: tuple[str, ...], times: int) -> list[FioRun]:
    """The runs of fio in the log of a Pod."""
    text = testbed.system.kube.logs(pod.namespace, pod.name, CONTAINER)
    return parse_runs(argv, text, times, who=f"Pod {pod.name}")
