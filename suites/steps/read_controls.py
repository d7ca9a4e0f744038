"""Controls of a read that failed: whether the Pod, its node and the NFS server answer without Fluid.

A read of an application that hangs or fails is the product's failure, unless one of these controls fails
as well. They take seconds, so that a hang of the Fuse is reported as such soon after it began.

One control reads without Fluid, and its time is compared with the usual one: a machine that became slow since
the run began stretches the limits of reads through Fluid as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple, NoReturn

from clusters.errors import FailureClass, HarnessError, InfrastructureError, ProductFailureError
from clusters.host import mountinfo
from clusters.kubernetes import kinds
from clusters.kubernetes.predicates import is_ready
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import nfs
from clusters.system import System
from clusters.waiting import wait
from workloads import pod_commands
from workloads.application import CONTAINER, Application
from workloads.models.base import Manifest

#: Seconds for a program that only has to start and to end.
ANSWER_SECONDS: Final = 10.0
#: Seconds for the Pod that reads raw NFS to start, and for its read.
RAW_NFS_SECONDS: Final = 30.0
#: Seconds after which Kubernetes ends that Pod in any case.
LIFE_SECONDS: Final = 3600
#: Seconds that a control read may take on the machine for which the limits of reads were chosen, under the
#: load of a run. All that it is compared with is 16 MiB: the largest file of the smoke data.
USUAL_SECONDS: Final = 1.0
#: A control read that takes this many times longer has stalled itself: nothing can be said about Fluid.
MOST_SLOWNESS: Final = 10.0
#: Reads the largest file of up to 16 MiB, as applications do. Its pages are dropped before, so that the NFS
#: server is asked each time.
_READ_ONE: Final = r"""
set -o pipefail; export LC_ALL=C
found=$(find /data -type f -size +0 -size -17M -printf '%s\t%p\0' | sort -z -n | tail -z -n 1 | tr -d '\0')
file=${found#*$'\t'}
test -n "$file" && dd if="$file" iflag=nocache count=0 status=none \
  && sha256sum -- "$file" > /dev/null && echo "read ${found%%$'\t'*} bytes"
"""
READ_ONE_FILE: Final = ("bash", "-c", _READ_ONE)
#: The same work without any file, where the NFS server must not be asked.
COMPUTE: Final = (
    "bash",
    "-c",
    "set -o pipefail; head -c 16777216 /dev/zero | sha256sum > /dev/null && echo computes",
)


class Answer(NamedTuple):
    """What a control found.

    Attributes:
        says: in words.
        slowness: how many times longer than usual it took; 1 where time is not judged, and at least 1.
    """

    says: str
    slowness: float = 1.0


#: One control by name: it raises a `HarnessError` when it fails.
Control = tuple[str, Callable[[], Answer]]


def blame_read(
    system: System,
    pod: PodSnapshot,
    problem: str,
    seen: str,
    *,
    source_stopped: bool = False,
    stretch: float | None = None,
) -> NoReturn:
    """Run the controls for a read that hung or failed, and raise whose failure it is.

    Args:
        system: the cluster.
        pod: the application.
        problem: what its read did, such as ``hangs: no data for 12 s``.
        seen: the output of the read.
        source_stopped: the scenario has stopped the NFS server, so raw NFS cannot serve as a control.
        stretch: see `run_controls`.

    Raises:
        InfrastructureError: a control failed or is too slow as well, or the application does not read through
            Fluid.
        ProductFailureError: all controls answered.
    """
    subject = f"Pod {pod.namespace}/{pod.name}"
    answers = run_controls(system, pod, problem, seen, source_stopped=source_stopped, stretch=stretch)
    through = _through(system, pod)
    if through != "the Fuse":
        raise InfrastructureError(
            f"a read of {pod.name}, which does not use Fluid, {problem}",
            subject=subject,
            last_seen="\n".join((seen, *answers)).strip(),
            advice="this application is a control itself: check the NFS server and its client",
        )
    raise ProductFailureError(
        f"a read through the Fuse {problem}; "
        + ("the NFS server is stopped" if source_stopped else "raw NFS on the same node answers"),
        subject=subject,
        condition="all files are read",
        last_seen="\n".join((seen, *answers)).strip(),
        advice=f"check the Dataset's Fuse Pod on {pod.node}: its process, its log, its threads",
    )


def run_controls(
    system: System,
    pod: PodSnapshot,
    problem: str,
    seen: str,
    *,
    source_stopped: bool = False,
    stretch: float | None = None,
) -> list[str]:
    """Run the controls for a read that did not work, and return what each answered.

    Args:
        system: the cluster.
        pod: the application.
        problem: what its read did.
        seen: the output of the read.
        source_stopped: the scenario has stopped the NFS server.
        stretch: factor by which the limit was stretched that the read did not keep; None if it broke no limit
            in time.

    Raises:
        InfrastructureError: a control failed too, or took longer than ``stretch`` times the usual time.
    """
    answers: list[str] = []
    for name, control in controls(system, pod, source_stopped=source_stopped):
        try:
            answer = control()
        except HarnessError as error:
            raise failed_too(pod, problem, "\n".join((seen, *answers)), name, error) from error
        answers.append(f"{name}: {answer.says}")
        # A limit may be shorter than usual where the product is broken on purpose: controls are not.
        if stretch is not None and answer.slowness > max(1.0, stretch):
            raise InfrastructureError(
                f"a read of {pod.name} {problem}, and {name} is slow too: {answer.slowness:g} times the "
                f"usual time, where the limit of the read permits {stretch:g} times",
                subject=f"Pod {pod.namespace}/{pod.name}",
                condition="controls that are as fast as the limit assumes",
                last_seen="\n".join((seen, *answers)).strip(),
                advice=f"find what else keeps node {pod.node} busy, and run again",
            )
    return answers


def failed_too(
    pod: PodSnapshot, problem: str, seen: str, control: str, error: HarnessError
) -> InfrastructureError:
    """The error of a read whose control failed as well."""
    return InfrastructureError(
        f"a read of {pod.name} {problem}, and a control without Fluid fails too: {control} does not answer",
        subject=f"Pod {pod.namespace}/{pod.name}",
        condition="the controls answer",
        last_seen="\n".join((seen, f"{control}: {error}")).strip(),
        advice=f"check node {pod.node} and the NFS server first",
    )


def controls(system: System, pod: PodSnapshot, *, source_stopped: bool = False) -> tuple[Control, ...]:
    """The controls for an application, the quick ones first."""

    def reads() -> Answer:
        with control_read(system, pod, without_source=source_stopped) as (_, read):
            return read()

    return (
        ("the Pod", lambda: _pod_answers(system, pod)),
        ("its node", lambda: _node_answers(system, pod.node)),
        (_name(without_source=source_stopped), reads),
    )


def _name(*, without_source: bool) -> str:
    return "a program in the Pod" if without_source else "raw NFS on its node"


@contextmanager
def control_read(system: System, pod: PodSnapshot, *, without_source: bool) -> Iterator[Control]:
    """A control that can be repeated: one read of 16 MiB of raw NFS, in a Pod on the application's node.

    Args:
        system: the cluster.
        pod: the application.
        without_source: the NFS server must not be asked, because it is stopped or counted. The same work is
            done in the application's Pod, without any file.

    Raises:
        HarnessError: the Pod does not start.
    """
    name = _name(without_source=without_source)
    if without_source:
        yield name, lambda: _timed(system, pod.namespace, pod.name, COMPUTE)
        return
    with _raw_nfs_reader(system, pod.node) as reader:
        yield name, lambda: _timed(system, nfs.NAMESPACE, reader, READ_ONE_FILE)


def _timed(system: System, namespace: str, pod: str, argv: pod_commands.Argv) -> Answer:
    """Run a control read, and compare its time with the usual one.

    Raises:
        InfrastructureError: it failed, or took `MOST_SLOWNESS` times longer than usual.
    """
    clock = system.kube.clock
    started = clock.now()
    done = system.kube.exec(namespace, pod, CONTAINER, argv, timeout=RAW_NFS_SECONDS)
    seconds = clock.now() - started
    if done.exit_code != 0:
        raise InfrastructureError("the control read failed", last_seen=done.stderr)
    says = f"{done.stdout.strip()} within {seconds:.1f} s"
    slowness = slowness_of(seconds)
    if slowness > MOST_SLOWNESS:
        raise InfrastructureError(
            f"the control read stalls: {says}, where {USUAL_SECONDS:g} s are usual", elapsed=seconds
        )
    return Answer(says, slowness)


def slowness_of(seconds: float) -> float:
    """How many times longer than usual a control read took, at least 1."""
    return round(max(1.0, seconds / USUAL_SECONDS), 1)


def _pod_answers(system: System, pod: PodSnapshot) -> Answer:
    done = system.kube.exec(pod.namespace, pod.name, CONTAINER, ("true",), timeout=ANSWER_SECONDS)
    if done.exit_code != 0:
        raise InfrastructureError(f"`true` ended with exit code {done.exit_code}", last_seen=done.stderr)
    return Answer("runs a program")


def _node_answers(system: System, node: str) -> Answer:
    done = system.provider.node_exec(node, ["true"], timeout=ANSWER_SECONDS)
    if done.exit_code != 0:
        raise InfrastructureError(f"`true` ended with exit code {done.exit_code}", last_seen=done.stderr)
    return Answer("runs a program")


@contextmanager
def _raw_nfs_reader(system: System, node: str) -> Iterator[str]:
    """Start a Pod on the node that mounts the export itself, and delete it at the end; its name."""
    kube, name = system.kube, f"raw-nfs-{secrets.token_hex(3)}"
    kube.apply(raw_nfs_pod(system, name, node))
    try:
        with kube.changes(kinds.POD, nfs.NAMESPACE) as changed:
            wait(
                lambda: PodSnapshot.of(kube.get(kinds.POD, name, nfs.NAMESPACE) or {}),
                is_ready,
                subject=f"Pod {nfs.NAMESPACE}/{name}",
                condition="condition Ready",
                timeout=RAW_NFS_SECONDS,
                changes=changed,
                failure_class=FailureClass.INFRASTRUCTURE,
            )
        yield name
    finally:
        # On a starved machine the API server may not delete it now; it ends by itself.
        with suppress(HarnessError):
            kube.delete(kinds.POD, name, nfs.NAMESPACE)


def raw_nfs_pod(system: System, name: str, node: str) -> Manifest:
    """A Pod on a node that mounts the source at ``/data``, past Fluid and without a claim of the user."""
    backend, folder = system.nfs.volume()
    pod = Application(
        namespace=nfs.NAMESPACE, name=name, claim="export", image=system.toolbox, node=node, read_only=True
    )
    manifest = pod.evolve(sub_path=folder).manifest()
    (volume,) = manifest["spec"]["volumes"]
    manifest["spec"]["activeDeadlineSeconds"] = LIFE_SECONDS
    manifest["spec"]["volumes"] = [{"name": volume["name"], **backend}]
    return manifest


def _through(system: System, pod: PodSnapshot) -> str:
    """What the application reads through: ``the Fuse`` for Fluid, else the type of its mount."""
    done = system.kube.exec(
        pod.namespace, pod.name, CONTAINER, pod_commands.mounts_argv(), timeout=ANSWER_SECONDS
    )
    mount = mountinfo.mount_at(mountinfo.parse(done.stdout), "/data")
    return "the Fuse" if mount.serves == "fluid" else mount.fs_type
