"""Scenarios on Datasets that are created for them alone while the product is broken."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from clusters.errors import HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import text
from suites.catalogue.scenario import Scenario
from suites.run import pending_applications, unbindable
from suites.run.dataset_pool import ReadyDataset, create_bound
from suites.run.teardown import BackgroundTeardown
from suites.sabotage.model import WINDOW
from suites.steps.idle_watch import NOT_WATCHED
from suites.steps.user import OPERATIONS, User

#: Fact that is recorded when everything is created and the scenario begins; see `Tampering.when`.
BEGINS: Final = "row: it begins"
#: Kinds whose objects may be left with a finalizer, in the order in which they are removed.
LEFT: Final = (*OPERATIONS, kinds.THIN_RUNTIME, kinds.ALLUXIO_RUNTIME, kinds.DATASET, kinds.CLAIM)
BECAUSE: Final = "a changed or broken product left it"


def arguments(
    declared: Scenario,
    function: Callable[..., None],
    user: User,
    shared: ReadyDataset,
    second_user: Callable[[], User],
    *,
    ready: ReadyDataset | None = None,
) -> dict[str, Any]:
    """Create what a scenario needs, in the namespace of ``user``. Returns the arguments of its function.

    Args:
        declared: the scenario.
        function: its function.
        user: a user with a namespace that does not exist yet.
        shared: the Dataset that bystanders share.
        second_user: returns another user like the first.
        ready: the Dataset that `needs_dataset` says it needs, where ``user`` has created it already.

    Raises:
        HarnessError: something could not be created, such as a Dataset that does not get Bound.
    """
    names = tuple(inspect.signature(function).parameters)
    known: dict[str, Any] = {"window": WINDOW, "idle_watch": NOT_WATCHED, "ready_dataset": shared}
    if "unbindable_dataset" in names:
        known["unbindable_dataset"] = unbindable.watch_one(declared.id, user)
    elif needs_dataset(function):
        ready = ready or create_bound(user, declared.dataset)
        known |= {"shared_user": user, "dataset_owner": user, "ready_dataset": ready}
    if "pending_application" in names:
        known["pending_application"] = pending_applications.watch_one(declared.id, user)
    if "user" in names:
        known["user"] = second_user() if "shared_user" in known else user
        known["user"].creates_namespace()
        known["user"].creates_source()
    source, _, says = BEGINS.partition(": ")
    user.evidence.fact(source, says)
    return {name: known[name] for name in names}


def needs_dataset(function: Callable[..., None]) -> bool:
    """Whether a scenario uses a Dataset that is Bound before it begins."""
    return bool({"shared_user", "dataset_owner"} & set(inspect.signature(function).parameters))


def check_nothing_left(declared: Scenario, user: User) -> None:
    """Remove what a user created, as after a normal run of the scenario, and check what is left.

    Raises:
        ProductFailureError: something is left that the scenario does not declare, or the source changed.
        HarnessError: it could not be removed.
    """
    teardown = BackgroundTeardown()
    teardown.remove(user, declared)
    teardown.close(clean=True)
    if teardown.reported:
        raise teardown.reported[0]


def remove(users: Sequence[User]) -> list[str]:
    """Remove what users created, once the product is whole again. Returns what cannot be removed.

    What a changed product left may be more than the whole one removes by itself: that is removed by force.
    """
    if not users:
        return []
    with ThreadPoolExecutor(len(users), "remove") as threads:
        return [error for error in threads.map(_remove_one, users) if error]


def _remove_one(user: User) -> str:
    error = _removal_error(user)
    with user.system.journal.restoring():  # on a thread that may run between two cases
        remove_by_force(user.system.kube, user.namespace)
    return _removal_error(user) if error else ""


def _removal_error(user: User) -> str:
    """Why a user's namespace cannot be removed; empty when it is."""
    try:
        user.removes_everything()
    except HarnessError as error:
        return error.message
    return ""


def remove_by_force(kube: Kube, namespace: str) -> None:
    """Remove what carries the name of a namespace; objects that wait for a finalizer lose it."""
    for kind in LEFT:
        for left in kube.list_if_known(kind, namespace):
            name = text(left, "metadata", "name")
            kube.patch(kind, name, namespace, {"metadata": {"finalizers": None}})
            kube.delete(kind, name, namespace, because=BECAUSE)
    for volume in kube.list(kinds.VOLUME):
        if text(volume, "spec", "claimRef", "namespace") == namespace:
            name = text(volume, "metadata", "name")
            kube.patch(kinds.VOLUME, name, None, {"metadata": {"finalizers": None}})
            kube.delete(kinds.VOLUME, name, because=BECAUSE)
    for node in kube.list(kinds.NODE):
        labels = {key: None for key, value in node["metadata"]["labels"].items() if namespace in key + value}
        if labels:
            kube.patch(kinds.NODE, text(node, "metadata", "name"), None, {"metadata": {"labels": labels}})
