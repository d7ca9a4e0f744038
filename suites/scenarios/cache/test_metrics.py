"""Group C: what Fluid's controllers tell an administrator by their metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from clusters.kubernetes.fields import quantity
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.product.predicates import is_counted
from clusters.product.prometheus import Samples, parse_samples
from clusters.waiting import is_gone, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.run import unbindable
from suites.steps import checks
from suites.steps.user import DATASET, User

#: Where Fluid's controllers tell their metrics (cmd/alluxio/app/alluxio.go:84 of 1.0.8).
PORT: Final = 8080
#: Seconds until the status tells what lies at the source: Fluid counts it in the background.
COUNTED_SECONDS: Final = 240.0
#: Seconds until a set-up has failed once more (retry: 20 s), and until a deleted runtime is forgotten.
COUNTER_SECONDS: Final = 90.0
RUNTIME_CONTROLLER: Final = "alluxioruntime-controller"
DATASET_CONTROLLER: Final = "dataset-controller"
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
            "A controller that was started again tells nothing any more of the size of Datasets that were "
            "there before.",
            "pkg/ddc/alluxio/metadata.go:89-96 (1.0.8): it is set when the size is counted, once",
        ),
    ),
)
def test_metrics_of_the_controllers_tell_datasets_and_failed_set_ups(shared_user: User, user: User) -> None:
    """The controllers' metrics tell size and files of a Dataset as its status does, and count failed set-ups.

    The administrator reads ``/metrics`` of Fluid's controllers; the runtime of a second Dataset cannot
    be set up, and is deleted then.
    """
    _reconciled(shared_user, DATASET_CONTROLLER, "dataset")
    _reconciled(shared_user, RUNTIME_CONTROLLER, "alluxioruntime")
    _tells_size(shared_user, _counted(shared_user))

    unbindable.CASES["B20"](user)
    key = f"{user.namespace}/{DATASET}"
    first = _setup_errors(user, key, at_least=1.0)
    again = _setup_errors(user, key, at_least=first + 1)
    samples = _told(user, RUNTIME_CONTROLLER)
    if samples.value(FILES, dataset=key) is not None:
        checks.fail(
            "the metrics tell files of a Dataset that was never set up",
            subject=f"Dataset {key}",
            expected=f"no {FILES} of it",
            seen=str(samples.value(FILES, dataset=key)),
        )
    user.evidence.fact("metrics", f"{SETUP_ERRORS} counts: {first:g}, then {again:g}; no size is told")
    user.deletes_dataset()
    with user.evidence.phase("waiting", "the metrics forget the runtime"):
        wait(
            lambda: _told(user, RUNTIME_CONTROLLER).value(SETUP_ERRORS, runtime=key),
            is_gone,
            subject=f"metric {SETUP_ERRORS} of {key}",
            condition="removal with the runtime",
            timeout=COUNTER_SECONDS * user.timeout_factor,
            delay=2.0,
            advice="a series for each runtime that ever was grows without end",
        )
    user.evidence.fact("metrics", "the deleted runtime is forgotten")


def _told(user: User, controller: str) -> Samples:
    """What all Pods of a controller tell; only the one that leads tells of Datasets."""
    objects = user.observer.objects
    pods = objects.list(PodSnapshot, fluid.NAMESPACE, labels=f"control-plane={controller}")
    texts = [
        user.system.kube.proxied(fluid.NAMESPACE, pod.name, PORT, "/metrics")
        for pod in pods
        if pod.ready and not pod.deleting
    ]
    return parse_samples(*texts)


def _reconciled(user: User, controller: str, kind: str) -> None:
    """A controller tells that it has worked on its kind of objects."""
    count = _told(user, controller).value("controller_runtime_reconcile_total", controller=kind)
    if not count:
        checks.fail(
            f"the metrics of the {controller} tell of no work on {kind}s",
            subject=f"metrics of {fluid.NAMESPACE}/{controller}",
            expected="controller_runtime_reconcile_total above 0: there is a Bound Dataset",
            seen="no such metric" if count is None else "0",
        )
    user.evidence.fact("metrics", f"the {controller} looked at {kind}s {count:g} times", times=count)


def _counted(user: User) -> DatasetSnapshot:
    """The Dataset once its status tells size and number of files."""
    with user.evidence.phase("waiting", "the status tells what lies at the source"):
        return wait(
            lambda: user.observer.dataset(user.namespace, DATASET),
            is_counted,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="ufsTotal and fileNum in the status",
            timeout=COUNTED_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: f"ufsTotal {seen.ufs_total or 'empty'}, fileNum {seen.file_num or 'empty'}",
        )


def _tells_size(user: User, dataset: DatasetSnapshot) -> None:
    """The metrics tell the same size and number of files as the status, and these are right."""
    key = f"{user.namespace}/{DATASET}"
    samples = _told(user, RUNTIME_CONTROLLER)
    files, size = samples.value(FILES, dataset=key), samples.value(BYTES, dataset=key)
    if _older(dataset, samples):
        lost = files is None and size is None
        user.evidence.defect(
            "gauges-lost-with-the-controller",
            seen=lost,
            says=f"the controller is younger than the Dataset and tells {FILES} {files}, {BYTES} {size}",
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
    if int(files) != len(user.files.files):
        checks.fail(
            f"the metrics tell {files:g} files where {len(user.files.files)} lie at the source",
            subject=f"Dataset {key}",
            expected="the number of files at the source",
            seen=f"{files:g}",
        )
    user.evidence.fact(
        "metrics", f"{files:g} files, {size:g} bytes, as the status tells", files=files, bytes=size
    )


def _older(dataset: DatasetSnapshot, samples: Samples) -> bool:
    """The Dataset was there before the controller's process."""
    started = max((sample.value for sample in samples.all if sample.name == STARTED), default=None)
    created = dataset.meta.created
    return started is not None and created is not None and created < datetime.fromtimestamp(started, UTC)


def _setup_errors(user: User, key: str, *, at_least: float) -> float:
    """Wait until that many failed set-ups of a runtime are counted; how many they are then."""

    def look() -> float:
        user.request_reconcile()
        return _told(user, RUNTIME_CONTROLLER).value(SETUP_ERRORS, runtime=key) or 0.0

    with user.evidence.phase("waiting", "the set-up fails"):
        return wait(
            look,
            lambda seen: seen >= at_least,
            subject=f"metric {SETUP_ERRORS} of {key}",
            condition=f"a value of at least {at_least:g}",
            timeout=COUNTER_SECONDS * user.timeout_factor,
            delay=2.0,
        )
