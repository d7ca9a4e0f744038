"""Images on the nodes of a cluster that the harness did not create."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clusters.errors import RefusalError
from clusters.facts import Image, Origin
from clusters.image_names import reference, split_host
from clusters.images.offline import definitions
from clusters.images.offline.definitions import ImageDefinition
from clusters.images.resolver import SLIM
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.pins import Versions, pins
from clusters.product import fluid
from clusters.product.nfs import NAMESPACE


def harness_image(image: ImageDefinition, nodes: Sequence[NodeSnapshot], mirror: str | None) -> str:
    """The name under which the nodes have, or can pull, an image that only the harness builds.

    Raises:
        RefusalError: they neither have it nor can pull it.
    """
    if mirror is not None:
        return reference(image.name, mirror)
    for name in (image.name, image.name + SLIM):
        if all(holds(node, name) for node in nodes):
            return name
    raise RefusalError(
        f"the nodes of this cluster do not all have {image.name}, and it is published nowhere",
        advice=(
            "push it to a registry that they reach (python -m clusters.registry push HOST) "
            "and name that with --registry HOST"
        ),
    )


def built_fluid(versions: Versions, nodes: Sequence[NodeSnapshot]) -> dict[str, str]:
    """Fluid's images as the harness builds them, by Fluid's names, if all nodes have them; else none."""
    if versions.fluid not in pins().fluid:
        return {}
    names = {name: image.name for name, image in definitions.fluid(versions).items()}
    required = [*names.values(), definitions.alluxio(versions.alluxio).name]
    return names if all(holds(node, name) for node in nodes for name in required) else {}


def holds(node: NodeSnapshot, name: str) -> bool:
    """Whether a node reports that it has an image; kubelet reports the 50 largest."""
    return split_host(name) in {split_host(image) for image in node.images}


def image_facts(kube: Kube, versions: Versions) -> tuple[Image, ...]:
    """The images of the Pods of Fluid and of the harness, and of Alluxio, as the cluster names them."""
    built = {image.name: image.origin for image in (definitions.nfs_server(), definitions.toolbox())}
    if versions.fluid in pins().fluid:
        built |= {image.name: image.origin for image in definitions.fluid(versions).values()}
    if versions.alluxio in pins().alluxio:
        built |= dict.fromkeys(definitions.alluxio(versions.alluxio).names, Origin.BUILT)
    digests: dict[str, str] = {}
    for where in (fluid.NAMESPACE, NAMESPACE):
        for pod in map(PodSnapshot.of, kube.list(kinds.POD, where)):
            for container in pod.containers:
                digests[container.image] = container.image_id.rpartition("@")[2]
    alluxio = fluid.alluxio_image(kube)
    if alluxio:
        digests.setdefault(alluxio, "")
    return tuple(
        Image(name=name, digest=digest, origin=_origin(name, built))
        for name, digest in sorted(digests.items())
    )


def _origin(name: str, built: Mapping[str, Origin]) -> Origin:
    """Built by the harness according to its name, in any registry; other images were published."""
    for known, origin in built.items():
        if name in (known, known + SLIM) or name.endswith((f"/{known}", f"/{known}{SLIM}")):
            return origin
    return Origin.PULLED
