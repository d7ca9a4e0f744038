"""The Dataset: which data, and who may use it how.

Fields: charts/fluid/fluid/crds/data.fluid.io_datasets.yaml:62-271 of Fluid 1.0.8 and :73-360 of
0.9.3, which have the same ``spec``; Go types in api/v1alpha1/dataset_types.go:80-191 (1.0.8).
The options for secrets and for restoring a backup are left out: nothing here sets them.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from workloads.models.base import Model, Resource
from workloads.models.shared import Toleration, User

AccessMode = Literal["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]


class Mount(Model):
    """One source of data (dataset_types.go:80-113).

    Attributes:
        mount_point: such as ``pvc://nfs-src`` or ``pvc://nfs-src/sub/folder``.
        name: names the folder when there is no ``path``.
        path: where in the Dataset it appears; ``/`` is the root.
        read_only: Fluid 1.0.8 ignores it for ``pvc://`` and ``local://``
            (pkg/ddc/alluxio/ufs_internal.go:231 mounts only the others).
        shared: the same holds.
        options: options of the under store.
    """

    mount_point: str
    name: str | None = None
    path: str | None = None
    read_only: bool | None = None
    shared: bool | None = None
    options: Mapping[str, str] | None = None


class NodeSelectorRequirement(Model):
    """One test on a node's label."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: tuple[str, ...] | None = None


class NodeSelectorTerm(Model):
    """Tests that must all hold."""

    match_expressions: tuple[NodeSelectorRequirement, ...]


class NodeSelector(Model):
    """Terms of which one must hold."""

    node_selector_terms: tuple[NodeSelectorTerm, ...]


class NodeAffinity(Model):
    """Where the data may be cached (dataset_types.go:264-267)."""

    required: NodeSelector

    @classmethod
    def on(cls, *nodes: str) -> Self:
        """Only on the nodes with these host names."""
        named = NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=nodes)
        term = NodeSelectorTerm(match_expressions=(named,))
        return cls(required=NodeSelector(node_selector_terms=(term,)))


class Runtime(Model):
    """A runtime that the Dataset names itself (dataset_types.go:175-191); Fluid usually fills it in."""

    name: str | None = None
    namespace: str | None = None
    category: str | None = None
    type: str | None = None
    master_replicas: int | None = None


class Dataset(Resource):
    """A Dataset.

    Attributes:
        mounts: its sources.
        access_modes: of the claim that Fluid makes; Fluid's default is ``ReadOnlyMany``
            (pkg/utils/dataset.go:63-77).
        placement: whether a node may cache other Datasets too; Fluid's default is ``Exclusive``.
        node_affinity: the nodes that may cache it.
        tolerations: for the runtime's Pods.
        owner: user and group that its files show.
        runtimes: normally left to Fluid.
        shared_options: options for all mounts.
    """

    API_VERSION: ClassVar[str] = "data.fluid.io/v1alpha1"
    KIND: ClassVar[str] = "Dataset"

    mounts: tuple[Mount, ...] | None = None
    access_modes: tuple[AccessMode, ...] | None = None
    placement: Literal["Exclusive", "Shared"] | None = None
    node_affinity: NodeAffinity | None = None
    tolerations: tuple[Toleration, ...] | None = None
    owner: User | None = None
    runtimes: tuple[Runtime, ...] | None = None
    shared_options: Mapping[str, str] | None = None

    @classmethod
    def over_claim(cls, namespace: str, name: str, claim: str, *, folder: str = "") -> Self:
        """A Dataset whose root is the claim ``claim`` of its namespace, or a ``folder`` in it."""
        point = f"pvc://{claim}/{folder.strip('/')}" if folder else f"pvc://{claim}"
        return cls(namespace=namespace, name=name, mounts=(Mount(mount_point=point, name=claim, path="/"),))
