"""An admission webhook that this process serves, for a cluster whose nodes are containers of this machine."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

Manifest = dict[str, Any]

#: Seconds that the API server waits for an answer.
TIMEOUT_SECONDS: Final = 5
_GROUP: Final = "admissionregistration.k8s.io"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook says of an object.

    Attributes:
        patch: operations of a JSON patch (RFC 6902) that change it.
        refusal: why it is refused; empty if it is not.
    """

    patch: tuple[Mapping[str, Any], ...] = ()
    refusal: str = ""


#: What is answered about an object that is created; None lets it pass as it is.
Policy = Callable[[Mapping[str, Any]], Answer | None]


@dataclass
class Webhook:
    """A webhook that is served.

    Attributes:
        url: of it.
        authority: its certificate, as PEM.
        acted: objects that it changed or refused in requests that were no dry run.
        tried: the same in dry runs.
    """

    url: str
    authority: bytes
    acted: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def configuration(self, name: str, kinds: Sequence[str], *, mutating: bool) -> Manifest:
        """The object that lets the API server ask it about new objects of some kinds."""
        client = {"url": self.url, "caBundle": base64.b64encode(self.authority).decode()}
        return configuration(name, kinds, client, mutating=mutating)


def configuration(
    name: str, kinds: Sequence[str], client: Mapping[str, Any], *, mutating: bool, policy: str = "Ignore"
) -> Manifest:
    """A configuration of a webhook for new objects of the core group.

    Args:
        name: of the object.
        kinds: plurals.
        client: how it is reached.
        mutating: it may change objects.
        policy: what holds if it does not answer. Ignore, unless that is what is tried: a killed check must
            not leave a cluster that accepts nothing.
    """
    hook: Manifest = {
        "name": f"{name}.team.example",
        "clientConfig": dict(client),
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": list(kinds)}
        ],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": policy,
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
    kind = "MutatingWebhookConfiguration" if mutating else "ValidatingWebhookConfiguration"
    return {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": {"name": name}, "webhooks": [hook]}


def review(body: Mapping[str, Any], policy: Policy, webhook: Webhook) -> Manifest:
    """The answer to an AdmissionReview (admission.k8s.io/v1); what it did is noted in ``webhook``."""
    request = body["request"]
    obj = request["object"]
    answer = policy({**obj, "metadata": {"namespace": request.get("namespace"), **obj["metadata"]}})
    response: Manifest = {"uid": request["uid"], "allowed": True}
    if answer is not None:
        shown = f"{request['kind']['kind']} {request.get('namespace', '')}/{obj['metadata'].get('name', '')}"
        (webhook.tried if request.get("dryRun") else webhook.acted).append(shown)
        if answer.refusal:
            response |= {"allowed": False, "status": {"code": 403, "message": answer.refusal}}
        if answer.patch:
            patch = base64.b64encode(json.dumps(answer.patch).encode()).decode()
            response |= {"patchType": "JSONPatch", "patch": patch}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


@contextmanager
def serving(address: str, folder: Path, policy: Policy) -> Iterator[Webhook]:
    """Serve a webhook by HTTPS while the context lasts.

    Args:
        address: of this machine, as the API server reaches it.
        folder: for its key and its certificate.
        policy: what it answers.
    """
    key, certificate = folder / "webhook.key", folder / "webhook.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=webhook"]
    argv += ["-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    webhook = Webhook("", certificate.read_bytes())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(review(body, policy, webhook)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: what it did is in `Webhook`."""

    server = ThreadingHTTPServer((address, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    webhook.url = f"https://{address}:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, name="webhook", daemon=True)
    thread.start()
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
