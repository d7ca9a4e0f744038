"""The journal: what a run changed outside the harness's namespaces, and how each change is undone.

It is a ConfigMap on the cluster itself. An entry is written before its change, and removed after the change
was undone. So a run that was killed at any moment leaves entries for what it may have changed, and the next
run, or `python -m clusters restore`, undoes that by the same steps that the killed run would have taken.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clusters.errors import FailureClass, HarnessError, InfrastructureError
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.kinds import CONFIG_MAP, Kind
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, harness_namespace
from clusters.kubernetes.undo import LATE, NodeExec, Patch, Undo, from_json, inverse, to_json
from clusters.waiting import is_empty, wait

log = logging.getLogger(__name__)

NAME: Final = "restore-journal"
#: Seconds for which a step is tried again, and between two tries.
RETRY_SECONDS: Final = 60.0
RETRY_DELAY: Final = 2.0

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class Entry:
    """One change.

    Attributes:
        key: in the ConfigMap.
        run: that made it.
        at: when, in ISO format.
        says: what was changed, such as "the webhook is scaled to 0".
        late: it is undone only after the objects of its run were removed.
        undo: the steps that undo it, in their order.
    """

    key: str
    run: str
    at: str
    says: str
    late: bool
    undo: tuple[Undo, ...]


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of a cluster.

    Attributes:
        kube: the cluster.
        node_exec: runs programs on its nodes.
    """

    kube: Kube
    node_exec: NodeExec

    @contextmanager
    def undoing(self, says: str, *undo: Undo) -> Iterator[None]:
        """Undo a change that is made while the context lasts, also if this process does not live to its end.

        After a kill a change with a step of `clusters.kubernetes.undo.LATE` is undone only when the objects
        of the run are removed.

        Args:
            says: what is changed.
            undo: the steps that undo it, in their order.

        Raises:
            HarnessError: the journal could not be written, and nothing was changed; or a step failed, and its
                entry stays in the journal.
        """
        entry = self._write(says, undo, late=any(isinstance(step, LATE) for step in undo))
        try:
            yield
        finally:
            self._undo(entry)

    @contextmanager
    def patched(
        self, kind: Kind, name: str, namespace: str | None, change: Mapping[str, Any]
    ) -> Iterator[None]:
        """Fields of an object are changed (JSON merge patch) while the context lasts.

        Raises:
            InfrastructureError: there is no such object.
            HarnessError: it could not be changed, or not be restored.
        """
        shown = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
        found = self.kube.get(kind, name, namespace)
        if found is None:
            raise InfrastructureError(f"there is no {shown}")
        restore = Patch.of(kind, name, namespace, inverse(found, change))
        with self.undoing(f"{shown} is changed: {json.dumps(change)}", restore):
            self.kube.patch(kind, name, namespace, change)
            yield

    def undo_at_the_end(self, says: str, *undo: Undo) -> None:
        """Note how to undo a change that must stay until the objects of this run are removed."""
        self._write(says, undo, late=True)

    def entries(self) -> tuple[Entry, ...]:
        """All entries, the newest first."""
        found = self.kube.get(CONFIG_MAP, NAME, HARNESS_NAMESPACE) or {}
        entries = [_entry(key, value) for key, value in (found.get("data") or {}).items()]
        return tuple(sorted(entries, key=lambda entry: (entry.at, entry.key), reverse=True))

    def replay(self, *, late: bool) -> tuple[str, ...]:
        """Undo all that is in the journal, the newest change first.

        Args:
            late: also what must stay until the objects of its run are removed.

        Returns:
            What was undone, a sentence each.

        Raises:
            InfrastructureError: not everything could be undone; the rest stays in the journal.
        """
        done: list[str] = []
        failed: list[str] = []
        for entry in self.entries():
            if entry.late and not late:
                continue
            try:
                self._undo(entry)
            except HarnessError as error:
                failed.append(f"{entry.says}: {error.message}")
            else:
                done.append(entry.says)
        if failed:
            raise InfrastructureError(
                f"{len(failed)} changes could not be undone: {'; '.join(failed)}",
                advice="see ConfigMap "
                f"{HARNESS_NAMESPACE}/{NAME}, and run `fluid-conformance cluster restore` again",
            )
        return tuple(done)

    def _write(self, says: str, undo: Sequence[Undo], *, late: bool) -> Entry:
        now = datetime.now(UTC)
        key = f"{self.kube.run}.{now:%Y%m%dT%H%M%S}.{secrets.token_hex(4)}"
        entry = Entry(key, self.kube.run, now.isoformat(), says, late, tuple(undo))
        value = {
            "run": entry.run,
            "at": entry.at,
            "says": says,
            "late": late,
            "undo": [to_json(step) for step in undo],
        }
        body = {"data": {key: json.dumps(value, indent=1)}}
        try:
            self.kube.patch(CONFIG_MAP, NAME, HARNESS_NAMESPACE, body)
        except KubeError as error:
            if error.status != _NOT_FOUND:
                raise
            self._create()
            self.kube.patch(CONFIG_MAP, NAME, HARNESS_NAMESPACE, body)
        return entry

    def _create(self) -> None:
        self.kube.apply(harness_namespace())
        meta = {"name": NAME, "namespace": HARNESS_NAMESPACE}
        try:
            self.kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
        except KubeError as error:
            if error.status != _CONFLICT:
                raise

    def _undo(self, entry: Entry) -> None:
        """Take the steps of an entry, each as often as necessary; then remove it."""
        with self.restoring():
            for step in entry.undo:
                self._repeat(step, entry.says)
            self._repeat(_Removal(entry.key), entry.says)
        log.info("undone: %s", entry.says)

    def _repeat(self, step: Undo, says: str) -> None:
        def attempt() -> str:
            try:
                step.apply(self.kube, self.node_exec)
            except HarnessError as error:
                return error.message
            return ""

        wait(
            attempt,
            is_empty,
            subject=f"change “{says}”",
            condition="its undoing",
            timeout=RETRY_SECONDS,
            delay=RETRY_DELAY,
            describe=lambda problem: problem or "undone",
            failure_class=FailureClass.INFRASTRUCTURE,
            advice="run `fluid-conformance cluster restore`",
            clock=self.kube.clock,
        )

    def restoring(self) -> AbstractContextManager[None]:
        """This thread restores what was changed before, which is always permitted."""
        guard = self.kube.connection.guard
        return guard.restoring() if guard is not None else nullcontext()


@dataclass(frozen=True, slots=True)
class _Removal:
    """Removes an entry from the journal."""

    key: str

    def apply(self, kube: Kube, node_exec: NodeExec) -> None:
        """Remove it, if it is there."""
        del node_exec
        try:
            kube.patch(CONFIG_MAP, NAME, HARNESS_NAMESPACE, {"data": {self.key: None}})
        except KubeError as error:
            if error.status != _NOT_FOUND:
                raise


def _entry(key: str, value: str) -> Entry:
    try:
        data: dict[str, Any] = json.loads(value)
        undo = tuple(from_json(step) for step in data["undo"])
        return Entry(key, data["run"], data["at"], data["says"], bool(data["late"]), undo)
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"entry {key} of ConfigMap {HARNESS_NAMESPACE}/{NAME} cannot be read",
            last_seen=value[:500],
            advice="restore what it describes by hand, and delete the entry",
        ) from error
