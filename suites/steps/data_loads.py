"""How DataLoads end, also those whose end Fluid does not notice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DataLoadSnapshot
from suites.record.defects import Defect
from suites.record.versions import Affected, ByVersion
from suites.steps.user import User

#: Whether Fluid reads only the first condition of a loader's Job, and not all of them.
FIRST_CONDITION_ALONE: Final = ByVersion({"0.9": True, "1.0": False})
#: Seconds from the end of a Job until it counts as not noticed: Fluid reconciles every 20 s.
NOTICED_SECONDS: Final = 65.0

NOT_NOTICED: Final = Defect(
    "load-not-noticed",
    "A DataLoad whose Job is complete stays Executing for ever: Fluid reads the Job's first condition "
    "alone, and since Kubernetes 1.31 that is SuccessCriteriaMet.",
    "pkg/controllers/v1alpha1/dataload/implement.go:129-148 (0.9.3)",
    Affected(last="0.9"),
)


@dataclass
class UnnoticedCompletion:
    """Says of a DataLoad whether Fluid overlooks that its Job has ended.

    Attributes:
        user: whose DataLoads they are.
        ended: when the Job of each was first seen complete, in seconds of the cluster's clock.
    """

    user: User
    ended: dict[str, float] = field(default_factory=dict)

    def __call__(self, load: DataLoadSnapshot) -> bool:
        """Whether the Job is complete for several reconciles of Fluid, and another condition comes first."""
        user = self.user
        if load.ended or not FIRST_CONDITION_ALONE.on(user.system):
            return False
        job = user.observer.objects.get(JobSnapshot, fluid_names.data_load_job(load.name), user.namespace)
        if job is None or not job.is_complete or job.conditions[0].type == "Complete":
            return False
        now = user.system.kube.clock.now()
        return now - self.ended.setdefault(load.name, now) >= NOTICED_SECONDS

    def report(self, *loads: DataLoadSnapshot) -> bool:
        """State whether the defect showed in any of these DataLoads, where Fluid has it; and say so."""
        if not FIRST_CONDITION_ALONE.on(self.user.system):
            return False
        stuck = [load for load in loads if self(load)]
        says = "; ".join(f"{load}, its Job complete for {NOTICED_SECONDS:g} s" for load in stuck)
        self.user.evidence.defect(NOT_NOTICED.key, seen=bool(stuck), says=says or "each DataLoad is Complete")
        return bool(stuck)


def completes(user: User, name: str) -> bool:
    """Wait until a DataLoad is Complete; False where its Job is and Fluid never notices (`NOT_NOTICED`)."""
    overlooked = UnnoticedCompletion(user)
    return not overlooked.report(user.waits_for_load(name, given_up=overlooked))
