"""Whether the network of a cluster enforces NetworkPolicies; many networks of kind clusters do not."""

from __future__ import annotations

from typing import Final

from clusters.errors import InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.waiting import WaitTimeoutError, wait
from tests.hostile_clusters.objects import POLICY, send
from tests.live_cluster import wait_for_deletion, wait_for_pod

NAMESPACE: Final = "hostile-clusters"
POD: Final = "client"
#: Connects to the API server by its Service.
_CONNECT: Final = ("timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/$KUBERNETES_SERVICE_HOST/443")
READY_SECONDS: Final = 120.0
#: Seconds until a policy is in effect.
EFFECT_SECONDS: Final = 20.0


def enforces_policies(kube: Kube, image: str) -> bool:
    """Whether a Pod that could connect cannot any more once a policy denies everything.

    Raises:
        InfrastructureError: it cannot connect without a policy either.
    """
    meta = {"name": POD, "namespace": NAMESPACE}
    container = {"name": POD, "image": image, "command": ["sleep", "infinity"]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        wait_for_pod(kube, NAMESPACE, POD, READY_SECONDS)
        if not _connects(kube):
            raise InfrastructureError("a Pod cannot reach the API server, also without a policy")
        path, policy = POLICY
        send(kube, path.format(namespace=NAMESPACE), policy)
        return _is_cut_off(kube)
    finally:
        kube.delete(kinds.NAMESPACE, NAMESPACE)
        wait_for_deletion(kube, kinds.NAMESPACE, NAMESPACE, None, READY_SECONDS)


def _connects(kube: Kube) -> bool:
    return kube.exec(NAMESPACE, POD, POD, _CONNECT, timeout=20.0).exit_code == 0


def _is_cut_off(kube: Kube) -> bool:
    try:
        wait(
            lambda: _connects(kube),
            lambda connected: not connected,
            subject=f"Pod {NAMESPACE}/{POD}",
            condition="its isolation",
            timeout=EFFECT_SECONDS,
            delay=1.0,
        )
    except WaitTimeoutError:
        return False
    return True
