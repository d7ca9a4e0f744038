"""Objects of a cluster, kept current: each set of them is listed once, and watched from then on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import urllib3

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.kubernetes.connection import Connection, KubeError, transport_cause
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.requests import Object, pages, without_managers
from clusters.kubernetes.watch import (
    BOOKMARK,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    STOP_SECONDS,
    Topic,
    end_watches,
    open_watch,
    read_event,
    version_of,
)

log = logging.getLogger(__name__)

Objects = list[Object]

#: Seconds for which a refusal to list is remembered, such as of a kind that the cluster lacks.
REFUSED_SECONDS: Final = 300.0
#: Attempts to list when the pages of a list expire (410 Gone).
_ATTEMPTS: Final = 4
_FORBIDDEN: Final = 403
_GONE: Final = 410
#: Of a watch from a version that is newer than any of the server, as after a restored backup ("Too large
#: resource version", apiserver/pkg/storage/errors.go).
_TIMEOUT: Final = 504


@dataclass(eq=False)
class _Set:
    """A set of objects.

    Attributes:
        topic: which.
        objects: by namespace and name.
        version: how far it is known; empty if it has to be listed again.
        trouble: why it is not current; empty while it is watched.
        denied: the user may not watch it.
    """

    topic: Topic
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    version: str = ""
    trouble: str = ""
    denied: bool = False

    def __str__(self) -> str:
        where = f" in {self.topic.namespace}" if self.topic.namespace else ""
        return f"{self.topic.kind.plural}{where}"


class ObjectCache:
    """Answers `list` from memory; a context manager.

    Its memory is that of the objects that exist: one that is deleted is removed, and if a set must be listed
    again (410 Gone) the new pages replace the old objects one by one. While the server cannot be reached it
    keeps what it has, and continues at the same version afterwards.

    Attributes:
        changed: set at each change, and when `problems` changes; the caller clears it.
    """

    def __init__(self, connection: Connection, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.changed = threading.Event()
        self._connection = connection
        self._clock = clock
        self._sets: dict[Topic, _Set] = {}
        self._refused: dict[Topic, tuple[float, KubeError]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        end_watches(tuple(self._open))
        end = self._clock.now() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - self._clock.now()))

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Objects:
        """The objects as they are known now; they must not be changed.

        Raises:
            KubeError: they could not be listed the first time; see `clusters.kubernetes.client.Kube.list`.
        """
        topic = Topic(kind, namespace, labels, fields)
        if topic not in self._sets:
            self._begin(topic)
        with self._lock:
            return list(self._sets[topic].objects.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the objects may have changed without being noticed; empty if they are current."""
        return tuple(f"{one}: {one.trouble}" for one in self._sets.values() if one.trouble)

    @property
    def denied(self) -> tuple[Topic, ...]:
        """The sets that this user may list, but not watch."""
        return tuple(one.topic for one in self._sets.values() if one.denied)

    def _begin(self, topic: Topic) -> None:
        """List a set for the first time, and start its watch."""
        since, error = self._refused.get(topic, (0.0, None))
        if error is not None and self._clock.now() - since < REFUSED_SECONDS:
            raise error
        new = _Set(topic)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._fill(new)
                break
            except KubeError as refusal:
                if refusal.status == _GONE and attempt < _ATTEMPTS:
                    continue
                if refusal.status == _FORBIDDEN or refusal.reason == "NoSuchKind":
                    self._refused[topic] = (self._clock.now(), refusal)
                raise
        self._refused.pop(topic, None)
        self._sets[topic] = new
        thread = threading.Thread(target=self._follow, args=(new,), name=f"watch {new}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _fill(self, objects: _Set) -> None:
        """List a set; what is not in the list any more is removed when all pages are read."""
        seen: set[tuple[str, str]] = set()
        version = ""
        for page, version in pages(self._connection, objects.topic):  # noqa: B007 - that of the last page
            with self._lock:
                for obj in page:
                    seen.add(_key(obj))
                    objects.objects[_key(obj)] = obj
        with self._lock:
            for key in objects.objects.keys() - seen:
                del objects.objects[key]
            objects.version = version

    def _follow(self, objects: _Set) -> None:
        """Keep one set current until stopped."""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                if not objects.version:
                    self._fill(objects)
                    self.changed.set()
                self._read(objects)
                pause = FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 - whatever breaks a watch, it is tried again
                if self._stop.is_set():
                    return
                log.debug("watch of %s: %s", objects, error)
                self._note(objects, error)
                self._stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _note(self, objects: _Set, error: Exception) -> None:
        """Remember why a set is not current; one whose version the server does not know is listed again."""
        status = error.status if isinstance(error, KubeError) else 0
        if status in (_GONE, _TIMEOUT):
            objects.version = ""
        objects.denied = status == _FORBIDDEN
        if isinstance(error, urllib3.exceptions.HTTPError):
            objects.trouble = transport_cause(error)
        else:
            objects.trouble = str(error) or type(error).__name__
        self.changed.set()

    def _read(self, objects: _Set) -> None:
        """Process events until the server ends the watch."""
        response = open_watch(self._connection, objects.topic, objects.version)
        self._open.add(response)
        try:
            if self._stop.is_set():
                return
            if objects.trouble:
                objects.trouble, objects.denied = "", False
                self.changed.set()
            for line in response:
                if line.strip():
                    self._take(objects, *read_event(line))
        finally:
            self._open.discard(response)
            response.close()

    def _take(self, objects: _Set, kind: str, obj: Object) -> None:
        """Process one event."""
        if kind != BOOKMARK:
            without_managers(obj)
            with self._lock:
                if kind == "DELETED":
                    objects.objects.pop(_key(obj), None)
                else:
                    objects.objects[_key(obj)] = obj
            self.changed.set()
        objects.version = version_of(obj) or objects.version


def _key(obj: Mapping[str, object]) -> tuple[str, str]:
    metadata = obj.get("metadata")
    found = metadata if isinstance(metadata, Mapping) else {}
    return str(found.get("namespace") or ""), str(found.get("name") or "")
