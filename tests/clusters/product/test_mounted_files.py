"""Files of a node over those of an image: put in, taken off, and found after a run that was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusters.kubernetes.client import Kube
from clusters.product import mounted_files

if TYPE_CHECKING:
    from tests.clusters.conftest import FakeApi

SYSTEM = "/apis/apps/v1/namespaces/fluid-system"
PODS = "/api/v1/namespaces/fluid-system/pods"
TEMPLATE: dict[str, Any] = {
    "volumes": [{"name": "certs", "emptyDir": {}}],
    "containers": [
        {"name": "registrar"},
        {"name": "plugins", "volumeMounts": [{"name": "certs", "mountPath": "/certs"}]},
    ],
}
PLACES = {"/usr/local/bin/fluid-csi": "/var/lib/x/0-fluid-csi"}


def test_files_are_mounted_over_those_of_one_container_and_can_be_removed() -> None:
    """Nothing else of the Pod template changes; a second time changes nothing."""
    changed = mounted_files.with_files(TEMPLATE, "plugins", PLACES)
    assert changed["volumes"][1] == {
        "name": "mutant-0",
        "hostPath": {"path": "/var/lib/x/0-fluid-csi", "type": "File"},
    }
    assert changed["containers"][1]["volumeMounts"][1] == {
        "name": "mutant-0",
        "mountPath": "/usr/local/bin/fluid-csi",
        "readOnly": True,
    }
    assert changed["containers"][0]["volumeMounts"] == []
    assert mounted_files.with_files(changed, "plugins", PLACES) == changed
    assert mounted_files.mounted(changed) == ("mutant-0 /var/lib/x/0-fluid-csi",)
    back = mounted_files.without_files(changed)
    assert back["volumes"] == TEMPLATE["volumes"]
    assert back["containers"][1] == TEMPLATE["containers"][1]


def test_what_a_killed_run_left_is_removed(api: FakeApi, kube: Kube) -> None:
    """Only workloads that have such files are changed; then it is waited until no Pod has them."""
    whole = {"metadata": {"name": "webhook"}, "spec": {"template": {"spec": TEMPLATE}}}
    left = {
        "metadata": {"name": "plugin"},
        "spec": {"template": {"spec": mounted_files.with_files(TEMPLATE, "plugins", PLACES)}},
    }
    api.answer("GET", f"{SYSTEM}/deployments", {"items": [whole]})
    api.answer("GET", f"{SYSTEM}/daemonsets", {"items": [left]})
    api.answer("GET", PODS, {"items": []})
    api.answer("PATCH", f"{SYSTEM}/daemonsets/plugin", {})
    assert mounted_files.remove(kube, "fluid-system") == ("plugin",)
    (patched,) = api.asked("PATCH", f"{SYSTEM}/daemonsets/plugin")
    assert patched.body["spec"]["template"]["spec"]["volumes"] == TEMPLATE["volumes"]
    assert patched.body["spec"]["updateStrategy"] == {"type": "RollingUpdate"}


def test_a_whole_cluster_is_left_alone(api: FakeApi, kube: Kube) -> None:
    """Nothing is changed and no Pod is read."""
    api.answer("GET", f"{SYSTEM}/deployments", {"items": []})
    api.answer("GET", f"{SYSTEM}/daemonsets", {"items": []})
    assert mounted_files.remove(kube, "fluid-system") == ()
