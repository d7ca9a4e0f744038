"""Volumes that a user writes for Fluid's driver."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User, unique
from workloads import volumes

#: Seconds for which Pods that must not start are watched.
WATCH_SECONDS: Final = 25.0


@scenario("B3", Level.CONFORMANCE)
def test_volume_written_by_hand_does_not_start_the_application(shared_user: User) -> None:
    """An application on a volume that a user wrote for Fluid's driver does not start, and an event says why.

    The user writes two PersistentVolumes with driver fuse.csi.fluid.io: one without any attributes,
    one with the runtime and without ``fluid_path``.
    """
    runtime = {
        "runtime_namespace": shared_user.namespace,
        "runtime_name": DATASET,
        "mount_type": "fuse.alluxio-fuse",
    }
    attributes: dict[str, dict[str, str]] = {"b3-bare": {}, "b3-pathless": runtime}
    objects = shared_user.observer.objects
    names = {name: unique(name) for name in attributes}
    try:
        for name, said in attributes.items():
            shared_user.applies(*volumes.of_fluids_driver(shared_user.namespace, names[name], said))
            shared_user.applies(shared_user.application(names[name], names[name]).manifest())
        wait_for_event(
            shared_user,
            "Pod",
            names["b3-bare"],
            reason="FailedMount",
            says="is not bounded with a fluid pvc",
            timeout=150.0,
        )
        wait_for_event(
            shared_user,
            "Pod",
            names["b3-pathless"],
            reason="FailedMount",
            says="fluid_path is not set",
            timeout=150.0,
        )

        def observe() -> tuple[PodSnapshot | None, ...]:
            return tuple(objects.get(PodSnapshot, name, shared_user.namespace) for name in names.values())

        def why_not_waiting(pods: tuple[PodSnapshot | None, ...]) -> str | None:
            others = [
                f"{pod or 'a Pod'} is not Pending" for pod in pods if pod is None or pod.phase != "Pending"
            ]
            return "; ".join(others) or None

        with shared_user.evidence.phase("window", "both applications wait for their volume"):
            hold(
                observe,
                why_not_waiting,
                subject=f"Pods {', '.join(names.values())}",
                condition="phase Pending",
                window=WATCH_SECONDS,
            )
        shared_user.evidence.fact("Pods", f"both wait for their volume, watched for {WATCH_SECONDS:g} s")
        assert_diagnosis(
            shared_user,
            names["b3-bare"],
            FindingCode.HAND_MADE_VOLUME,
            names=(names["b3-bare"], "made by hand", "fluid_path"),
        )
        assert_diagnosis(
            shared_user,
            names["b3-pathless"],
            FindingCode.HAND_MADE_VOLUME,
            names=(names["b3-pathless"], "fluid_path", f"Mount claim `{DATASET}` instead"),
        )
    finally:
        for name in names.values():
            pod = objects.get(PodSnapshot, name, shared_user.namespace)
            if pod is not None:
                shared_user.stops(pod)
            shared_user.system.kube.delete(kinds.CLAIM, name, shared_user.namespace)
            shared_user.system.kube.delete(kinds.VOLUME, name)
