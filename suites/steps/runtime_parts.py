"""Parts of a runtime that its user deletes: what Fluid reports, and what it does not create again."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.predicates import has_phase
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold, wait
from suites.steps.reconcile import TWO_RETRIES
from suites.steps.user import DATASET, User

#: Seconds until the Dataset's phase shows what was deleted, or restored.
SHOWN_SECONDS: Final = 120.0


def delete(user: User, kind: Kind, name: str) -> None:
    """Delete a part of the runtime."""
    user.system.kube.delete(kind, name, user.namespace, because="the user deletes a part of the runtime")
    user.evidence.fact("fault", f"the user deletes {kind} {name}")


def warnings(user: User) -> frozenset[str]:
    """Messages of the warnings about the runtime."""
    events = user.observer.objects.events(user.namespace, DATASET, "AlluxioRuntime")
    return frozenset(event.message for event in events if event.type == "Warning")


def wait_for_phase(user: User, phase: str) -> DatasetSnapshot:
    """Wait until the Dataset has that phase; a reconcile is requested."""
    with user.evidence.phase("waiting", f"the Dataset is {phase}"):
        dataset = wait(
            user.with_reconcile_requests(lambda: user.observer.dataset(user.namespace, DATASET)),
            has_phase(phase),
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"phase {phase}",
            timeout=SHOWN_SECONDS,
            advice="check the events of the AlluxioRuntime",
        )
    user.evidence.fact("Dataset status", str(dataset))
    return dataset


def check_not_created_again(user: User, kind: Kind, name: str) -> tuple[str, ...]:
    """During a window the object does not exist. Returns the Dataset's phases meanwhile."""
    kube = user.system.kube

    def observe() -> tuple[bool, str]:
        there = kube.get(kind, name, user.namespace) is not None
        return there, user.observer.dataset(user.namespace, DATASET).phase

    def why_created_again(seen: tuple[bool, str]) -> str | None:
        return "it was created again" if seen[0] else None

    with user.evidence.phase("window", f"{kind} {name} is not created again"):
        observations = hold(
            observe,
            why_created_again,
            subject=f"{kind} {user.namespace}/{name}",
            condition="absence after its deletion",
            window=TWO_RETRIES,
        )
    phases = tuple(dict.fromkeys(phase for _, phase in observations))
    user.evidence.fact(
        str(kind), f"{name} is not created again; phase {', '.join(phases)}", looks=len(observations)
    )
    return phases
