"""Which versions of NFS the nodes mounted, by their mountinfo."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from clusters.errors import InfrastructureError
from clusters.facts import SystemFacts
from clusters.host.commands import CommandError, Completed
from clusters.system import System
from suites.record.run import Run
from suites.run.nfs_mounts import NfsMounts

SERVER = "10.96.7.7"
ROOT = "1 0 8:1 / / rw - ext4 /dev/sda1 rw"


def a_mount(version: str, source: str = f"{SERVER}:/export/smoke", fs_type: str = "nfs4") -> str:
    """One line of mountinfo, as Linux writes it for its own NFS client."""
    options = f"rw,vers={version},rsize=1048576,hard,proto=tcp,addr={SERVER}"
    return f"52 1 0:44 / /var/lib/kubelet/pods/1/volumes rw,relatime shared:9 - {fs_type} {source} {options}"


class Nodes:
    """Nodes with these lines of mountinfo; None does not answer."""

    def __init__(self, **lines: list[str] | None) -> None:
        self.lines = lines

    def node_exec(self, node: str, argv: list[str]) -> Completed:
        """The mounts of a node."""
        lines = self.lines[node]
        if lines is None:
            raise CommandError("docker exec failed with exit code 1")
        return Completed(tuple(argv), 0, "\n".join([ROOT, *lines]) + "\n", "")


def mounts(nodes: Nodes, version: str | None = None, provider: str = "kind") -> NfsMounts:
    """What is collected of a cluster with these nodes."""
    system = SimpleNamespace(
        cluster=SimpleNamespace(provider=provider),
        nodes=tuple(nodes.lines),
        provider=nodes,
        nfs=SimpleNamespace(address=SERVER),
        options=SimpleNamespace(nfs_version=version),
    )
    return NfsMounts(cast("System", system))


def test_version_is_that_of_the_mounts_of_the_server() -> None:
    """Mounts of other servers, file systems and clients do not count; one that is gone is remembered."""
    nodes = Nodes(
        n1=[a_mount("4.1"), a_mount("3", "10.96.7.70:/export", "nfs"), a_mount("9", fs_type="fuse.nfs")],
        n2=[a_mount("4.1")],
    )
    collected = mounts(nodes, "4.1")
    assert collected.observe() == ("4.1",)
    nodes.lines["n1"] = []
    nodes.lines["n2"] = None
    assert collected.observe() == ("4.1",)
    collected.require_version()


def test_another_version_than_that_of_the_options_makes_a_run_invalid() -> None:
    """A report never names a version that was not mounted."""
    collected = mounts(Nodes(n1=[a_mount("4.2")]), "4.1")
    assert collected.observe() == ("4.2",)
    run = cast("Run", SimpleNamespace(system=None))
    with pytest.raises(InfrastructureError):
        collected.keep(run)
    with pytest.raises(InfrastructureError, match=r"mounted NFS 4\.2, and --nfs-version is 4\.1"):
        collected.require_version()
    by_default = mounts(Nodes(n1=[a_mount("4.2"), a_mount("3", fs_type="nfs")]))
    assert by_default.observe() == ("3", "4.2")
    by_default.require_version()


def test_versions_are_kept_with_the_facts_of_the_system() -> None:
    """After each scenario, since the mounts of one may be gone during the next."""
    facts = SystemFacts(kubernetes="1", fluid="1", alluxio="1", cluster="kind", nodes=1)
    run = cast("Run", SimpleNamespace(system=facts))
    mounts(Nodes(n1=[a_mount("4.1")]), "4.1").keep(run)
    assert run.system is not None
    assert run.system.nfs_versions == ("4.1",)


def test_nodes_of_a_foreign_cluster_are_not_read() -> None:
    """That needs a privileged Pod on each of them."""
    assert mounts(Nodes(n1=[a_mount("4.2")]), provider="existing").observe() == ()
