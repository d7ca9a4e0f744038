"""Workers of a Dataset: where they run, their number, and the labels that Fluid gives to their nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import text
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import is_empty, wait
from suites.diagnosis.fluid_facts import PLACEMENT_LABEL
from suites.record.defects import Defect
from suites.record.versions import Affected
from suites.steps import checks
from suites.steps.node_placement import LABELLED_SECONDS
from suites.steps.user import DATASET, User
from workloads.models.small_runtime import laptop_runtime

#: Seconds until the number of workers has changed, and until the status shows their capacity.
SCALE_SECONDS: Final = 240.0
#: Properties with which Alluxio forgets a lost worker after 20 s; its default is 5 min.
FORGETS_SOON: Final = {"alluxio.master.worker.timeout": "20sec"}
BLOCKS_LEFT: Final = Defect(
    "blocks-left-on-former-node",
    "When a worker's Pod is created again on another node, its cached blocks stay in the memory of "
    "its former node, also after the Dataset is deleted: no worker is there to free them.",
    "pkg/ddc/alluxio/shutdown.go:103-150, pkg/ddc/alluxio/cache.go:194-213 (1.0.8)",
)

SELECTOR_LOST: Final = Defect(
    "selector-lost-in-a-race",
    "status.selector and status.valueFile of a runtime stay empty for ever if the master's StatefulSet is in "
    "the controller's cache before the next reconcile: then the phase of the master is set first, and the "
    "step that would set them is left out. Autoscalers need the selector.",
    "pkg/ddc/base/setup.go:42-55, pkg/ddc/alluxio/master.go:55-105 (1.0.8)",
    Affected(first="1.0"),
)


def creates_dataset_forgetting_soon(user: User) -> None:
    """Create the Dataset with a runtime that forgets a lost worker soon."""
    user.creates_dataset(runtime=laptop_runtime(user.namespace, DATASET, properties=FORGETS_SOON))


def report_lost_selector(user: User, dataset: str = DATASET) -> bool:
    """State whether the runtime of a Bound Dataset has neither selector nor values' name; return it."""
    runtime = user.system.kube.get(kinds.ALLUXIO_RUNTIME, dataset, user.namespace)
    status = {name: text(runtime, "status", name) for name in ("selector", "valueFile")}
    lost = not any(status.values())
    user.evidence.defect(SELECTOR_LOST.key, seen=lost, says=f"AlluxioRuntime status: {status}")
    return lost


def of_dataset(user: User, dataset: str = DATASET) -> tuple[PodSnapshot, ...]:
    """All workers of a Dataset."""
    return user.observer.objects.list(
        PodSnapshot, user.namespace, labels=fluid_names.pod_labels(dataset, "worker")
    )


def wait_for_ready(user: User, number: int, dataset: str = DATASET) -> tuple[PodSnapshot, ...]:
    """Wait until a Dataset has so many workers, all of them ready."""

    def all_ready(found: tuple[PodSnapshot, ...]) -> bool:
        return len(found) == number and all(worker.ready for worker in found)

    with user.evidence.phase("waiting", f"{number} workers are ready"):
        return wait(
            lambda: of_dataset(user, dataset),
            all_ready,
            subject=f"AlluxioRuntime {user.namespace}/{dataset}",
            condition=f"{number} ready workers",
            timeout=SCALE_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda found: "; ".join(map(str, found)) or "no worker",
        )


def find(user: User, dataset: str) -> PodSnapshot:
    """The first worker of a Dataset that is Bound; it must run on a node."""
    found = user.observer.objects.get(PodSnapshot, fluid_names.worker_pod(dataset), user.namespace)
    if found is None or not found.node:
        checks.fail(
            f"Dataset {dataset} is Bound, and its worker does not run",
            subject=f"Dataset {user.namespace}/{dataset}",
            expected="a worker on a node",
            seen=str(found),
        )
    user.evidence.fact("worker", f"the worker of {dataset} runs on {found.node}")
    return found


def wait_until_decided(user: User, dataset: str = DATASET) -> PodSnapshot:
    """Wait until the first worker has a node, or the scheduler has said why it has none."""

    def is_placed_or_refused(pod: PodSnapshot | None) -> bool:
        return pod is not None and bool(pod.node or pod.scheduling)

    name = fluid_names.worker_pod(dataset)
    with user.evidence.phase("waiting", "the scheduler decides about the worker"):
        pod = wait(
            user.with_reconcile_requests(
                lambda: user.observer.objects.get(PodSnapshot, name, user.namespace), dataset
            ),
            is_placed_or_refused,
            subject=f"Pod {user.namespace}/{name}",
            condition="a decision of the scheduler",
            timeout=SCALE_SECONDS * user.timeout_factor,
            delay=2.0,
        )
    assert pod is not None
    user.evidence.fact("worker", str(pod))
    return pod


def scale(user: User, dataset: str, replicas: int) -> None:
    """Change the number of workers of a runtime."""
    user.system.kube.patch(kinds.ALLUXIO_RUNTIME, dataset, user.namespace, {"spec": {"replicas": replicas}})
    user.evidence.fact("AlluxioRuntime", f"the user sets {replicas} workers for {dataset}")


def check_node_label(user: User, node: str, key: str, value: str, dataset: str = DATASET) -> None:
    """A node carries a label with a value for a Dataset."""

    def same(found: str) -> bool:
        return found == value

    wait_for_node_label(user, node, key, same, value, name=dataset)
    user.evidence.fact("node labels", f"{node} carries {key}={value}")


def check_placement_label(worker: PodSnapshot, placement: str) -> None:
    """A worker has the label by which workers of Shared Datasets avoid those of Exclusive ones.

    Source: charts/alluxio/templates/worker/statefulset.yaml:64 and pkg/ctrl/affinity.go:117 (1.0.8).
    Where workers run does not show that it is missing: the scheduler also applies the anti-affinity of the
    Exclusive worker, which excludes all workers of the namespace.
    """
    found = worker.labels.get(PLACEMENT_LABEL, "")
    if found != placement:
        checks.fail(
            "a worker is labelled with another placement than that of its Dataset",
            subject=f"Pod {worker.namespace}/{worker.name}",
            expected=f"label {PLACEMENT_LABEL}={placement}",
            seen=f"{PLACEMENT_LABEL}={found or '(none)'}",
        )


def check_node_labels_removed(user: User, node: str, dataset: str = DATASET) -> None:
    """A node that runs no worker of a Dataset any more loses the labels of its cache.

    Fluid compares the labelled nodes with the workers' nodes in each complete reconcile
    (pkg/utils/dataset/lifecycle/node.go:56-77 of 1.0.8).
    """
    keys = fluid_names.worker_labels(user.namespace, dataset)

    def observe() -> tuple[str, ...]:
        found = user.observer.objects.get(NodeSnapshot, node)
        return tuple(key for key in keys if found is not None and key in found.labels)

    with user.evidence.phase("waiting", "Fluid removes the labels of the cache from the node"):
        wait(
            user.with_reconcile_requests(observe, dataset),
            is_empty,
            subject=f"node {node}",
            condition="the removal of the labels of a worker that is not there any more",
            timeout=LABELLED_SECONDS * user.timeout_factor,
            describe=lambda left: ", ".join(left) or "no such label",
            advice="check the log of alluxioruntime-controller",
        )
    user.evidence.fact("node labels", f"{node} has no label of the Dataset's cache any more")


def wait_for_node_label(
    user: User, node: str, key: str, accepted: Callable[[str], bool], expected: str, *, name: str
) -> str:
    """Wait until the value of a node's label is accepted, and return it.

    Fluid sets the labels in its first complete reconcile of a Dataset that is Bound.
    """

    def observe() -> str:
        found = user.observer.objects.get(NodeSnapshot, node)
        return found.labels.get(key, "") if found else ""

    with user.evidence.phase("waiting", "Fluid labels the node for the cache"):
        return wait(
            user.with_reconcile_requests(observe, name),
            accepted,
            subject=f"node {node}",
            condition=f"label {key}={expected}",
            timeout=LABELLED_SECONDS * user.timeout_factor,
            describe=lambda value: f"{key}={value or '(none)'}",
            advice="check the log of alluxioruntime-controller",
        )
