"""Pods with a Fuse of their own: the webhook injected it and replaced the claim by a folder of the node."""

from __future__ import annotations

from collections.abc import Iterator

from suites.diagnosis.causes import why_not_bound
from suites.diagnosis.causes.runtime_parts import fault_of
from suites.diagnosis.cluster_state import ClusterState, serves
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Cause, Evidence, Finding, Key
from suites.diagnosis.fluid_facts import SIDECAR_DONE_LABEL
from suites.diagnosis.objects import PodInfo
from suites.diagnosis.wording import namespaced, shown


def sidecars(state: ClusterState, pod: PodInfo) -> Iterator[Finding]:
    """A30: a finding for each sidecar of Fluid in a Pod."""
    for container, key in pod.sidecars.items():
        found = _sidecar(state, pod, container, key)
        if found is not None:
            yield found


def _sidecar(state: ClusterState, pod: PodInfo, container_name: str, key: Key) -> Finding | None:
    container = pod.snapshot.container(container_name)
    if container is None or (container.init and not container.sidecar):
        return None  # It serves the init containers, and only while they run.
    start = f"Pod {shown(pod.snapshot.name)} has a sidecar with the Fuse of Dataset {shown(key[1])}"
    dataset = state.datasets_by_key.get(key)
    status, code, says, change = State.OK, FindingCode.SIDECAR, f"{start}: it goes through Fluid.", ""
    causes: tuple[Cause, ...] = ()
    if pod.snapshot.ended:
        code, says = FindingCode.ENDED, f"{start} and has ended."
    elif dataset is None or not serves(dataset):
        status, code = State.WRONG, FindingCode.DATASET_NOT_BOUND
        causes = why_not_bound(state, *key)
        phase = dataset.phase or "not yet processed by Fluid" if dataset else "not there"
        says = f"{start}, and that Dataset is {phase}."
        change = causes[0].change if causes else f"Create Dataset {shown(key[1])} again."
    elif (fault := fault_of(state, dataset)) is not None:
        status = State.WAITING if state.recent(fault.since) else State.WRONG
        code, causes, change = FindingCode.RUNTIME_NOT_WORKING, (fault.cause,), fault.cause.change
        says = (
            f"{start}, which is {dataset.phase}, but {fault.cause.says}: what is not cached cannot be read."
        )
    elif not container.running:
        # Fluid need not give a sidecar a readiness probe, so Ready is not required.
        recent = state.recent(pod.snapshot.created) and not container.restarts
        status, code = State.WAITING if recent else State.WRONG, FindingCode.SIDECAR_NOT_READY
        says = f"{start}, and it does not run: {container}."
        change = f"See the logs of container {shown(container_name)}."
    return Finding(
        pod.key,
        key,
        "",
        code,
        status,
        says,
        change,
        (
            Evidence(f"Pod {namespaced(pod.snapshot)}", f"is labelled {SIDECAR_DONE_LABEL}=true"),
            Evidence(f"container {container_name}", str(container)),
        ),
        causes,
    )
