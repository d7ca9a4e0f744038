"""Rights and files that are not complete: no finding is based on objects that could not be read."""

from __future__ import annotations

import pytest

from suites.diagnosis import CauseCode, Finding, FindingCode, State, diagnose
from tests.suites.doctor.doctor_cluster import (
    Cluster,
    Object,
    application,
    dataset,
    fluid_claim,
    unscheduled,
)


class TestWhatWasNotRead:
    """No finding is based on objects that could not be read."""

    def finding(self, *unread: str, pods: bool = True) -> Finding:
        """About an application that is served, with kinds that were not read."""
        cluster = Cluster.right().add(application())
        cluster.objects = [obj for obj in cluster.objects if obj["kind"] not in unread]
        scope: dict[str, frozenset[str]] = {kind: frozenset() for kind in unread}
        if not pods:
            scope["Pod"] = frozenset({"team"})
        (found,) = diagnose(cluster.state(scope=scope))
        return found

    @pytest.mark.parametrize(
        "unread",
        [
            ("Node",),
            ("CSINode",),
            ("PersistentVolume",),
            ("StatefulSet",),
            ("DaemonSet",),
            ("AlluxioRuntime",),
            ("Node", "CSINode", "PersistentVolume", "StatefulSet", "DaemonSet", "AlluxioRuntime"),
        ],
    )
    def test_served(self, unread: tuple[str, ...]) -> None:
        """Nothing is called missing; the Fuse Pod on the node is what counts."""
        found = self.finding(*unread)
        assert (found.code, found.state) == (FindingCode.SERVED, State.OK)

    def test_pods_of_the_runtime(self) -> None:
        """If the Pods that serve it were not read, it is not known whether it is served."""
        found = self.finding(pods=False)
        assert (found.code, found.state) == (FindingCode.NOT_SEEN, State.UNKNOWN)

    def test_runtimes(self) -> None:
        """A Dataset is not said to have no runtime if runtimes were not read, or if its status names one."""
        for objects, scope in (
            ((), {"JuiceFSRuntime": frozenset[str]()}),
            (({"status": {"phase": "NotBound", "runtimes": [{"name": "demo"}]}},), {}),
        ):
            cluster = Cluster.right().add(unscheduled(application())).drop("AlluxioRuntime", "demo")
            status: Object = {"phase": "NotBound"}
            for more in objects:
                status = more["status"]
            cluster.get("Dataset", "demo")["status"] = status
            (found,) = diagnose(cluster.state(scope=scope))
            assert CauseCode.NO_RUNTIME not in [cause.code for cause in found.causes]

    def test_reference(self) -> None:
        """Without volumes, the mount point of a Dataset that refers to another says who serves it."""
        spec = {"mounts": [{"mountPoint": "dataset://demo/demo"}]}
        cluster = Cluster.right().add(
            application(claim="ref", namespace="team"),
            dataset("ref", "team", spec=spec),
            fluid_claim("ref", "team"),
        )
        (found,) = diagnose(cluster.state(scope={"PersistentVolume": frozenset()}))
        assert found.code is FindingCode.SERVED

    def test_fuse_without_its_daemon_set(self) -> None:
        """A DaemonSet that could not be read is not said to be missing."""
        cluster = (
            Cluster.right().add(application()).drop("DaemonSet", "demo-fuse").drop("Pod", "demo-fuse-x1")
        )
        (found,) = diagnose(cluster.state(scope={"DaemonSet": frozenset()}))
        assert found.code is FindingCode.FUSE_NOT_READY
        assert "no Fuse Pod is on node `n1`" in found.says
        assert "does not exist" not in str(found)
