"""The kinds of objects that the harness uses, and their paths in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clusters.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

    Attributes:
        name: ``kind`` in a manifest.
        api_version: ``apiVersion`` in a manifest.
        plural: name in the API's paths.
        namespaced: its objects belong to a namespace.
    """

    name: str
    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The API path of one object, of the objects in one namespace, or of all objects.

        Raises:
            HarnessError: the namespace of an object is missing, or given for a cluster-scoped kind.
        """
        if (name is not None and self.namespaced and not namespace) or (namespace and not self.namespaced):
            raise HarnessError(
                f"{self.name} {name or ''} was asked for {'with' if namespace else 'without'} a namespace"
            )
        parts = ["api" if "/" not in self.api_version else "apis", self.api_version]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        return "/" + "/".join(parts)

    def __str__(self) -> str:
        return self.name


_FLUID: Final = "data.fluid.io/v1alpha1"
_RBAC: Final = "rbac.authorization.k8s.io/v1"

POD: Final = Kind("Pod", "v1", "pods")
CLAIM: Final = Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims")
VOLUME: Final = Kind("PersistentVolume", "v1", "persistentvolumes", namespaced=False)
NODE: Final = Kind("Node", "v1", "nodes", namespaced=False)
NAMESPACE: Final = Kind("Namespace", "v1", "namespaces", namespaced=False)
SERVICE: Final = Kind("Service", "v1", "services")
CONFIG_MAP: Final = Kind("ConfigMap", "v1", "configmaps")
SECRET: Final = Kind("Secret", "v1", "secrets")
EVENT: Final = Kind("Event", "v1", "events")
SERVICE_ACCOUNT: Final = Kind("ServiceAccount", "v1", "serviceaccounts")
JOB: Final = Kind("Job", "batch/v1", "jobs")
CRON_JOB: Final = Kind("CronJob", "batch/v1", "cronjobs")
DAEMON_SET: Final = Kind("DaemonSet", "apps/v1", "daemonsets")
STATEFUL_SET: Final = Kind("StatefulSet", "apps/v1", "statefulsets")
DEPLOYMENT: Final = Kind("Deployment", "apps/v1", "deployments")
CSI_NODE: Final = Kind("CSINode", "storage.k8s.io/v1", "csinodes", namespaced=False)
CLUSTER_ROLE: Final = Kind("ClusterRole", _RBAC, "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING: Final = Kind("ClusterRoleBinding", _RBAC, "clusterrolebindings", namespaced=False)
ROLE: Final = Kind("Role", _RBAC, "roles")
ROLE_BINDING: Final = Kind("RoleBinding", _RBAC, "rolebindings")
LEASE: Final = Kind("Lease", "coordination.k8s.io/v1", "leases")
MUTATING_WEBHOOK: Final = Kind(
    "MutatingWebhookConfiguration",
    "admissionregistration.k8s.io/v1",
    "mutatingwebhookconfigurations",
    namespaced=False,
)

CUSTOM_RESOURCE_DEFINITION: Final = Kind(
    "CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False
)

# Kinds of Fluid (Fluid 1.0.8, charts/fluid/fluid/crds).
DATASET: Final = Kind("Dataset", _FLUID, "datasets")
ALLUXIO_RUNTIME: Final = Kind("AlluxioRuntime", _FLUID, "alluxioruntimes")
THIN_RUNTIME: Final = Kind("ThinRuntime", _FLUID, "thinruntimes")
THIN_RUNTIME_PROFILE: Final = Kind("ThinRuntimeProfile", _FLUID, "thinruntimeprofiles", namespaced=False)
DATA_LOAD: Final = Kind("DataLoad", _FLUID, "dataloads")
DATA_PROCESS: Final = Kind("DataProcess", _FLUID, "dataprocesses")
DATA_BACKUP: Final = Kind("DataBackup", _FLUID, "databackups")
DATA_MIGRATE: Final = Kind("DataMigrate", _FLUID, "datamigrates")

KINDS: Final[Mapping[tuple[str, str], Kind]] = {
    (kind.api_version, kind.name): kind for kind in list(globals().values()) if isinstance(kind, Kind)
}
"""Every kind above, by ``apiVersion`` and ``kind``."""


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of a manifest.

    Raises:
        HarnessError: it has no kind, or one that is not in this module.
    """
    key = (str(manifest.get("apiVersion", "")), str(manifest.get("kind", "")))
    if key not in KINDS:
        raise HarnessError(
            f"no kind {key[1] or '(none)'} of {key[0] or '(no apiVersion)'} is known to the harness",
            advice="add it to clusters/kubernetes/kinds.py",
        )
    return KINDS[key]
