"""Foreign Pods that use a Dataset, pose as its Fuse, or lose the Fuse that they read through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.sabotage.model import Environment, Tampering, Users
from suites.steps.endurance import FAULT
from suites.steps.user import DATASET, SOURCE, User
from workloads.faults import delete_pod, kill_process, processes

#: Alluxio's Fuse, as it is named among the processes.
FUSE_CLASS: Final = "alluxio.fuse.AlluxioFuse"
DELETED_BY_SABOTAGE: Final = "a sabotage breaks the product on purpose and restores it afterwards"


@contextmanager
def foreign_application(environment: Environment, users: Users, when: str = "") -> Iterator[Tampering]:
    """A foreign Pod uses the Dataset's claim, from the start or once a fact matches ``when``."""
    user = users.only
    stranger = user.application("stranger", DATASET)
    started: list[PodSnapshot] = []

    def start(_: User) -> None:
        environment.system.kube.apply(stranger.manifest())
        started.append(user.waits_until_running(stranger))

    try:
        if not when:
            start(user)
        yield Tampering(when=when, then=start if when else None)
    finally:
        for pod in started:
            user.stops(pod)


@contextmanager
def second_fuse_pod(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A second Pod on the node has the labels of the Dataset's Fuse."""
    user = users.only
    stray = user.application(
        "stray-fuse", SOURCE, labels={"role": "alluxio-fuse", "release": DATASET, "app": "alluxio"}
    )
    environment.system.kube.apply(stray.manifest())
    pod = user.waits_until_running(stray)
    try:
        yield Tampering()
    finally:
        user.stops(pod)


@contextmanager
def fuse_pod_deleted(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The Fuse Pod is deleted while applications read through it."""
    del users

    def delete(user: User) -> None:
        for pod in user.observer.fuse(user.namespace, DATASET).pods.values():
            delete_pod(environment.system.kube, user.namespace, pod.name, because=DELETED_BY_SABOTAGE)

    yield Tampering(when="exactly one Fuse Pod", then=delete)


@contextmanager
def fuses_killed_in_the_fault(environment: Environment, users: Users) -> Iterator[Tampering]:
    """All Fuse processes are killed on their nodes once the fault of a row has begun.

    It does not need the API server, which may be the fault.
    """
    del users

    def kill(_: User) -> None:
        for node in environment.system.nodes:
            run = environment.observer.on_node(node, Disruption.NODE)
            if processes(run, FUSE_CLASS):
                kill_process(run, FUSE_CLASS)

    yield Tampering(when=f"^{FAULT}: ", then=kill)
