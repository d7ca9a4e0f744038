"""What is wrong with the master or the workers of a runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import StatefulSetSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.causes.pod_creation import FAILED_CREATE, not_created
from suites.diagnosis.causes.scheduling import not_scheduled
from suites.diagnosis.cluster_state import ClusterState, serves
from suites.diagnosis.codes import CauseCode
from suites.diagnosis.findings import Cause, Evidence, Key
from suites.diagnosis.fluid_facts import (
    ALLUXIO_CONTROLLER,
    DATASET_CONTROLLER,
)
from suites.diagnosis.objects import PodInfo, RuntimeInfo
from suites.diagnosis.wording import namespaced, quoted_list, shown


@dataclass(frozen=True, slots=True)
class PartFault:
    """A part of a runtime that does not work.

    Attributes:
        cause: what is wrong.
        since: since when; None if that is not known.
    """

    cause: Cause
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a runtime as a user names it, with the codes of its faults."""

    name: str
    gone: CauseCode
    not_ready: CauseCode


_PARTS: Final = (
    _Part("master", CauseCode.MASTER_GONE, CauseCode.MASTER_NOT_READY),
    _Part("worker", CauseCode.WORKERS_GONE, CauseCode.WORKER_NOT_READY),
)


def fault_of(state: ClusterState, dataset: DatasetSnapshot | None) -> PartFault | None:
    """The first part of a Dataset's runtime that does not work; None also if the runtime is not known."""
    runtimes = state.runtimes_by_key.get((dataset.namespace, dataset.name), ()) if dataset else ()
    return first_fault(state, dataset, runtimes[0]) if dataset and runtimes else None


def first_fault(state: ClusterState, dataset: DatasetSnapshot, runtime: RuntimeInfo) -> PartFault | None:
    """The first part of a runtime that does not work, in the order in which Fluid creates them.

    Args:
        state: the cluster.
        dataset: of the runtime; Bound or not.
        runtime: the runtime. Only of an AlluxioRuntime is it known which parts there must be.
    """
    if not serves(dataset) and runtime.alluxio:
        down = _controllers_down(state)
        if down is not None:
            return PartFault(down)
        gone = _fuse_gone(state, dataset)
        if gone is not None and not any(_gone_parts(state, dataset)):
            return PartFault(gone)
    return next(_faults(state, dataset, runtime), None)


def _faults(state: ClusterState, dataset: DatasetSnapshot, runtime: RuntimeInfo) -> Iterator[PartFault]:
    if runtime.alluxio:
        yield from map(PartFault, _gone_parts(state, dataset))
    for part in _PARTS:
        name = _controller_name(state, dataset, part)
        stateful_set = state.stateful_sets_by_key.get((dataset.namespace, name))
        pods = state.owned_by(dataset.namespace, "StatefulSet", name)
        if stateful_set is not None and stateful_set.replicas == 0:
            yield PartFault(_scaled_to_zero(runtime, stateful_set, part))
        elif pods:
            yield from _pod_fault(state, dataset, pods, part)
        elif stateful_set is not None:
            yield from _without_pods(state, stateful_set, part)


def _controller_name(state: ClusterState, dataset: DatasetSnapshot, part: _Part) -> str:
    facts = state.facts((dataset.namespace, dataset.name))
    suffixes = [suffix for one in facts for suffix in (one.masters if part.name == "master" else one.workers)]
    names = [dataset.name + suffix for suffix in suffixes]
    return next((n for n in names if (dataset.namespace, n) in state.stateful_sets_by_key), names[0])


def _controllers_down(state: ClusterState) -> Cause | None:
    down = [
        item
        for item in state.deployments
        if item.name in (DATASET_CONTROLLER, ALLUXIO_CONTROLLER) and not item.ready
    ]
    if not down:
        return None
    return Cause(
        CauseCode.CONTROLLER_MISSING,
        f"Fluid's {quoted_list([item.name for item in down])} is not running, so nothing sets it up",
        f"See why Deployment {shown(down[0].name)} in {shown(down[0].namespace)} has no ready Pod.",
        tuple(Evidence(f"Deployment {namespaced(item)}", str(item)) for item in down),
    )


def _gone_parts(state: ClusterState, dataset: DatasetSnapshot) -> Iterator[Cause]:
    """D6, D7: a StatefulSet that was deleted after the Dataset was Bound is not created again."""
    if state.sees(kinds.STATEFUL_SET, dataset.namespace):
        there: Mapping[Key, object] = state.stateful_sets_by_key
        yield from _gone(dataset, CauseCode.MASTER_GONE, "StatefulSet", fluid_names.master_name, there)
        yield from _gone(dataset, CauseCode.WORKERS_GONE, "StatefulSet", fluid_names.worker_name, there)


def _fuse_gone(state: ClusterState, dataset: DatasetSnapshot) -> Cause | None:
    """D8."""
    if not state.sees(kinds.DAEMON_SET, dataset.namespace):
        return None
    there: Mapping[Key, object] = state.daemon_sets_by_key
    return next(_gone(dataset, CauseCode.FUSE_GONE, "DaemonSet", fluid_names.fuse_name, there), None)


def _gone(
    dataset: DatasetSnapshot,
    code: CauseCode,
    kind: str,
    name_of: Callable[[str], str],
    there: Mapping[Key, object],
) -> Iterator[Cause]:
    name = name_of(dataset.name)
    was_bound = serves(dataset) or dataset.phase == "Failed"
    if was_bound and (dataset.namespace, name) not in there:
        yield Cause(
            code,
            f"{kind} {shown(name)} was deleted, and Fluid does not create it again",
            "Delete the runtime and create it again; applications that use the Dataset must end first.",
            (
                Evidence(f"{kind} {dataset.namespace}/{name}", "does not exist"),
                Evidence(f"Dataset {namespaced(dataset)}", f"has been Bound and is {dataset.phase}"),
            ),
        )


def _scaled_to_zero(runtime: RuntimeInfo, stateful_set: StatefulSetSnapshot, part: _Part) -> Cause:
    return Cause(
        CauseCode.SCALED_TO_ZERO,
        f"its runtime has no {part.name}: StatefulSet {shown(stateful_set.name)} is scaled to 0",
        f"Set spec.replicas of {shown(str(runtime))} to 1 or more."
        if part.name == "worker"
        else f"Scale StatefulSet {shown(stateful_set.name)} to 1.",
        (Evidence(f"StatefulSet {namespaced(stateful_set)}", "spec.replicas is 0"),),
    )


def _without_pods(state: ClusterState, stateful_set: StatefulSetSnapshot, part: _Part) -> Iterator[PartFault]:
    if not state.sees(kinds.POD, stateful_set.namespace):
        return
    refused = state.events_of("StatefulSet", stateful_set.namespace, stateful_set.name, FAILED_CREATE)
    if refused or not state.recent(stateful_set.meta.created):
        yield PartFault(not_created(state, "StatefulSet", stateful_set.meta, f"its {part.name}"))


def _pod_fault(
    state: ClusterState, dataset: DatasetSnapshot, pods: tuple[PodInfo, ...], part: _Part
) -> Iterator[PartFault]:
    if any(pod.snapshot.ready and not pod.snapshot.deleting for pod in pods):
        return
    unplaced = next((pod for pod in pods if not pod.snapshot.node), None)
    if unplaced is not None:
        yield PartFault(not_scheduled(state, dataset, unplaced, part.name), unplaced.snapshot.created)
        return
    pod = pods[0].snapshot
    waiting = [str(container) for container in (*pod.init_containers, *pod.containers) if not container.ready]
    yield PartFault(
        Cause(
            part.not_ready,
            f"its {part.name} is not ready" + (f" ({'; '.join(waiting)})" if waiting else ""),
            f"See the logs of Pod {shown(pod.name)}; a {part.name} needs a few minutes on a slow node.",
            (Evidence(f"Pod {namespaced(pod)}", str(pod)), *state.quoted("Pod", pod.namespace, pod.name)),
        ),
        pods[0].deletion_requested or pods[0].not_ready_since or pod.created,
    )
