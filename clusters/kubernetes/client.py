"""Client of one Kubernetes cluster: objects as JSON, logs, exec, watches.

Every object that the client creates has the labels of the harness and of the run. It deletes no other object
unless the caller gives a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes.connection import Connection, KubeError, connect
from clusters.kubernetes.exec import run_in_pod
from clusters.kubernetes.kinds import POD, Kind, kind_of
from clusters.kubernetes.ownership import FIELD_MANAGER, MANAGED_SELECTOR, is_managed, with_owner_labels
from clusters.kubernetes.requests import list_pages, request_json
from clusters.kubernetes.watch import Topic, Watch
from clusters.kubernetes.write_guard import WriteGuard

#: Attempts to list when the pages of a list expire (410 Gone).
LIST_ATTEMPTS: Final = 4
#: Seconds for the logs of one container.
LOG_SECONDS: Final = 60.0

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
_APPLY: Final = "application/apply-patch+yaml"
_NOT_FOUND: Final = 404
_GONE: Final = 410
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")

Object = dict[str, Any]
Objects = list[Object]


@dataclass
class Kube:
    """One cluster, for one run of the harness; safe to share between threads.

    Attributes:
        connection: to the API server.
        run: name of the run, a label of each created object.
        sent: the manifests sent so far.
    """

    connection: Connection
    run: str
    clock: Clock = SYSTEM_CLOCK
    sent: list[Object] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not _LABEL_VALUE.fullmatch(self.run):
            raise HarnessError(f"{self.run!r} cannot be the name of a run: it is not a valid label value")

    @classmethod
    def connect(
        cls,
        kubeconfig: Path | None,
        context: str | None = None,
        *,
        run: str,
        guard: WriteGuard | None = None,
    ) -> Self:
        """Connect to the cluster of a kubeconfig.

        Args:
            kubeconfig: the file; without it ``$KUBECONFIG``, else ``~/.kube/config``.
            context: one of its contexts; without it the current one.
            run: name of the run.
            guard: permits writes; None permits all.

        Raises:
            RefusalError: it cannot be reached; raised within about 5 s.
        """
        return cls(connect(kubeconfig, context, guard=guard), run)

    def close(self) -> None:
        """Close idle connections."""
        self.connection.close()

    def server_version(self) -> str:
        """Version of Kubernetes, such as ``v1.33.13``."""
        answer = request_json(self.connection, "GET", "/version", what="get the version")
        return str(answer.get("gitVersion", ""))

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None if there is none.

        Raises:
            KubeError: refused or not reached; ``reason`` is ``NoSuchKind`` if the cluster lacks the kind.
        """
        try:
            return request_json(
                self.connection,
                "GET",
                kind.path(namespace, name),
                what=f"get {kind} {_shown(name, namespace)}",
            )
        except KubeError as error:
            if error.status == _NOT_FOUND and error.reason != "NoSuchKind":
                return None
            raise

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Objects:
        """All objects of a kind, in one namespace or in all, narrowed by selectors.

        Each has its ``apiVersion`` and ``kind``, which the API omits in lists.

        Raises:
            KubeError: refused or not reached.
        """
        topic = Topic(kind, namespace, labels, fields)
        for attempt in range(1, LIST_ATTEMPTS + 1):
            try:
                return list_pages(self.connection, topic)
            except KubeError as error:
                if error.status != _GONE or attempt == LIST_ATTEMPTS:
                    raise
        raise AssertionError  # the loop returns or raises

    def list_if_known(self, kind: Kind, namespace: str | None = None, *, labels: str = "") -> Objects:
        """As `list`, but empty if the cluster lacks the kind, as with an older version of Fluid.

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
        """Create or change an object to match the manifest (server-side apply), with the owner labels.

        Raises:
            KubeError: refused, such as 422 for an invalid manifest.
        """
        kind, body, name, namespace = self._prepared(manifest)
        return request_json(
            self.connection,
            "PATCH",
            kind.path(namespace, name),
            what=f"apply {kind} {_shown(name, namespace)}",
            query=[("fieldManager", FIELD_MANAGER), ("force", "true")],
            body=body,
            content_type=_APPLY,
        )

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """Create an object that does not exist yet, with the owner labels.

        Raises:
            KubeError: refused, such as 409 if it exists.
        """
        kind, body, name, namespace = self._prepared(manifest)
        return request_json(
            self.connection,
            "POST",
            kind.path(namespace),
            what=f"create {kind} {_shown(name, namespace)}",
            query=[("fieldManager", FIELD_MANAGER)],
            body=body,
        )

    def would_create(self, manifest: Mapping[str, Any]) -> Object:
        """The object that `create` would create, after admission (``dryRun=All``).

        Raises:
            KubeError: it would be refused, such as 500 if a webhook does not answer.
        """
        kind, body = kind_of(manifest), with_owner_labels(manifest, self.run)
        name, namespace = body["metadata"].get("name", ""), body["metadata"].get("namespace")
        return request_json(
            self.connection,
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
            KubeError: refused, such as 404 if it does not exist.
        """
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        return request_json(
            self.connection,
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
        because: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        """Request the deletion of an object without waiting for it. A missing object is not an error.

        Args:
            kind: of the object.
            name: of the object.
            namespace: of the object.
            because: the reason to delete an object without the harness's label, such as
                "the user deletes the claim that Fluid created".
            grace_seconds: overrides the object's own grace period.

        Raises:
            HarnessError: it lacks the harness's label, and no reason was given.
            KubeError: refused.
        """
        found = self.get(kind, name, namespace)
        if found is None:
            return
        shown = f"{kind} {_shown(name, namespace)}"
        if not because and not is_managed(found):
            raise HarnessError(
                f"{shown} was not created by the harness, so it is not deleted",
                subject=shown,
                condition=f"label {MANAGED_SELECTOR}",
                advice="pass the reason as because=",
            )
        options: Object = {"propagationPolicy": "Background"}
        uid = (found.get("metadata") or {}).get("uid")
        if uid:  # not a newer object of the same name
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            request_json(
                self.connection, "DELETE", kind.path(namespace, name), what=f"delete {shown}", body=options
            )
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
        """Run a program in a container until it ends; a non-zero exit code is returned, not raised.

        Args:
            namespace: of the Pod.
            pod: its name.
            container: its container.
            argv: program and arguments; no shell.
            timeout: seconds in all. Afterwards the program may still run.
            idle_timeout: seconds without any output after which it is given up as hung; None sets no such
                limit.
            stdin: its standard input, for scripts rather than data.

        Raises:
            ExecTimeoutError: it did not end in time, or wrote nothing for ``idle_timeout``; carries what it
                wrote so far.
            KubeError: refused, or the connection broke.
            UndeclaredWriteError: the Pod is foreign, and the guard does not permit it.
        """
        if self.connection.guard is not None:
            self.connection.guard.check_exec(namespace, pod, argv, self.connection.read)
        self.connection.used.record("GET", f"{POD.path(namespace, pod)}/exec")
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
        """The log of a container.

        Args:
            namespace: of the Pod.
            pod: its name.
            container: required if the Pod has several.
            previous: the log before the last restart.
            tail: only the last lines.
            since_seconds: only lines of these last seconds.

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
        """The answer of a Pod to an HTTP GET through the API server.

        Args:
            namespace: of the Pod.
            pod: its name.
            port: of the Pod.
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
        """Watch a kind, and ``more`` topics, while the context is open.

        Pass the watch to `clusters.waiting.wait` as ``changes``. It never raises.
        """
        return Watch(self.connection, (Topic(kind, namespace, labels, fields), *more))

    def _prepared(self, manifest: Mapping[str, Any]) -> tuple[Kind, Object, str, str | None]:
        """Add the labels, append the manifest to `sent`; return kind, manifest, name and namespace."""
        kind = kind_of(manifest)
        body = with_owner_labels(manifest, self.run)
        metadata = body["metadata"]
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if not name or (kind.namespaced and not namespace):
            raise HarnessError(f"the manifest of a {kind} lacks its {'namespace' if name else 'name'}")
        self.sent.append(body)
        return kind, body, str(name), str(namespace) if kind.namespaced else None


def _shown(name: str, namespace: str | None) -> str:
    return f"{namespace}/{name}" if namespace else name
