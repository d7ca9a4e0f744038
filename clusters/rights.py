"""The rights that a run needs, by what it does: in the whole cluster, in its own namespaces, in Fluid's.

They are the roles of a run in the cluster (`reports.job`), what a check of a cluster asks for, and what the
rights that a run really used are compared with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import KINDS, Kind
from clusters.kubernetes.used_rights import UsedRight, granted
from clusters.product import fluid
from clusters.providers.default_limits import LIMIT_RANGE

READ: Final = ("get", "list", "watch")
#: Server-side apply needs the first two.
WRITE: Final = ("create", "patch", "delete")

#: Kinds whose objects are rights. Only who has all rights of a role may create it, so rows that create such
#: objects need the rights of an administrator, and do not run with the roles of this module.
ADMINISTRATORS: Final = frozenset(
    {kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING, kinds.ROLE, kinds.ROLE_BINDING}
)
#: Runtimes of Fluid that the harness does not create; the doctor reads them.
OTHER_RUNTIMES: Final = tuple(
    Kind(f"{name}Runtime", kinds.DATASET.api_version, f"{name.lower()}runtimes")
    for name in ("Cache", "EFC", "GooseFS", "Jindo", "JuiceFS", "Vineyard")
)


@dataclass(frozen=True, slots=True)
class Grant:
    """Verbs on one kind, or on one of its sub-resources."""

    verbs: tuple[str, ...]
    kind: Kind
    subresource: str = ""

    @property
    def resource(self) -> str:
        """As RBAC names it, such as ``pods/exec``."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural

    @property
    def group(self) -> str:
        """Of the API; empty for the core."""
        return self.kind.api_version.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Rights:
    """What a run may do.

    Attributes:
        cluster: with cluster-wide objects, and with objects of all namespaces.
        own: in namespaces that the harness created.
        fluid: in Fluid's namespace.
    """

    cluster: tuple[Grant, ...] = ()
    own: tuple[Grant, ...] = ()
    fluid: tuple[Grant, ...] = ()

    def __add__(self, more: Rights) -> Rights:
        return Rights(self.cluster + more.cluster, self.own + more.own, self.fluid + more.fluid)


#: What every run needs.
BASE: Final = Rights(
    cluster=(
        *(
            Grant(READ, kind)
            for kind in (
                kinds.NODE,
                kinds.NAMESPACE,
                kinds.VOLUME,
                kinds.CSI_NODE,
                kinds.CUSTOM_RESOURCE_DEFINITION,
                kinds.MUTATING_WEBHOOK,
                kinds.THIN_RUNTIME_PROFILE,
                kinds.CLUSTER_ROLE,
                LIMIT_RANGE,
                # Of all namespaces: which images run, where Fluid is installed, and what the doctor reads.
                kinds.POD,
                kinds.CLAIM,
                kinds.EVENT,
                kinds.DEPLOYMENT,
                kinds.DAEMON_SET,
                kinds.STATEFUL_SET,
                kinds.DATASET,
                kinds.ALLUXIO_RUNTIME,
                kinds.THIN_RUNTIME,
                *OTHER_RUNTIMES,
            )
        ),
        Grant(WRITE, kinds.NAMESPACE),
        Grant(WRITE, kinds.VOLUME),
    ),
    own=(
        *(Grant(READ, kind) for kind in KINDS.values() if kind.namespaced),
        *(
            Grant(WRITE, kind)
            for kind in (
                kinds.POD,
                kinds.CLAIM,
                kinds.SERVICE,
                kinds.CONFIG_MAP,
                kinds.LEASE,
                kinds.DATASET,
                kinds.ALLUXIO_RUNTIME,
                kinds.DATA_LOAD,
            )
        ),
        # A program is started by GET over a websocket; since Kubernetes 1.35 that asks for create, too.
        Grant(("get", "create"), kinds.POD, "exec"),
        Grant(("get",), kinds.POD, "log"),
        Grant(("get",), kinds.POD, "proxy"),
        Grant(("get", "patch"), kinds.ALLUXIO_RUNTIME, "scale"),
    ),
    fluid=(
        *(
            Grant(READ, kind)
            for kind in (kinds.POD, kinds.EVENT, kinds.DAEMON_SET, kinds.DEPLOYMENT, kinds.CONFIG_MAP)
        ),
        Grant(("get",), kinds.POD, "log"),
        Grant(("get",), kinds.POD, "proxy"),
    ),
)
#: What runs need in addition, by what they disturb.
BY_DISRUPTION: Final[Mapping[Disruption, Rights]] = {
    Disruption.NODE_LABELS: Rights(cluster=(Grant(("patch",), kinds.NODE),)),
    # Rows that cordon or taint a node; all else is done by commands on it.
    Disruption.NODE: Rights(cluster=(Grant(("patch",), kinds.NODE),)),
    Disruption.FLUID_COMPONENTS: Rights(
        cluster=(Grant(("patch",), kinds.MUTATING_WEBHOOK),),
        fluid=(
            Grant(("patch",), kinds.DAEMON_SET),
            Grant(("patch",), kinds.DEPLOYMENT),
            Grant(("delete",), kinds.POD),
            Grant(("get", "create"), kinds.POD, "exec"),
        ),
    ),
}


def rights_of_run(disturbs: Iterable[Disruption] = (), writes: Iterable[Kind] = ()) -> Rights:
    """What a run needs.

    Args:
        disturbs: what its rows disturb.
        writes: kinds of objects that they create, change or delete, in addition to those of every run.
    """
    found = BASE
    for disruption in sorted(frozenset(disturbs)):
        found += BY_DISRUPTION.get(disruption, Rights())
    for kind in sorted(frozenset(writes), key=lambda one: one.plural):
        grant = Grant(WRITE, kind)
        found += Rights(own=(grant,)) if kind.namespaced else Rights(cluster=(grant,))
    return found


def rules(grants: Iterable[Grant]) -> list[dict[str, Any]]:
    """Rules of a Role (``rbac.authorization.k8s.io/v1``), one for each group and list of verbs."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for grant in grants:
        verbs.setdefault((grant.group, grant.resource), set()).update(grant.verbs)
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), some in verbs.items():
        together.setdefault((group, tuple(sorted(some))), []).append(resource)
    return [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": list(some)}
        for (group, some), resources in sorted(together.items())
    ]


def beyond(
    rights: Rights, used: Collection[UsedRight], own_namespaces: Collection[str]
) -> tuple[UsedRight, ...]:
    """The rights that were used although the roles of ``rights`` do not grant them, in order.

    Args:
        rights: of the run.
        used: what it used.
        own_namespaces: the namespaces that the harness created.
    """
    everywhere, own, fluids = rules(rights.cluster), rules(rights.own), rules(rights.fluid)

    def allowed(right: UsedRight) -> bool:
        if granted(everywhere, right):
            return True
        if right.namespace == fluid.NAMESPACE:
            return granted(fluids, right)
        return right.namespace in own_namespaces and granted(own, right)

    return tuple(sorted(right for right in used if not _everybodys(right) and not allowed(right)))


def _everybodys(right: UsedRight) -> bool:
    """Questions about oneself, which every authenticated user may ask (ClusterRole system:basic-user)."""
    return right.group in {"authorization.k8s.io", "authentication.k8s.io"}
