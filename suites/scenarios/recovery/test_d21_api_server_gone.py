"""The API server is gone for a minute."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import FailureClass
from clusters.product import fluid
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, control_plane, endurance, fault_readers
from suites.steps.endurance import FaultCase
from suites.steps.recorded_reads import Effect
from suites.steps.user import DATASET, User
from workloads.faults import Fault, unreachable

#: Seconds for which it is gone.
GONE_SECONDS: Final = 60.0
#: Seconds until all read right after that; nothing between them and their data needs the API.
HEALS_SECONDS: Final = 60.0
#: Seconds until Fluid's components are ready again: a controller that cannot renew its lease ends, and is
#: started again with back-off (--enable-leader-election in
#: charts/fluid/fluid/templates/controller/alluxioruntime_controller.yaml:52 of 1.0.8).
COMPONENTS_SECONDS: Final = 240.0


@scenario(
    "D21",
    Level.FULL,
    disturbs={Disruption.NODE: "resets all connections to the API server for a minute"},
    alone=True,
)
def test_reads_go_on_while_the_api_server_is_gone(shared_user: User) -> None:
    """Applications read on while the API server is gone for a minute; afterwards Fluid serves a new one.

    Connections to the API server are reset, for Fluid, for the kubelets and for everybody else.
    """
    plane = control_plane.only_node(shared_user)
    reader = fault_readers.application(shared_user, "d21-reader", Effect.NONE)
    control = fault_readers.control(shared_user, "d21-raw", Effect.NONE, reader.pod.node)
    readers = (reader, control)

    def begin() -> AbstractContextManager[Fault]:
        return unreachable(shared_user.system.journal, plane, GONE_SECONDS)

    case = FaultCase(begin, GONE_SECONDS - 5.0, HEALS_SECONDS)
    endured = endurance.endure(shared_user, case, readers)
    endurance.check(shared_user, case, readers, endured)
    _wait_for_components(shared_user)
    new = shared_user.starts(shared_user.application("d21-new", DATASET, node=reader.pod.node))
    checks.served_by_fluid(shared_user, new)
    shared_user.reads_right(new, who="application that was started afterwards")


def _wait_for_components(user: User) -> None:
    """Wait until Fluid's controllers and its plugin are ready again, and state how long that took."""
    clock = user.system.kube.clock
    start = clock.now()
    with user.evidence.phase("waiting", "Fluid's components are ready"):
        state = wait(
            lambda: fluid.state(user.system.kube),
            lambda seen: seen.ready,
            subject="Fluid",
            condition="readiness of all components",
            timeout=COMPONENTS_SECONDS * user.timeout_factor,
            delay=1.0,
            failure_class=FailureClass.PRODUCT,
            advice="check the logs of Fluid's components",
        )
    user.evidence.fact(
        "Fluid's components",
        f"ready {clock.now() - start:.0f} s after the reads were right: {state}",
        seconds=round(clock.now() - start, 1),
    )
