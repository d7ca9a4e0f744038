"""Commands in the master's container, and whose failure it is when one does not answer."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from clusters.errors import FailureClass, HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.kinds import Kind
from clusters.product.alluxio.cli import CONTROL, Alluxio, AlluxioFailureError
from clusters.product.alluxio.output import parse_listing, parse_metrics, parse_mounts, parse_summary

DATA = Path(__file__).parents[3] / "data" / "alluxio"
SCRIPT = f"""case "$*" in
"fs ls -R /") cat {DATA}/ls.txt;;
"fs mount") cat {DATA}/mount.txt;;
"fsadmin report summary") cat {DATA}/summary.txt;;
"fsadmin report metrics") cat {DATA}/metrics.txt;;
"fs free -f /x") touch "$(dirname "$0")/freed";;
*) echo "unknown command" >&2; exit 255;;
esac"""


class LocalKube:
    """Runs what should run in the container on this machine, with an ``alluxio`` script."""

    def __init__(self, folder: Path) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.folder = folder
        program = folder / "alluxio"
        program.write_text(f"#!/bin/sh\n{SCRIPT}\n")
        program.chmod(0o755)

    def exec(self, namespace: str, pod: str, container: str, argv: Sequence[str], **_: Any) -> Completed:
        """Run it here."""
        self.calls.append((namespace, pod, container))
        env = {"PATH": f"{self.folder}:/usr/bin:/bin"}
        done = subprocess.run(list(argv), capture_output=True, text=True, check=False, env=env)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


class BrokenKube:
    """A cluster in which nothing ends in the master's container, or only the control after some seconds."""

    def __init__(
        self,
        error: HarnessError,
        *,
        state: dict[str, Any],
        ready: bool = True,
        control: float = math.inf,
    ) -> None:
        self.error, self.control = error, control
        status = {"name": "alluxio-master", "state": state}
        self.objects: dict[str, dict[str, Any]] = {
            "Pod": {
                "metadata": {"name": "imagenet-master-0", "namespace": "demo"},
                "spec": {"nodeName": "node", "containers": [{"name": "alluxio-master"}]},
                "status": {"phase": "Running", "containerStatuses": [status]},
            },
            "Node": {
                "metadata": {"name": "node"},
                "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
            },
        }

    def exec(self, _: str, __: str, ___: str, argv: Sequence[str], *, timeout: float) -> Completed:
        """Only the control ends."""
        if argv == CONTROL and self.control <= timeout:
            return Completed(tuple(argv), 0, "", "")
        raise self.error

    def get(self, kind: Kind, *_: str) -> dict[str, Any] | None:
        """The Pod or its node."""
        return self.objects.get(kind.name)


def alluxio_of(kube: object) -> Alluxio:
    """The Alluxio of Dataset ``demo/imagenet``."""
    return Alluxio(cast("Kube", kube), "demo", "imagenet")


def timed_out() -> ExecTimeoutError:
    """A program in a container that did not end in time."""
    return ExecTimeoutError("did not end within 60 s", Completed(("alluxio",), -1, "", ""), 60.0)


def test_each_question_is_one_command_in_the_master(tmp_path: Path) -> None:
    """Listing, summary, metrics and mounts each run one command in the master's container."""
    kube = LocalKube(tmp_path)
    alluxio = alluxio_of(kube)
    assert alluxio.listing() == parse_listing((DATA / "ls.txt").read_text())
    assert alluxio.summary() == parse_summary((DATA / "summary.txt").read_text())
    assert alluxio.metrics() == parse_metrics((DATA / "metrics.txt").read_text())
    assert alluxio.mounts() == parse_mounts((DATA / "mount.txt").read_text())
    alluxio.free("/x")
    assert (tmp_path / "freed").exists()
    assert kube.calls == [("demo", "imagenet-master-0", "alluxio-master")] * 5


def test_failed_command_is_a_failure_of_the_product(tmp_path: Path) -> None:
    """The program ran, so node and API server work: the exit code is Alluxio's."""
    alluxio = alluxio_of(LocalKube(tmp_path))
    with pytest.raises(AlluxioFailureError, match="`alluxio fs count` in Alluxio's master failed") as caught:
        alluxio.run("alluxio", "fs", "count")
    assert caught.value.failure_class is FailureClass.PRODUCT
    assert "unknown command" in caught.value.last_seen
    assert alluxio.run("alluxio", "fs", "count", check=False).exit_code == 255


@pytest.mark.parametrize(
    "state",
    [
        {"waiting": {"reason": "CrashLoopBackOff"}},
        {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
    ],
)
def test_dead_master_is_a_failure_of_the_product(state: dict[str, Any]) -> None:
    """The node is Ready and the master's container does not run."""
    kube = BrokenKube(KubeError("exec", status=500, said="container not found"), state=state)
    with pytest.raises(AlluxioFailureError, match="Alluxio's master does not run") as caught:
        alluxio_of(kube).listing()
    assert next(iter(state.values()))["reason"] in caught.value.last_seen


def test_missing_master_is_a_failure_of_the_product() -> None:
    """The Dataset's master Pod was deleted, and the API server answers."""
    kube = BrokenKube(KubeError("exec", status=404), state={})
    del kube.objects["Pod"]
    with pytest.raises(AlluxioFailureError) as caught:
        alluxio_of(kube).listing()
    assert caught.value.last_seen == "Pod demo/imagenet-master-0 does not exist"


@pytest.mark.parametrize(
    ("state", "ready"),
    [
        ({"running": {}}, True),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, False),
        ({"waiting": {"reason": "ImagePullBackOff"}}, True),
    ],
)
def test_failed_control_makes_it_infrastructure(state: dict[str, Any], ready: bool) -> None:
    """Exec into a running container fails, the node is not Ready, or the image cannot be pulled."""
    kube = BrokenKube(KubeError("exec", status=500), state=state, ready=ready)
    with pytest.raises(KubeError) as caught:
        alluxio_of(kube).listing()
    assert caught.value.failure_class is FailureClass.INFRASTRUCTURE


def test_api_server_that_is_gone_is_infrastructure() -> None:
    """Nothing can be said of the master when the API server does not answer either."""
    kube = BrokenKube(KubeError("exec"), state={})

    def refused(*_: object) -> None:
        raise KubeError("get Pod")

    kube.get = refused  # type: ignore[method-assign,assignment] # the API server went away
    with pytest.raises(KubeError):
        alluxio_of(kube).listing()


def test_hanging_master_is_a_failure_of_the_product() -> None:
    """Another program ends in the same container, and Alluxio's command does not."""
    kube = BrokenKube(timed_out(), state={"running": {}}, control=19.0)
    with pytest.raises(AlluxioFailureError, match="did not end within 60 s"):
        alluxio_of(kube).listing()


@pytest.mark.parametrize("seconds", [math.inf, 25.0])
def test_hanging_or_starved_container_is_infrastructure(seconds: float) -> None:
    """No program ends in the container, or one without Alluxio is too slow as well."""
    with pytest.raises(ExecTimeoutError):
        alluxio_of(BrokenKube(timed_out(), state={"running": {}}, control=seconds)).listing()
