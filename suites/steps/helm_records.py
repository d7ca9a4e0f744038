"""Helm's records of what Fluid installed before an upgrade: the new version has to find them.

Fluid's controllers install a runtime, and the Job of a data operation, as a helm release. Helm 3 keeps its
record in a Secret, unless HELM_DRIVER is set. Fluid 0.9 does not set it; since 1.0 the chart chooses
ConfigMaps (``helmDriver``, fluid#3272), and nothing moves the records of before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.product import fluid_names
from suites.record.defects import Defect
from suites.record.versions import Affected
from suites.steps.user import User

LOAD_RUN_AGAIN: Final = Defect(
    "load-run-again-by-upgrade",
    "A DataLoad that is under way when Fluid 0.9 is upgraded is deleted and run again, because 1.0 looks for "
    "helm's records in ConfigMaps, and 0.9 kept them in Secrets.",
    "charts/fluid/fluid/values.yaml:9, pkg/ddc/base/operation_helm.go:33-62, pkg/utils/helm/utils.go:44-90 "
    "(1.0.8)",
    Affected(last="0.9"),
)
RECORD_LEFT: Final = Defect(
    "helm-record-left-by-upgrade",
    "What Fluid 0.9 installed leaves helm's record, a Secret, when it is deleted after an upgrade, because "
    "1.0 does not find it and uninstalls nothing.",
    "charts/fluid/fluid/values.yaml:9, pkg/ddc/alluxio/shutdown.go:94-108 (1.0.8)",
    Affected(last="0.9"),
)
DEFECTS: Final = (LOAD_RUN_AGAIN, RECORD_LEFT)


def job_of_load(user: User, load: str) -> str:
    """The uid of the Job of a DataLoad; empty if there is none."""
    job = user.observer.objects.get(JobSnapshot, fluid_names.data_load_job(load), user.namespace)
    return "" if job is None else job.uid


def check_load_under_way(user: User, load: str, job: str) -> None:
    """A DataLoad that was under way during the upgrade ends, without being run again.

    Args:
        user: whose DataLoad it is.
        load: its name.
        job: uid of its Job before the upgrade.
    """
    user.waits_for_load(load)
    again = job_of_load(user, load) != job
    was = f"Job {fluid_names.data_load_job(load)}, made before the upgrade"
    user.evidence.defect(
        LOAD_RUN_AGAIN.key,
        seen=again,
        says=f"{was}, was deleted, and the load was run again" if again else f"{was}, is the same",
    )


def secrets_of(user: User, *releases: str) -> frozenset[str]:
    """``Secret name`` of helm's records of these releases that are Secrets."""
    return frozenset(
        f"{kinds.SECRET} {secret['metadata']['name']}"
        for secret in user.system.kube.list(kinds.SECRET, user.namespace, labels="owner=helm")
        if secret["metadata"]["labels"].get("name") in releases
    )


def check_none_left(user: User, releases: Iterable[str]) -> None:
    """No record of these releases is left; one that is, is reported as `RECORD_LEFT` and deleted."""
    left = sorted(secrets_of(user, *releases))
    says = f"left of what the old version installed: {', '.join(left)}" if left else "no record is left"
    user.evidence.defect(RECORD_LEFT.key, seen=bool(left), says=says)
    for name in left:
        user.system.kube.delete(
            kinds.SECRET,
            name.removeprefix(f"{kinds.SECRET} "),
            user.namespace,
            because="helm's record of what the old version of Fluid installed in this namespace",
        )
