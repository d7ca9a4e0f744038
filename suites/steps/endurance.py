"""Applications that read while something is broken for a while: what they see, and how it heals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from clusters.errors import HarnessError
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold
from suites.steps import checks
from suites.steps.predicates import anything
from suites.steps.recorded_reads import (
    RecordedReader,
    check_effect,
    seconds_to_heal,
    slowness_of_controls,
    wait_until_right,
)
from suites.steps.user import DATASET, User
from workloads.faults import Fault
from workloads.recording_reader import ReadRecord

#: Source of the fact that states a fault; a sabotage waits for it.
FAULT: Final = "fault"
#: Phase that stands for a Dataset that could not be read.
UNREADABLE: Final = "(the API does not answer)"


@dataclass(frozen=True, slots=True)
class FaultCase:
    """A fault and what must hold of it.

    Attributes:
        begin: makes it and undoes it. It states no fact.
        lasts: seconds for which it lasts, or for which is watched what follows if it is over at once.
        heals: seconds within which all read right after it.
        phases: of the Dataset that are permitted meanwhile.
        meanwhile: done once it has begun.
    """

    begin: Callable[[], AbstractContextManager[Fault]]
    lasts: float
    heals: float
    phases: tuple[str, ...] = ("Bound",)
    meanwhile: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Endured:
    """What was seen of a fault.

    Attributes:
        begins: of the fault, by reader, in seconds of its clock.
        ends: of the fault.
        records: of the readers, up to the time when they read right again.
        healing: seconds until the reader was not affected any more.
        phases: of the Dataset meanwhile, each once.
    """

    begins: Mapping[str, float]
    ends: Mapping[str, float]
    records: Mapping[str, ReadRecord]
    healing: Mapping[str, float]
    phases: tuple[str, ...]


def endure(user: User, case: FaultCase, readers: Sequence[RecordedReader]) -> Endured:
    """Let a fault happen while applications read, and wait until all read right again.

    Raises:
        ProductFailureError: a reader read wrong bytes, or does not go on in time.
        InfrastructureError: a control did.
        FaultError: the fault could not be made, or had no effect.
    """
    begins = {reader.who: reader.record().at for reader in readers}
    with case.begin() as fault:
        user.evidence.fact(FAULT, fault.says)
        case.meanwhile()
        with user.evidence.phase("window", "the fault lasts"):
            seen = hold(
                user.with_reconcile_requests(lambda: _phase(user)),
                anything,
                subject=f"Dataset {user.namespace}/{DATASET}",
                condition="its phase",
                window=case.lasts,
                delay=2.0,
                clock=user.system.kube.clock,
            )
    ends = {reader.who: reader.record().at for reader in readers}
    user.evidence.fact(FAULT, "it is over")
    records = wait_until_right(tuple(readers), ends, case.heals)
    healing = {
        reader.who: seconds_to_heal(reader, records[reader.who], begins[reader.who], ends[reader.who])
        for reader in readers
    }
    return Endured(begins, ends, records, healing, tuple(dict.fromkeys(seen)))


def check(user: User, case: FaultCase, readers: Sequence[RecordedReader], endured: Endured) -> None:
    """A fault did to its readers and to the status what it may do.

    The controls are checked first: what they show is not Fluid's fault. Where they are slow, the applications
    may be as slow.
    """
    slowness = slowness_of_controls(readers, endured.records, endured.begins, endured.ends)
    for reader in sorted(readers, key=lambda one: not one.control):
        who = reader.who
        check_effect(reader, endured.records[who], endured.begins[who], endured.ends[who], slowness=slowness)
        user.evidence.fact(
            who,
            f"not affected any more {endured.healing[who]:.1f} s after the fault",
            seconds=round(endured.healing[who], 1),
        )
    wrong = [phase for phase in endured.phases if phase not in {*case.phases, UNREADABLE}]
    if wrong:
        checks.fail(
            f"the Dataset was {', '.join(wrong)} during the fault",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"phase {' or '.join(case.phases)}",
            seen=", ".join(endured.phases),
        )
    user.evidence.fact("Dataset status", f"phase {', '.join(endured.phases)} during the fault")


def _phase(user: User) -> str:
    try:
        dataset: DatasetSnapshot = user.observer.dataset(user.namespace, DATASET)
    except HarnessError:
        return UNREADABLE
    return dataset.phase or "none"
