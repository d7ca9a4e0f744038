"""FioRun in the Pods of a Job: a standalone Job without a connection to it, or several Pods in parallel.

Parallel Pods start together: each reports that it is ready and waits for a start time, given by the clock
of its own node. Each reads its own copy, because Pods on one node would read each other's page cache.
With one node for each Pod that does not change what NFS or Alluxio have to send.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import FailureClass, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.watch import Topic
from clusters.waiting import wait
from suites.benchmark.model.rounds import Part
from suites.benchmark.testbed.fio_run import END_OF_RUN, FioRun, FioRuns, measure_argv, parse_runs
from suites.benchmark.testbed.testbed import MOUNT, Testbed
from workloads import page_cache
from workloads.application import CONTAINER, Application
from workloads.fio import Plan

#: Placeholder for the number of a Pod in the arguments that all Pods share.
INDEX: Final = "@index@"

#: Seconds for the Pods of a Job to start and to end, without the reading.
JOB_SECONDS: Final = 150.0

#: Seconds from sending the start times to the start, and in addition for each Pod.
START_DELAY: Final = 0.5
START_DELAY_EACH: Final = 0.25

#: The API may take this many seconds longer than the Job.
GRACE: Final = 30.0

_SECOND: Final = 1_000_000_000
_EXEC_SECONDS: Final = 20.0

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
        run: of fio.
        started: seconds by the harness's clock.
    """

    number: int
    node: str
    run: FioRun
    started: float


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
        (pod,) = _wait_until_ended(testbed, name, 1, times * seconds)
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
    application: Application = testbed.user.application(name, claim, env={"JOB": plan.text})
    argv = measure_argv(plan, f"{MOUNT}/{folder}", seconds)
    job = application.job(
        "bash", "-euc", _READ, "read", f"{MOUNT}/{folder}", "1", _SIGNALS, *argv,
        completions=pods, deadline=int(2 * seconds + JOB_SECONDS), spread=True,
    )  # fmt: skip
    testbed.system.kube.create(job)
    try:
        waiting = _wait_until_ready(testbed, name, pods, seconds)
        ready(waiting)
        offsets = _start(testbed, waiting)
        finished = {pod.name: pod for pod in _wait_until_ended(testbed, name, pods, seconds)}
        ended(waiting)
        found = []
        for number, pod in enumerate(waiting):
            (one,) = _runs(testbed, finished.get(pod.name, pod), argv, 1)
            begun = one.started / _SECOND - offsets[pod.name]
            found.append(PodRun(number, pod.node, one, begun))
        return combined(found)
    finally:
        testbed.system.kube.delete(kinds.JOB, name, testbed.user.namespace)


def combined(found: Sequence[PodRun]) -> FioRuns:
    """The runs of several Pods, from the start of the first to the end of the last."""
    first = min(one.started for one in found)
    last = max(one.started + one.run.seconds for one in found)
    parts = tuple(
        Part(
            kind="pod",
            name=f"Pod {one.number + 1}, {one.started - first:.2f} s after the first",
            node=one.node,
            read_bytes=one.run.read_bytes,
            seconds=one.run.seconds,
            bytes_per_second=one.run.bytes_per_second,
        )
        for one in found
    )
    return FioRuns(tuple(one.run for one in found), last - first, parts)


def _wait_until_ready(testbed: Testbed, name: str, pods: int, seconds: float) -> tuple[PodSnapshot, ...]:
    """Wait until all Pods wait for their start."""
    kube, namespace, objects = testbed.system.kube, testbed.user.namespace, testbed.user.observer.objects
    there: set[str] = set()

    def observe() -> tuple[PodSnapshot, ...]:
        found: tuple[PodSnapshot, ...] = objects.list(PodSnapshot, namespace, labels=f"job-name={name}")
        for pod in found:
            if pod.name not in there and pod.phase == "Running":
                done = kube.exec(
                    namespace, pod.name, CONTAINER, ("test", "-e", f"{_SIGNALS}/ready"), timeout=_EXEC_SECONDS
                )
                if done.exit_code == 0:
                    there.add(pod.name)
        return found

    found = wait(
        observe,
        lambda found: len(found) == pods and {pod.name for pod in found} <= there,
        subject=f"Job {namespace}/{name}",
        condition=f"{pods} Pods ready to read",
        timeout=seconds + JOB_SECONDS,
        describe=lambda found: f"{len(there)} of {pods} ready; {'; '.join(map(str, found))}",
        failed=lambda found: next((f"it ended: {pod}" for pod in found if pod.ended), None),
        failure_class=FailureClass.INFRASTRUCTURE,
        advice="read the events of the Pods; a node may have no room for another one",
    )
    # An Indexed Job names its Pods <job>-<number>-<chance>.
    return tuple(sorted(found, key=lambda pod: int(pod.name.rsplit("-", 2)[1])))


def _start(testbed: Testbed, pods: Sequence[PodSnapshot]) -> dict[str, float]:
    """Send each Pod its start time, and return by how many seconds the clock of its node is ahead."""
    kube, namespace = testbed.system.kube, testbed.user.namespace
    offsets = {}
    for pod in pods:
        before = time.time()
        done = kube.exec(namespace, pod.name, CONTAINER, ("date", "+%s%N"), timeout=_EXEC_SECONDS)
        after = time.time()
        if not done.stdout.strip().isdecimal():
            raise InfrastructureError(
                f"Pod {pod.name} does not report the time", last_seen=done.stderr[-300:]
            )
        offsets[pod.name] = int(done.stdout) / _SECOND - (before + after) / 2
    start = time.time() + START_DELAY + START_DELAY_EACH * len(pods)
    for pod in pods:
        moment = int((start + offsets[pod.name]) * _SECOND)
        argv = ("bash", "-euc", _START, "start", _SIGNALS, str(moment))
        done = kube.exec(namespace, pod.name, CONTAINER, argv, timeout=_EXEC_SECONDS)
        if done.exit_code != 0:
            raise InfrastructureError(f"Pod {pod.name} cannot be started", last_seen=done.stderr[-300:])
    return offsets


def _wait_until_ended(testbed: Testbed, name: str, pods: int, seconds: float) -> tuple[PodSnapshot, ...]:
    """Wait until a Job has ended, and return its Pods."""
    kube, namespace, objects = testbed.system.kube, testbed.user.namespace, testbed.user.observer.objects

    def over(seen: JobSnapshot | None) -> bool:
        return seen is not None and (seen.succeeded >= pods or seen.failed > 0)

    with kube.changes(kinds.JOB, namespace, more=[Topic(kinds.POD, namespace)]) as changed:
        wait(
            lambda: objects.get(JobSnapshot, name, namespace),
            over,
            subject=f"Job {namespace}/{name}",
            condition="the end",
            timeout=seconds + JOB_SECONDS + GRACE,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    return objects.list(PodSnapshot, namespace, labels=f"job-name={name}")


def _runs(testbed: Testbed, pod: PodSnapshot, argv: tuple[str, ...], times: int) -> list[FioRun]:
    """The runs of fio in the log of a Pod."""
    text = testbed.system.kube.logs(pod.namespace, pod.name, CONTAINER)
    return parse_runs(argv, text, times, who=f"Pod {pod.name}")
