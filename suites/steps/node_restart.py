"""A node that is restarted, and Pods that Kubernetes starts again on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters.errors import FailureClass
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.providers.kind import KindProvider
from clusters.waiting import wait
from suites.record.run import cannot_run_here
from suites.steps.user import User
from workloads.faults import Fault


def provider_of_nodes(user: User) -> KindProvider:
    """The provider that can restart nodes; the scenario is skipped on a foreign cluster."""
    provider = user.system.provider
    if not isinstance(provider, KindProvider):
        cannot_run_here("the nodes of a foreign cluster cannot be restarted")
    return provider


@contextmanager
def restarted(provider: KindProvider, node: str) -> Iterator[Fault]:
    """A node is restarted; the context begins when it can be reached again, and its Pods start meanwhile.

    There is nothing to undo in the API. What the node lost is restored by the provider, also by that of the
    next run if this process is killed meanwhile.

    Raises:
        InfrastructureError: it was not restarted, or does not become Ready.
    """
    provider.restart_node(node)
    yield Fault(f"node {node} is restarted")


def wait_until_back(
    user: User, was: PodSnapshot, seconds: float, *, failure_class: FailureClass = FailureClass.PRODUCT
) -> PodSnapshot:
    """Wait until the container of a Pod runs again after it has ended, in the same Pod.

    Args:
        user: whose Pod it is.
        was: the Pod from before.
        seconds: limit.
        failure_class: of a Pod that does not run in time.
    """

    def is_back(pod: PodSnapshot | None) -> bool:
        return pod is not None and pod.uid == was.uid and pod.ready and pod.restarts > was.restarts

    with user.evidence.phase("waiting", f"{was.name} runs again"):
        pod = wait(
            lambda: user.observer.objects.get(PodSnapshot, was.name, was.namespace),
            is_back,
            subject=f"Pod {was.namespace}/{was.name}",
            condition=f"readiness, and more than {was.restarts} restarts",
            timeout=seconds * user.timeout_factor,
            delay=1.0,
            failure_class=failure_class,
            advice="check its events, and the log of the CSI plugin on its node",
        )
    assert pod is not None
    return pod
