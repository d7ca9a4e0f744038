"""The log of a script in a Pod that Fluid created."""

import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from clusters.errors import ProductFailureError
from clusters.kubernetes.connection import KubeError
from clusters.system import System
from suites.record.evidence import Evidence
from suites.steps import script_results
from suites.steps.user import User
from workloads.data import one_file


def a_user(**kube: Callable[..., str]) -> User:
    """A user with unused evidence."""
    return User(
        cast("System", SimpleNamespace(kube=SimpleNamespace(**kube))),
        Evidence(silent=True),
        "fc-1",
        folder="/export/smoke",
        files=one_file("a", 1),
    )


def in_base64(text: str) -> str:
    """What the script prints of a text."""
    return base64.b64encode(text.encode()).decode()


def test_output_of_the_script_is_read_from_the_log() -> None:
    """Mounts and checksums are what the script printed, also between other lines."""
    log = f"hello\nmounts {in_base64('1 2 3')}\nchecksums 0 {in_base64('')}\n"
    found = script_results.of_log(a_user(), "reader", log)
    assert found.mounts == "1 2 3"
    assert found.read.checksums == {}


@pytest.mark.parametrize("log", ["", "another program\n", f"mounts {in_base64('1 2 3')}\n"])
def test_a_pod_without_the_scripts_output_is_the_products_fault(log: str) -> None:
    """The container has ended without an error, so what ran in it was not the user's script."""
    with pytest.raises(ProductFailureError, match="script did not run in it"):
        script_results.of_log(a_user(), "reader", log)


def test_log_of_a_data_process_is_that_of_its_script() -> None:
    """A service mesh adds a container to its Pod, and the API refuses to guess which one is asked for."""
    logs = {"istio-proxy": "ready\n", "script-processor": f"mounts {in_base64('1 2 3')}\nchecksums 0 \n"}

    def log(namespace: str, pod: str, container: str | None = None) -> str:
        if container is None:
            raise KubeError(f"a container name must be specified for pod {pod}", status=400)
        return logs[container]

    assert script_results.of_process(a_user(logs=log), "reader").mounts == "1 2 3"
    assert script_results.log_of_process(a_user(logs=log), "reader") == logs["script-processor"]
