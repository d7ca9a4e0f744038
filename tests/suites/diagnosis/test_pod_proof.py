"""What commands in Pods prove."""

from __future__ import annotations

import pytest

from clusters.host.commands import Completed
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from suites.diagnosis import Finding, FindingCode, State, diagnose, prove_in_pods
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    all_evidence,
    application,
    running,
    unscheduled,
)

FUSE_LINE = "36 35 0:40 / /data rw shared:1 - fuse.alluxio-fuse alluxio-fuse rw\n"
NFS_LINE = "36 35 0:41 / /data rw - nfs4 nfs.example:/export rw\n"
ROOT_LINE = "1 0 0:1 / / rw - overlay overlay rw\n"


class PodCommands:
    """What Pods answer to the commands."""

    def __init__(self, mounts: str = ROOT_LINE + FUSE_LINE, read: int = 0, says: str = "") -> None:
        self.mounts = mounts
        self.read = read
        self.says = says
        self.commands: list[tuple[str, ...]] = []

    def __call__(
        self, namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
    ) -> Completed:
        """Answer one command."""
        self.commands.append(argv)
        if argv[0] == "cat":
            return Completed(argv, 0, self.mounts, "")
        return Completed(argv, self.read, "", self.says)


class TestPodProof:
    """What commands in a Pod prove."""

    def _prove(self, cluster: Cluster, inside: PodCommands) -> Finding:
        state = cluster.state()
        (found,), missing = prove_in_pods(inside, state, diagnose(state))
        assert missing == ()
        return found

    def test_proof(self) -> None:
        """A Pod that is served shows a Fuse mount and a read."""
        found = self._prove(Cluster.right().add(application()), PodCommands())
        assert (found.code, found.state) == (FindingCode.SERVED, State.OK)
        assert "mountinfo in container main: /data is fuse.alluxio-fuse" in all_evidence(found)
        assert "a file under /data was read" in all_evidence(found)

    def test_original_claim_is_nfs(self) -> None:
        """B1 is borne out by the mount's type."""
        found = self._prove(
            Cluster.right().add(application(claim="demo-src")), PodCommands(ROOT_LINE + NFS_LINE)
        )
        assert found.code is FindingCode.ORIGINAL_CLAIM
        assert "/data is nfs4 nfs.example:/export" in all_evidence(found)

    @pytest.mark.parametrize("says", ["Transport endpoint is not connected", "Socket not connected"])
    def test_dead(self, says: str) -> None:
        """A mount behind which no Fuse is alive is dead, whatever the objects say."""
        inside = PodCommands(read=11, says=f"ls: can't open '/data': {says}")
        found = self._prove(Cluster.right().add(application()), inside)
        assert (found.code, found.wrong) == (FindingCode.DEAD_MOUNT, True)

    @pytest.mark.parametrize("line", [NFS_LINE, "", "36 35 0:9 / /data rw - fuse.sshfs me@host: rw\n"])
    def test_not_through_fuse(self, line: str) -> None:
        """A Pod that is served by its objects and has no mount of Fluid."""
        found = self._prove(Cluster.right().add(application()), PodCommands(ROOT_LINE + line))
        assert (found.code, found.wrong) == (FindingCode.NOT_THROUGH_FUSE, True)

    def test_read_fails(self) -> None:
        """A mount that is alive and cannot be read, with the reason."""
        inside = PodCommands(read=12, says="dd: /data/a: Input/output error")
        found = self._prove(Cluster.right().add(application()), inside)
        assert found.code is FindingCode.READ_FAILS
        assert "Input/output error" in found.says

    def test_restarted_and_alive(self) -> None:
        """A Fuse that started again is no fault once a read succeeds."""
        cluster = Cluster.right().add(application())
        cluster.get("Pod", "demo-fuse-x1")["status"]["containerStatuses"] = [running(since=NOW)]
        found = self._prove(cluster, PodCommands())
        assert (found.code, found.state) == (FindingCode.SERVED, State.OK)

    def test_hangs(self) -> None:
        """A read that does not end is reported after a limit."""

        def run(
            namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
        ) -> Completed:
            done = Completed(argv, 0, ROOT_LINE + FUSE_LINE, "")
            if argv[0] == "cat":
                return done
            raise ExecTimeoutError("did not end", done, timeout)

        state = Cluster.right().add(application()).state()
        (found,), _ = prove_in_pods(run, state, diagnose(state))
        assert found.code is FindingCode.READ_FAILS
        assert "no answer within 20 s" in found.says

    def test_no_tools(self) -> None:
        """An image without cat or shell leaves the finding as it was, with a note."""
        cluster = Cluster.right().add(application())
        assert self._prove(cluster, PodCommands(read=127)).code is FindingCode.SERVED

        def refuses(
            namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
        ) -> Completed:
            raise KubeError("run cat", status=500, said='exec: "cat": executable file not found')

        state = cluster.state()
        (found,), missing = prove_in_pods(refuses, state, diagnose(state))
        assert (found.code, missing) == (FindingCode.SERVED, ())
        assert "no command could be run there" in all_evidence(found)

    def test_missing_right(self) -> None:
        """The missing right to run programs in Pods is named."""

        def forbidden(
            namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
        ) -> Completed:
            raise KubeError("run cat", status=403, reason="Forbidden")

        state = Cluster.right().add(application()).state()
        _, missing = prove_in_pods(forbidden, state, diagnose(state))
        assert missing == ("get or create pods/exec in namespace demo",)

    def test_commands_only_where_something_runs(self) -> None:
        """No command is run in a Pod that waits."""
        inside = PodCommands()
        self._prove(Cluster.right().add(unscheduled(application(claim="dmeo"))), inside)
        assert inside.commands == []
