"""Requests whose answers are JSON objects, and lists in pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    """All pages of one list; each object has its ``apiVersion`` and ``kind``, and no ``managedFields``.

    Raises:
        KubeError: refused or not reached; status 410 if the pages expired.
    """
    found: list[Object] = []
    token = ""
    where = f" in {topic.namespace}" if topic.namespace else ""
    while True:
        query = [*topic.query(), ("limit", str(PAGE))]
        if token:
            query.append(("continue", token))
        path = topic.kind.path(topic.namespace)
        answer = request_json(connection, "GET", path, what=f"list {topic.kind.plural}{where}", query=query)
        for item in answer.get("items") or []:
            item.setdefault("apiVersion", topic.kind.api_version)
            item.setdefault("kind", topic.kind.name)
            # Half of the memory of a large list, and nobody asks a list who set which field.
            if isinstance(item.get("metadata"), dict):
                item["metadata"].pop("managedFields", None)
            found.append(item)
        token = str((answer.get("metadata") or {}).get("continue") or "")
        if not token:
            return found
