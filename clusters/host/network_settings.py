"""Proxies and certificate authorities of this host, for every program that the harness runs.

A user names them in the way that one program reads; others read another spelling or another variable. wget,
apt and curl read ``http_proxy`` in small letters only; Go and kind read both spellings; Maven reads
properties of Java. Go and OpenSSL read ``SSL_CERT_FILE``, requests ``REQUESTS_CA_BUNDLE``, pip ``PIP_CERT``,
curl ``CURL_CA_BUNDLE``, git ``GIT_SSL_CAINFO``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

#: The variables of proxies in small letters, by the key of Docker's configuration (config.json, "proxies").
_PROXIES: Final = {"httpProxy": "http_proxy", "httpsProxy": "https_proxy"}
_EXCEPTIONS: Final = "no_proxy"
BUNDLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
#: Never reached through a proxy: the API server of a kind cluster and a registry of the harness listen here.
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_PORTS: Final = {"http": 80, "https": 443}


def completed(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables to add to an environment, so that each program finds proxies and authorities."""
    file = authorities(environment)
    bundles = {name: str(file) for name in BUNDLES if not environment.get(name)} if file is not None else {}
    return _proxies(_named(environment), _exceptions(environment)) | bundles


def for_kind(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables of proxies for kind: without any in the environment, those of Docker's client.

    kind gives them to its nodes, with the cluster's networks and names as exceptions (kind 0.30.0,
    pkg/cluster/internal/providers/docker/provision.go, getProxyEnv). Docker's client gives those of its own
    configuration to each container that has none, without these exceptions.
    """
    if _named(environment):
        return _proxies(_named(environment), _exceptions(environment))
    settings = _docker_settings(environment)
    named = {name: settings[key] for key, name in _PROXIES.items() if key in settings}
    return _proxies(named, _listed(settings.get("noProxy", "")))


def authorities(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file with the certificate authorities that the user names; None for the system's own."""
    for name in BUNDLES:
        file = Path(environment.get(name) or "/")
        if file.is_file():
            return file.absolute()
    return None


def build_arguments(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Names of the variables of proxies that an image build receives; empty without a proxy."""
    return tuple(sorted(_proxies(_named(environment), _exceptions(environment))))


def described(environment: Mapping[str, str] = os.environ) -> str:
    """The proxies in words, without users and passwords; empty without a proxy."""
    found = sorted(_named(environment).items())
    return ", ".join(f"{_scheme(name)} through {parts_of(url).hostname}:{_port(url)}" for name, url in found)


def maven_options(environment: Mapping[str, str] = os.environ) -> str:
    """The value of ``MAVEN_OPTS`` with the proxies as properties; what the user set stays.

    The transport of Maven 3.8 reads them, that of 3.9 with the last property.
    """
    given, found = environment.get("MAVEN_OPTS", ""), _named(environment)
    if not found or ".proxyHost=" in given:
        return given
    options = [given] if given else []
    for name, url in sorted(found.items()):
        parts, prefix = parts_of(url), f"-D{_scheme(name)}"
        options += [f"{prefix}.proxyHost={parts.hostname}", f"{prefix}.proxyPort={_port(url)}"]
        if parts.username:
            options.append(f"{prefix}.proxyUser={unquote(parts.username)}")
            options.append(f"{prefix}.proxyPassword={unquote(parts.password or '')}")
    excepted = [f"*{name}" if name.startswith(".") else name for name in _exceptions(environment)]
    options.append(f"-Dhttp.nonProxyHosts={'|'.join((*excepted, *_LOCAL))}")
    return " ".join([*options, "-Daether.connector.http.useSystemProperties=true"])


def _proxies(named: Mapping[str, str], exceptions: Iterable[str]) -> dict[str, str]:
    """The variables in both spellings, with the addresses of this host among the exceptions."""
    if not named:
        return {}
    found = {**named, _EXCEPTIONS: ",".join(dict.fromkeys((*exceptions, *_LOCAL)))}
    return {spelling: value for name, value in found.items() for spelling in (name, name.upper())}


def _named(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies of an environment, by variable in small letters."""
    found = {name: environment.get(name) or environment.get(name.upper()) for name in _PROXIES.values()}
    return {name: value for name, value in found.items() if value}


def _exceptions(environment: Mapping[str, str]) -> list[str]:
    return _listed(environment.get(_EXCEPTIONS) or environment.get(_EXCEPTIONS.upper(), ""))


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _docker_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The default proxies of Docker's client; none if it has no configuration that can be read."""
    folder = environment.get("DOCKER_CONFIG") or Path(environment.get("HOME", "/"), ".docker")
    try:
        read: Any = json.loads(Path(folder, "config.json").read_text())
        settings = read.get("proxies", {}).get("default", {})
        return {str(key): str(value) for key, value in settings.items() if value}
    except (OSError, ValueError, AttributeError):
        return {}


def _scheme(variable: str) -> str:
    return variable.partition("_")[0]


def parts_of(url: str) -> SplitResult:
    """The parts of a proxy's address, which may lack its scheme."""
    return urlsplit(url if "://" in url else f"http://{url}")


def _port(url: str) -> int:
    parts = parts_of(url)
    return parts.port or _PORTS.get(parts.scheme, _PORTS["http"])
