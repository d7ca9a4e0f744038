"""Host ports by Fluid's default policy, which the harness does not use elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clusters.disruption import Disruption
from clusters.images.charts import chart_folder
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.progress import Progress
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, fluid_upgrade
from suites.steps.datasets import BOUND_SECONDS
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset, NodeAffinity
from workloads.models.small_runtime import laptop_runtime

#: The default of Fluid's chart (charts/fluid/fluid/values.yaml:110 of 1.0.8).
RANDOM: Final = {"runtime.alluxio.portAllocatePolicy": "random"}
#: As many ports as one Dataset needs (portNum in pkg/ddc/alluxio/const.go of 1.0.8 and 0.9.3), so that two
#: Datasets certainly receive the same ones; nothing else uses them.
FEW_PORTS: Final = {"runtime.alluxio.portRange": "29000-29008"}
#: How the scheduler refuses a Pod whose host port is in use on a node.
NO_PORT: Final = "free ports"
#: Seconds for which a worker without a port is watched.
WATCH_SECONDS: Final = 25.0
DRAWN_TWICE: Final = "host-ports-drawn-twice"


@scenario(
    "A48",
    Level.FULL,
    alone=True,
    disturbs={Disruption.FLUID_COMPONENTS: "upgrades Fluid's helm release"},
    defects=(
        Defect(
            DRAWN_TWICE,
            "By default Fluid draws the host ports of a Dataset at random, without regard to those of other "
            "Datasets. A worker that received a port of another one on its node stays Pending for ever.",
            "pkg/ddc/base/portallocator/random_allocator.go:51-56,67-100 (1.0.8)",
        ),
    ),
)
def test_dataset_with_the_default_port_policy_serves(user: User, progress: Progress) -> None:
    """With Fluid's default port policy a Dataset serves, and two on one node receive different ports.

    The administrator leaves ``portAllocatePolicy`` at its default, ``random``. Later there are only as many
    ports as one Dataset needs, and the user creates two more Datasets on one node.
    """
    tools = fluid_upgrade.tools(user.system, progress)
    release = fluid_upgrade.release_of(user.system, tools)
    chart = chart_folder(tools, release.helm)
    node = user.system.nodes[0]
    fluid_upgrade.wait_for_other_deletions(user)
    with fluid_upgrade.restored(user, release):

        def change(values: Mapping[str, str]) -> None:
            old = fluid_upgrade.uids_of_controller(user)
            release.change(chart, values)
            fluid_upgrade.wait_for_new_controller(user, old)
            user.evidence.fact("Fluid", f"its controller runs with {dict(values)}")

        change(RANDOM)
        _create(user, DATASET, node)
        user.waits_until_bound()
        pod = user.starts(user.application("a48-reader", DATASET))
        checks.served_by_fluid(user, pod)
        user.reads_right(pod)
        change(FEW_PORTS)
        _create(user, "second", node)
        user.waits_until_bound("second")
        _create(user, "third", node)
        _check_third(user)


def _create(user: User, name: str, node: str) -> None:
    dataset = Dataset.over_claim(user.namespace, name, SOURCE)
    user.creates_dataset(
        dataset.evolve(placement="Shared", node_affinity=NodeAffinity.on(node)),
        laptop_runtime(user.namespace, name, quota="128Mi"),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a Dataset for which there are no ports of its own.

    Attributes:
        dataset: its state.
        pods: of its runtime.
        refusal: an event of Fluid about its ports, if there is one.
    """

    dataset: DatasetSnapshot
    pods: tuple[PodSnapshot, ...]
    refusal: EventSnapshot | None

    @property
    def stuck(self) -> PodSnapshot | None:
        """A Pod that finds no node because a host port of it is in use."""
        return next((pod for pod in self.pods if NO_PORT in pod.scheduling), None)

    @property
    def decided(self) -> bool:
        """Whether it is known what became of it."""
        return self.dataset.bound or self.stuck is not None or self.refusal is not None

    def __str__(self) -> str:
        return "; ".join(map(str, (self.dataset, *self.pods, self.refusal or "no event about ports")))


def _observe(user: User, name: str) -> Outcome:
    objects = user.observer.objects
    events = objects.events(user.namespace, name, "AlluxioRuntime")
    return Outcome(
        user.observer.dataset(user.namespace, name),
        objects.list(PodSnapshot, user.namespace, labels=f"release={name}"),
        next((one for one in events if one.type == "Warning" and "port" in one.message.lower()), None),
    )


def _check_third(user: User) -> None:
    """State whether a Dataset received ports that another one uses, or Fluid says that there are none."""

    def is_decided(seen: Outcome) -> bool:
        return seen.decided

    with user.evidence.phase("waiting", "Fluid decides on a Dataset without ports of its own"):
        seen = wait(
            lambda: _observe(user, "third"),
            is_decided,
            subject=f"Dataset {user.namespace}/third",
            condition="phase Bound, a refusal, or a Pod without a free port",
            timeout=BOUND_SECONDS * user.timeout_factor,
            delay=2.0,
            advice="check the events of its AlluxioRuntime",
        )
    if seen.stuck is not None:
        with user.evidence.phase("window", "the Pod without a free port stays Pending"):
            hold(
                lambda: _observe(user, "third"),
                lambda now: None if now.stuck is not None else f"it is not Pending any more: {now}",
                subject=f"Pod {user.namespace}/{seen.stuck.name}",
                condition="phase Pending without a free port",
                window=WATCH_SECONDS,
                delay=2.0,
            )
        says = f"{seen.stuck.name} is Pending: {seen.stuck.scheduling}"
    else:
        says = f"it was not given ports of another Dataset: {seen.refusal or seen.dataset}"
    user.evidence.defect(DRAWN_TWICE, seen=seen.stuck is not None, says=says)
