"""Masters of a Dataset: which one leads, and their replacement."""

from __future__ import annotations

import dataclasses
from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.alluxio.cli import AlluxioFailureError
from clusters.product.alluxio.output import AlluxioOutputError
from clusters.waiting import is_empty, wait
from suites.steps import checks
from suites.steps.user import DATASET, User
from workloads.faults import delete_pod

#: Seconds until a deleted master is replaced and ready: its start-up probe has up to 205 s.
BACK_SECONDS: Final = 300.0
#: Seconds until the other masters have elected one (Alluxio's election timeout is at most 20 s).
ELECTED_SECONDS: Final = 120.0


def wait_for_another_leader(user: User, former: str, *, asked: int) -> str:
    """Wait until a master says that another one than the former leader leads, and return its name.

    Args:
        user: whose Dataset it is.
        former: name of the master that led.
        asked: index of the master that is asked.
    """
    alluxio = dataclasses.replace(user.observer.alluxio(user.namespace, DATASET), index=asked)

    def observe() -> str:
        try:
            return alluxio.leader()
        except (AlluxioFailureError, AlluxioOutputError) as error:
            return f"no answer: {error.message}"

    def is_another(leader: str) -> bool:
        return leader.startswith(f"{fluid_names.master_name(DATASET)}-") and leader != former

    with user.evidence.phase("waiting", "another master leads"):
        leader = wait(
            observe,
            is_another,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"a leading master other than {former}",
            timeout=ELECTED_SECONDS * user.timeout_factor,
            delay=1.0,
            advice="check the masters' logs for the election",
        )
    user.evidence.fact("Alluxio masters", f"{leader} leads after {former}")
    return leader


def delete(user: User, name: str) -> PodSnapshot:
    """Delete a master's Pod and return what it was."""
    was = user.observer.objects.get(PodSnapshot, name, user.namespace)
    assert was is not None
    fault = delete_pod(
        user.system.kube, user.namespace, name, because="the scenario's fault", grace_seconds=1
    )
    user.evidence.fact("fault", fault.says)
    return was


def replace(user: User, name: str) -> None:
    """Delete a master's Pod and wait until another one is ready, while the Dataset stays Bound."""
    wait_until_replaced(user, delete(user, name))


def wait_until_replaced(user: User, was: PodSnapshot) -> None:
    """Wait until another Pod has taken the place of a master and is ready, while the Dataset stays Bound."""
    name = was.name
    phases: list[str] = []

    def observe() -> PodSnapshot | None:
        phases.append(user.observer.dataset(user.namespace, DATASET).phase)
        return user.observer.objects.get(PodSnapshot, name, user.namespace)

    def is_replaced(pod: PodSnapshot | None) -> bool:
        return pod is not None and pod.ready and pod.uid != was.uid

    with user.evidence.phase("waiting", "the master is replaced"):
        wait(
            # The Dataset's phase is to be right also when Fluid reconciles without a master.
            user.with_reconcile_requests(observe),
            is_replaced,
            subject=f"Pod {user.namespace}/{name}",
            condition="replacement by a ready Pod",
            timeout=BACK_SECONDS,
            advice="check the master's log and its start-up probe",
        )
    seen = ", ".join(dict.fromkeys(phases))
    if set(phases) != {"Bound"}:
        checks.fail(
            "the Dataset did not stay Bound while its master was replaced",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase Bound",
            seen=seen,
        )
    user.evidence.fact("Dataset status", f"phase {seen} while the master was replaced")
    wait_until_it_lists(user)


def wait_until_it_lists(user: User) -> None:
    """Wait until the masters list files: a leader is in safe mode until its workers are registered."""

    def observe() -> str:
        try:
            user.observer.listing(user.namespace, DATASET)
        except AlluxioFailureError as error:
            return f"{error.message}: {error.last_seen}"
        return ""

    with user.evidence.phase("waiting", "the masters list files"):
        wait(
            observe,
            is_empty,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="a list of files from Alluxio's masters",
            timeout=ELECTED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda failure: failure or "files are listed",
            advice="check the masters' logs",
        )
