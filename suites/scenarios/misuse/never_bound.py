"""Checks of Datasets that must not get Bound.

They are next to the scenarios and not in `suites.steps`, because they judge a `WatchResult` of `suites.run`.
"""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from suites.record.versions import ByVersion
from suites.run.unbindable import WatchResult
from suites.steps import checks
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User

#: Seconds until the master's first start-up probe has failed (delay 5 s, period 20 s, timeout 15 s).
PROBE_SECONDS: Final = 180.0
#: How Fluid reports that Alluxio cannot mount a source: object, reason and text of an event. Up to 0.9 its
#: controller mounts (pkg/ddc/alluxio/ufs_internal.go:233 of 0.9.3), later the master's start-up probe.
MOUNT_REFUSED: Final = ByVersion(
    {
        "0.9": ("AlluxioRuntime", DATASET, "ErrorProcessRuntime", "setup ddc engine"),
        "1.0": ("Pod", fluid_names.master_pod(DATASET), "Unhealthy", "Startup probe"),
    }
)


def check_mount_refused(user: User) -> None:
    """Wait until an event says that the source cannot be mounted, in the way of this version of Fluid."""
    kind, name, reason, says = MOUNT_REFUSED.on(user.system)
    wait_for_event(user, kind, name, reason=reason, says=says, timeout=PROBE_SECONDS)


def check_never_bound(watched: WatchResult) -> None:
    """During the common window the Dataset was not Bound, had no claim, and its application was Pending."""
    user = watched.user
    if watched.contradiction:
        checks.fail(
            f"{watched.contradiction}, although this Dataset cannot work",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase NotBound, no claim, the application Pending",
            seen=f"{watched.last.dataset}; {watched.last.application}",
        )
    phase = watched.last.dataset.phase if watched.last.dataset else "no Dataset"
    user.evidence.fact(
        "Dataset status",
        f"{phase}, no claim, and the application is Pending",
        observations=watched.observations,
        watched_together=watched.together,
    )


def check_still_not_bound(user: User) -> None:
    """The Dataset's phase is NotBound at this moment."""
    dataset = user.observer.dataset(user.namespace, DATASET)
    if dataset.phase != "NotBound":
        checks.fail(
            f"the Dataset's phase is {dataset.phase or 'empty'}, although it cannot work",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase NotBound",
            seen=str(dataset),
        )
    conditions = ", ".join(f"{c} {c.message[:120]}".strip() for c in dataset.conditions) or "none"
    user.evidence.fact("Dataset status", f"still NotBound; conditions: {conditions}")


def check_no_pods(watched: WatchResult) -> None:
    """The runtime has started no Pod."""
    user = watched.user
    pods = user.observer.objects.list(PodSnapshot, user.namespace, labels=f"release={DATASET}")
    if pods:
        checks.fail(
            "a runtime that cannot work started Pods",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="no Pods of the runtime",
            seen="; ".join(map(str, pods)),
        )
    user.evidence.fact("Pods", "the runtime started none")


def check_master_waits_for(user: User, claim: str, *, where: str) -> None:
    """The master is Pending because a source claim does not exist where it is needed.

    Args:
        user: owner of the Dataset.
        claim: name of the source claim.
        where: where the claim would have to be, for the error.
    """
    pod = fluid_names.master_pod(DATASET)
    user.waits_for_scheduling_verdict(user.namespace, pod)
    master = user.observer.objects.get(PodSnapshot, pod, user.namespace)
    if master is None or master.node or claim not in master.scheduling:
        checks.fail(
            f"the master does not wait for the claim that is not {where}",
            subject=f"Pod {user.namespace}/{pod}",
            expected=f'Pending, persistentvolumeclaim "{claim}" not found',
            seen=str(master),
        )
    user.evidence.fact("Pod condition", master.scheduling, pod=pod)
