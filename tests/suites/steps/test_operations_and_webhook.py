"""What is read out of Pods that went through Fluid's webhook, and out of Jobs of data operations."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.errors import ProductFailureError
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from suites.scenarios.correct_use import test_a23_scheduled_data_load as scheduled
from suites.scenarios.misuse import test_b35_two_data_loads as loads
from suites.scenarios.misuse import test_b37_webhook_down as webhooks
from suites.steps.webhook import AdmissionChanges

PLAIN: dict[str, Any] = {
    "metadata": {"name": "train-0"},
    "spec": {"containers": [{"name": "application", "volumeMounts": [{"name": "d", "mountPath": "/data"}]}]},
}


def a_term(key: str, operator: str = "In") -> dict[str, Any]:
    """One term of a node affinity."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": ["true"]}]}


def a_job(name: str, started: str | None, completed: str | None) -> JobSnapshot:
    """A Job that ran from one minute of an hour to another."""
    times = {"startTime": started, "completionTime": completed}
    status = {key: f"2026-11-22T12:{at}:00Z" for key, at in times.items() if at}
    return JobSnapshot.of({"metadata": {"name": name}, "status": status})


def test_a_pod_that_nobody_changed_is_untouched() -> None:
    """Neither affinity nor propagation nor annotation: the webhook was not there."""
    placing = AdmissionChanges.of(PLAIN)
    assert placing.untouched
    assert placing == AdmissionChanges((), (), ("",), "")


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"annotations": {"fluid.io/datasets-in-use": "demo"}}},
        {"spec": {"containers": [{"volumeMounts": [{"name": "d", "mountPropagation": "HostToContainer"}]}]}},
    ],
)
def test_each_trace_of_the_webhook_counts(change: dict[str, Any]) -> None:
    """One trace is enough to say that a Pod was changed."""
    assert not AdmissionChanges.of({**PLAIN, **change}).untouched


def test_affinity_is_read_in_full() -> None:
    """Weights, keys and operators of preferences, and all that is required."""
    affinity = {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": a_term("fluid.io/s-demo")},
            {"weight": 50, "preference": a_term("zone", "Exists")},
        ],
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [a_term("gpu")]},
    }
    placing = AdmissionChanges.of({"spec": {**PLAIN["spec"], "affinity": {"nodeAffinity": affinity}}})
    assert placing.preferred == ((100, "fluid.io/s-demo", "In"), (50, "zone", "Exists"))
    assert placing.required == (("gpu", "In"),)


def test_a_pod_that_was_accepted_is_no_refusal() -> None:
    """All Pods must be refused, and because of the webhook."""
    down = 'failed calling webhook "sidecar.fuse.fluid.io": connection refused'
    assert webhooks._why_not_refused({"near": down, "sidecar": down}) is None
    assert "admitted" in (webhooks._why_not_refused({"near": down, "sidecar": ""}) or "")
    assert "another reason" in (webhooks._why_not_refused({"near": "exceeded quota"}) or "")


def test_jobs_that_share_a_minute_ran_at_once() -> None:
    """Two Jobs ran at once when each began before the other ended."""
    first = a_job("a", "00", "10")
    assert loads._overlap(first, a_job("b", "05", "20"))
    assert loads._overlap(a_job("b", "05", "06"), first)
    assert not loads._overlap(first, a_job("b", "10", "20"))
    with pytest.raises(ProductFailureError, match="has no start or completion time"):
        loads._overlap(first, a_job("b", "05", None))


def test_the_tick_of_a_job_is_the_end_of_its_name() -> None:
    """Kubernetes names the Job of a schedule by the minute that it is for."""
    assert scheduled._tick(a_job("a23-load-loader-job-29737920", None, None)) == 29737920
    assert scheduled._tick(a_job("a23-load-loader-job", None, None)) == -1
