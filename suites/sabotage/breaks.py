"""Ways to break the real product, and to mend it again; each is seen to have taken before it is relied on."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid, fluid_names
from clusters.product.nfs import NfsServer
from clusters.waiting import wait
from suites.sabotage.model import Tampering, Users
from suites.sabotage.runner import ScenarioRunner
from suites.steps import csi_plugin
from suites.steps.user import DATASET, User
from workloads.faults import FaultError
from workloads.models.base import Manifest

#: Seconds until a component is gone, or back.
COMPONENT_SECONDS: Final = 120.0
#: A node selector that fits no node.
NOWHERE: Final = {"fluid-conformance/nowhere": "true"}
BY_HAND: Final = "a sabotage breaks the product on purpose and mends it afterwards"


@contextmanager
def without_csi_plugin(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """The CSI plugin's DaemonSet selects a node that there is not."""
    del users
    with csi_plugin.removed(runner.system.kube):
        yield Tampering()


@contextmanager
def without_controller(runner: ScenarioRunner, users: Users, name: str) -> Iterator[Tampering]:
    """A controller's Pod finds no node.

    Scaled to nothing it would come back: the dataset-controller scales a runtime's controller up
    when a Dataset needs it.
    """
    del users
    kube = runner.system.kube
    before = (kube.get(kinds.DEPLOYMENT, name, fluid.NAMESPACE) or {})["spec"]
    place = ("spec", "template", "spec", "nodeSelector")
    body = _nested(place, NOWHERE)
    body["spec"]["strategy"] = {"type": "Recreate", "rollingUpdate": None}
    try:
        kube.patch(kinds.DEPLOYMENT, name, fluid.NAMESPACE, body)
        _await_component(runner, name, lambda _: not any(pod.node for pod in _pods_of(runner, name)))
        yield Tampering()
    finally:
        back = _nested(place, dict.fromkeys(NOWHERE))
        back["spec"]["strategy"] = before.get("strategy")
        kube.patch(kinds.DEPLOYMENT, name, fluid.NAMESPACE, back)
        _await_component(
            runner,
            name,
            lambda state: state.controllers.get(name) == 1 and len(_pods_of(runner, name)) == 1,
        )


def _pods_of(runner: ScenarioRunner, name: str) -> list[PodSnapshot]:
    found = runner.observer.objects.list(PodSnapshot, fluid.NAMESPACE)
    return [pod for pod in found if pod.name.startswith(f"{name}-")]


@contextmanager
def without_rights(
    runner: ScenarioRunner, users: Users, role: str, resource: str, verbs: frozenset[str]
) -> Iterator[Tampering]:
    """A ClusterRole of Fluid loses verbs on a resource."""
    del users
    kube = runner.system.kube
    rules = (kube.get(kinds.CLUSTER_ROLE, role) or {}).get("rules") or []
    less = rules_without(rules, resource, verbs)
    if less == rules:
        raise FaultError(f"ClusterRole {role} has no such rights on {resource} to take away")
    try:
        kube.patch(kinds.CLUSTER_ROLE, role, None, {"rules": less})
        yield Tampering()
    finally:
        kube.patch(kinds.CLUSTER_ROLE, role, None, {"rules": rules})
        back = (kube.get(kinds.CLUSTER_ROLE, role) or {}).get("rules")
        if back != rules:
            raise FaultError(f"ClusterRole {role} did not get its rights back", last_seen=str(back))


def rules_without(rules: Sequence[Manifest], resource: str, verbs: frozenset[str]) -> list[Manifest]:
    """The rules of a role without some verbs on one resource; all other rights stay."""
    less: list[Manifest] = []
    for rule in copy.deepcopy(list(rules)):
        if resource not in rule.get("resources", ()) or not verbs & set(rule["verbs"]):
            less.append(rule)
            continue
        others = [name for name in rule["resources"] if name != resource]
        kept = [verb for verb in rule["verbs"] if verb not in verbs]
        less += [{**rule, "resources": others}] if others else []
        less += [{**rule, "resources": [resource], "verbs": kept}] if kept else []
    return less


@contextmanager
def labelled(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody labels every node for the Dataset's Fuse, as for warming it up."""
    kube, user = runner.system.kube, users.only
    key = fluid_names.fuse_label(user.namespace, DATASET)
    try:
        for node in runner.system.nodes:
            kube.patch(kinds.NODE, node, None, {"metadata": {"labels": {key: "true"}}})
        yield Tampering()
    finally:
        for node in runner.system.nodes:
            kube.patch(kinds.NODE, node, None, {"metadata": {"labels": {key: None}}})


@contextmanager
def changed_at_the_source(runner: ScenarioRunner, users: Users, path: str) -> Iterator[Tampering]:
    """One file of the export has other bytes, of the same length."""
    del users
    nfs, file, kept = runner.system.nfs, f"{runner.folder}/{path}", "/export/.kept-by-sabotage"
    size = next(one.size for one in runner.files.files if one.path == path)
    try:
        nfs.run("cp", "-p", "--", file, kept)
        nfs.run("bash", "-c", 'head -c "$2" /dev/urandom > "$1"', "change", file, str(size))
        yield Tampering()
    finally:
        nfs.run("bash", "-c", 'cp -p -- "$2" "$1" && rm -f -- "$2"', "mend", file, kept)
        # Nobody on the node may read the other bytes from memory.
        run_on(runner, nfs.node, "sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches")
        unchanged(runner, nfs)


def unchanged(runner: ScenarioRunner, nfs: NfsServer) -> None:
    """The export is as it was made; raises `FaultError` where it is not."""
    difference = runner.files.difference(runner.observer.at_the_source(runner.folder))
    if difference:
        raise FaultError("the source is not as it was", subject=nfs.address, last_seen=str(difference))


@contextmanager
def foreign_application(runner: ScenarioRunner, users: Users, when: str = "") -> Iterator[Tampering]:
    """Somebody else's Pod uses the Dataset's claim: from the start, or from a moment in the scenario on."""
    user = users.only
    stranger = user.application("stranger", DATASET)
    started: list[PodSnapshot] = []

    def start(_: User) -> None:
        runner.system.kube.apply(stranger.manifest())
        started.append(user.waits_until_running(stranger))

    try:
        if not when:
            start(user)
        yield Tampering(when=when, then=start if when else None)
    finally:
        for pod in started:
            user.stops(pod)


@contextmanager
def edited(
    runner: ScenarioRunner, kind: Kind, name: str, namespace: str | None, *, change: Manifest, back: Manifest
) -> Iterator[None]:
    """An object is edited by hand (JSON merge patch), and edited back."""
    kube = runner.system.kube
    try:
        kube.patch(kind, name, namespace, change)
        yield
    finally:
        if kube.get(kind, name, namespace) is not None:
            kube.patch(kind, name, namespace, back)


@contextmanager
def on_nodes(runner: ScenarioRunner, does: tuple[str, ...], undoes: tuple[str, ...]) -> Iterator[Tampering]:
    """A program is run on each node, and another one undoes what it did."""
    try:
        for node in runner.system.nodes:
            run_on(runner, node, *does)
        yield Tampering()
    finally:
        for node in runner.system.nodes:
            run_on(runner, node, *undoes)


def run_on(runner: ScenarioRunner, node: str, *argv: str) -> str:
    """Run a program on a node.

    Raises:
        FaultError: it failed.
    """
    done = runner.system.provider.node_exec(node, argv)
    if done.exit_code != 0:
        raise FaultError(
            f"`{' '.join(argv)}` failed on {node}", last_seen=(done.stdout + done.stderr).strip()
        )
    return done.stdout


def _await_component(runner: ScenarioRunner, subject: str, ready: Any) -> None:
    wait(
        lambda: fluid.state(runner.system.kube),
        ready,
        subject=subject,
        condition="the state required by the sabotage",
        timeout=COMPONENT_SECONDS,
        failure_class=FailureClass.INFRASTRUCTURE,
    )


def _nested(place: tuple[str, ...], value: Mapping[str, Any]) -> Manifest:
    body: Any = dict(value)
    for key in reversed(place):
        body = {key: body}
    nested: Manifest = body
    return nested
