"""Objects of Fluid that stay because the controller that must remove their finalizer does not run.

They are looked for only in namespaces that the harness created. A finalizer is removed only if nothing of the
object is outside of its namespace: Fluid's controllers also remove labels of nodes, and what is cached there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube, Object
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.fields import at, items, number, table, text, texts
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.ownership import is_managed
from clusters.product import fluid, fluid_names

#: The Deployment that removes the finalizers of a kind (Fluid 1.0.8, charts/fluid/fluid/templates).
CONTROLLERS: Final[Mapping[Kind, str]] = {
    kinds.DATA_LOAD: fluid.DATASET_CONTROLLER,
    kinds.DATA_PROCESS: fluid.DATASET_CONTROLLER,
    kinds.DATA_BACKUP: fluid.DATASET_CONTROLLER,
    kinds.DATA_MIGRATE: fluid.DATASET_CONTROLLER,
    kinds.DATASET: fluid.DATASET_CONTROLLER,
    kinds.THIN_RUNTIME: "thinruntime-controller",
    kinds.ALLUXIO_RUNTIME: "alluxioruntime-controller",
}
#: Kinds whose controllers also change nodes.
_ON_NODES: Final = (kinds.THIN_RUNTIME, kinds.ALLUXIO_RUNTIME)
#: How all finalizers of Fluid end, such as ``thin-runtime-controller-finalizer``.
_FINALIZER: Final = "-controller-finalizer"
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class StuckObject:
    """An object that is being deleted, and whose controller does not run.

    Attributes:
        kind: of the object.
        namespace: of the object.
        name: of the object.
        keeps: the finalizers that are not Fluid's.
        labelled: nodes that have a label of Fluid for it, if it is a runtime.
    """

    kind: Kind
    namespace: str
    name: str
    keeps: tuple[str, ...]
    labelled: tuple[str, ...]

    @property
    def controller(self) -> str:
        """The Deployment that must run to delete it."""
        return CONTROLLERS[self.kind]

    @property
    def command(self) -> str:
        """With which it is deleted as Fluid does it."""
        return f"kubectl -n {fluid.NAMESPACE} scale deployment {self.controller} --replicas=1"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def free(self, kube: Kube) -> None:
        """Remove the finalizers of Fluid."""
        body = {"metadata": {"finalizers": list(self.keeps) or None}}
        try:
            kube.patch(self.kind, self.name, self.namespace, body)
        except KubeError as error:
            if error.status != _NOT_FOUND:
                raise


def find(kube: Kube, namespace: str) -> tuple[StuckObject, ...]:
    """The stuck objects in a namespace; none in one that the harness did not create."""
    if not is_managed(kube.get(kinds.NAMESPACE, namespace) or {}):
        return ()
    nodes = kube.list(kinds.NODE)
    found = []
    for kind, controller in CONTROLLERS.items():
        for obj in kube.list_if_known(kind, namespace):
            finalizers = texts(obj, "metadata", "finalizers")
            keeps = tuple(name for name in finalizers if not name.endswith(_FINALIZER))
            deleted = at(obj, "metadata", "deletionTimestamp") is not None
            if deleted and len(keeps) < len(finalizers) and not _runs(kube, controller):
                name = text(obj, "metadata", "name")
                labelled = _labelled(nodes, obj) if kind in _ON_NODES else ()
                found.append(StuckObject(kind, namespace, name, keeps, labelled))
    return tuple(found)


def remove_volumes(kube: Kube, namespace: str) -> None:
    """Delete the volumes that Fluid created for Datasets of a namespace, as its controllers do."""
    for volume in kube.list(kinds.VOLUME):
        if text(volume, "spec", "claimRef", "namespace") == namespace:
            because = f"Fluid created it for a Dataset of the harness in {namespace}, and did not delete it"
            kube.delete(kinds.VOLUME, text(volume, "metadata", "name"), because=because)


def _runs(kube: Kube, controller: str) -> bool:
    return (
        number(kube.get(kinds.DEPLOYMENT, controller, fluid.NAMESPACE) or {}, "status", "readyReplicas") > 0
    )


def _labelled(nodes: Sequence[Object], obj: Object) -> tuple[str, ...]:
    """Nodes with a label that Fluid sets for a runtime."""
    namespace, name = text(obj, "metadata", "namespace"), text(obj, "metadata", "name")
    # The owner of a runtime is its Dataset, whose identity is in labels that would be too long.
    owner = next((text(one, "uid") for one in items(obj, "metadata", "ownerReferences")), "")
    keys = fluid_names.node_labels(namespace, name, owner)
    exclusive = fluid_names.exclusive_value(namespace, name, owner)
    return tuple(
        text(node, "metadata", "name")
        for node in nodes
        if any(
            # Each kind of runtime has a part of its own before namespace and name.
            key in keys or value == exclusive or key.endswith(f"-{namespace}-{name}")
            for key, value in table(node, "metadata", "labels").items()
        )
    )
