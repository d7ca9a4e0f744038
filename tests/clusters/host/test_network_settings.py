"""Proxies and certificate authorities, in the spelling of each program."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from clusters.host import network_settings
from clusters.host.commands import SystemCommands
from clusters.images.offline.artifacts import RECIPES

PROXY = "http://someone:s%40cret@proxy.example:3128"
LOCAL = "localhost,127.0.0.1,::1"


def test_a_host_without_settings_adds_none(tmp_path: Path) -> None:
    """The environment of programs is then this process's own."""
    environment = {"HOME": str(tmp_path)}
    assert network_settings.completed(environment) == {}
    assert network_settings.for_kind(environment) == {}
    assert network_settings.build_arguments(environment) == ()
    assert network_settings.maven_options(environment) == ""
    assert network_settings.described(environment) == ""
    assert network_settings.authorities(environment) is None


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_proxies_are_given_in_both_spellings(spelling: type[str]) -> None:
    """Programs read one of them; this host's own addresses are never reached through a proxy."""
    names = {"https_proxy": PROXY, "no_proxy": ".example, 10.0.0.0/8,localhost"}
    found = network_settings.completed({spelling(name): value for name, value in names.items()})
    assert found == {
        "https_proxy": PROXY,
        "HTTPS_PROXY": PROXY,
        "no_proxy": f".example,10.0.0.0/8,{LOCAL}",
        "NO_PROXY": f".example,10.0.0.0/8,{LOCAL}",
    }


def test_exceptions_without_a_proxy_stay_as_they_are() -> None:
    """Nothing is excepted from nothing."""
    assert network_settings.completed({"NO_PROXY": "a"}) == {}


def test_one_name_of_the_authorities_is_enough(tmp_path: Path) -> None:
    """Each program finds them under its own variable; a variable that is set stays."""
    bundle, other = tmp_path / "bundle.crt", tmp_path / "other.crt"
    bundle.write_text("")
    other.write_text("")
    environment = {"REQUESTS_CA_BUNDLE": str(bundle), "PIP_CERT": str(other), "SSL_CERT_FILE": ""}
    assert network_settings.authorities(environment) == bundle
    assert network_settings.completed(environment) == dict.fromkeys(
        ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"), str(bundle)
    )
    assert network_settings.authorities({"SSL_CERT_FILE": str(tmp_path / "missing")}) is None


def test_a_build_receives_names_and_no_password() -> None:
    """Docker's client reads the values of its own environment."""
    names = ("HTTP_PROXY", "NO_PROXY", "http_proxy", "no_proxy")
    assert network_settings.build_arguments({"HTTP_PROXY": PROXY}) == names


def test_kind_receives_the_proxies_of_dockers_client(tmp_path: Path) -> None:
    """Docker gives them to nodes anyway, but without the networks of the cluster, which kind adds."""
    (tmp_path / ".docker").mkdir()
    file = tmp_path / ".docker" / "config.json"
    proxies = {"httpProxy": PROXY, "httpsProxy": PROXY, "noProxy": ".example"}
    file.write_text(json.dumps({"proxies": {"default": proxies}}))
    environment = {"HOME": str(tmp_path)}
    found = network_settings.for_kind(environment)
    assert (found["HTTP_PROXY"], found["https_proxy"]) == (PROXY, PROXY)
    assert found["NO_PROXY"] == f".example,{LOCAL}"
    # Proxies of containers may be out of this host's reach.
    assert network_settings.completed(environment) == {}
    given = {**environment, "https_proxy": "http://other:1"}
    assert network_settings.for_kind(given) == network_settings.completed(given)
    assert network_settings.for_kind({"DOCKER_CONFIG": str(file.parent)}) == found
    for broken in ("", "[]", '{"proxies": 1}', '{"proxies": {"default": {}}}'):
        file.write_text(broken)
        assert network_settings.for_kind(environment) == {}


def test_maven_receives_properties() -> None:
    """It reads no variable of proxies; a proxy that the user set for it stays."""
    found = network_settings.maven_options(
        {"MAVEN_OPTS": "-Xmx1g", "HTTPS_PROXY": PROXY, "NO_PROXY": ".example,internal"}
    )
    assert found.split() == [
        "-Xmx1g",
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttps.proxyUser=someone",
        "-Dhttps.proxyPassword=s@cret",
        "-Dhttp.nonProxyHosts=*.example|internal|localhost|127.0.0.1|::1",
        "-Daether.connector.http.useSystemProperties=true",
    ]
    own = "-Dhttps.proxyHost=mine"
    assert network_settings.maven_options({"MAVEN_OPTS": own, "HTTPS_PROXY": PROXY}) == own


@pytest.mark.parametrize(
    ("url", "host"),
    [(PROXY, "proxy.example:3128"), ("proxy.example", "proxy.example:80"), ("https://[::2]", "::2:443")],
)
def test_a_proxy_is_described_without_its_password(url: str, host: str) -> None:
    """For people and reports."""
    assert network_settings.described({"https_proxy": url}) == f"https through {host}"


def test_every_program_that_is_run_receives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a caller sets counts more."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.delenv("https_proxy", raising=False)
    program = [sys.executable, "-c", "import os; print(os.environ['https_proxy'], os.environ['PATH'] != '')"]
    assert SystemCommands().run(program).stdout == f"{PROXY} True\n"
    assert SystemCommands().run(program, env={"https_proxy": "x"}).stdout == "x True\n"


def test_no_image_build_needs_an_authority() -> None:
    """Packages are fetched by HTTP and checked by Debian's own signatures, so that no build receives one."""
    for file in RECIPES.rglob("*"):
        if file.is_file() and "ockerfile" in file.name:
            assert "https://" not in file.read_text(), file
