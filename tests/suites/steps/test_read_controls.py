"""Whose failure a read is that hangs or fails: the product's, unless a control fails too."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError, ProductFailureError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import nfs
from clusters.system import System
from clusters.waiting import ProductTimeoutError
from suites.record.evidence import Evidence
from suites.steps import checks
from suites.steps.observer import HUNG_SECONDS, INSIDE_SECONDS, Observer
from suites.steps.read_controls import COMPUTE, MOST_SLOWNESS, READ_ONE_FILE, raw_nfs_pod
from suites.steps.stalled_reads import check_no_slow_read
from suites.steps.user import User
from tests.clusters.conftest import FakeClock
from workloads import pod_commands
from workloads.data import Files, one_file

POD = PodSnapshot.of({"metadata": {"name": "reader", "namespace": "fc-1"}, "spec": {"nodeName": "node-1"}})
FILES = one_file("data", 10)
FUSE, RAW = "fuse.alluxio-fuse alluxio-fuse", "nfs4 10.0.0.9:/export"
CHECKSUMS = pod_commands.checksums_argv("/data")


def checksums(files: Files) -> Completed:
    """What a complete read of files prints."""
    text = "".join(f"{digest}  {path}\0" for path, digest in files.checksums().items())
    return Completed(CHECKSUMS, 0, text, "")


@dataclass
class Cluster:
    """A cluster in which reads end as it is said, and controls fail by name.

    Attributes:
        reads: how each read of the application ends, one after the other; None hangs.
        broken: the controls that do not answer: ``pod``, ``node`` or ``nfs``.
        mount: the mount of the application at ``/data``.
        source: files on the NFS server's own disk.
        seconds: that each control read takes, one after the other; the last one is repeated. None fails.
        undeletable: the API server does not delete Pods.
        slow: a read that hangs does not stop to print, and never ends.
    """

    reads: list[Completed | None]
    broken: str = ""
    mount: str = FUSE
    source: Files = FILES
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    idle: list[float | None] = field(default_factory=list)
    host: Any = field(default_factory=lambda: SimpleNamespace(slowness=1.0))
    clock: FakeClock = field(default_factory=FakeClock)
    seconds: list[float | None] = field(default_factory=lambda: [0.5])
    slow: bool = False
    undeletable: bool = False
    control_reads: int = 0
    seen: int = 0
    _control: threading.Condition = field(default_factory=threading.Condition)

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        timeout: float,
        idle_timeout: float | None = None,
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a program as the test says."""
        argv = tuple(argv)
        assert container
        assert stdin is None
        if pod == nfs.NAME:
            return checksums(self.source)
        if argv == ("true",):
            return self._answer("pod", argv, timeout)
        if argv in {READ_ONE_FILE, COMPUTE}:
            assert namespace == (nfs.NAMESPACE if argv == READ_ONE_FILE else POD.namespace)
            return self._control_read(argv, timeout)
        if argv == pod_commands.mounts_argv():
            return Completed(argv, 0, f"1 0 0:1 / /data rw - {self.mount} rw", "")
        self.idle.append(idle_timeout)
        if len(self.idle) > 1:
            self._wait_for_control_read()
        done = self.reads.pop(0)
        if done is None:
            elapsed = timeout if self.slow or idle_timeout is None else idle_timeout
            raise ExecTimeoutError("it hangs", Completed(argv, -1, "", ""), elapsed)
        return done

    def _control_read(self, argv: tuple[str, ...], timeout: float) -> Completed:
        with self._control:
            seconds = self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
            self.control_reads += 1
            self._control.notify_all()
        if seconds is None:
            raise ExecTimeoutError("no answer", Completed(argv, -1, "", ""), timeout)
        self.clock.sleep(seconds)
        control = "nfs" if argv == READ_ONE_FILE else "pod"
        return self._answer(control, argv, timeout, "read 16777216 bytes\n")

    def _wait_for_control_read(self) -> None:
        """A read that is repeated takes longer than one of the control."""
        with self._control:
            # One before the read, and one next to it.
            assert self._control.wait_for(lambda: self.control_reads >= self.seen + 2, timeout=20)
            self.seen = self.control_reads

    def node_exec(self, node: str, argv: Sequence[str], *, timeout: float) -> Completed:
        """Run a program on a node."""
        assert node == POD.node
        return self._answer("node", tuple(argv), timeout)

    def _answer(self, control: str, argv: tuple[str, ...], timeout: float, stdout: str = "") -> Completed:
        if control == self.broken:
            raise ExecTimeoutError("no answer", Completed(argv, -1, "", ""), timeout)
        return Completed(argv, 0, stdout, "")

    def apply(self, manifest: dict[str, Any]) -> None:
        """Start a Pod at once."""
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self.pods[manifest["metadata"]["name"]] = {**manifest, "status": ready}
        self.created.append(manifest)

    def get(self, kind: Kind, name: str, namespace: str) -> dict[str, Any] | None:
        """A Pod."""
        assert (kind, namespace) == (kinds.POD, nfs.NAMESPACE)
        return self.pods.get(name)

    def delete(self, kind: Kind, name: str, namespace: str) -> None:
        """Delete a Pod."""
        assert (kind, namespace) == (kinds.POD, nfs.NAMESPACE)
        if self.undeletable:
            raise KubeError("delete Pod", status=500, said="etcdserver: request timed out")
        del self.pods[name]

    @contextmanager
    def changes(self, kind: Kind, namespace: str) -> Iterator[None]:
        """Report no change."""
        yield None

    def user(self) -> User:
        """A user of this cluster."""
        system = SimpleNamespace(
            kube=self,
            provider=self,
            host=self.host,
            toolbox="toolbox:1",
            nfs=nfs.NfsServer(cast("Kube", self), "10.0.0.9", "n1", "nfs:1"),
        )
        return User(cast("System", system), Evidence(silent=True), "fc-1", folder="/export/a", files=FILES)


def failed(stderr: str) -> Completed:
    """A read that ended with an error."""
    return Completed(CHECKSUMS, 123, "", stderr)


@pytest.mark.parametrize(
    ("reads", "says", "pods"),
    [
        ([None, None], "a read through the Fuse hangs .*; raw NFS on the same node answers", 2),
        ([failed("sha256sum: a: Input/output error")], "a read through the Fuse fails; raw NFS", 1),
    ],
)
def test_a_read_that_hangs_or_fails_is_the_products(
    reads: list[Completed | None], says: str, pods: int
) -> None:
    """All controls answer: it is the Fuse. The Pods that read raw NFS are removed."""
    cluster = Cluster(reads)
    with pytest.raises(ProductFailureError, match=says) as caught:
        cluster.user().reads_right(POD)
    assert "raw NFS on its node: read 16777216 bytes within 0.5 s" in caught.value.last_seen
    assert len(cluster.created) == pods
    assert not cluster.pods


@pytest.mark.parametrize("broken", ["pod", "node", "nfs"])
@pytest.mark.parametrize("read", [None, failed("sha256sum: a: Input/output error")])
def test_a_control_that_fails_too_makes_it_infrastructure(read: Completed | None, broken: str) -> None:
    """Where the Pod, the node or raw NFS does not answer either, nothing is said about Fluid."""
    cluster = Cluster([read, read], broken=broken)
    with pytest.raises(InfrastructureError, match="a control without Fluid fails too"):
        cluster.user().reads_right(POD)
    assert not cluster.pods


def test_a_read_that_stalls_once_and_continues_is_right() -> None:
    """On a busy machine a read may stall: it is tried a second time, and given up after seconds each time."""
    cluster = Cluster([None, checksums(FILES)])
    cluster.user().reads_right(POD)
    assert cluster.idle == [HUNG_SECONDS, HUNG_SECONDS]
    assert not cluster.pods


def test_on_a_slow_host_a_read_may_stall_for_longer() -> None:
    """Otherwise a busy machine would be called a hang of the product; the limit is in the message."""
    cluster = Cluster([None, None], host=SimpleNamespace(slowness=2.5))
    with pytest.raises(ProductFailureError, match="hangs") as raised:
        cluster.user().reads_right(POD)
    assert cluster.idle == [2.5 * HUNG_SECONDS] * 2
    assert "hangs each time (no data for 30 s)" in raised.value.message


def test_a_control_that_is_slow_at_the_moment_of_the_stall_stretches_the_limit() -> None:
    """The machine was fast when the run began, and is not any more: raw NFS takes 3 s instead of 1 s."""
    cluster = Cluster([None, checksums(FILES)], seconds=[3.0])
    user = cluster.user()
    user.reads_right(POD)
    assert cluster.idle == [HUNG_SECONDS, 3 * HUNG_SECONDS]
    (stall, *_) = user.evidence.facts
    assert stall.says == "reader: no data for 12 s; read again with 3 times the limits"


def test_a_read_that_stalls_for_longer_than_a_slow_control_permits_is_the_products() -> None:
    """The limit grows in proportion, and no further; what is reported is the time without data."""
    cluster = Cluster([None, None], seconds=[3.0])
    with pytest.raises(ProductFailureError, match=r"hangs each time \(no data for 36 s\)"):
        cluster.user().reads_right(POD)
    assert cluster.idle == [HUNG_SECONDS, 3 * HUNG_SECONDS]


def test_a_control_that_becomes_slow_during_the_read_stretches_the_next_one() -> None:
    """The control reads again and again next to the read that is judged; its slowest read counts."""
    cluster = Cluster([None, None, None], seconds=[0.5, 4.0])
    with pytest.raises(ProductFailureError, match="no data for 48 s"):
        cluster.user().reads_right(POD)
    assert cluster.idle == [HUNG_SECONDS, HUNG_SECONDS, 4 * HUNG_SECONDS]


def test_a_control_that_stalls_too_makes_it_infrastructure() -> None:
    """Raw NFS answers, but needs longer than any limit is stretched."""
    for seconds in ([MOST_SLOWNESS + 5], [0.5, MOST_SLOWNESS + 5]):
        cluster = Cluster([None, None], seconds=list(seconds))
        with pytest.raises(InfrastructureError, match="a control without Fluid fails too") as caught:
            cluster.user().reads_right(POD)
        assert (
            "the control read stalls: read 16777216 bytes within 15.0 s, where 1 s" in caught.value.last_seen
        )
        assert not cluster.pods


def test_a_control_that_becomes_slower_each_time_makes_it_infrastructure() -> None:
    """No read ever had the time that the machine needed at that moment."""
    cluster = Cluster([None] * 4, seconds=[float(number) for number in range(1, 40)])
    with pytest.raises(InfrastructureError, match="becomes slower and slower"):
        cluster.user().reads_right(POD)
    assert not cluster.pods


def test_a_control_that_fails_next_to_a_right_read_is_of_no_interest() -> None:
    """The read that stalled works now, which is all that is asked."""
    cluster = Cluster([None, checksums(FILES)], seconds=[0.5, None])
    cluster.user().reads_right(POD)


def test_a_control_that_cannot_be_deleted_changes_no_verdict() -> None:
    """Seen on a starved machine: etcd did not answer. The Pod ends by itself, and goes with its namespace."""
    cluster = Cluster([None, checksums(FILES)], undeletable=True)
    cluster.user().reads_right(POD)
    (pod,) = cluster.created
    assert pod["spec"]["activeDeadlineSeconds"] > 0
    with pytest.raises(ProductFailureError, match="hangs each time"):
        Cluster([None, None], undeletable=True).user().reads_right(POD)


def test_a_control_never_reads_a_source_that_is_counted() -> None:
    """Otherwise what the control reads would be counted as a read of Fluid; a program in the Pod serves."""
    cluster = Cluster([None, checksums(FILES)], seconds=[2.0])
    cluster.user().reads_right(POD, source_counted=True)
    assert not cluster.created
    assert cluster.idle == [HUNG_SECONDS, 2 * HUNG_SECONDS]


def test_a_read_that_goes_on_for_too_long_is_not_called_one_without_data() -> None:
    """The limit of all files grows as that of one file does."""
    cluster = Cluster([None, None], seconds=[2.0], slow=True)
    with pytest.raises(ProductFailureError, match=f"not all files were read within {2 * INSIDE_SECONDS:g} s"):
        cluster.user().reads_right(POD)


def test_a_read_whose_files_the_caller_judges_is_blamed_all_the_same_when_it_hangs() -> None:
    """What a stalled read did not print is no difference of the files; a read that fails is the caller's."""
    with pytest.raises(ProductFailureError, match="hangs each time"):
        Cluster([None, None]).user().reads(POD, may_fail=True)
    broken = failed("sha256sum: a: No such file or directory")
    assert Cluster([broken]).user().reads(POD, may_fail=True).message == broken.stderr
    with pytest.raises(ProductFailureError, match="a read through the Fuse fails"):
        Cluster([broken]).user().reads(POD)


def test_an_application_without_fluid_is_never_the_products() -> None:
    """A hang of a raw NFS mount is infrastructure, also when a new mount answers."""
    with pytest.raises(InfrastructureError, match="which does not use Fluid"):
        Cluster([None, None], mount=RAW).user().reads_right(POD)


def test_a_hang_while_the_source_is_stopped_needs_no_raw_nfs() -> None:
    """Cached files are to be read without the NFS server, which is stopped on purpose."""
    cluster = Cluster([None, None], broken="nfs")
    with pytest.raises(ProductFailureError, match="the NFS server is stopped"):
        cluster.user().reads_right(POD, source_stopped=True)
    assert not cluster.created


def test_reads_that_do_not_recover_are_the_products_unless_a_control_fails_too() -> None:
    """Meanwhile a read may hang or fail; at the end the controls decide whose failure it is."""
    broken = failed("sha256sum: a: Transport endpoint is not connected")
    with pytest.raises(ProductTimeoutError, match="correct reads by the same Pod"):
        checks.reads_again(Cluster([broken]).user(), POD, 0.0, advice="look")
    with pytest.raises(InfrastructureError, match="does not recover, and a control without Fluid fails too"):
        checks.reads_again(Cluster([broken], broken="node").user(), POD, 0.0, advice="look")
    with pytest.raises(InfrastructureError, match="does not recover, and raw NFS on its node is slow too: 3"):
        checks.reads_again(Cluster([broken], seconds=[3.0]).user(), POD, 0.0, advice="look")


def test_wrong_contents_are_the_products_only_if_the_source_is_right() -> None:
    """A foreign file at the source is not blamed on a reader; the file is named."""
    other = FILES + one_file("written-by-a13", 5)
    with pytest.raises(ProductFailureError, match="did not read the files at the source"):
        Cluster([checksums(other)]).user().reads_right(POD)
    with pytest.raises(InfrastructureError, match=r"unexpected: written-by-a13\.bin"):
        Cluster([checksums(other)], source=other).user().reads_right(POD)


def test_a_program_that_hangs_is_blamed_unless_the_caller_expects_it() -> None:
    """Only a caller that gives a timeout sees it end by time; for others the controls are asked."""
    observer = Cluster([None]).user().observer
    with pytest.raises(ExecTimeoutError):
        observer.inside(POD, ("cat", "/data/a"), 5.0)
    with pytest.raises(ProductFailureError, match="hangs for 30 s"):
        Cluster([None], seconds=[2.0]).user().observer.inside(POD, ("cat", "/data/a"))
    with pytest.raises(InfrastructureError, match="hangs for 30 s, and raw NFS on its node is slow too"):
        Cluster([None], seconds=[3.0]).user().observer.inside(POD, ("cat", "/data/a"))
    with pytest.raises(ProductFailureError, match="fails"):
        Observer(Cluster([failed("dd: error reading 'a': Input/output error")]).user().system).read_file(
            POD, "/data/a"
        )


def test_a_read_that_had_to_stall_is_not_taken_for_a_slow_one() -> None:
    """Where a control needs as long as the read was given, a right read might have taken longer."""
    check_no_slow_read(Cluster([], seconds=[2.5]).user().observer, POD, 6.0)
    for stopped, control in ((False, "raw NFS on its node"), (True, "a program in the Pod")):
        observer = Cluster([], seconds=[3.5]).user().observer
        with pytest.raises(InfrastructureError, match=f"does not end within 6 s, and {control} is slow too"):
            check_no_slow_read(observer, POD, 6.0, source_stopped=stopped)


def test_the_control_mounts_the_export_itself_on_that_node() -> None:
    """No claim, no Dataset: an NFS volume of the Pod, read-only, on the application's node."""
    pod = raw_nfs_pod(Cluster([]).user().system, "raw-nfs-1", "node-1")
    (volume,), (container,) = pod["spec"]["volumes"], pod["spec"]["containers"]
    assert volume["nfs"] == {"server": "10.0.0.9", "path": "/export"}
    (mount,) = container["volumeMounts"]
    assert (mount["name"], mount["mountPath"], mount["readOnly"]) == (volume["name"], "/data", True)
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/hostname": "node-1"}
