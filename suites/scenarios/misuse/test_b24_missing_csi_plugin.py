"""A node without Fluid's CSI plugin."""

from __future__ import annotations

from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import hold
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.steps import checks, csi_plugin
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, User

#: Seconds for which an application that cannot start is watched.
STUCK_SECONDS: Final = 20.0


@scenario(
    "B24",
    Level.FULL,
    alone=True,
    disturbs={Disruption.FLUID_COMPONENTS: "takes Fluid's CSI plugin off every node for a minute"},
)
def test_application_on_a_node_without_the_csi_plugin_waits_for_it(shared_user: User) -> None:
    """An application on a node without Fluid's CSI plugin is Pending, and starts once the plugin runs.

    The nodeSelector of the plugin's DaemonSet matches no node while the user starts a Pod on Fluid's
    claim. Then the administrator restores it.
    """
    application = shared_user.application("b24-waits", DATASET)
    with csi_plugin.removed(shared_user.system.journal) as plugin:
        shared_user.evidence.fact("CSI plugin", str(plugin))
        shared_user.applies(application.manifest())
        was = _check_waits_on_its_node(shared_user, application.name)
        checks.reported_events(shared_user, application.name, "Pod")
        assert_diagnosis(
            shared_user,
            application.name,
            FindingCode.CSI_PLUGIN_MISSING,
            names=(application.name, was.node, "csi-nodeplugin-fluid"),
        )
    pod = shared_user.waits_until_running(application)
    checks.same_pod(was, pod)
    checks.served_by_fluid(shared_user, pod)
    shared_user.reads_right(pod)


def why_not_waiting(pod: PodSnapshot | None) -> str | None:
    """What contradicts that a scheduled Pod waits for its volume, or None."""
    waits = pod is not None and pod.node and pod.phase == "Pending"
    return None if waits else f"it does not wait for its volume: {pod}"


def _check_waits_on_its_node(user: User, name: str) -> PodSnapshot:
    """During a window the Pod has a node and no running container."""
    objects = user.observer.objects
    user.waits_for_scheduling_verdict(user.namespace, name)
    with user.evidence.phase("window", f"Pod {name} waits on its node"):
        observations = hold(
            lambda: objects.get(PodSnapshot, name, user.namespace),
            why_not_waiting,
            subject=f"Pod {user.namespace}/{name}",
            condition="phase Pending on a node",
            window=STUCK_SECONDS,
        )
    last = observations[-1]
    assert last is not None
    user.evidence.fact("Pod", f"waits on {last.node}, its containers not started", looks=len(observations))
    return last
