"""Access to one Kubernetes cluster: objects in and out as JSON, logs, exec, changes.

Everything that the harness makes carries its label and the run's, and nothing else is ever
deleted, unless the caller says why.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes.connection import Connection, KubeError, connect
from clusters.kubernetes.exec import ExecTimeoutError, run_in_pod
from clusters.kubernetes.kinds import POD, Kind, kind_of
from clusters.kubernetes.watch import Topic, Watch

__all__ = [
    "FIELD_MANAGER",
    "MANAGED_BY_LABEL",
    "OURS",
    "RUN_LABEL",
    "ExecTimeoutError",
    "Kube",
    "KubeError",
    "Topic",
    "is_ours",
    "owned",
]

FIELD_MANAGER: Final = "fluid-conformance"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "fluid-conformance"
RUN_LABEL: Final = "fluid-conformance/run"
#: Label selector of everything that the harness made, in whatever run.
OURS: Final = f"{MANAGED_BY_LABEL}={MANAGED_BY}"

#: Objects in one page of a list.
PAGE: Final = 500
#: How often a list is begun anew because its pages expired.
LIST_ATTEMPTS: Final = 4
#: Seconds for the logs of one container.
LOG_SECONDS: Final = 60.0

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
_APPLY: Final = "application/apply-patch+yaml"
_NOT_FOUND: Final = 404
_GONE: Final = 410
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")

Object = dict[str, Any]
Objects = list[Object]


@dataclass
class Kube:
    """One cluster, as one run of the harness sees it; safe to share between threads.

    Attributes:
        connection: how it is reached.
        run: name of the run; each object made carries it as a label.
        sent: the manifests sent so far, as they were sent.
    """

    connection: Connection
    run: str
    clock: Clock = SYSTEM_CLOCK
    sent: list[Object] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not _LABEL_VALUE.fullmatch(self.run):
            raise HarnessError(f"{self.run!r} cannot name a run: it is no value of a Kubernetes label")

    @classmethod
    def connect(cls, kubeconfig: Path | None, context: str | None = None, *, run: str) -> Kube:
        """Connect to the cluster of a kubeconfig.

        Args:
            kubeconfig: the file; without it ``$KUBECONFIG``, else ``~/.kube/config``.
            context: one of its contexts; without it the current one.
            run: name of the run.

        Raises:
            RefusalError: within about 5 s, in one sentence, whatever is wrong.
        """
        return cls(connect(kubeconfig, context), run)

    def close(self) -> None:
        """Close idle connections."""
        self.connection.close()

    def server_version(self) -> str:
        """Version of Kubernetes, such as ``v1.33.13``."""
        answer = self._json("GET", "/version", what="ask for the version")
        return str(answer.get("gitVersion", ""))

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None when there is none.

        Raises:
            KubeError: refused or not reached; ``reason`` is ``NoSuchKind`` when the cluster lacks the kind.
        """
        try:
            return self._json("GET", kind.path(namespace, name), what=f"get {kind} {_shown(name, namespace)}")
        except KubeError as error:
            if error.status == _NOT_FOUND and error.reason != "NoSuchKind":
                return None
            raise

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Objects:
        """All objects of a kind, in one namespace or all, narrowed by selectors.

        Each carries its ``apiVersion`` and ``kind``, which the API leaves out of lists.

        Raises:
            KubeError: refused or not reached.
        """
        topic = Topic(kind, namespace, labels, fields)
        for attempt in range(1, LIST_ATTEMPTS + 1):
            try:
                return self._pages(topic)
            except KubeError as error:
                if error.status != _GONE or attempt == LIST_ATTEMPTS:
                    raise
        raise AssertionError  # the loop returns or raises

    def list_if_known(self, kind: Kind, namespace: str | None = None, *, labels: str = "") -> Objects:
        """The same; none where the cluster lacks the kind, as an older product's does.

        Raises:
            KubeError: refused or not reached.
        """
        try:
            return self.list(kind, namespace, labels=labels)
        except KubeError as error:
            if error.reason == "NoSuchKind":
                return []
            raise

    def apply(self, manifest: Mapping[str, Any]) -> Object:
        """Make or change an object to match the manifest (server-side apply), with our labels.

        Raises:
            KubeError: refused, such as 422 for a manifest that the API does not take.
        """
        kind, body, name, namespace = self._prepared(manifest)
        return self._json(
            "PATCH",
            kind.path(namespace, name),
            what=f"apply {kind} {_shown(name, namespace)}",
            query=[("fieldManager", FIELD_MANAGER), ("force", "true")],
            body=body,
            content_type=_APPLY,
        )

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """Make an object that must not be there yet, with our labels.

        Raises:
            KubeError: refused, such as 409 when it is there.
        """
        kind, body, name, namespace = self._prepared(manifest)
        return self._json(
            "POST",
            kind.path(namespace),
            what=f"create {kind} {_shown(name, namespace)}",
            query=[("fieldManager", FIELD_MANAGER)],
            body=body,
        )

    def would_create(self, manifest: Mapping[str, Any]) -> Object:
        """What the API would make of an object, admission included; nothing is made (``dryRun=All``).

        Raises:
            KubeError: it would be refused, such as 500 by a webhook that does not answer.
        """
        kind, body = kind_of(manifest), owned(manifest, self.run)
        name, namespace = body["metadata"].get("name", ""), body["metadata"].get("namespace")
        return self._json(
            "POST",
            kind.path(namespace),
            what=f"try to create {kind} {_shown(name, namespace)}",
            query=[("fieldManager", FIELD_MANAGER), ("dryRun", "All")],
            body=body,
        )

    def patch(
        self,
        kind: Kind,
        name: str,
        namespace: str | None,
        body: object,
        *,
        content_type: str = MERGE_PATCH,
        subresource: str = "",
    ) -> Object:
        """Change parts of an object.

        Raises:
            KubeError: refused, such as 404 when it is not there.
        """
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        return self._json(
            "PATCH",
            path,
            what=f"patch {kind} {_shown(name, namespace)}",
            query=[("fieldManager", FIELD_MANAGER)],
            body=body,
            content_type=content_type,
        )

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        not_ours: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        """Ask for an object's deletion; that there is none is fine. It does not wait.

        Args:
            kind: of the object.
            name: of the object.
            namespace: of the object.
            not_ours: why an object that the harness did not make may be deleted, such as
                "the user deletes the claim that Fluid made".
            grace_seconds: overrides the object's own grace period.

        Raises:
            HarnessError: it is not ours, and no reason was given.
            KubeError: refused.
        """
        found = self.get(kind, name, namespace)
        if found is None:
            return
        shown = f"{kind} {_shown(name, namespace)}"
        if not not_ours and not is_ours(found):
            raise HarnessError(
                f"{shown} was not made by the harness, so it is not deleted",
                subject=shown,
                condition=f"label {OURS}",
                advice="say with not_ours= why it may be deleted",
            )
        options: Object = {"propagationPolicy": "Background"}
        uid = (found.get("metadata") or {}).get("uid")
        if uid:  # only the object just looked at, not one that took its name meanwhile
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            self._json("DELETE", kind.path(namespace, name), what=f"delete {shown}", body=options)
        except KubeError as error:
            if error.status != _NOT_FOUND:
                raise

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        timeout: float,
        idle_timeout: float | None = None,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a program in a container to its end; a non-zero exit is returned, not raised.

        Args:
            namespace: of the Pod.
            pod: its name.
            container: its container.
            argv: program and arguments; no shell.
            timeout: seconds in all. After it the program may still run there.
            idle_timeout: seconds without any output after which it is given up as hung; None sets no such
                limit.
            stdin: its standard input, for scripts rather than data.

        Raises:
            ExecTimeoutError: it did not end in time, or wrote nothing for ``idle_timeout``; carries what it
                wrote so far.
            KubeError: refused, or the connection broke.
        """
        return run_in_pod(
            self.connection.credentials(),
            namespace,
            pod,
            container,
            argv,
            timeout=timeout,
            idle_timeout=idle_timeout,
            stdin=stdin,
            clock=self.clock,
        )

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        previous: bool = False,
        tail: int | None = None,
        since_seconds: int | None = None,
    ) -> str:
        """What a container wrote.

        Args:
            namespace: of the Pod.
            pod: its name.
            container: needed when the Pod has several.
            previous: of the container's run before the last restart.
            tail: only the last lines.
            since_seconds: only what is younger.

        Raises:
            KubeError: refused, such as 400 while the container has not started.
        """
        query: list[tuple[str, str]] = []
        if container:
            query.append(("container", container))
        if previous:
            query.append(("previous", "true"))
        if tail is not None:
            query.append(("tailLines", str(tail)))
        if since_seconds is not None:
            query.append(("sinceSeconds", str(since_seconds)))
        data = self.connection.request(
            "GET",
            POD.path(namespace, pod) + "/log",
            what=f"read the logs of Pod {namespace}/{pod}",
            query=query,
            timeout=LOG_SECONDS,
        )
        return data.decode(errors="replace")

    def proxied(self, namespace: str, pod: str, port: int, path: str) -> str:
        """What a Pod answers to GET over HTTP, asked through the API server.

        Args:
            namespace: of the Pod.
            pod: its name.
            port: where it listens.
            path: such as ``/metrics``.

        Raises:
            KubeError: refused, or the Pod does not answer.
        """
        data = self.connection.request(
            "GET",
            f"{POD.path(namespace, f'{pod}:{port}')}/proxy{path}",
            what=f"GET {path} of Pod {namespace}/{pod}",
        )
        return data.decode(errors="replace")

    def changes(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        more: Sequence[Topic] = (),
    ) -> AbstractContextManager[Watch]:
        """Notice changes of a kind, and of ``more`` topics, while the context lasts.

        Give what it yields to `clusters.waiting.wait` as ``changes``; it never raises.
        """
        return Watch(self.connection, (Topic(kind, namespace, labels, fields), *more))

    def _prepared(self, manifest: Mapping[str, Any]) -> tuple[Kind, Object, str, str | None]:
        """The manifest with our labels, kept in `sent`, and what it is."""
        kind = kind_of(manifest)
        body = owned(manifest, self.run)
        metadata = body["metadata"]
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if not name or (kind.namespaced and not namespace):
            raise HarnessError(f"the manifest of a {kind} lacks its {'namespace' if name else 'name'}")
        self.sent.append(body)
        return kind, body, str(name), str(namespace) if kind.namespaced else None

    def _pages(self, topic: Topic) -> Objects:
        """All pages of one list."""
        found: Objects = []
        token = ""
        where = f" in {topic.namespace}" if topic.namespace else ""
        while True:
            query = [*topic.query(), ("limit", str(PAGE))]
            if token:
                query.append(("continue", token))
            answer = self._json(
                "GET",
                topic.kind.path(topic.namespace),
                what=f"list {topic.kind.plural}{where}",
                query=query,
            )
            for item in answer.get("items") or []:
                item.setdefault("apiVersion", topic.kind.api_version)
                item.setdefault("kind", topic.kind.name)
                found.append(item)
            token = str((answer.get("metadata") or {}).get("continue") or "")
            if not token:
                return found

    def _json(
        self,
        method: str,
        path: str,
        *,
        what: str,
        query: Sequence[tuple[str, str]] = (),
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        data = self.connection.request(
            method, path, what=what, query=query, body=body, content_type=content_type
        )
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise KubeError(what, said=f"the answer is no JSON: {data[:200]!r}") from error
        if not isinstance(answer, dict):
            raise KubeError(what, said=f"the answer is no object: {data[:200]!r}")
        return answer


def owned(manifest: Mapping[str, Any], run: str) -> Object:
    """A copy of the manifest with the owner's labels, on the Pods that it will make as well."""
    body: Object = copy.deepcopy(dict(manifest))
    places = [body]
    spec = body.get("spec")
    if isinstance(spec, dict):
        job = spec.get("jobTemplate")
        if isinstance(job, dict):
            places.append(job)
            spec = job.get("spec") or {}
        template = spec.get("template")
        if isinstance(template, dict) and "spec" in template:
            places.append(template)
    for place in places:
        metadata = place.setdefault("metadata", {})
        labels = metadata["labels"] = dict(metadata.get("labels") or {})
        labels[MANAGED_BY_LABEL] = MANAGED_BY
        labels[RUN_LABEL] = run
    return body


def is_ours(obj: Mapping[str, Any]) -> bool:
    """Whether the harness made this object, in whatever run."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    return labels.get(MANAGED_BY_LABEL) == MANAGED_BY


def _shown(name: str, namespace: str | None) -> str:
    return f"{namespace}/{name}" if namespace else name
