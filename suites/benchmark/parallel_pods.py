"""Reading in Pods of a Job: by hand, with nobody connected to them, or several Pods at once.

Several Pods start together: each makes itself ready and waits for a moment that it is told, by the clock
of its own node. Each reads a copy of its own, because Pods on one node would read each other's page
cache; with a node for each Pod that makes no difference to what NFS or Alluxio have to send.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import FailureClass, InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots import JobSnapshot, PodSnapshot
from clusters.kubernetes.watch import Topic
from clusters.waiting import wait
from suites.benchmark.fio_run import FORGET, Reading, Reads, measure_argv, reading_of_log
from suites.benchmark.results import Part
from suites.benchmark.testbed import MOUNT, Bench
from workloads.application import CONTAINER, Application
from workloads.fio import Plan

#: Stands for the number of a Pod in what all Pods are given.
INDEX: Final = "@index@"

#: Seconds for a Job's Pods to start and to end, beside what they read.
JOB_SECONDS: Final = 150.0

#: Seconds between telling a Pod when to start and its start: so long, and so much more for each Pod.
AHEAD: Final = 0.5
AHEAD_EACH: Final = 0.25

#: The API may take this many seconds longer than the Job.
GRACE: Final = 30.0

_SECOND: Final = 1_000_000_000
_EXEC_SECONDS: Final = 20.0

#: How often a Pod reads before it is measured, so that its mount is as used as that of a reader that stays.
BEFOREHAND: Final = 1

_READ: Final = (
    "forget() {"
    + FORGET
    + r"""}
folder=${1//@index@/$JOB_COMPLETION_INDEX} times=$2 signals=$3
shift 3
argv=("${@//@index@/$JOB_COMPLETION_INDEX}")
forget "$folder"
find "$folder" -type f -exec cat {} + > /dev/null
forget "$folder"
if [ -n "$signals" ]; then
  touch "$signals/ready"
  until [ -e "$signals/start" ]; do sleep 0.05; done
  left=$(( $(cat "$signals/start") - $(date +%s%N) ))
  [ "$left" -le 0 ] || sleep "$((left / 1000000000)).$(printf %09d $((left % 1000000000)))"
fi
while [ "$times" -gt 0 ]; do
  code=0
  printf %s "${JOB//@index@/$JOB_COMPLETION_INDEX}" | "${argv[@]}" || code=$?
  echo
  echo "seen exit $code"
  echo "next read"
  times=$((times - 1))
  forget "$folder"
done
"""
)
_SIGNALS: Final = "/tmp"  # noqa: S108 - inside a Pod of ours
_NEXT: Final = "\nnext read\n"
_START: Final = 'echo "$2" > "$1/start.part" && mv "$1/start.part" "$1/start"'


@dataclass(frozen=True, slots=True)
class PodReading:
    """What one of several Pods did.

    Attributes:
        number: of the Pod in its Job.
        node: on which it ran.
        reading: its run of fio.
        started: seconds by the harness's clock.
    """

    number: int
    node: str
    reading: Reading
    started: float


def by_hand(bench: Bench, plan: Plan, claim: str, folder: str, *, times: int, seconds: float) -> Reads:
    """Let a Job's own program read a folder, without anybody connected to it.

    Args:
        bench: with the claims.
        plan: what is read.
        claim: through which.
        folder: where the files lie below the mount.
        times: how often it reads.
        seconds: after which one run of fio is ended.

    Raises:
        HarnessError: it did not end, or read nothing.
    """
    name = bench.next_job("by-hand")
    application = bench.user.application(name, claim, node=bench.raw.node, env={"JOB": plan.text})
    argv = measure_argv(plan, f"{MOUNT}/{folder}", seconds)
    job = application.job(
        "bash", "-euc", _READ, "read", f"{MOUNT}/{folder}", str(times), "", *argv,
        deadline=int(times * seconds + JOB_SECONDS),
    )  # fmt: skip
    bench.system.kube.create(job)
    try:
        (pod,) = _ended(bench, name, 1, times * seconds)
        return Reads.in_turn(_readings(bench, pod, argv, times), plan)
    finally:
        bench.system.kube.delete(kinds.JOB, name, bench.user.namespace)


def at_once(
    bench: Bench,
    plan: Plan,
    claim: str,
    folder: str,
    *,
    pods: int,
    seconds: float,
    ready: Callable[[Sequence[PodSnapshot]], None],
    ended: Callable[[Sequence[PodSnapshot]], None],
) -> Reads:
    """Let several Pods of one Job read at the same time, on as many nodes as there are.

    Args:
        bench: with the claims.
        plan: what each reads, with `INDEX` for its number in the folder's name.
        claim: through which.
        folder: where the files lie below the mount, with `INDEX`.
        pods: how many.
        seconds: after which a run of fio is ended.
        ready: told of the Pods when all of them wait for their start.
        ended: told of them when all have ended.

    Raises:
        HarnessError: one of them did not start, or did not end.
    """
    name = bench.next_job("together")
    application: Application = bench.user.application(name, claim, env={"JOB": plan.text})
    argv = measure_argv(plan, f"{MOUNT}/{folder}", seconds)
    job = application.job(
        "bash", "-euc", _READ, "read", f"{MOUNT}/{folder}", "1", _SIGNALS, *argv,
        completions=pods, deadline=int(2 * seconds + JOB_SECONDS), spread=True,
    )  # fmt: skip
    bench.system.kube.create(job)
    try:
        waiting = _waiting(bench, name, pods, seconds)
        ready(waiting)
        offsets = _started(bench, waiting)
        gone = {pod.name: pod for pod in _ended(bench, name, pods, seconds)}
        ended(waiting)
        found = []
        for number, pod in enumerate(waiting):
            (one,) = _readings(bench, gone.get(pod.name, pod), argv, 1)
            begun = (one.started or 0) / _SECOND - offsets[pod.name]
            found.append(PodReading(number, pod.node, one, begun))
        return together(found)
    finally:
        bench.system.kube.delete(kinds.JOB, name, bench.user.namespace)


def together(found: Sequence[PodReading]) -> Reads:
    """What several Pods did together: from the first one's start to the last one's end."""
    first = min(one.started for one in found)
    last = max(one.started + one.reading.seconds for one in found)
    parts = tuple(
        Part(
            kind="pod",
            name=f"Pod {one.number + 1}, {one.started - first:.2f} s after the first",
            node=one.node,
            read_bytes=one.reading.read_bytes,
            seconds=one.reading.seconds,
            bytes_per_second=one.reading.bytes_per_second,
        )
        for one in found
    )
    return Reads(tuple(one.reading for one in found), last - first, parts)


def _waiting(bench: Bench, name: str, pods: int, seconds: float) -> tuple[PodSnapshot, ...]:
    """The Pods, once all of them wait for their start."""
    kube, namespace, view = bench.system.kube, bench.user.namespace, bench.user.observer.view
    there: set[str] = set()

    def look() -> tuple[PodSnapshot, ...]:
        found: tuple[PodSnapshot, ...] = view.pods(namespace, f"job-name={name}")
        for pod in found:
            if pod.name not in there and pod.phase == "Running":
                done = kube.exec(
                    namespace, pod.name, CONTAINER, ("test", "-e", f"{_SIGNALS}/ready"), timeout=_EXEC_SECONDS
                )
                if done.exit_code == 0:
                    there.add(pod.name)
        return found

    found = wait(
        look,
        lambda found: len(found) == pods and {pod.name for pod in found} <= there,
        subject=f"Job {namespace}/{name}",
        condition=f"{pods} Pods that are ready to read",
        timeout=seconds + JOB_SECONDS,
        describe=lambda found: f"{len(there)} of {pods} ready; {'; '.join(map(str, found))}",
        failed=lambda found: next((f"it ended: {pod}" for pod in found if pod.ended), None),
        failure_class=FailureClass.INFRASTRUCTURE,
        advice="look at the Pods' events; a node may have no room for one more",
    )
    # An Indexed Job names its Pods <job>-<number>-<chance>.
    return tuple(sorted(found, key=lambda pod: int(pod.name.rsplit("-", 2)[1])))


def _started(bench: Bench, pods: Sequence[PodSnapshot]) -> dict[str, float]:
    """Tell each Pod when to start, and return by how many seconds its node's clock is ahead of ours."""
    kube, namespace = bench.system.kube, bench.user.namespace
    offsets = {}
    for pod in pods:
        before = time.time()
        done = kube.exec(namespace, pod.name, CONTAINER, ("date", "+%s%N"), timeout=_EXEC_SECONDS)
        after = time.time()
        if not done.stdout.strip().isdecimal():
            raise InfrastructureError(f"Pod {pod.name} does not tell the time", last_seen=done.stderr[-300:])
        offsets[pod.name] = int(done.stdout) / _SECOND - (before + after) / 2
    start = time.time() + AHEAD + AHEAD_EACH * len(pods)
    for pod in pods:
        moment = int((start + offsets[pod.name]) * _SECOND)
        argv = ("bash", "-euc", _START, "start", _SIGNALS, str(moment))
        done = kube.exec(namespace, pod.name, CONTAINER, argv, timeout=_EXEC_SECONDS)
        if done.exit_code != 0:
            raise InfrastructureError(f"Pod {pod.name} cannot be started", last_seen=done.stderr[-300:])
    return offsets


def _ended(bench: Bench, name: str, pods: int, seconds: float) -> tuple[PodSnapshot, ...]:
    """The Pods of a Job that has ended."""
    kube, namespace, view = bench.system.kube, bench.user.namespace, bench.user.observer.view

    def over(seen: JobSnapshot | None) -> bool:
        return seen is not None and (seen.succeeded >= pods or seen.failed > 0)

    with kube.changes(kinds.JOB, namespace, more=[Topic(kinds.POD, namespace)]) as changed:
        wait(
            lambda: view.job(namespace, name),
            over,
            subject=f"Job {namespace}/{name}",
            condition="ended",
            timeout=seconds + JOB_SECONDS + GRACE,
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )
    return view.pods(namespace, f"job-name={name}")


def _readings(bench: Bench, pod: PodSnapshot, argv: tuple[str, ...], times: int) -> list[Reading]:
    """What the runs of fio in a Pod that has ended left in its log."""
    text = bench.system.kube.logs(pod.namespace, pod.name, CONTAINER)
    pieces = text.split(_NEXT)[:-1]
    if len(pieces) != times:
        raise InfrastructureError(
            f"Pod {pod.name} read {len(pieces)} of {times} times", last_seen=text.strip()[-500:]
        )
    return [reading_of_log(argv, piece) for piece in pieces]
