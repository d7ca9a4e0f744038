"""Controls of a read that failed: whether the Pod, its node and the NFS server answer without Fluid.

A read of an application that hangs or fails is the product's failure, unless one of these controls fails
as well. They take seconds, so that a hang of the Fuse is reported as such soon after it began.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final, NoReturn

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
#: Reads one whole file, whichever it is. A new mount, so nothing of it is in the page cache.
_READ_ONE: Final = """
set -o pipefail
file=$(find /data -type f -size +0 -print -quit)
test -n "$file" && cat -- "$file" | wc -c
"""
READ_ONE_FILE: Final = ("bash", "-c", _READ_ONE)

#: One control by name: it raises a `HarnessError` when it fails, and returns what it found.
Control = tuple[str, Callable[[], str]]


def blame_read(
    system: System, pod: PodSnapshot, problem: str, seen: str, *, source_stopped: bool = False
) -> NoReturn:
    """Run the controls for a read that hung or failed, and raise whose failure it is.

    Args:
        system: the cluster.
        pod: the application.
        problem: what its read did, such as ``hangs: no data for 12 s``.
        seen: the output of the read.
        source_stopped: the scenario has stopped the NFS server, so raw NFS cannot serve as a control.

    Raises:
        InfrastructureError: a control failed too, or the application does not read through Fluid.
        ProductFailureError: all controls answered.
    """
    subject = f"Pod {pod.namespace}/{pod.name}"
    answers = run_controls(system, pod, problem, seen, source_stopped=source_stopped)
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
    system: System, pod: PodSnapshot, problem: str, seen: str, *, source_stopped: bool = False
) -> list[str]:
    """Run the controls for a read that did not work, and return what each answered.

    Raises:
        InfrastructureError: a control failed too.
    """
    answers: list[str] = []
    for name, control in controls(system, pod, source_stopped=source_stopped):
        try:
            answers.append(f"{name}: {control()}")
        except HarnessError as error:
            raise InfrastructureError(
                f"a read of {pod.name} {problem}, and a control without Fluid fails too: "
                f"{name} does not answer",
                subject=f"Pod {pod.namespace}/{pod.name}",
                condition="the controls answer",
                last_seen="\n".join((seen, *answers, f"{name}: {error}")).strip(),
                advice=f"check node {pod.node} and the NFS server first",
            ) from error
    return answers


def controls(system: System, pod: PodSnapshot, *, source_stopped: bool = False) -> tuple[Control, ...]:
    """The controls for an application, the quick ones first."""
    quick: tuple[Control, ...] = (
        ("the Pod", lambda: _pod_answers(system, pod)),
        ("its node", lambda: _node_answers(system, pod.node)),
    )
    if source_stopped:
        return quick
    return (*quick, ("raw NFS on its node", lambda: _raw_nfs_answers(system, pod.node)))


def _pod_answers(system: System, pod: PodSnapshot) -> str:
    done = system.kube.exec(pod.namespace, pod.name, CONTAINER, ("true",), timeout=ANSWER_SECONDS)
    if done.exit_code != 0:
        raise InfrastructureError(f"`true` ended with exit code {done.exit_code}", last_seen=done.stderr)
    return "runs a program"


def _node_answers(system: System, node: str) -> str:
    done = system.provider.node_exec(node, ["true"], timeout=ANSWER_SECONDS)
    if done.exit_code != 0:
        raise InfrastructureError(f"`true` ended with exit code {done.exit_code}", last_seen=done.stderr)
    return "runs a program"


def _raw_nfs_answers(system: System, node: str) -> str:
    """Start a Pod on the node that mounts the export itself, and read one file in it."""
    kube, name = system.kube, f"raw-nfs-{secrets.token_hex(3)}"
    kube.apply(raw_nfs_pod(system, name, node))
    started = kube.clock.now()
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
        done = kube.exec(nfs.NAMESPACE, name, CONTAINER, READ_ONE_FILE, timeout=RAW_NFS_SECONDS)
        if done.exit_code != 0:
            raise InfrastructureError("a read of raw NFS failed", last_seen=done.stderr)
        return f"read {done.stdout.strip()} bytes within {kube.clock.now() - started:.1f} s"
    finally:
        kube.delete(kinds.POD, name, nfs.NAMESPACE)


def raw_nfs_pod(system: System, name: str, node: str) -> Manifest:
    """A Pod on a node that mounts the source at ``/data``, past Fluid and without a claim of the user."""
    backend, folder = system.nfs.volume()
    pod = Application(
        namespace=nfs.NAMESPACE, name=name, claim="export", image=system.toolbox, node=node, read_only=True
    )
    manifest = pod.evolve(sub_path=folder).manifest()
    (volume,) = manifest["spec"]["volumes"]
    manifest["spec"]["volumes"] = [{"name": volume["name"], **backend}]
    return manifest


def _through(system: System, pod: PodSnapshot) -> str:
    """What the application reads through: ``the Fuse`` for Fluid, else the type of its mount."""
    done = system.kube.exec(
        pod.namespace, pod.name, CONTAINER, pod_commands.mounts_argv(), timeout=ANSWER_SECONDS
    )
    mount = mountinfo.mount_at(mountinfo.parse(done.stdout), "/data")
    return "the Fuse" if mount.serves == "fluid" else mount.fs_type
