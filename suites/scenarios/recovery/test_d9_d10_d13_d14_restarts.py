"""Fluid's components and the kubelet restart while an application reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from clusters.disruption import Disruption
from clusters.product import fluid, fluid_names
from clusters.waiting import WaitError
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis.fluid_facts import SERVERFUL_LABEL
from suites.record.defects import Defect
from suites.steps import checks, component_restarts, endurance, fault_readers, webhook, workers
from suites.steps.endurance import FaultCase
from suites.steps.recorded_reads import Effect
from suites.steps.user import DATASET, SOURCE, User
from suites.steps.webhook import AdmissionChanges
from workloads.faults import Fault, restart_kubelet, without_node_label
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

#: Seconds for which an application is watched after the restart: two reconciles, which are requested.
WATCHED_SECONDS: Final = 40.0
#: Seconds within which all read right after that: nothing between them and their data has ended.
HEALS_SECONDS: Final = 60.0
#: Name of the Dataset that is created after the controller's restart.
NEW: Final = "d13-new"
NOT_RESTORED: Final = "lost-cache-label-not-restored"


@dataclass(frozen=True, slots=True)
class Restart:
    """Something that restarts.

    Attributes:
        row: id in lower case, begins the names of Pods.
        begin: restarts it, for a user whose application runs on a node, and ends when it is back.
        serves_again: what it does must work again.
        labels: of the application that is started afterwards.
    """

    row: str
    begin: Callable[[User, str], AbstractContextManager[Fault]]
    serves_again: Callable[[User], None] = lambda _: None
    labels: tuple[str, ...] = ()


def _check(user: User, restart: Restart) -> None:
    """Applications read on as if nothing happened, and a new one starts afterwards.

    The Fuse's mount is on the node itself (hostPath with Bidirectional propagation,
    charts/alluxio/templates/fuse/daemonset.yaml of 1.0.8), and a Pod's mount is a bind mount of it
    (pkg/csi/plugins/nodeserver.go), so neither needs the process that made it.
    """
    reader = fault_readers.application(user, f"{restart.row}-reader", Effect.NONE)
    node = reader.pod.node
    control = fault_readers.control(user, f"{restart.row}-raw", Effect.NONE, node)
    case = FaultCase(partial(restart.begin, user, node), WATCHED_SECONDS, HEALS_SECONDS)
    endured = endurance.endure(user, case, (reader, control))
    endurance.check(user, case, (reader, control), endured)
    restart.serves_again(user)
    labels = dict.fromkeys(restart.labels, "true")
    new = user.starts(user.application(f"{restart.row}-new", DATASET, node=node, labels=labels))
    checks.served_by_fluid(user, new)
    user.reads_right(new, who="application that was started afterwards")


def _component(name: str) -> Callable[[User, str], AbstractContextManager[Fault]]:
    def begin(user: User, _: str) -> AbstractContextManager[Fault]:
        return component_restarts.pods_deleted(user, name)

    return begin


@contextmanager
def _kubelet(user: User, node: str) -> Iterator[Fault]:
    yield restart_kubelet(user.system.journal, node)


def _creates_datasets_and_labels(user: User) -> None:
    """The controller works: a new Dataset becomes Bound. State whether a lost label of the cache comes back.

    Fluid compares the workers' nodes with those that carry the label of the *runtime*, such as
    ``fluid.io/s-alluxio-demo-data``, and labels a node again only if it lacks that one.
    """
    user.creates_dataset(
        Dataset.over_claim(user.namespace, NEW, SOURCE).evolve(placement="Shared"),
        laptop_runtime(user.namespace, NEW, quota="128Mi"),
    )
    user.waits_until_bound(NEW)
    user.evidence.fact("Dataset status", f"{NEW}, which was created afterwards, is Bound")
    new_key = fluid_names.common_label(user.namespace, NEW)
    workers.check_node_label(user, workers.find(user, NEW).node, new_key, "true", NEW)
    user.deletes_dataset(NEW)
    key = fluid_names.common_label(user.namespace, DATASET)
    node = workers.find(user, DATASET).node
    workers.check_node_label(user, node, key, "true")
    with without_node_label(user.system.journal, node, key) as lost:
        user.evidence.fact("node labels", lost.says)
        try:
            workers.check_node_label(user, node, key, "true")
        except WaitError as error:
            user.evidence.defect(NOT_RESTORED, seen=True, says=error.message)
        else:
            user.evidence.defect(NOT_RESTORED, seen=False, says=f"{node} has its label {key} again")


def _changes_labelled_pods(user: User) -> None:
    """The webhook works: it changes a Pod that requests it."""
    webhook.wait_for_answer(user)
    probe = user.application("d14-probe", DATASET, labels={SERVERFUL_LABEL: "true"})
    changes = AdmissionChanges.of(user.system.kube.would_create(probe.manifest()))
    user.evidence.fact("API server", f"a Pod with the label would be admitted and changed: {changes}")


@scenario(
    "D9",
    Level.FULL,
    disturbs={Disruption.FLUID_COMPONENTS: "deletes the Pods of Fluid's CSI plugin on all nodes at once"},
    alone=True,
)
def test_reads_go_on_while_the_csi_plugin_restarts(shared_user: User) -> None:
    """Applications read on while Fluid's CSI plugin restarts on all nodes, and a new one starts afterwards.

    An administrator deletes all Pods of the plugin while an application reads.
    """
    _check(shared_user, Restart("d9", _component(fluid.CSI_DAEMON_SET)))


@scenario(
    "D10",
    Level.FULL,
    disturbs={Disruption.NODE: "restarts the kubelet of a node"},
    alone=True,
)
def test_reads_go_on_while_the_kubelet_restarts(shared_user: User) -> None:
    """Applications read on while the kubelet of their node restarts, and a new one starts there afterwards.

    An administrator restarts the kubelet by systemd while an application reads.
    """
    _check(shared_user, Restart("d10", _kubelet))


@scenario(
    "D13",
    Level.FULL,
    disturbs={
        Disruption.FLUID_COMPONENTS: "deletes the Pod of Fluid's Alluxio runtime controller",
        Disruption.NODE_LABELS: "removes a label that the controller gives to the worker's node",
    },
    alone=True,
    defects=(
        Defect(
            NOT_RESTORED,
            "A worker's node that has lost the label fluid.io/s-<namespace>-<name> never gets it back, so "
            "that Pods that prefer or require the cache avoid the node: Fluid labels only nodes that lack "
            "the label of the runtime.",
            "pkg/utils/dataset/lifecycle/node.go:67-94,121-145,185-188 (1.0.8)",
        ),
    ),
)
def test_reads_go_on_while_the_runtime_controller_restarts(shared_user: User) -> None:
    """Applications read on while the runtime's controller restarts, and it does its work afterwards.

    An administrator deletes the Pod of the controller while an application reads. Afterwards a new Dataset
    becomes Bound, and a label of the cache that the worker's node has lost comes back.
    """
    _check(shared_user, Restart("d13", _component("alluxioruntime-controller"), _creates_datasets_and_labels))


@scenario(
    "D14",
    Level.FULL,
    disturbs={Disruption.FLUID_COMPONENTS: "deletes the Pods of Fluid's webhook"},
    alone=True,
)
def test_reads_go_on_while_the_webhook_restarts(shared_user: User) -> None:
    """Applications read on while Fluid's webhook restarts, and a Pod that needs it starts afterwards.

    An administrator deletes the Pods of the webhook while an application reads.
    """
    webhook.needed(shared_user)
    _check(
        shared_user,
        Restart("d14", _component(webhook.DEPLOYMENT), _changes_labelled_pods, (SERVERFUL_LABEL,)),
    )
