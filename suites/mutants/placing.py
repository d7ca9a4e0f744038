"""Placement of a mutant in the running cluster, and its removal.

The changed file is on each node and is mounted over the original one in the workload's container. What a
run that was killed left there is removed by the next one (`clusters.product.fluid.install`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.disruption import Disruption
from clusters.errors import FailureClass, HarnessError, InfrastructureError, RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import text
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.controllers import DaemonSetSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid, fluid_crds, mounted_files
from clusters.providers.kind import KindProvider
from clusters.system import System
from clusters.waiting import is_empty, wait
from suites.diagnosis.fluid_facts import SERVERFUL_LABEL
from suites.mutants.building import Built
from suites.mutants.model import Hang, Program
from suites.steps import csi_plugin
from workloads import faults

#: Folder on the nodes for the changed files.
FOLDER: Final = "/var/lib/fluid-conformance-mutant"
#: Seconds until a workload runs with the changed files, or without them.
ROLL_OUT_SECONDS: Final = 120.0
BECAUSE: Final = "a mutant is put into the product or taken out of it"


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs a program of Fluid.

    Attributes:
        kind: Deployment or DaemonSet.
        name: in Fluid's namespace.
        container: that runs the program.
        lease: that the program has to hold before it does anything; empty where it needs none.
    """

    kind: Kind
    name: str
    container: str = "manager"
    lease: str = ""


#: Names and leases as in charts/fluid/fluid/templates and cmd/*/app of Fluid 1.0.8.
WORKLOADS: Final[Mapping[Program, Workload]] = {
    Program.CSI_PLUGIN: Workload(kinds.DAEMON_SET, fluid.CSI_DAEMON_SET, csi_plugin.CONTAINER),
    Program.DATASET_CONTROLLER: Workload(
        kinds.DEPLOYMENT, "dataset-controller", lease="dataset.data.fluid.io"
    ),
    Program.RUNTIME_CONTROLLER: Workload(
        kinds.DEPLOYMENT, "alluxioruntime-controller", lease="alluxio.data.fluid.io"
    ),
    Program.THIN_CONTROLLER: Workload(kinds.DEPLOYMENT, "thinruntime-controller", lease="thin.data.fluid.io"),
    Program.APPLICATION_CONTROLLER: Workload(
        kinds.DEPLOYMENT, "fluidapp-controller", lease="fluidapp.data.fluid.io"
    ),
    Program.WEBHOOK: Workload(kinds.DEPLOYMENT, "fluid-webhook"),
}


def require_own_cluster(system: System) -> KindProvider:
    """The provider, where the harness made the cluster.

    Raises:
        RefusalError: the cluster is another's.
    """
    if not isinstance(system.provider, KindProvider):
        raise RefusalError(
            "mutants change Fluid's own programs, and this cluster was not made by the harness",
            advice="run without --kubeconfig",
        )
    return system.provider


def put_in(system: System, built: Built) -> None:
    """Run a workload with changed files, and wait until all of it does, or use changed CRDs.

    Raises:
        WaitTimeoutError: it did not start; an infrastructure failure.
    """
    if built.crds is not None:
        require_own_cluster(system)
        fluid_crds.upgrade(system.kube, built.crds[0])
        return
    provider, workload = require_own_cluster(system), WORKLOADS[built.program]
    places = {target: f"{FOLDER}/{number}-{Path(target).name}" for number, target in enumerate(built.files)}
    for node in provider.containers():
        _on_node(system, node, "rm", "-rf", FOLDER)
        _on_node(system, node, "mkdir", "-p", FOLDER)
        for target, file in built.files.items():
            provider.engine.run("cp", file, f"{node}:{places[target]}", timeout=300)
        _on_node(system, node, "chmod", "-R", "a+rX", FOLDER)
        if built.files.keys() & {f"/usr/local/bin/{built.program}"}:
            _on_node(system, node, "chmod", "a+x", places[f"/usr/local/bin/{built.program}"])
    template = mounted_files.with_files(_template(_get(system.kube, workload)), workload.container, places)
    _roll_out(system, workload, template)


def take_out(system: System, built: Built) -> None:
    """Run a workload with the files of its image again, or use Fluid's own CRDs.

    Raises:
        WaitTimeoutError: it did not start; an infrastructure failure.
    """
    if built.crds is not None:
        fluid_crds.upgrade(system.kube, built.crds[1])
        return
    workload = WORKLOADS[built.program]
    _roll_out(system, workload, mounted_files.without_files(_template(_get(system.kube, workload))))


@contextmanager
def hanging(system: System, hang: Hang) -> Iterator[None]:
    """The process is stopped on every node that runs it, while the context lasts.

    Raises:
        FaultError: no node runs it.
    """
    with ExitStack() as stopped:
        found = [node for node in system.nodes if faults.processes(_runner(system, node), hang.process)]
        if not found:
            raise faults.FaultError(f"no node runs {hang.process}, so it cannot hang")
        for node in found:
            stopped.enter_context(faults.stopped(system.journal, node, hang.process))
        yield


def _runner(system: System, node: str) -> faults.Run:
    return lambda argv, timeout: system.provider.node_exec(
        node, argv, timeout=timeout, changes=Disruption.NODE
    )


def _get(kube: Kube, workload: Workload) -> dict[str, Any]:
    found = kube.get(workload.kind, workload.name, fluid.NAMESPACE)
    if found is None:
        raise InfrastructureError(f"there is no {workload.kind} {fluid.NAMESPACE}/{workload.name}")
    return found


def _template(workload: Mapping[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = workload["spec"]["template"]["spec"]
    return template


def _roll_out(system: System, workload: Workload, template: dict[str, Any]) -> None:
    kube = system.kube
    before = {text(pod, "metadata", "uid") for pod in _pods(kube, workload)}
    body = {name: template[name] for name in ("volumes", "containers")}
    kube.patch(workload.kind, workload.name, fluid.NAMESPACE, {"spec": {"template": {"spec": body}}})
    expected = mounted_files.mounted(template)

    def observe() -> str:
        return _not_yet(system, workload, expected, before)

    with kube.changes(kinds.POD, fluid.NAMESPACE) as changed:
        wait(
            observe,
            is_empty,
            subject=f"{workload.kind} {fluid.NAMESPACE}/{workload.name}",
            condition="Pods with the files of the mutant" if expected else "Pods with the original files",
            timeout=ROLL_OUT_SECONDS,
            delay=1.0,
            describe=lambda lacking: lacking or "it runs",
            changes=changed,
            failure_class=FailureClass.INFRASTRUCTURE,
        )


def _not_yet(system: System, workload: Workload, expected: tuple[str, ...], before: set[str]) -> str:
    """What a roll-out still waits for; hurries what it can."""
    kube = system.kube
    found, pods = _get(kube, workload), _pods(kube, workload)
    old = [pod for pod in pods if text(pod, "metadata", "uid") in before]
    for pod in old:
        if not pod["metadata"].get("deletionTimestamp"):
            name = text(pod, "metadata", "name")
            kube.delete(kinds.POD, name, fluid.NAMESPACE, because=BECAUSE, grace_seconds=1)
    if old:
        return f"{len(old)} old Pods are still there"
    right = [
        pod for pod in pods if mounted_files.mounted(pod["spec"]) == expected and PodSnapshot.of(pod).ready
    ]
    desired = (
        DaemonSetSnapshot.of(found).desired
        if workload.kind == kinds.DAEMON_SET
        else int(found["spec"].get("replicas") or 0)
    )
    if len(right) < len(pods) or len(pods) != desired:
        return f"{len(right)} of {desired} Pods run"
    return _not_at_work(system, workload, pods)


def _not_at_work(system: System, workload: Workload, pods: list[dict[str, Any]]) -> str:
    """What a program that runs still needs before it does its work."""
    kube = system.kube
    if workload.kind == kinds.DAEMON_SET:
        return "" if csi_plugin.state(kube).back else "the kubelet does not know the plugin yet"
    if workload.name == WORKLOADS[Program.WEBHOOK].name:
        return _webhook_silent(kube)
    if not workload.lease or not pods:
        return ""
    lease = kube.get(kinds.LEASE, workload.lease, fluid.NAMESPACE)
    holder = text(lease or {}, "spec", "holderIdentity")
    if any(holder.startswith(text(pod, "metadata", "name")) for pod in pods):
        return ""
    if lease is not None:  # its holder is gone, and would keep it for another 15 s
        kube.delete(kinds.LEASE, workload.lease, fluid.NAMESPACE, because=BECAUSE)
    return f"lease {workload.lease} is held by {holder or 'nobody'}"


def _webhook_silent(kube: Kube) -> str:
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "mutant-probe",
            "namespace": fluid.NAMESPACE,
            "labels": {SERVERFUL_LABEL: "true"},
        },
        "spec": {"containers": [{"name": "probe", "image": "none"}]},
    }
    try:
        kube.would_create(probe)
    except HarnessError as error:
        return error.message
    return ""


def _pods(kube: Kube, workload: Workload) -> list[dict[str, Any]]:
    selector = _get(kube, workload)["spec"]["selector"]["matchLabels"]
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    return list(kube.list(kinds.POD, fluid.NAMESPACE, labels=labels))


def _on_node(system: System, node: str, *argv: str) -> None:
    done = system.provider.node_exec(node, argv, changes=Disruption.NODE)
    if done.exit_code != 0:
        raise InfrastructureError(f"`{' '.join(argv)}` failed on {node}", last_seen=done.stderr.strip())
