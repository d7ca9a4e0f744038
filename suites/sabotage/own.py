"""Scenarios on what is made for them alone, while the product is broken, and what of it stays afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

from suites.catalogue.scenario import Scenario
from suites.run import unbindable
from suites.run.dataset_pool import ReadyDataset, create_bound
from suites.run.teardown import BackgroundTeardown
from suites.sabotage.model import WINDOW
from suites.steps.idle_watch import NOT_WATCHED
from suites.steps.user import User

#: Stated when all is made and the scenario itself begins; see `Tampering.when`.
BEGINS: Final = "row: it begins"


def arguments(
    declared: Scenario,
    function: Callable[..., None],
    user: User,
    shared: ReadyDataset,
    another: Callable[[], User],
) -> dict[str, Any]:
    """Make what a scenario needs, in the namespace of ``user``; what its fixtures would have given it.

    Args:
        declared: the scenario.
        function: its function.
        user: a user with a namespace that does not exist yet.
        shared: the Dataset that bystanders share.
        another: gives a second user like the first.

    Raises:
        HarnessError: it could not be made, such as a Dataset that does not get Bound.
    """
    wanted = tuple(inspect.signature(function).parameters)
    known: dict[str, Any] = {"window": WINDOW, "idle_watch": NOT_WATCHED, "ready_dataset": shared}
    if "unbindable_dataset" in wanted:
        known["unbindable_dataset"] = unbindable.watch([declared.id], lambda: user)[declared.id]
    elif {"shared_user", "dataset_owner"} & set(wanted):
        birth = create_bound(user, declared.dataset)
        known |= {"shared_user": user, "dataset_owner": user, "ready_dataset": birth}
    if "user" in wanted:
        known["user"] = another() if "shared_user" in known else user
        known["user"].makes_namespace()
        known["user"].makes_source()
    first, _, says = BEGINS.partition(": ")
    user.evidence.fact(first, says)
    return {name: known[name] for name in wanted}


def leaves_nothing(declared: Scenario, user: User) -> None:
    """Remove what a user made, as after a normal run of the scenario, and look at what stays.

    Raises:
        ProductFailureError: something stays that the scenario does not declare, or the source changed.
        HarnessError: it could not be removed.
    """
    departures = BackgroundTeardown()
    departures.remove(user, declared)
    departures.close(clean=True)
    if departures.told:
        raise departures.told[0]


def remove(users: Iterable[User]) -> list[str]:
    """Remove what users made, once the product is whole again. Returns what would not go."""
    departures = BackgroundTeardown()
    for user in users:
        departures.remove(user)
    return departures.close(clean=True)
