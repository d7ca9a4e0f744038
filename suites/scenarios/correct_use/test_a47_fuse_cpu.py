"""A Fuse with a memory limit and a CPU request, and no CPU limit."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import at, items
from clusters.product import fluid_names
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

REFUSED: Final = "fuse-cpu-request-needs-cpu-limit"
#: As the Kubernetes documentation recommends for a process that may use idle CPU time.
RESOURCES: Final = {"requests": {"cpu": "15m", "memory": "640Mi"}, "limits": {"memory": "3Gi"}}
#: What the API server answers to a request above the limit.
ANSWER: Final = "must be less than or equal to cpu limit"
#: Seconds until the Dataset is Bound, or an event says why not.
DECIDED_SECONDS: Final = 300.0


@scenario(
    "A47",
    Level.FULL,
    defects=(
        Defect(
            REFUSED,
            "A Fuse with a memory limit, a CPU request and no CPU limit cannot be installed, so that its "
            "Dataset never becomes Bound: the template writes an empty CPU limit, which counts as 0.",
            "charts/alluxio/templates/fuse/daemonset.yaml:115-127 (1.0.8)",
        ),
    ),
    fields=("AlluxioRuntime.spec.fuse.resources.limits", "AlluxioRuntime.spec.fuse.resources.requests"),
)
def test_fuse_may_have_a_cpu_request_without_a_cpu_limit(user: User) -> None:
    """A Dataset whose Fuse has a memory limit and a CPU request, but no CPU limit, serves its data.

    The user sets ``resources`` of the Fuse with a request for CPU and memory, and a limit of memory alone.
    """
    runtime = laptop_runtime(user.namespace, DATASET).manifest()
    runtime["spec"].setdefault("fuse", {})["resources"] = RESOURCES
    dataset = Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared")
    user.applies(dataset.manifest(), runtime)
    refusal = _wait_until_decided(user)
    user.evidence.defect(REFUSED, seen=bool(refusal), says=refusal or "the Dataset is Bound")
    if refusal:
        return
    pod = user.starts(user.application("a47-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    _check_request(user)


def _wait_until_decided(user: User) -> str:
    """Wait until the Dataset is Bound (empty), or an event has the API server's refusal, and return it."""

    def observe() -> tuple[bool, str]:
        events = user.observer.objects.events(user.namespace, DATASET)
        refused = next((event.message for event in events if ANSWER in event.message), "")
        return user.observer.dataset(user.namespace, DATASET).bound, refused

    def is_decided(seen: tuple[bool, str]) -> bool:
        return any(seen)

    with user.evidence.phase("waiting", "the Dataset is Bound, or its Fuse is refused"):
        bound, refused = wait(
            user.with_reconcile_requests(observe),
            is_decided,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound, or an event that refuses its Fuse",
            timeout=DECIDED_SECONDS * user.timeout_factor,
            delay=3.0,
            describe=lambda seen: "Bound" if seen[0] else seen[1] or "neither",
            advice="check the log of alluxioruntime-controller",
        )
    return "" if bound else refused[-400:]


def _check_request(user: User) -> None:
    """The Fuse has the requests of its runtime."""
    found = user.system.kube.get(kinds.DAEMON_SET, fluid_names.fuse_name(DATASET), user.namespace)
    containers = items(found, "spec", "template", "spec", "containers")
    requests = at(containers[0], "resources", "requests") if containers else None
    if requests != RESOURCES["requests"]:
        checks.fail(
            "the Fuse does not have the requests of its runtime",
            subject=f"Fuse of {user.namespace}/{DATASET}",
            expected=str(RESOURCES["requests"]),
            seen=str(requests),
        )
    user.evidence.fact("Fuse DaemonSet", f"requests {requests}")
