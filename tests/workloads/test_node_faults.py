"""Faults of nodes, their network, their memory, and the API server; each is undone, also after an error."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.connection import KubeError
from clusters.waiting import WaitTimeoutError
from tests.clusters.conftest import FakeClock
from tests.clusters.stored_objects import StoredObjects
from workloads.faults import (
    LOSSY,
    PARTITIONED,
    SLOW,
    Fault,
    FaultError,
    Impairment,
    deleted,
    drained,
    exhaust_memory,
    impaired,
    restart_kubelet,
    shared_memory_full,
    tainted,
    unreachable,
    withdrawn,
)
from workloads.faults.nodes import TAINT_KEY

NODE = "/api/v1/nodes/n1"
JOURNAL = "/api/v1/namespaces/fluid-conformance/configmaps/restore-journal"

#: Keeps rules in a file, one a line, and refuses to delete one that is not there, as iptables does.
IPTABLES = """#!/bin/sh
[ "$1" = --wait ] && shift 2
action=$1; shift
touch "$RULES"
case $action in
-I) case "$*" in *"$REFUSED"*) [ -z "$REFUSED" ] || { echo "no such match" >&2; exit 2; } ;; esac
    echo "$*" >> "$RULES" ;;
-D) grep -qxF -e "$*" "$RULES" || exit 1
    grep -vxF -e "$*" "$RULES" > "$RULES.new"; mv "$RULES.new" "$RULES" ;;
esac
"""


class PacketFilter:
    """A node whose iptables writes to a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "rules"
        self.refused = ""
        for name in ("iptables", "ip6tables"):
            program = folder / name
            program.write_text(
                IPTABLES.replace('echo "$*"', f'echo "{name} $*"') if "6" in name else IPTABLES
            )
            program.chmod(0o755)
        self.path = f"{folder}:{os.environ['PATH']}"

    @property
    def rules(self) -> list[str]:
        """The rules."""
        return self.file.read_text().splitlines() if self.file.exists() else []

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Run a program with this iptables."""
        env = {**os.environ, "PATH": self.path, "RULES": str(self.file), "REFUSED": self.refused}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout, env=env)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


@pytest.fixture
def packets(tmp_path: Path) -> PacketFilter:
    """A node's packet filter."""
    return PacketFilter(tmp_path)


@pytest.mark.parametrize(
    ("impairment", "number", "says"),
    [(PARTITIONED, 4, "no packet"), (LOSSY, 2, "30 %"), (SLOW, 2, "1 MB/s")],
    ids=["partitioned", "lossy", "slow"],
)
def test_packets_are_dropped_only_within_the_context(
    packets: PacketFilter, impairment: Impairment, number: int, says: str
) -> None:
    """Rules for both addresses, in both directions for a partition; none is left, also after an error."""
    store = StoredObjects()
    journal = store.journal(packets)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117 - the rules are read within the context
        with impaired(journal, "n1", ("10.0.0.1", "10.1.0.1"), impairment) as fault:
            assert says in fault.says
            assert len(packets.rules) == number
            assert all("-j DROP" in rule and "fluid-conformance" in rule for rule in packets.rules)
            assert sum("-s 10.0.0.1 " in rule for rule in packets.rules) == 1
            assert len(journal.entries()) == 1
            raise ZeroDivisionError
    assert packets.rules == []
    assert journal.entries() == ()


def test_addresses_have_the_filter_of_their_family(packets: PacketFilter) -> None:
    """A cluster may use IPv6."""
    context = impaired(StoredObjects().journal(packets), "n1", ("fd00::1", "10.0.0.1"), LOSSY)
    context.__enter__()
    assert [rule.startswith("ip6tables ") for rule in packets.rules] == [True, False]


def test_rules_of_a_killed_run_are_removed_by_the_next_one(packets: PacketFilter) -> None:
    """The journal alone is enough to remove them, and removing them twice does no harm."""
    store = StoredObjects()
    journal = store.journal(packets)
    context = impaired(journal, "n1", ("10.0.0.1",), PARTITIONED)
    context.__enter__()
    assert len(packets.rules) == 2
    assert len(journal.replay(late=False)) == 1
    assert packets.rules == []
    context.__exit__(None, None, None)


def test_node_that_refuses_the_rules_is_reported_and_left_clean(packets: PacketFilter) -> None:
    """A kernel without the match is an error of the infrastructure, and no rule stays."""
    packets.refused = "10.1.0.1"
    with (
        pytest.raises(FaultError, match="accepts no such rule") as caught,
        impaired(StoredObjects().journal(packets), "n1", ("10.0.0.1", "10.1.0.1"), PARTITIONED),
    ):
        pytest.fail("the context must not be entered")
    assert "no such match" in caught.value.last_seen
    assert packets.rules == []


class Plane:
    """A control plane whose API answers by its packet filter, and whose time passes with a clock."""

    def __init__(self, store: StoredObjects, *, works: bool = True) -> None:
        self.clock = FakeClock()
        self.until = -1.0
        self.works = works
        self.commands: list[Sequence[str]] = []
        store.before = self.ask

    def ask(self, method: str, path: str) -> None:
        """Refuse requests while it is unreachable."""
        if path == NODE and self.clock.now() < self.until:
            raise KubeError("connection refused", status=0)

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Run a command: one that sleeps is the fault."""
        self.commands.append(argv)
        if self.works and "setsid" in argv[2]:
            self.until = self.clock.now() + 30.0
        return Completed(tuple(argv), 0, "", "")


def test_api_server_is_unreachable_for_a_time_that_ends_by_itself() -> None:
    """The node undoes it; the context ends when the API answers, and the journal is empty then."""
    store = StoredObjects()
    plane = Plane(store)
    journal = store.journal(plane, clock=plane.clock)
    with unreachable(journal, "n1", 30.0, clock=plane.clock) as fault:
        assert fault.says == "the API server is unreachable for 30 s"
        with pytest.raises(KubeError):
            journal.kube.get(kinds.NODE, "n1")
    assert plane.clock.now() >= 30.0
    script = plane.commands[0][-1]
    assert "sleep 30" in script
    assert script.index("-I INPUT") < script.index("sleep 30") < script.index("-D INPUT")
    assert "-D INPUT" in plane.commands[-1][2]
    assert journal.entries() == ()


def test_api_server_that_does_not_become_unreachable_is_reported() -> None:
    """A fault without effect is no fault; nor is one that the kubelet would end by a restart."""
    store = StoredObjects()
    plane = Plane(store, works=False)
    journal = store.journal(plane, clock=plane.clock)
    with (
        pytest.raises(WaitTimeoutError, match="refusal of connections"),
        unreachable(journal, "n1", 30.0, clock=plane.clock),
    ):
        pytest.fail("the context must not be entered")
    with pytest.raises(ValueError, match="at most"), unreachable(journal, "n1", 600.0, clock=plane.clock):
        pytest.fail("the context must not be entered")


def nothing(argv: Sequence[str], /, *, timeout: float) -> Completed:
    """A node on which each command works."""
    return Completed(tuple(argv), 0, "", "")


def a_pod(store: StoredObjects, name: str, node: str, *, owner: str = "") -> str:
    """A Pod of namespace demo on a node."""
    path = f"/api/v1/namespaces/demo/pods/{name}"
    owners = [{"kind": owner}] if owner else []
    store.put(path, metadata={"name": name, "uid": name, "ownerReferences": owners}, spec={"nodeName": node})
    return path


def test_node_is_drained_of_one_namespace_and_uncordoned() -> None:
    """Pods of DaemonSets stay, and those of other namespaces do; afterwards the node accepts Pods."""
    store = StoredObjects()
    journal = store.journal(nothing)
    worker, fuse = a_pod(store, "demo-worker-0", "n1"), a_pod(store, "demo-fuse-x", "n1", owner="DaemonSet")
    with drained(journal, "n1", "demo") as fault:
        assert fault.says == "node n1 is drained of demo-worker-0"
        assert store.objects[NODE]["spec"]["unschedulable"] is True
        assert worker not in store.objects
        assert fuse in store.objects
    assert "unschedulable" not in store.objects[NODE].get("spec", {})


def test_node_is_tainted_and_keeps_its_other_taints() -> None:
    """The taint is there only within the context."""
    store = StoredObjects()
    journal = store.journal(nothing)
    other = {"key": "gpu", "effect": "NoSchedule"}
    store.objects[NODE]["spec"] = {"taints": [other]}
    with tainted(journal, "n1") as fault:
        assert "NoExecute" in fault.says
        taints = store.objects[NODE]["spec"]["taints"]
        assert taints[0] == other
        assert taints[1]["key"] == TAINT_KEY
    assert store.objects[NODE]["spec"]["taints"] == [other]


def systemd(starts: Iterator[str]) -> Callable[..., Completed]:
    """A node whose kubelet was started at these times."""

    def run(argv: Sequence[str], /, *, timeout: float) -> Completed:
        text = f"ExecMainStartTimestampMonotonic={next(starts)}\n" if argv[1] == "show" else ""
        return Completed(tuple(argv), 0, text, "")

    return run


def test_kubelet_is_restarted_and_one_that_is_not_is_reported() -> None:
    """Its start time tells."""
    fault = restart_kubelet(StoredObjects().journal(systemd(iter(["5", "9"]))), "n1")
    assert fault.says == "the kubelet of node n1 is restarted"
    with pytest.raises(FaultError, match="was not restarted"):
        restart_kubelet(StoredObjects().journal(systemd(iter(["5", "5"]))), "n1")
    with pytest.raises(InfrastructureError, match="no unit kubelet") as caught:
        restart_kubelet(StoredObjects().journal(systemd(iter(["0"]))), "n1")
    assert caught.value.advice


class Node:
    """A node that notes the commands that it runs."""

    def __init__(self) -> None:
        self.commands: list[Sequence[str]] = []

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Note it."""
        self.commands.append(argv)
        return Completed(tuple(argv), 0, "", "")


def test_node_is_deleted_and_registered_again_as_it_was() -> None:
    """With its labels and its range of addresses, without what only Kubernetes may set; then its kubelet."""
    store, node = StoredObjects(), Node()
    journal = store.journal(node)
    store.put("/api/v1/nodes/plane")
    store.put(
        NODE,
        metadata={"name": "n1", "uid": "u", "labels": {"zone": "a"}, "resourceVersion": "7"},
        spec={"podCIDR": "10.244.1.0/24", "taints": [{"key": "node.kubernetes.io/unreachable"}]},
    )
    with deleted(journal, "n1", "plane") as fault:
        assert fault.says == "node n1 is deleted"
        assert NODE not in store.objects
        (entry,) = journal.entries()
        store.put(NODE, metadata={"name": "n1"})  # what the first step of the undo does
    create, restart = node.commands
    assert create[-2] == "n1"
    body = json.loads(create[-1])
    assert body["metadata"] == {"name": "n1", "labels": {"zone": "a"}}
    assert body["spec"] == {"podCIDR": "10.244.1.0/24"}
    assert "get node" in create[2]
    assert restart == ("systemctl", "restart", "kubelet")
    assert entry.says == "node n1 is deleted"
    with pytest.raises(RefusalError, match="control plane"), deleted(journal, "plane", "plane"):
        pytest.fail("the context must not be entered")
    with pytest.raises(FaultError, match="no node"), deleted(journal, "n9", "plane"):
        pytest.fail("the context must not be entered")


class Server:
    """An NFS server with one export, and a word on whether it obeys."""

    def __init__(self, *, obeys: bool = True, answers: bool = True) -> None:
        self.exported, self.obeys, self.answers = True, obeys, answers

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Remove, add or list the export."""
        assert "WANTED=ganesha.nfsd" in argv
        assert "WITHIN=pid:[1]" in argv
        command = next(word for word in argv if word.startswith("EACH="))
        assert "nsenter --target" in command
        if "RemoveExport" in command and self.obeys:
            assert "uint16:1" in command
            self.exported = False
        if "AddExport" in command:
            assert "EXPORT(Export_Id=1)" in command
            self.exported = True
        listed = "struct {\n uint16 1\n}\n" if self.exported else ""
        said = f"method return time=1\n{listed}" if self.answers else ""
        return Completed(tuple(argv), 0, said, "")


def test_export_is_withdrawn_and_added_again() -> None:
    """Also after an error; one that stays, or a server that does not answer, is reported."""
    server, clock = Server(), FakeClock()

    def within(one: Server) -> AbstractContextManager[Fault]:
        journal = StoredObjects().journal(one, clock=clock)
        return withdrawn(journal, "n1", "pid:[1]", export=1, config="/etc/g.conf", clock=clock)

    with pytest.raises(ZeroDivisionError), within(server) as fault:  # noqa: PT012 - it is seen inside
        assert fault.says == "export 1 of the NFS server is withdrawn"
        assert not server.exported
        raise ZeroDivisionError
    assert server.exported
    with pytest.raises(WaitTimeoutError, match="its removal"), within(Server(obeys=False)):
        pytest.fail("the context must not be entered")
    with pytest.raises(FaultError, match="does not list"), within(Server(answers=False)):
        pytest.fail("the context must not be entered")
    server.exported = False
    with pytest.raises(FaultError, match="has no export"), within(server):
        pytest.fail("the context must not be entered")


class SharedMemory:
    """A node's /dev/shm."""

    def __init__(self, size: int, used: int, *, obeys: bool = True) -> None:
        self.size, self.used, self.obeys = size, used, obeys

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Answer df, and obey mount."""
        if argv[0] == "df":
            return Completed(tuple(argv), 0, f"   1B-blocks    Used\n {self.size} {self.used}\n", "")
        if self.obeys:
            self.size = int(argv[2].partition("size=")[2])
        return Completed(tuple(argv), 0, "", "")


def test_shared_memory_has_no_room_for_a_while() -> None:
    """Its size is what it holds and a little; afterwards it is as before."""
    node = SharedMemory(10**9, 10**8)
    with shared_memory_full(StoredObjects().journal(node), "n1"):
        assert node.used < node.size <= node.used + 1024 * 1024
    assert node.size == 10**9
    stubborn = SharedMemory(10**9, 10**8, obeys=False)
    with (
        pytest.raises(FaultError, match="could not be made smaller"),
        shared_memory_full(StoredObjects().journal(stubborn), "n1"),
    ):
        pytest.fail("the context must not be entered")


class Container:
    """A container with one Java process, which is killed when its memory is used up, or is not."""

    def __init__(self, *, limited: bool = True) -> None:
        self.runs = True
        self.limited = limited
        self.scripts: list[Sequence[str]] = []

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """List its processes, or use up its memory."""
        if argv[0] == "env":
            stat = "7 (java) S " + "0 " * 18 + "100 0\n" if self.runs else ""
            return Completed(tuple(argv), 0, stat, "")
        self.scripts.append(argv)
        self.runs = not self.limited
        return Completed(tuple(argv), 137, "", "Killed")


def test_process_is_killed_for_the_memory_of_its_container() -> None:
    """It is made the first choice of the kernel; one that lives on is reported."""
    container = Container()
    fault = exhaust_memory(container, "java", clock=FakeClock())
    assert "out of memory" in fault.says
    (script,) = container.scripts
    assert script[-1] == "7"
    assert "oom_score_adj" in script[2]
    with pytest.raises(WaitTimeoutError, match="its end by the kernel"):
        exhaust_memory(Container(limited=False), "java", clock=FakeClock())
    container.runs = False
    with pytest.raises(FaultError, match="no process"):
        exhaust_memory(container, "java", clock=FakeClock())
