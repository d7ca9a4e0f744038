"""HTTP to one API server: credentials, time limits, retries."""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import InfrastructureError, RefusalError
from clusters.kubernetes.kubeconfig import configure
from clusters.kubernetes.used_rights import UsedRights
from clusters.kubernetes.write_guard import WriteGuard

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

#: Seconds to connect, and default seconds for an answer.
CONNECT_SECONDS: Final = 3.0
REQUEST_SECONDS: Final = 30.0
#: Seconds for the first answer, so that a dead cluster is reported soon.
PROBE_SECONDS: Final = 2.0
#: Seconds in which a safe request is retried, and the pause between two attempts.
RETRY_SECONDS: Final = 10.0
RETRY_PAUSE: Final = 0.25
#: Connections for parallel scenarios and watches.
CONNECTIONS: Final = 32

_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_FIRST_ERROR: Final = 400

Query = Sequence[tuple[str, str]]


class KubeError(InfrastructureError):
    """The API server refused a request, or could not be reached.

    Attributes:
        status: HTTP status; 0 without an answer.
        reason: of Kubernetes, such as ``AlreadyExists``; ``NoSuchKind`` if the API lacks the kind.
        said: the server's message.
    """

    def __init__(self, what: str, *, status: int = 0, reason: str = "", said: str = "") -> None:
        self.status = status
        self.reason = reason
        self.said = said
        how = f"{status} {reason}".strip() if status else "no answer"
        super().__init__(f"cannot {what}: {how}{': ' if said else ''}{said}", subject=what)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials for other connections, such as the websocket of exec.

    Attributes:
        url: of the API server.
        authorization: the header; empty without a token.
        verify: the server's certificate is checked.
        ca_file: by these authorities; None for the system's.
        certificate_file: of the client.
        key_file: of the client.
        server_name: in the server's certificate, if it is not that of the URL.
        proxy: its URL if requests to this server pass one, by the kubeconfig or the environment; else empty.
    """

    url: str
    authorization: str = ""
    verify: bool = True
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    proxy: str = ""


@dataclass
class Connection:
    """A pool of connections to one API server; safe to share between threads.

    Attributes:
        api: client library, for credentials and the pool.
        clock: replaced by tests.
        guard: is asked before each request that changes something; None permits all.
        used: records the rights that requests use.
    """

    api: ApiClient
    clock: Clock = SYSTEM_CLOCK
    guard: WriteGuard | None = None
    used: UsedRights = field(default_factory=UsedRights)
    _pool: urllib3.PoolManager = field(init=False)

    def __post_init__(self) -> None:
        self._pool = self.api.rest_client.pool_manager

    @property
    def url(self) -> str:
        """Address of the API server, such as ``https://127.0.0.1:40123``."""
        return str(self.api.configuration.host)

    def credentials(self) -> Credentials:
        """The credentials, with a fresh token."""
        configuration = self.api.configuration
        return Credentials(
            url=self.url,
            authorization=self._headers().get("authorization", ""),
            verify=bool(configuration.verify_ssl),
            ca_file=configuration.ssl_ca_cert,
            certificate_file=configuration.cert_file,
            key_file=configuration.key_file,
            server_name=configuration.tls_server_name,
            # None where an exception applies to this server (no_proxy).
            proxy=str(configuration.proxy) if self._pool.proxy is not None else "",
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        query: Query = (),
        body: object = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_SECONDS,
        retry_for: float = RETRY_SECONDS,
    ) -> bytes:
        """Send a request and return the answer's body.

        A GET is retried if the server cannot be reached or is too busy, any other request only if it
        certainly had no effect.

        Args:
            method: such as ``GET``.
            path: such as ``/api/v1/pods``.
            what: the request in errors, such as ``list Pods in demo``.
            query: parameters.
            body: sent as JSON.
            content_type: of the body.
            timeout: seconds for one answer.
            retry_for: seconds in which it is retried.

        Raises:
            KubeError: refused, or not reached.
            UndeclaredWriteError: the guard does not permit it; nothing was sent.
        """
        if self.guard is not None and method != "GET":
            self.guard.check_request(method, path, query, body, self.read)
        deadline = self.clock.now() + retry_for
        while True:
            try:
                response = self._send(
                    method, path, query=query, timeout=timeout, body=body, content_type=content_type
                )
                data = response.data
            except urllib3.exceptions.HTTPError as error:
                failure = KubeError(what, said=transport_cause(error))
                failure.__cause__ = error
                again = method == "GET" or isinstance(error, urllib3.exceptions.NewConnectionError)
            else:
                if response.status < _FIRST_ERROR:
                    return data
                failure = refused(what, response.status, data)
                again = response.status == _TOO_MANY or (method == "GET" and response.status == _UNAVAILABLE)
            if not again or self.clock.now() + RETRY_PAUSE >= deadline:
                raise failure
            self.clock.sleep(RETRY_PAUSE)

    def read(self, path: str) -> Mapping[str, Any] | None:
        """The object at a path, or None.

        Raises:
            KubeError: refused, or not reached.
        """
        try:
            answer = json.loads(self.request("GET", path, what=f"get {path}"))
        except KubeError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return answer if isinstance(answer, dict) else None

    def stream(self, path: str, *, what: str, query: Query, timeout: float) -> urllib3.BaseHTTPResponse:
        """Send a GET with a streamed answer; the caller reads and closes it.

        Raises:
            KubeError: refused.
            urllib3.exceptions.HTTPError: not reached.
        """
        response = self._send("GET", path, query=query, timeout=timeout)
        if response.status >= _FIRST_ERROR:
            raise refused(what, response.status, response.data)
        return response

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "fluid-conformance"}
        self.api.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        # A token that was read from a file may end with a newline, which no header can contain.
        return {name: value.strip() for name, value in headers.items()}

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query,
        timeout: float,
        body: object = None,
        content_type: str = "application/json",
    ) -> urllib3.BaseHTTPResponse:
        self.used.record(method, path, query)
        headers = self._headers()
        payload: bytes | None = None
        if body is not None:
            headers["Content-Type"] = content_type
            payload = json.dumps(body).encode()
        return self._pool.urlopen(
            method,
            self.url + path + ("?" + urlencode(query) if query else ""),
            headers=headers,
            body=payload,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout),
            retries=False,
            preload_content=False,
        )


def refused(what: str, status: int, data: bytes) -> KubeError:
    """The error for an answer of 400 or more: a Status object of the API, or plain text."""
    text = data.decode(errors="replace").strip()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # Only an unknown path has an answer without a Status.
        reason = "NoSuchKind" if status == _NOT_FOUND else ""
        return KubeError(what, status=status, reason=reason, said=text[:300])
    return KubeError(
        what, status=status, reason=str(answer.get("reason", "")), said=str(answer.get("message", ""))
    )


def transport_cause(error: urllib3.exceptions.HTTPError) -> str:
    """The cause of a transport error, in a few words."""
    causes = (error, getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    for cause in causes:
        text = _known_cause(cause)
        if text:
            return text
    return str(error) or type(error).__name__


def _known_cause(cause: object) -> str:
    """The text of a known failure, or an empty text."""
    text = ""
    match cause:
        case urllib3.exceptions.NameResolutionError():
            text = "its name cannot be resolved"
        case ssl.SSLCertVerificationError():
            text = f"its certificate is not trusted ({cause.verify_message})"
        case ssl.SSLError():
            text = f"TLS failed ({cause.reason or cause})"
        case OSError() if cause.strerror:
            text = cause.strerror.lower()
        case urllib3.exceptions.ReadTimeoutError():
            text = "connected, but no answer in time"
        case urllib3.exceptions.ConnectTimeoutError() if not isinstance(
            cause, urllib3.exceptions.NewConnectionError
        ):
            text = "no connection in time"
        case _:
            pass
    return text


def connect(
    kubeconfig: Path | None, context: str | None = None, *, guard: WriteGuard | None = None
) -> Connection:
    """Connect to a cluster, and check that it answers and accepts the user.

    Without a kubeconfig anywhere, a Pod uses its service account, as kubectl does.

    Args:
        kubeconfig: the file; without it ``$KUBECONFIG``, else ``~/.kube/config``.
        context: one of its contexts; without it the current one.
        guard: permits writes; None permits all.

    Raises:
        RefusalError: the file or the cluster cannot be used; raised within about 5 s.
    """
    # The import needs a second, which would slow down the collection of tests.
    from kubernetes.client import ApiClient, Configuration  # noqa: PLC0415 - see above

    configuration = Configuration()
    where = configure(configuration, kubeconfig, context)
    if _is_loopback(str(configuration.host)):
        configuration.proxy = None  # a proxy cannot reach a cluster on this machine
    if not configuration.verify_ssl:
        # The kubeconfig says so on purpose; one warning for each request would only hide others.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    configuration.retries = False
    configuration.connection_pool_maxsize = CONNECTIONS
    try:
        connection = Connection(ApiClient(configuration), guard=guard)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise RefusalError(
            f"the credentials {where} cannot be used: {error}", advice="see its certificates"
        ) from error
    _probe(connection, f"the cluster {connection.url} {where}")
    return connection


def _probe(connection: Connection, where: str) -> None:
    """Refuse a cluster that does not answer, or that does not accept the user."""
    try:
        # Everybody may read /version; /api requires an authenticated user.
        for path in ("/version", "/api"):
            connection.request("GET", path, what=f"reach {where}", timeout=PROBE_SECONDS, retry_for=0)
    except KubeError as error:
        if error.status in (_UNAUTHORIZED, _FORBIDDEN):
            said = f": {error.said}" if error.said and error.status == _FORBIDDEN else ""
            raise RefusalError(
                f"{where} does not accept the credentials ({error.status} {error.reason}){said}",
                advice="renew the kubeconfig; its token or client certificate may have expired"
                if error.status == _UNAUTHORIZED
                else "see which user the kubeconfig names, and grant that user the role system:discovery",
            ) from error
        if error.status:
            raise RefusalError(
                f"{where} answers, but not as Kubernetes does ({error.status} {error.said})",
                advice="check the server address in the kubeconfig",
            ) from error
        trust = "certificate" in error.said or "TLS" in error.said
        raise RefusalError(
            f"{where} cannot be reached: {error.said}",
            advice="check the server address and the certificate authority in the kubeconfig"
            if trust
            else "start the cluster, or name another one with --kubeconfig",
        ) from error


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
