"""Applications that record their own reads: started, asked for the record, and judged by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from clusters.errors import HarnessError, InfrastructureError, ProductFailureError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import WaitError, wait
from suites.steps.observer import HUNG_SECONDS
from suites.steps.read_controls import run_controls, slowness_of
from suites.steps.user import User
from workloads import recording_reader
from workloads.application import Application
from workloads.data import Files
from workloads.recording_reader import ReadRecord

#: Seconds for the first pass through all files, which are not cached yet.
FIRST_SECONDS: Final = 180.0
#: Reads that the text of a failure names.
NAMED: Final = 3


class Effect(StrEnum):
    """What a fault may do to the reads of an application. Wrong bytes are never permitted."""

    #: Each read ends in its usual time, with the right bytes.
    NONE = "reads go on"
    #: Reads may take longer than usual, and end with the right bytes.
    MAY_WAIT = "reads may wait, and then go on"
    #: The same; a fault after which no read has waited had no effect.
    WAITS = "reads wait, and then go on"
    #: Reads may wait or end with an error.
    BREAKS = "reads may wait or fail, and then go on"


@dataclass(frozen=True, slots=True)
class RecordedReader:
    """An application that records its reads.

    Attributes:
        user: whose it is.
        pod: the application.
        who: in the texts, such as ``application``.
        files: that it reads again and again.
        effect: what the fault may do to it.
        control: it does not use Fluid, so what it shows is never Fluid's fault.
    """

    user: User
    pod: PodSnapshot
    who: str
    files: Files
    effect: Effect
    control: bool = False

    def waits_after(self, slowness: float = 1.0) -> float:
        """Seconds of a read after which it counts as one that waits.

        Args:
            slowness: of controls at the same time, see `slowness_of_controls`.
        """
        return HUNG_SECONDS * max(slowness, self.user.timeout_factor)

    def record(self) -> ReadRecord:
        """Its reads up to now."""
        done = self.user.observer.inside(self.pod, recording_reader.record_argv())
        return recording_reader.read_record(done, self.files)


def start(
    user: User,
    application: Application,
    effect: Effect,
    *,
    who: str,
    files: Files | None = None,
    control: bool = False,
) -> RecordedReader:
    """Start an application that records its reads, and wait until it has read each file right.

    Args:
        user: whose it is.
        application: without a command.
        effect: what the fault may do to it.
        who: it is, in the texts.
        files: that it reads; without them, all.
        control: it does not use Fluid.
    """
    chosen = files or user.files
    pod = user.starts(recording_reader.recording(application, chosen))
    reader = RecordedReader(user, pod, who, chosen, effect, control)
    wait_until_right((reader,), {}, FIRST_SECONDS)
    return reader


def wait_until_right(
    readers: tuple[RecordedReader, ...], since: Mapping[str, float], timeout: float
) -> Mapping[str, ReadRecord]:
    """Wait until each reader has read each of its files right in a read that began after a moment.

    Args:
        readers: who reads.
        since: the moment by ``who``, in seconds of the reader's clock; the beginning where it is missing.
        timeout: seconds.

    Returns:
        The record of each reader, by ``who``.

    Raises:
        WaitTimeoutError: a reader has not, and the controls without Fluid answer; a product failure.
        InfrastructureError: a control has not, or is too slow as well.
        ProductFailureError: a reader has read wrong bytes.
    """
    found: dict[str, ReadRecord] = {}
    for reader in readers:
        user, pod = reader.user, reader.pod

        def missing(reader: RecordedReader = reader) -> tuple[str, ...]:
            record = reader.record()
            found[reader.who] = record
            check_no_wrong_bytes(reader, record)
            return _unread(reader, record, since.get(reader.who, 0.0))

        try:
            with user.evidence.phase("waiting", f"{reader.who} reads all files right"):
                wait(
                    _while_answering(missing),
                    lambda unread: unread == (),
                    subject=f"Pod {pod.namespace}/{pod.name}",
                    condition=f"right reads of {len(reader.files.files)} files by {reader.who}",
                    timeout=timeout * user.timeout_factor,
                    delay=1.0,
                    describe=lambda unread: f"not yet: {'; '.join(unread)}" if unread else "all are read",
                    clock=user.system.kube.clock,
                )
        except WaitError as error:
            if reader.control:
                raise InfrastructureError(
                    f"{reader.who}, which does not use Fluid, does not read: {error.message}",
                    last_seen=error.last_seen,
                    advice="check the NFS server and its client on the node",
                ) from error
            run_controls(user.system, pod, "does not go on", str(error), stretch=user.timeout_factor)
            raise
    return found


def _while_answering(observe: Callable[[], tuple[str, ...]]) -> Callable[[], tuple[str, ...]]:
    """The same observation, where a Pod that cannot be asked now has not read anything new."""

    def observe_or_not() -> tuple[str, ...]:
        try:
            return observe()
        except ProductFailureError:
            raise
        except HarnessError as error:
            return (error.message,)

    return observe_or_not


def _unread(reader: RecordedReader, record: ReadRecord, since: float) -> tuple[str, ...]:
    """What is missing, a few words a file: why its last read since then is not a right one."""
    last = {read.path: read for read in record.reads if read.begun >= since}
    missing = [
        f"{file.path}: {last[file.path].message or 'being read'}" if file.path in last else file.path
        for file in reader.files.files
        if file.path not in last or not last[file.path].checksum
    ]
    return (*missing[:NAMED], *([f"{len(missing) - NAMED} more"] if len(missing) > NAMED else []))


def check_no_wrong_bytes(reader: RecordedReader, record: ReadRecord) -> None:
    """No read returned other bytes than the file has.

    Raises:
        ProductFailureError: one did, through Fluid.
        InfrastructureError: one of raw NFS did.
    """
    wrong = record.wrong(reader.files)
    if not wrong:
        return
    kind = InfrastructureError if reader.control else ProductFailureError
    raise kind(
        f"{reader.who} read wrong bytes {len(wrong)} times, first of {wrong[0].path}",
        subject=f"Pod {reader.pod.namespace}/{reader.pod.name}",
        condition="the files at the source, an error, or no answer",
        last_seen="; ".join(f"{read.path}: SHA-256 {read.checksum}" for read in wrong[:NAMED]),
    )


def slowness_of_controls(
    readers: Iterable[RecordedReader],
    records: Mapping[str, ReadRecord],
    begins: Mapping[str, float],
    ends: Mapping[str, float],
) -> float:
    """How many times longer than usual the slowest read of a control took, at least 1.

    Only controls count that the fault must not reach. They read no more at a time than a control read of
    `suites.steps.read_controls`, so the usual time is the same.
    """
    during = [
        records[reader.who].during(begins[reader.who], ends[reader.who])
        for reader in readers
        if reader.control and reader.effect is Effect.NONE
    ]
    return max([1.0, *(slowness_of(record.longest) for record in during)])


def check_effect(
    reader: RecordedReader, record: ReadRecord, begin: float, end: float, *, slowness: float = 1.0
) -> None:
    """The fault did to the reads what it may do, and states it.

    Args:
        reader: who read.
        record: up to the time when it read right again.
        begin: of the fault, in seconds of the reader's clock.
        end: of the fault.
        slowness: of the controls meanwhile, see `slowness_of_controls`.

    Raises:
        ProductFailureError: reads through Fluid failed or waited although the fault must not reach them.
        InfrastructureError: the same of a control, or a fault that must have an effect has none.
    """
    during = record.during(begin, end)
    limit = reader.waits_after()
    patience = limit if reader.control else reader.waits_after(slowness)
    failed, longest = during.failed, during.longest
    wrong = ""
    if reader.effect is not Effect.BREAKS and failed:
        wrong = f"{len(failed)} reads failed, first {failed[0].path}: {failed[0].message.strip()}"
    elif reader.effect is Effect.NONE and longest > patience:
        wrong = f"a read took {longest:.0f} s"
    elif reader.effect is Effect.NONE and not during.ended:
        wrong = "no read ended"
    if wrong:
        kind = InfrastructureError if reader.control else ProductFailureError
        raise kind(
            f"{reader.who}: {wrong} during the fault",
            subject=f"Pod {reader.pod.namespace}/{reader.pod.name}",
            condition=str(reader.effect),
            last_seen="; ".join(f"{read.path}: {read.message.strip()}" for read in failed[:NAMED]),
        )
    if reader.effect is Effect.WAITS and longest < min(limit, (end - begin) / 2):
        raise InfrastructureError(
            f"{reader.who} did not notice the fault: its longest read took {longest:.1f} s",
            subject=f"Pod {reader.pod.namespace}/{reader.pod.name}",
            condition=str(reader.effect),
            advice="the fault had no effect on this node, so nothing is known",
        )
    reader.user.evidence.fact(
        reader.who,
        f"{len(during.ended)} reads ended during the fault: {len(during.ended) - len(failed)} right, "
        f"{len(failed)} failed, none wrong; the longest took {longest:.1f} s",
        pod=reader.pod.name,
        ended=len(during.ended),
        failed=len(failed),
        longest=round(longest, 1),
    )


def seconds_to_heal(reader: RecordedReader, record: ReadRecord, begin: float, end: float) -> float:
    """Seconds from the end of a fault to that of the last read that failed or waited; 0 without one."""
    limit = reader.waits_after()
    late = [
        read.ended
        for read in record.during(begin, record.at).reads
        if read.ended is not None and (read.message or read.seconds(record.at) > limit)
    ]
    return max([0.0, *(at - end for at in late)])
