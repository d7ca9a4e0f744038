"""Requests whose answers are JSON objects, and lists in pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from clusters.kubernetes.connection import Connection, KubeError
from clusters.kubernetes.watch import Topic

#: Objects in one page of a list.
PAGE: Final = 500

Object = dict[str, Any]


def request_json(
    connection: Connection,
    method: str,
    path: str,
    *,
    what: str,
    query: Sequence[tuple[str, str]] = (),
    body: object = None,
    content_type: str = "application/json",
) -> Object:
    """Send one request; ``what`` names it in errors.

    Raises:
        KubeError: refused or not reached, or the answer is not a JSON object.
    """
    data = connection.request(method, path, what=what, query=query, body=body, content_type=content_type)
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise KubeError(what, said=f"the answer is not JSON: {data[:200]!r}") from error
    if not isinstance(answer, dict):
        raise KubeError(what, said=f"the answer is not a JSON object: {data[:200]!r}")
    return answer


def list_pages(connection: Connection, topic: Topic) -> list[Object]:
    """All objects of one list; see `pages`.

    Raises:
        KubeError: refused or not reached; status 410 if the pages expired.
    """
    return [item for page, _ in pages(connection, topic) for item in page]


def pages(connection: Connection, topic: Topic) -> Iterator[tuple[list[Object], str]]:
    """The pages of one list, each with the resource version of the whole list.

    Each object has its ``apiVersion`` and ``kind``, and no ``managedFields``.

    Raises:
        KubeError: refused or not reached; status 410 if the pages expired.
    """
    token = ""
    where = f" in {topic.namespace}" if topic.namespace else ""
    while True:
        query = [*topic.query(), ("limit", str(PAGE))]
        if token:
            query.append(("continue", token))
        path = topic.kind.path(topic.namespace)
        answer = request_json(connection, "GET", path, what=f"list {topic.kind.plural}{where}", query=query)
        found: list[Object] = answer.get("items") or []
        for item in found:
            item.setdefault("apiVersion", topic.kind.api_version)
            item.setdefault("kind", topic.kind.name)
            without_managers(item)
        metadata = answer.get("metadata") or {}
        yield found, str(metadata.get("resourceVersion") or "")
        token = str(metadata.get("continue") or "")
        if not token:
            return


def without_managers(obj: Object) -> None:
    """Remove ``managedFields``: half of the memory of many objects, and no list is asked who set a field."""
    if isinstance(obj.get("metadata"), dict):
        obj["metadata"].pop("managedFields", None)
