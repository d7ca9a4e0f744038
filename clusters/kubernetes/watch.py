"""Watches: a wait learns of a change at once, without fast polling."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from clusters.errors import HarnessError
from clusters.kubernetes.connection import Connection, KubeError, Query
from clusters.kubernetes.kinds import Kind

if TYPE_CHECKING:
    import urllib3

log = logging.getLogger(__name__)

#: Seconds after which the server ends a watch; it is then continued at the same version.
WATCH_SECONDS: Final = 240
#: Seconds of the pause after a failure: the first, doubled each time, and the longest.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
#: Seconds to wait for the first answers at the start, and for the threads at the end.
START_SECONDS: Final = 2.0
STOP_SECONDS: Final = 2.0
#: Type of an event that says only how far the watch is.
BOOKMARK: Final = "BOOKMARK"
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Topic:
    """A set of objects: a kind, in one namespace or in all, narrowed by selectors."""

    kind: Kind
    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    def query(self) -> list[tuple[str, str]]:
        """The selectors as parameters of a request."""
        pairs = (("labelSelector", self.labels), ("fieldSelector", self.fields))
        return [(key, value) for key, value in pairs if value]


class Watch:
    """Sets `event` whenever one of its topics changes; a context manager.

    It never raises: it retries while the server cannot be reached, and the wait that uses it still polls.
    """

    def __init__(self, connection: Connection, topics: tuple[Topic, ...]) -> None:
        self.event = threading.Event()
        self.changes = 0
        self._connection = connection
        self._stop = threading.Event()
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self._started = [threading.Event() for _ in topics]
        self._threads = [
            threading.Thread(
                target=self._follow, args=(topic, started), name=f"watch {topic.kind}", daemon=True
            )
            for topic, started in zip(topics, self._started, strict=True)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        # From here on no change is missed. If the server is slow, polling notices it.
        for started in self._started:
            started.wait(START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        end_watches(tuple(self._open))
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _follow(self, topic: Topic, started: threading.Event) -> None:
        """Watch one topic until stopped."""
        version = ""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                if not version:
                    version = self._list(topic)
                    if started.is_set():  # there was a gap, so anything may have changed
                        self._changed()
                    started.set()
                version = self._read(topic, version)
                pause = FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 - without the watch, the wait still polls
                gone = isinstance(error, KubeError) and error.status == _GONE
                log.debug("watch of %s: %s", topic.kind, error)
                version = ""
                started.set()  # a watch that cannot start, such as of a missing kind, delays nobody
                if not gone:
                    self._stop.wait(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)

    def _changed(self) -> None:
        self.changes += 1
        self.event.set()

    def _list(self, topic: Topic) -> str:
        """The resource version from which to watch."""
        data = self._connection.request(
            "GET",
            topic.kind.path(topic.namespace),
            what=f"watch {topic.kind}",
            query=[*topic.query(), ("limit", "1")],
            retry_for=0,
        )
        version = json.loads(data).get("metadata", {}).get("resourceVersion", "")
        if not version:
            raise HarnessError(f"the list of {topic.kind.plural} has no resourceVersion")
        return str(version)

    def _read(self, topic: Topic, version: str) -> str:
        """Read events until the server ends the watch; return the version reached."""
        response = open_watch(self._connection, topic, version)
        self._open.add(response)
        try:
            if self._stop.is_set():
                return version
            for line in response:
                if line.strip():
                    kind, found = read_event(line)
                    if kind != BOOKMARK:
                        self._changed()
                    version = version_of(found) or version
            return version
        finally:
            self._open.discard(response)
            response.close()


def open_watch(connection: Connection, topic: Topic, version: str) -> urllib3.BaseHTTPResponse:
    """Start a watch from a resource version; the caller reads its lines and closes it.

    Raises:
        KubeError: refused.
        urllib3.exceptions.HTTPError: not reached.
    """
    query: Query = [
        *topic.query(),
        ("watch", "1"),
        ("resourceVersion", version),
        ("allowWatchBookmarks", "true"),
        ("timeoutSeconds", str(WATCH_SECONDS)),
    ]
    path = topic.kind.path(topic.namespace)
    return connection.stream(path, what=f"watch {topic.kind}", query=query, timeout=WATCH_SECONDS + 10)


def read_event(line: bytes) -> tuple[str, dict[str, Any]]:
    """The type of one event of a watch, and its object.

    Raises:
        KubeError: the event is an error, such as 410 for a version that is too old.
    """
    event = json.loads(line)
    found: dict[str, Any] = event.get("object") or {}
    if event.get("type") == "ERROR":
        raise KubeError(
            "watch",
            status=int(found.get("code") or 0),
            reason=str(found.get("reason", "")),
            said=str(found.get("message", "")),
        )
    return str(event.get("type")), found


def version_of(obj: Mapping[str, Any]) -> str:
    """The resource version of an object; empty if it has none."""
    return str((obj.get("metadata") or {}).get("resourceVersion") or "")


def end_watches(responses: Iterable[urllib3.BaseHTTPResponse]) -> None:
    """End the blocking reads of the threads that follow these watches."""
    for response in responses:
        try:
            response.shutdown()
        except (OSError, ValueError, RuntimeError) as error:  # it has ended already
            log.debug("watch ended before it was stopped: %s", error)
