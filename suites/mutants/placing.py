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
from suites.mutants.running import Running, running
from suites.steps import csi_plugin
from workloads import faults

#: Folder on the nodes for the changed files.
FOLDER: Final = "/var/lib/fluid-conformance-mutant"
#: Seconds until a workload runs with the changed files, or without them.
ROLL_OUT_SECONDS: Final = 120.0
BECAUSE: Final = "a mutant is put into the product or taken out of it"
#: How the Pods of a DaemonSet are replaced meanwhile: here, all at once and with a short grace. Its
#: controller works node by node, with 30 s for the CSI plugin, which ignores signals; a kubelet that waits
#: for those does not wait less afterwards.
BY_HAND: Final[Mapping[str, Any]] = {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}


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


@dataclass
class Placement:
    """The one mutant that is in the cluster at this time, if there is one.

    A mutant of the same program takes the place of the last one directly: the Pods are replaced by Pods with
    the other files, so the intact program need not run in between, and the proof shows which one does.

    Attributes:
        system: the cluster.
        current: what is in it.
    """

    system: System
    current: Built | None = None
    _scaled: bool = False

    def __post_init__(self) -> None:
        for node in require_own_cluster(self.system).containers():
            _on_node(self.system, node, "rm", "-rf", FOLDER)  # of runs that were killed

    def copy(self, built: Built) -> None:
        """Copy the changed files to the nodes, where they have no effect yet."""
        provider = require_own_cluster(self.system)
        for node in provider.containers():
            for target, file in built.files.items():
                place = _place(built, target)
                _on_node(self.system, node, "mkdir", "-p", str(Path(place).parent))
                provider.engine.run("cp", file, f"{node}:{place}", timeout=300)
                _on_node(self.system, node, "chmod", "a+rx", place)

    def replace(self, built: Built | None) -> tuple[str, ...]:
        """Put what was copied in place of the mutant that is in, or take that one out.

        Returns:
            The proof that all of it runs: a sentence for each Pod, or for each CRD; nothing for None.

        Raises:
            WaitTimeoutError: it did not start; an infrastructure failure.
        """
        last = self.current
        if last is not None and (built is None or built.program != last.program or built.crds or last.crds):
            self._take_out(last)
        self.current = built
        if built is None:
            return ()
        if built.crds is not None:
            fluid_crds.upgrade(self.system.kube, built.crds[0])
            return self.proof()
        workload = WORKLOADS[built.program]
        places = {target: _place(built, target) for target in built.files}
        found = _get(self.system.kube, workload)
        template = mounted_files.with_files(_template(found), workload.container, places)
        # Fluid starts some controllers when they are needed. One without replicas is started now, because a
        # program that does not run yet cannot be proved to be the changed one.
        start = workload.kind == kinds.DEPLOYMENT and not found["spec"].get("replicas")
        self._scaled = self._scaled or start
        also = BY_HAND if workload.kind == kinds.DAEMON_SET else {"replicas": 1} if start else {}
        _roll_out(self.system, workload, template, built, also)
        if last is not None and last.program == built.program:
            self._remove_files(last)
        return self.proof()

    def proof(self) -> tuple[str, ...]:
        """What shows that the mutant runs at this moment; nothing where it does not run in full."""
        built = self.current
        if built is None:
            return ()
        if built.crds is not None:
            changed = fluid_crds.differing(self.system.kube, built.crds[1])
            if fluid_crds.differing(self.system.kube, built.crds[0]):
                return ()
            return tuple(f"CRD {name} is the changed one" for name in changed)
        found = _running(self.system, _pods(self.system.kube, WORKLOADS[built.program]), built)
        return () if found.others else found.proofs

    def _take_out(self, built: Built) -> None:
        if built.crds is not None:
            fluid_crds.upgrade(self.system.kube, built.crds[1])
            return
        workload = WORKLOADS[built.program]
        template = mounted_files.without_files(_template(_get(self.system.kube, workload)))
        _roll_out(self.system, workload, template, None, {"replicas": 0} if self._scaled else {})
        if workload.kind == kinds.DAEMON_SET:  # only now, or its controller would replace the Pods
            spec = {"spec": mounted_files.ROLLING}
            self.system.kube.patch(workload.kind, workload.name, fluid.NAMESPACE, spec)
        self._scaled = False
        self._remove_files(built)

    def _remove_files(self, built: Built) -> None:
        for node in require_own_cluster(self.system).containers():
            for target in built.files:
                _on_node(self.system, node, "rm", "-rf", str(Path(_place(built, target)).parent))


def _place(built: Built, target: str) -> str:
    """Path of a changed file on the nodes: another one for each content, so that Pods with it are new."""
    return f"{FOLDER}/{built.digests[target][:12]}/{Path(target).name}"


def _running(system: System, pods: list[dict[str, Any]], built: Built) -> Running:
    return running(
        lambda node, argv: system.provider.node_exec(node, argv, changes=Disruption.NOTHING), pods, built
    )


@contextmanager
def hanging(system: System, hang: Hang) -> Iterator[None]:
    """The process is stopped on every node that runs it, while the context lasts; see `stopped_now`.

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


def stopped_now(system: System, hang: Hang) -> tuple[str, ...]:
    """A sentence for each process of a hang that is in state T (stopped) at this moment."""
    return tuple(
        f"process {process.pid} ({hang.process}) on node {node} is stopped"
        for node in system.nodes
        for process in faults.processes(_runner(system, node), hang.process)
        if process.state == "T"
    )


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


def _roll_out(
    system: System,
    workload: Workload,
    template: dict[str, Any],
    built: Built | None,
    also: Mapping[str, Any],
) -> None:
    """Change the Pod template and ``also`` the specification, and wait until all Pods run ``built``."""
    kube = system.kube
    before = {text(pod, "metadata", "uid") for pod in _pods(kube, workload)}
    body = {name: template[name] for name in ("volumes", "containers")}
    patch = {"spec": {"template": {"spec": body}, **also}}
    kube.patch(workload.kind, workload.name, fluid.NAMESPACE, patch)
    expected = mounted_files.mounted(template)
    ended: set[str] = set()

    def observe() -> str:
        return _not_yet(system, workload, expected, before, ended) or _not_changed(system, workload, built)

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


def _not_changed(system: System, workload: Workload, built: Built | None) -> str:
    """Which Pods do not run the changed files."""
    if built is None:
        return ""
    found = _running(system, _pods(system.kube, workload), built)
    if found.others or not found.proofs:
        return f"Pods that do not run the changed files: {', '.join(found.others) or 'there are none'}"
    return ""


def _not_yet(
    system: System, workload: Workload, expected: tuple[str, ...], before: set[str], ended: set[str]
) -> str:
    """What a roll-out still waits for; hurries what it can, each Pod of ``before`` once."""
    kube = system.kube
    found, pods = _get(kube, workload), _pods(kube, workload)
    old = [pod for pod in pods if text(pod, "metadata", "uid") in before]
    for pod in old:
        # Also one that its controller deletes already, with 30 s for a program that ignores signals.
        if (uid := text(pod, "metadata", "uid")) not in ended:
            ended.add(uid)
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
    # Of the harness's own folder, which nobody else uses.
    done = system.provider.node_exec(node, argv, changes=Disruption.NOTHING)
    if done.exit_code != 0:
        raise InfrastructureError(f"`{' '.join(argv)}` failed on {node}", last_seen=done.stderr.strip())
