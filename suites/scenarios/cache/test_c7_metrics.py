"""Metrics of Fluid's controllers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from clusters.kubernetes.fields import quantity
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid
from clusters.product.fluid import DATASET_CONTROLLER
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.prometheus import Samples, parse_samples
from clusters.waiting import is_gone, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.run import unbindable
from suites.steps import checks, dataset_status
from suites.steps.user import DATASET, User

#: Port of the metrics of Fluid's controllers (cmd/alluxio/app/alluxio.go:84 of 1.0.8).
PORT: Final = 8080
#: Seconds until a set-up has failed again (retry: 20 s), and until a deleted runtime is not reported.
COUNTER_SECONDS: Final = 90.0
RUNTIME_CONTROLLER: Final = "alluxioruntime-controller"
FILES: Final = "dataset_ufs_file_num"
BYTES: Final = "dataset_ufs_total_size"
SETUP_ERRORS: Final = "runtime_setup_error_total"
STARTED: Final = "process_start_time_seconds"


@scenario(
    "C7",
    Level.FULL,
    defects=(
        Defect(
            "gauges-lost-with-the-controller",
            "After a restart a controller reports no size of the Datasets that existed before.",
            "pkg/ddc/alluxio/metadata.go:89-96 (1.0.8): it is set once, when the size is counted",
        ),
    ),
)
def test_metrics_show_datasets_and_failed_set_ups(shared_user: User, user: User) -> None:
    """The controllers' metrics show size and files of a Dataset like its status, and count failed set-ups.

    The administrator reads ``/metrics`` of Fluid's controllers; the runtime of a second Dataset cannot
    be set up, and is deleted.
    """
    _check_has_reconciled(shared_user, DATASET_CONTROLLER, "dataset")
    _check_has_reconciled(shared_user, RUNTIME_CONTROLLER, "alluxioruntime")
    _check_size(shared_user, dataset_status.check_counts(shared_user))

    unbindable.CASES["B20"](user)
    key = f"{user.namespace}/{DATASET}"
    first = _wait_for_setup_errors(user, key, at_least=1.0)
    again = _wait_for_setup_errors(user, key, at_least=first + 1)
    samples = _scrape(user, RUNTIME_CONTROLLER)
    if samples.value(FILES, dataset=key) is not None:
        checks.fail(
            "the metrics report files of a Dataset that was never set up",
            subject=f"Dataset {key}",
            expected=f"no {FILES} of this Dataset",
            seen=str(samples.value(FILES, dataset=key)),
        )
    user.evidence.fact("metrics", f"{SETUP_ERRORS} counts: {first:g}, then {again:g}; no size is reported")
    user.deletes_dataset()
    with user.evidence.phase("waiting", "the metrics of the deleted runtime disappear"):
        wait(
            lambda: _scrape(user, RUNTIME_CONTROLLER).value(SETUP_ERRORS, runtime=key),
            is_gone,
            subject=f"metric {SETUP_ERRORS} of {key}",
            condition="removal with the runtime",
            timeout=COUNTER_SECONDS * user.timeout_factor,
            delay=2.0,
            advice="a time series for each runtime that ever existed grows without limit",
        )
    user.evidence.fact("metrics", "the series of the deleted runtime is removed")


def _scrape(user: User, controller: str) -> Samples:
    """Metrics of all Pods of a controller; only the leader reports Datasets."""
    objects = user.observer.objects
    pods = objects.list(PodSnapshot, fluid.NAMESPACE, labels=f"control-plane={controller}")
    texts = [
        user.system.kube.proxied(fluid.NAMESPACE, pod.name, PORT, "/metrics")
        for pod in pods
        if pod.ready and not pod.deleting
    ]
    return parse_samples(*texts)


def _check_has_reconciled(user: User, controller: str, kind: str) -> None:
    """The metrics of a controller show that it has reconciled its kind of objects."""
    count = _scrape(user, controller).value("controller_runtime_reconcile_total", controller=kind)
    if not count:
        checks.fail(
            f"the metrics of the {controller} show no reconcile of {kind}s",
            subject=f"metrics of {fluid.NAMESPACE}/{controller}",
            expected="controller_runtime_reconcile_total above 0: there is a Bound Dataset",
            seen="no such metric" if count is None else "0",
        )
    user.evidence.fact("metrics", f"the {controller} reconciled {kind}s {count:g} times", times=count)


def _check_size(user: User, dataset: DatasetSnapshot) -> None:
    """The metrics have the same size and number of files as the status."""
    key = f"{user.namespace}/{DATASET}"
    samples = _scrape(user, RUNTIME_CONTROLLER)
    files, size = samples.value(FILES, dataset=key), samples.value(BYTES, dataset=key)
    if _is_older(dataset, samples):
        lost = files is None and size is None
        user.evidence.defect(
            "gauges-lost-with-the-controller",
            seen=lost,
            says=f"the controller is younger than the Dataset and reports {FILES} {files}, {BYTES} {size}",
        )
        if lost:
            return
    shown = quantity(dataset.ufs_total.removesuffix("B"))
    # The status is rounded to two decimals of its unit, and the metric is what the status says.
    if files != float(dataset.file_num) or size is None or abs(size - shown) > 1.0:
        checks.fail(
            "the controller's metrics and the Dataset's status disagree",
            subject=f"Dataset {key}",
            expected=f"{dataset.file_num} files, {dataset.ufs_total}",
            seen=f"{FILES} {files}, {BYTES} {size}",
        )
    user.evidence.fact(
        "metrics", f"{files:g} files, {size:g} bytes, as in the status", files=files, bytes=size
    )


def _is_older(dataset: DatasetSnapshot, samples: Samples) -> bool:
    """Whether the Dataset was created before the controller's process started."""
    started = max((sample.value for sample in samples.all if sample.name == STARTED), default=None)
    created = dataset.meta.created
    return started is not None and created is not None and created < datetime.fromtimestamp(started, UTC)


def _wait_for_setup_errors(user: User, key: str, *, at_least: float) -> float:
    """Wait until that many failed set-ups of a runtime are counted. Returns their number."""

    def observe() -> float:
        user.request_reconcile()
        return _scrape(user, RUNTIME_CONTROLLER).value(SETUP_ERRORS, runtime=key) or 0.0

    def enough(count: float) -> bool:
        return count >= at_least

    with user.evidence.phase("waiting", "the set-up fails"):
        return wait(
            observe,
            enough,
            subject=f"metric {SETUP_ERRORS} of {key}",
            condition=f"a value of {at_least:g} or more",
            timeout=COUNTER_SECONDS * user.timeout_factor,
            delay=2.0,
        )
