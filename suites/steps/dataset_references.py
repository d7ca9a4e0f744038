"""Datasets that refer to another one, and the controller that Fluid starts for them when it is needed.

A Dataset over ``dataset://namespace/name`` has no cache of its own: Fluid creates a ThinRuntime, a claim
and a volume for it, and its applications read through the Fuse of the Dataset that it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import DeploymentSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.kubernetes.undo import Patch
from clusters.product import fluid
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import wait
from suites.record.run import cannot_run_here
from suites.steps.reconcile import RECONCILE_ANNOTATION
from suites.steps.user import DATASET, User, unique
from workloads.models.dataset import Dataset, Mount

#: The Dataset that refers to another one.
REFERENCE: Final = "borrowed"
#: Handles references and ThinRuntimes; Fluid's chart has it with no replicas.
CONTROLLER: Final = "thinruntime-controller"
#: Seconds until Fluid has started its controller, and it is ready.
CONTROLLER_SECONDS: Final = 180.0
#: Seconds until a reference is gone with its ThinRuntime, and the other Dataset lists it.
RETURNED_SECONDS: Final = 120.0


def needs_controller(user: User) -> DeploymentSnapshot:
    """The controller of ThinRuntimes, which a scenario cannot do without.

    It may have no replicas: Fluid starts it with the first runtime of its kind
    (pkg/controllers/deploy/runtime_controllers.go:83 of 1.0.8).
    """
    found = user.observer.objects.get(DeploymentSnapshot, CONTROLLER, fluid.NAMESPACE)
    if found is None:
        cannot_run_here(f"this Fluid has no {CONTROLLER}")
    if found.replicas == 0:
        restore = Patch.of(kinds.DEPLOYMENT, CONTROLLER, fluid.NAMESPACE, {"spec": {"replicas": 0}})
        user.system.journal.undo_at_the_end(f"Fluid starts its {CONTROLLER}", restore)
    return found


def waits_for_controller(user: User) -> None:
    """Wait until Fluid has started the controller for a runtime that is there.

    Where a Dataset has runtimes of several kinds, Fluid searches for one of them in no order and starts
    the controller of that one, each time that the Dataset changes; so the Dataset is touched.
    """
    kube, objects = user.system.kube, user.observer.objects
    count = 0

    def observe() -> DeploymentSnapshot | None:
        nonlocal count
        count += 1
        annotations = {RECONCILE_ANNOTATION: str(count)}
        kube.patch(kinds.DATASET, DATASET, user.namespace, {"metadata": {"annotations": annotations}})
        return objects.get(DeploymentSnapshot, CONTROLLER, fluid.NAMESPACE)

    with user.evidence.phase("waiting", f"Fluid starts its {CONTROLLER}"):
        found = wait(
            observe,
            lambda seen: seen is not None and seen.ready > 0,
            subject=f"Deployment {fluid.NAMESPACE}/{CONTROLLER}",
            condition="readiness",
            timeout=CONTROLLER_SECONDS * user.timeout_factor,
            delay=1.0,
            advice="check the log of the dataset-controller, and whether the nodes have the image",
        )
    user.evidence.fact("Fluid", f"runs its {CONTROLLER}: {found}")


@contextmanager
def referring_user(owner: User) -> Iterator[User]:
    """A user in another namespace, which is deleted with all that refers to the owner's Dataset."""
    namespace = owner.creates_extra_namespace(unique("fc-referring"))
    user = replace(owner, namespace=namespace)
    try:
        yield user
    finally:
        # Before the owner's Dataset, which waits for those that refer to it.
        user.removes_datasets()
        owner.removes_namespace(namespace)


def creates_reference(owner: User, user: User, name: str = REFERENCE, folder: str = "") -> DatasetSnapshot:
    """Create a Dataset that refers to the owner's, and wait until it is Bound and has its claim.

    Args:
        owner: of the Dataset to which it refers.
        user: in whose namespace it is.
        name: of the new Dataset.
        folder: of the owner's Dataset, which is all that the new one shows; empty for all of it.
    """
    point = "/".join(("dataset:/", owner.namespace, DATASET, *filter(None, (folder,))))
    dataset = Dataset(namespace=user.namespace, name=name, mounts=(Mount(mount_point=point),))
    user.creates_dataset(dataset, without_runtime=True)
    return user.waits_until_bound(name)


def deletes_reference(owner: User, user: User) -> None:
    """Delete the reference; wait until it is gone and the owner's Dataset is not referred to any more."""
    user.deletes_dataset(REFERENCE)
    kube = user.system.kube

    def observe() -> tuple[bool, bool, tuple[str, ...]]:
        return (
            kube.get(kinds.THIN_RUNTIME, REFERENCE, user.namespace) is not None,
            user.observer.objects.get(ClaimSnapshot, REFERENCE, user.namespace) is not None,
            owner.observer.dataset(owner.namespace, DATASET).dataset_ref,
        )

    with user.evidence.phase("teardown", "the reference is deleted"):
        wait(
            observe,
            lambda seen: not any(seen),
            subject=f"Dataset {user.namespace}/{REFERENCE}",
            condition="deletion with ThinRuntime, claim and entry in the other Dataset's status",
            timeout=RETURNED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: (
                f"ThinRuntime {'there' if seen[0] else 'gone'}, claim {'there' if seen[1] else 'gone'}, "
                f"referred to by {', '.join(seen[2]) or 'nobody'}"
            ),
            advice=f"check the log of the {CONTROLLER}",
        )
    user.evidence.fact("reference", "gone with its ThinRuntime and claim")
