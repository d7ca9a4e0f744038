"""What is kept of texts and objects: everything but credentials and what may hold them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from suites.record.redaction import REDACTED, redacted, redacted_object

CANARY = "c4n4ry-9f8e7d6c"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"curl -H 'Authorization: Basic {CANARY}='",
        f"  token: {CANARY}",
        f'{{"access_token": "{CANARY}", "expires": 1}}',
        f"--password={CANARY} --verbose",
        f"fs.oss.accessKeySecret={CANARY}",
        f"AWS_SECRET_ACCESS_KEY={CANARY}",
        f"DB_PASSWORD='{CANARY} with spaces'",
        f"https://user:{CANARY}@registry.example/v2/",
        f"    client-key-data: {CANARY}",
        f"    client-certificate-data: {CANARY}\n    certificate-authority-data: {CANARY}",
        f".dockerconfigjson: {CANARY}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n(the log ends here)",
        f"GET /v1?apikey={CANARY}&x=1",
    ],
)
def test_credentials_are_removed_from_texts(text: str) -> None:
    """In each notation in which logs, manifests and command lines write them."""
    assert CANARY not in redacted(text)
    assert REDACTED in redacted(text)
    assert redacted(redacted(text)) == redacted(text)


def test_tokens_and_keys_are_known_by_their_form() -> None:
    """Also where nothing names them."""
    assert redacted(f"sent {JWT} to it") == f"sent {REDACTED} to it"
    assert "AKIAIOSFODNN7EXAMPLE" not in redacted("key AKIAIOSFODNN7EXAMPLE used")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28 03:14:15 INFO DatasetController - Reconcile demo/imagenet: phase Bound",
        "automountServiceAccountToken: false",
        "secretName: fluid-webhook-certs",
        "alluxio.security.authentication.type=NOSASL",
        "/dev/shm/default/imagenet/alluxioworker/16777216 of 67108864 bytes",
        "url: http://10.96.0.1:443/apis",
        "apiVersion: rbac.authorization.k8s.io/v1",
        "blocks: 12, keys: 3",
    ],
)
def test_what_a_bundle_is_for_stays(text: str) -> None:
    """Ordinary lines are not touched."""
    assert redacted(text) == text


def a_pod() -> dict[str, Any]:
    """A Pod with a canary wherever a user may put a secret."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "app",
            "annotations": {
                "team.example/vault": CANARY,
                "kubectl.kubernetes.io/last-applied-configuration": f'{{"env": "{CANARY}"}}',
                "fluid.io/skip": "yes",
            },
        },
        "spec": {
            "imagePullSecrets": [{"name": CANARY}],
            "containers": [
                {
                    "name": "main",
                    "image": "app:1",
                    "env": [
                        {"name": "ANYTHING", "value": CANARY},
                        {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    ],
                }
            ],
        },
    }


def test_objects_keep_their_form() -> None:
    """Names stay; values of the environment, foreign annotations and pull secrets are gone."""
    kept = redacted_object(a_pod())
    assert CANARY not in yaml.safe_dump(kept)
    assert kept["metadata"]["annotations"]["fluid.io/skip"] == "yes"
    container = kept["spec"]["containers"][0]
    assert container["env"][0] == {"name": "ANYTHING", "value": REDACTED}
    assert container["env"][1]["valueFrom"]["secretKeyRef"]["name"] == "s"
    assert container["image"] == "app:1"


def test_templates_are_covered_too() -> None:
    """The Pod of a Deployment or CronJob is deeper."""
    nested = {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": a_pod()}}}}
    assert CANARY not in yaml.safe_dump(redacted_object(nested))


def test_secrets_keep_their_keys_only() -> None:
    """Whatever is in them."""
    secret = {"kind": "Secret", "data": {"user": CANARY}, "stringData": {"x": CANARY}}
    assert redacted_object(secret) == {
        "kind": "Secret",
        "data": {"user": REDACTED},
        "stringData": {"x": REDACTED},
    }
