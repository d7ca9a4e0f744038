"""Kubeconfigs as kubectl accepts them, and the service account of a Pod."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import certifi
import pytest
import yaml

from clusters.errors import RefusalError
from clusters.kubernetes.client import Kube
from tests.clusters.conftest import FakeApi


def test_empty_file_in_a_list_is_ignored(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file and one without a current context, before and after the file that has it."""
    empty, bare = tmp_path / "empty", tmp_path / "bare"
    empty.write_text("")
    bare.write_text("apiVersion: v1\nkind: Config\n")
    for order in ((empty, bare, api.kubeconfig()), (api.kubeconfig(), bare, empty)):
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, order)))
        Kube.connect(None, run="r1").close()


def test_first_current_context_counts(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in kubectl, a later file does not change the current context."""
    other = tmp_path / "other"
    dead = {"name": "dead", "cluster": {"server": "http://127.0.0.1:9"}}
    other.write_text(
        yaml.safe_dump(
            {
                "current-context": "dead",
                "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "me"}}],
                "clusters": [dead],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (api.kubeconfig(), other))))
    Kube.connect(None, run="r1").close()
    assert api.asked("GET", "/version")


def test_byte_order_mark(api: FakeApi) -> None:
    """An editor of Windows writes one."""
    path = api.kubeconfig()
    path.write_text(path.read_text(), encoding="utf-8-sig")
    Kube.connect(path, run="r1").close()


def test_token_file_that_ends_with_a_newline(api: FakeApi, tmp_path: Path) -> None:
    """The newline is no part of the token."""
    token = tmp_path / "token"
    token.write_text("fr0m-file\n")
    path = api.kubeconfig(users=[{"name": "me", "user": {"tokenFile": str(token)}}])
    Kube.connect(path, run="r1").close()
    assert {r.headers.get("authorization") for r in api.requests} == {"Bearer fr0m-file"}


def test_forbidden_is_not_called_expired(api: FakeApi) -> None:
    """The error names the user that has no role."""
    said = 'User "system:anonymous" cannot get path "/api"'
    api.answer("GET", "/api", api.refusal(403, "Forbidden", said))
    with pytest.raises(RefusalError) as caught:
        Kube.connect(api.kubeconfig(), run="r1")
    assert said in caught.value.message
    assert "expired" not in caught.value.advice


@pytest.mark.parametrize("field", ["contexts", "clusters", "users"])
@pytest.mark.parametrize("value", [None, 7, "x", {}, [None], [7], [{}], [{"name": None}], [{"name": "fake"}]])
def test_fields_of_other_types(api: FakeApi, field: str, value: Any) -> None:
    """Whatever is in a kubeconfig, it is used or refused in a sentence."""
    try:
        Kube.connect(api.kubeconfig(**{field: value}), run="r1").close()
    except RefusalError as error:
        assert "\n" not in error.message  # noqa: PT017 - it may also connect, such as without users


def in_pod(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """The environment of a process in a Pod without a kubeconfig."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")


def test_service_account_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kubeconfig, the API server that the environment of the Pod names is used with its token."""
    in_pod(monkeypatch, tmp_path)
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("t0ken")
    authority.write_text(Path(certifi.where()).read_text())
    loader = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(authority))
    with pytest.raises(RefusalError, match=r"https://127\.0\.0\.1:9 of this Pod's service account cannot be"):
        Kube.connect(None, run="r1")


def test_pod_without_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that the Pod mounts no token and that there is no kubeconfig."""
    in_pod(monkeypatch, tmp_path)
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "none"))
    with pytest.raises(RefusalError, match=r"no kubeconfig at .*service account cannot be used"):
        Kube.connect(None, run="r1")


def test_kubeconfig_in_a_pod_has_priority(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Pod with a kubeconfig uses that one."""
    in_pod(monkeypatch, tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig()))
    Kube.connect(None, run="r1").close()
    assert api.asked("GET", "/version")
