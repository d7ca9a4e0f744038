"""The Pods' network on nodes without kindnetd: a bridge on each node, and routes between the nodes."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any

from clusters.host.engine import Engine
from clusters.kubernetes.snapshots.node import NodeSnapshot


def connect(engine: Engine, nodes: Sequence[Mapping[str, Any]]) -> None:
    """Configure a bridge on each node, and routes to the Pod ranges of the other nodes.

    Args:
        engine: runs the nodes.
        nodes: Node objects with their Pod ranges.
    """
    addresses = {str(node["metadata"]["name"]): (pod_range(node), NodeSnapshot.of(node).ip) for node in nodes}
    script = "mkdir -p /etc/cni/net.d && cat > /etc/cni/net.d/10-bridge.conflist"
    for name, (own, _) in addresses.items():
        engine.run("exec", "-i", name, "sh", "-c", script, stdin=json.dumps(bridge_config(own)))
        for other, (cidr, address) in addresses.items():
            if other != name:
                engine.exec(name, ["ip", "route", "replace", cidr, "via", address])


def pod_range(node: Mapping[str, Any]) -> str:
    """The range of addresses of a node's Pods, such as ``10.244.1.0/24``; empty while it has none."""
    return str(node.get("spec", {}).get("podCIDR", ""))


def bridge_config(cidr: str) -> dict[str, Any]:
    """A network configuration list (CNI specification 0.4.0) for one node's Pod range."""
    ipaddress.ip_network(cidr)
    return {
        "cniVersion": "0.4.0",
        "name": "fluid-conformance",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
