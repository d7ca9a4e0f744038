"""A cluster that somebody else made: used through its kubeconfig, never taken down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters import kinds
from clusters.commands import Completed
from clusters.errors import FailureClass, InfrastructureError
from clusters.kube import Kube
from clusters.nfs import NAMESPACE
from clusters.provider import Cluster
from clusters.snapshots import PodSnapshot
from clusters.waiting import wait

READY_SECONDS: Final = 60.0
_CONTAINER: Final = "node"


@dataclass
class ExistingProvider:
    """Uses the cluster of a kubeconfig.

    Attributes:
        kubeconfig: file that reaches it.
        kube: connection to it.
        image: toolbox image, for the Pods through which nodes are looked at.
    """

    kubeconfig: Path
    kube: Kube
    image: str = ""

    def up(self) -> Cluster:
        """The cluster; that it answers was checked when it was connected to."""
        return Cluster("existing", self.kube.connection.url, self.kubeconfig, made_here=False)

    def down(self) -> None:
        """Nothing: it is not ours."""

    def node_exec(self, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Run a program in the node's own namespaces, through a privileged Pod of ours on it."""
        name = f"node-{node}"[:63].rstrip("-.")
        self._agent(name, node)
        enter = ["nsenter", "--target", "1", "--mount", "--uts", "--net", "--", *argv]
        return self.kube.exec(NAMESPACE, name, _CONTAINER, enter, timeout=timeout)

    def logs(self) -> Mapping[str, str]:
        """Nothing: a cluster's own journals are its administrator's."""
        return {}

    def _agent(self, name: str, node: str) -> None:
        if not self.image:
            raise InfrastructureError(
                "nodes of this cluster cannot be looked at without a toolbox image",
                advice="give --registry with a registry that holds the harness's images",
            )

        def look() -> PodSnapshot:
            return PodSnapshot.of(self.kube.get(kinds.POD, name, NAMESPACE) or {})

        if look().ready:
            return
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.kube.apply(_agent_manifest(name, node, self.image))
        with self.kube.changes(kinds.POD, NAMESPACE) as changes:
            wait(
                look,
                lambda seen: seen.ready,
                subject=f"Pod {NAMESPACE}/{name}",
                condition="Ready",
                timeout=READY_SECONDS,
                changes=changes,
                failure_class=FailureClass.INFRASTRUCTURE,
                advice="privileged Pods must be allowed for looking at nodes",
            )


def _agent_manifest(name: str, node: str, image: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": _CONTAINER,
                    "image": image,
                    "command": ["sleep", "infinity"],
                    "securityContext": {"privileged": True},
                }
            ],
        },
    }
