"""Removes from texts and objects what must not leave a cluster: credentials, and values that may be some."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "<redacted>"

#: Names whose values are secret, in whatever notation: YAML, JSON, properties, options, query parameters.
_NAMES: Final = (
    r"(?:[\w.-]*(?:password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|session[_-]?key|auth)[\w.-]*"
    r"|client-key-data|client-certificate-data|certificate-authority-data|\.dockerconfigjson|\.dockercfg)"
)
#: Names that contain such a word and hold no secret; redacting them would hide what a bundle is for.
_HARMLESS: Final = re.compile(
    r"automountServiceAccountToken|secretName|secretRef|secretKeyRef|imagePullSecrets|serviceAccountToken|tokenExpiration"
    r"|expirationSeconds|authorization\.k8s\.io|authentication\.k8s\.io|alluxio\.security\.\w+\.type"
    r"|author(?:s|ity)?$|authorization[._-]?mode|authenticated",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(
    rf"(?P<name>[\"']?{_NAMES}[\"']?)(?P<sign>\s*[:=]\s*)(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;&}}\])]+)",
    re.IGNORECASE,
)
_PATTERNS: Final = (
    # Keys and certificates in PEM.
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL), REDACTED),
    # HTTP: Authorization: Bearer x, Basic x.
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    # JSON web tokens, such as those of service accounts.
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), REDACTED),
    # User and password in an address.
    (re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/@:]+:[^\s/@]+@", re.IGNORECASE), rf"\1{REDACTED}@"),
    # Keys of cloud providers.
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), REDACTED),
)

#: Annotations whose values are kept: those that Kubernetes, Helm, Fluid and the harness write themselves.
_ANNOTATIONS: Final = re.compile(
    r"(?:(?:pv|volume|volume\.beta|deployment|batch)\.kubernetes\.io|meta\.helm\.sh|(?:[\w-]+\.)?fluid\.io"
    r"|fluid-conformance)/.*|CreatedBy|deprecated\.daemonset\.template\.generation"
)


def redacted(text: str) -> str:
    """A text without credentials."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _ASSIGNED.sub(_without_value, text)


def redacted_object(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object without data of Secrets, environment values, foreign annotations and pull secrets."""
    kept = {key: _redact(key, value) for key, value in obj.items()}
    if obj.get("kind") == "Secret":
        for part in ("data", "stringData"):
            kept.update({part: dict.fromkeys(obj[part] or (), REDACTED)} if part in obj else {})
    return kept


def _redact(name: str, value: Any) -> Any:
    """A part of an object, which has that name in the part around it."""
    if name == "annotations" and isinstance(value, Mapping):
        return {key: one if _ANNOTATIONS.fullmatch(key) else REDACTED for key, one in value.items()}
    if name == "env" and isinstance(value, list):
        return [_environment(one) for one in value]
    if name == "imagePullSecrets":
        return REDACTED
    if isinstance(value, Mapping):
        return {key: _redact(key, one) for key, one in value.items()}
    if isinstance(value, list):
        return [_redact("", one) for one in value]
    return value


def _environment(variable: Any) -> Any:
    """A variable with its name alone, or with where its value is from."""
    if isinstance(variable, Mapping) and "value" in variable:
        return {**variable, "value": REDACTED}
    return variable


def _without_value(match: re.Match[str]) -> str:
    name, sign, value = match["name"], match["sign"], match["value"]
    if _HARMLESS.search(name) or value in {REDACTED, "true", "false", "null", "None", "|", ">", "{", "["}:
        return match[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{name}{sign}{quote}{REDACTED}{quote}"
