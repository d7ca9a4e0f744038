"""Components of Fluid that are missing, or that have lost rights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.product import fluid
from clusters.waiting import wait
from suites.sabotage.model import Break, Environment, Tampering, Users
from suites.steps import csi_plugin
from workloads.faults import FaultError
from workloads.models.base import Manifest

#: Seconds until a controller has stopped, or runs again.
COMPONENT_SECONDS: Final = 120.0
#: A node selector that matches no node.
NO_NODE: Final = "fluid-conformance/nowhere"


def controller_missing(name: str) -> Break:
    """Break that leaves a controller of Fluid without a Pod."""
    return partial(without_controller, name=name)


def rights_removed(role: str, resource: str, *verbs: str) -> Break:
    """Break that removes verbs on a resource from a ClusterRole of Fluid."""
    return partial(without_rights, role=role, resource=resource, verbs=frozenset(verbs))


@contextmanager
def without_csi_plugin(environment: Environment, users: Users) -> Iterator[Tampering]:
    """No node runs the CSI plugin: its DaemonSet selects a node that does not exist."""
    del users
    with csi_plugin.removed(environment.system.journal):
        yield Tampering()


@contextmanager
def without_controller(environment: Environment, users: Users, name: str) -> Iterator[Tampering]:
    """A controller's Pod cannot be scheduled.

    Scaling it to zero is not enough: the dataset-controller scales a runtime's controller up again
    when a Dataset needs it.
    """
    del users

    def stopped(_: fluid.FluidState) -> bool:
        return not any(pod.node for pod in fluid.pods_of(environment.observer.objects, name))

    def running(state: fluid.FluidState) -> bool:
        return (
            state.controllers.get(name) == 1 and len(fluid.pods_of(environment.observer.objects, name)) == 1
        )

    strategy = {"type": "Recreate", "rollingUpdate": None}
    change = {"spec": {"template": {"spec": {"nodeSelector": {NO_NODE: "true"}}}, "strategy": strategy}}
    try:
        with environment.system.journal.patched(kinds.DEPLOYMENT, name, fluid.NAMESPACE, change):
            _wait_for_component(environment, name, stopped, "deletion of its Pod")
            yield Tampering()
    finally:
        _wait_for_component(environment, name, running, "readiness with one Pod")


def _wait_for_component(
    environment: Environment, name: str, ready: Callable[[fluid.FluidState], bool], condition: str
) -> None:
    wait(
        lambda: fluid.state(environment.system.kube),
        ready,
        subject=f"Deployment {fluid.NAMESPACE}/{name}",
        condition=condition,
        timeout=COMPONENT_SECONDS,
        failure_class=FailureClass.INFRASTRUCTURE,
    )


@contextmanager
def without_rights(
    environment: Environment, users: Users, role: str, resource: str, verbs: frozenset[str]
) -> Iterator[Tampering]:
    """A ClusterRole of Fluid lacks some verbs on a resource.

    Raises:
        FaultError: the role has no such verbs, or could not be restored.
    """
    del users
    kube = environment.system.kube
    rules = (kube.get(kinds.CLUSTER_ROLE, role) or {}).get("rules") or []
    reduced = rules_without(rules, resource, verbs)
    if reduced == rules:
        raise FaultError(f"ClusterRole {role} does not grant {', '.join(sorted(verbs))} on {resource}")
    with environment.system.journal.patched(kinds.CLUSTER_ROLE, role, None, {"rules": reduced}):
        yield Tampering()
    restored = (kube.get(kinds.CLUSTER_ROLE, role) or {}).get("rules")
    if restored != rules:
        raise FaultError(f"the rules of ClusterRole {role} were not restored", last_seen=str(restored))


def rules_without(rules: Sequence[Manifest], resource: str, verbs: frozenset[str]) -> list[Manifest]:
    """Rules of a role without some verbs on one resource; all other rights stay."""
    reduced: list[Manifest] = []
    for rule in copy.deepcopy(list(rules)):
        if resource not in rule.get("resources", ()) or not verbs & set(rule["verbs"]):
            reduced.append(rule)
            continue
        others = [name for name in rule["resources"] if name != resource]
        kept = [verb for verb in rule["verbs"] if verb not in verbs]
        reduced += [{**rule, "resources": others}] if others else []
        reduced += [{**rule, "resources": [resource], "verbs": kept}] if kept else []
    return reduced
