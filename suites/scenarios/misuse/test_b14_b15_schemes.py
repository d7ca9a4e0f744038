"""Mount points whose scheme Fluid or Alluxio does not support."""

from __future__ import annotations

from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.run.unbindable import APPLICATION, WatchResult
from suites.scenarios.misuse import never_bound
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, SOURCE


@scenario("B14", Level.CONFORMANCE)
def test_mount_point_with_scheme_nfs_does_not_get_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset whose mount point is nfs:// does not get Bound, because Alluxio has no under store for it.

    The user writes the NFS server into the mount point instead of pvc:// and a claim.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    never_bound.check_mount_refused(user)
    pod = fluid_names.master_pod(DATASET)
    logs = user.system.kube.logs(user.namespace, pod, fluid_names.MASTER_CONTAINER, tail=400)
    said = next((line.strip() for line in logs.splitlines() if "nfs://" in line), "")
    user.evidence.attach("master's log", logs)
    user.evidence.fact("master's log", said[:400] or "no line about the mount point")
    never_bound.check_still_not_bound(user)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.UNSUPPORTED_SCHEME,
        names=(DATASET, "nfs://", "pvc://"),
    )


@scenario("B15", Level.FULL)
def test_scheme_in_capitals_does_not_get_bound(unbindable_dataset: WatchResult) -> None:
    """A Dataset whose mount point begins with PVC:// does not get Bound, because Fluid only knows pvc://.

    The user writes the scheme in capitals.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    never_bound.check_mount_refused(user)
    never_bound.check_still_not_bound(user)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.UNSUPPORTED_SCHEME,
        names=(DATASET, f"Write `pvc://{SOURCE}`"),
    )
