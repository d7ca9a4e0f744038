"""Reads in a Job's Pods: their script, run here, and the combined figures of several Pods."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.object_cache import Objects
from clusters.kubernetes.snapshots.node import HOST_LABEL, ZONE_LABEL, NodeSnapshot
from suites.benchmark.testbed import parallel_pods
from suites.benchmark.testbed.fio_run import FioRun, FioRuns, measure_argv, parse_runs
from suites.benchmark.testbed.pod_placement import Placement
from suites.benchmark.testbed.testbed import Testbed
from tests.suites.benchmark.testbed.test_fio_run import plan
from workloads.application import Application
from workloads.fio import parse

DATA = Path(__file__).parents[3] / "data" / "fio"
MIB = 1024 * 1024


def tools(folder: Path, fio: str) -> dict[str, str]:
    """A path with a fio and a fincore of our own."""
    made = folder / "tools"
    made.mkdir(exist_ok=True)
    for name, text in (("fio", fio), ("fincore", "for f; do case $f in -*|RES) ;; *) echo 0;; esac; done")):
        (made / name).write_text(f"#!/bin/bash\n{text}\n")
        (made / name).chmod(0o755)
    return {"PATH": f"{made}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": "1", "JOB": "in @index@\n"}


def copies(folder: Path) -> Path:
    """Two copies of the data."""
    for number in "01":
        (folder / "data" / number).mkdir(parents=True)
        (folder / "data" / number / "large.bin").write_bytes(b"x" * 100)
    return folder / "data"


def argv(data: Path, times: int, signals: str) -> list[str]:
    """What a Pod runs."""
    measure = measure_argv(plan(), f"{data}/{parallel_pods.INDEX}", 5)
    return [
        "bash",
        "-euc",
        parallel_pods._READ,
        "read",
        f"{data}/{parallel_pods.INDEX}",
        str(times),
        signals,
        *measure,
    ]


def test_pod_reads_its_own_copy_as_often_as_requested(tmp_path: Path) -> None:
    """Its number is in fio's job and in the folder; each run is a document of its own in the log."""
    fio = f"cat >> {tmp_path}/job; cat {DATA}/seqread.txt"
    done = subprocess.run(
        argv(copies(tmp_path), 2, ""),
        env=tools(tmp_path, fio),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    found = parse_runs(("",) * 6, done.stdout, 2, who="the Pod")
    assert (tmp_path / "job").read_text() == "in 1\nin 1\n"
    assert [one.report.version[:4] for one in found] == ["fio-", "fio-"]
    assert all(one.started and one.started > 1e18 for one in found)


def test_pod_whose_page_cache_cannot_be_dropped_does_not_read(tmp_path: Path) -> None:
    """Its figures would be those of a warm read."""
    env = tools(tmp_path, f"touch {tmp_path}/read")
    (Path(env["PATH"].partition(":")[0]) / "dd").write_text("#!/bin/sh\nexit 1\n")
    (Path(env["PATH"].partition(":")[0]) / "dd").chmod(0o755)
    done = subprocess.run(
        argv(copies(tmp_path), 1, ""), env=env, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "cannot drop the pages of" in done.stderr
    assert not (tmp_path / "read").exists()


def test_fio_that_fails_in_a_job_is_reported_in_its_log(tmp_path: Path) -> None:
    """The Pod ends well all the same, and its log has the exit code."""
    done = subprocess.run(
        argv(copies(tmp_path), 1, ""),
        env=tools(tmp_path, "exit 3"),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    with pytest.raises(InfrastructureError, match="exit code 3"):
        parse_runs(("",) * 6, done.stdout, 1, who="the Pod")


def test_pod_waits_for_its_start_time(tmp_path: Path) -> None:
    """It says that it is ready, and reads at that moment by its own clock, not before."""
    env = tools(tmp_path, f"cat {DATA}/seqread.txt")
    command = argv(copies(tmp_path), 1, str(tmp_path))
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as running:
        deadline = SYSTEM_CLOCK.now() + 20
        while not (tmp_path / "ready").exists() and SYSTEM_CLOCK.now() < deadline:
            SYSTEM_CLOCK.sleep(0.02)
        moment = time.time_ns() + 700_000_000
        start = ["bash", "-euc", parallel_pods._START, "start", str(tmp_path), str(moment)]
        subprocess.run(start, check=True)
        text, _ = running.communicate(timeout=20)
    (found,) = parse_runs(("",) * 6, text, 1, who="the Pod")
    assert found.started is not None
    assert found.started >= moment


def read(seconds: float) -> FioRun:
    """A run of fio that says so; it rounds up, so that half a millisecond less is the best estimate."""
    report = parse((DATA / "seqread.txt").read_text())
    job = report.jobs[0]
    read = job.read.model_copy(update={"runtime": int(1000 * seconds), "io_bytes": 128 * MIB})
    job = job.model_copy(update={"read": read})
    return FioRun(report.model_copy(update={"jobs": (job,)}), 0.5, 0, 0, None, 0.0, 1)


def test_total_counts_from_the_first_start_to_the_last_end() -> None:
    """A Pod that starts late or reads slowly lowers the total speed; each Pod's own speed is kept."""
    found = parallel_pods.combined(
        [
            parallel_pods.PodRun(0, "n1", read(1.0), 50.0),
            parallel_pods.PodRun(1, "n2", read(1.5), 50.5),
        ]
    )
    assert found.seconds == pytest.approx(1.9995)
    assert found.bytes_per_second == pytest.approx(2 * 128 * MIB / 1.9995)
    assert [(part.kind, part.node) for part in found.parts] == [("pod", "n1"), ("pod", "n2")]
    assert found.parts[1].bytes_per_second == pytest.approx(128 * MIB / 1.4995)
    assert "0.50 s after the first" in found.parts[1].name


@dataclass
class Cluster:
    """A Job whose Pods are on nodes whose clocks differ by a minute each.

    Attributes:
        log: what each Pod writes.
        pods: how many.
        nodes: how many; zones a and b take turns.
        start_times: when each Pod has to start.
        did: what was asked of the API, in order.
        room: Pods that each node accepts.
    """

    log: str
    pods: int = 2
    nodes: int = 2
    start_times: dict[str, int] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    room: int = 110
    spread: list[str] = field(default_factory=list)
    user: Any = None
    connection: Any = None
    clock: Clock = SYSTEM_CLOCK

    def __post_init__(self) -> None:
        self.user = SimpleNamespace(
            namespace="n", observer=SimpleNamespace(objects=self), application=self.application
        )
        self.system = SimpleNamespace(kube=self)
        self.connection = self

    def application(self, name: str, claim: str, **more: Any) -> Application:
        """An application."""
        return Application(namespace="n", name=name, claim=claim, image="toolbox", **more)

    def next_job(self, what: str) -> str:
        """A name."""
        return f"{what}-1"

    def create(self, manifest: Any) -> None:
        """The Job is created."""
        spec = manifest["spec"]["template"]["spec"]
        self.spread = [one["topologyKey"] for one in spec["topologySpreadConstraints"]]
        assert spec["containers"][0]["startupProbe"]["exec"]["command"] == ["test", "-e", "/tmp/ready"]
        self.did.append(f"{manifest['spec']['completions']} Pods{', spread' if self.spread else ''}")

    def delete(self, kind: object, name: str, namespace: str) -> None:
        """The Job is deleted."""
        self.did.append("deleted")

    def logs(self, namespace: str, pod: str, container: str) -> str:
        """The log of a Pod; it started at its start time."""
        self.did.append("log")
        return self.log.replace("@started@", str(self.start_times[pod]))

    def list(self, snapshot: Any, namespace: str = "", **_: str) -> tuple[Any, ...]:
        """Nodes, or Pods."""
        self.did.append(f"list {snapshot.KIND}")
        return tuple(map(snapshot.of, self.objects(snapshot.KIND)))

    def objects(self, kind: Kind) -> Objects:
        """The Job, its Pods, the later one first, or the nodes."""
        if kind == kinds.JOB:
            return [{"metadata": {"name": "parallel-1"}, "status": {"succeeded": self.pods}}]
        ready = [{"type": "Ready", "status": "True"}]
        if kind == kinds.NODE:
            return [
                {
                    "metadata": {"name": f"node-{number}", "labels": {ZONE_LABEL: "ab"[number % 2]}},
                    "status": {"conditions": ready, "allocatable": {"pods": str(self.room)}},
                }
                for number in range(self.nodes)
            ]
        return [
            {
                "metadata": {"name": f"parallel-1-{number}-abc", "namespace": "n"},
                "spec": {"nodeName": f"node-{number % self.nodes}"},
                "status": {"phase": "Running", "conditions": ready},
            }
            for number in reversed(range(self.pods))
        ]

    def exec(self, namespace: str, pod: str, container: str, argv: Any, *, timeout: float) -> Completed:
        """The time, and the start."""
        self.did.append(argv[0])
        if argv[0] == "date":
            ahead = 60.0 * (int(pod.split("-")[2]) % self.nodes)
            return Completed(argv, 0, str(int((time.time() + ahead) * 1e9)), "")
        self.start_times[pod] = int(argv[-1])
        return Completed(argv, 0, "", "")


class Cache:
    """Replaces `ObjectCache`: one list and one watch of each kind."""

    def __init__(self, connection: Cluster, *, clock: Clock) -> None:
        self.cluster = connection
        self.known: set[Kind] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def list(self, kind: Kind, namespace: str, **_: str) -> Objects:
        """The objects."""
        if kind not in self.known:
            self.cluster.did += [f"list {kind}", f"watch {kind}"]
            self.known.add(kind)
        return self.cluster.objects(kind)


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_pods, "ObjectCache", Cache)


LOG = f"""seen load 0.5
seen resident-before 0
seen cpu-before cpu 0 0 0 0 0 0 0 0 0 0
seen started @started@
{(DATA / "seqread.txt").read_text()}
seen cpu-after cpu 50 0 40 10 0 0 0 0 0 0
seen ended @started@
seen resident-after 0

seen exit 0
next read
"""


def read_in_pods(cluster: Cluster, observed: list[Any]) -> FioRuns:
    """Its Pods read."""
    return parallel_pods.read_in_parallel(
        cast("Testbed", cluster),
        plan(),
        "demo",
        f"one/{parallel_pods.INDEX}",
        pods=cluster.pods,
        seconds=5,
        ready=observed.append,
        ended=observed.append,
    )


def test_pods_on_nodes_whose_clocks_differ_start_together() -> None:
    """Each has the same start time by its own clock; observations are before the start and after the end."""
    cluster, observed = Cluster(LOG), list[Any]()
    found = read_in_pods(cluster, observed)
    early, late = (cluster.start_times[f"parallel-1-{number}-abc"] for number in (0, 1))
    assert late - early == pytest.approx(60e9, abs=1e8)
    assert found.seconds == pytest.approx(found.each[0].seconds, abs=0.1)
    assert [(part.node, part.zone) for part in found.parts] == [("node-0", "a"), ("node-1", "b")]
    assert len(observed) == 2
    assert (cluster.did[2], cluster.did[-1]) == ("2 Pods, spread", "deleted")
    assert cluster.spread == [ZONE_LABEL, HOST_LABEL]


def test_calls_of_the_api_are_bounded_for_500_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two for each Pod, one for each node, and a number that does not grow."""
    monkeypatch.setattr(parallel_pods, "START_DELAY_EACH", 0.0)
    cluster = Cluster(LOG, pods=500, nodes=25)
    found = read_in_pods(cluster, [])
    assert [part.name.partition(",")[0] for part in found.parts] == [f"Pod {one + 1}" for one in range(500)]
    asked = Counter(cluster.did)
    assert (asked.pop("bash"), asked.pop("log"), asked.pop("date")) == (500, 500, 25)
    assert asked == {
        "list Node": 1, "list Pod": 3, "watch Pod": 1, "500 Pods, spread": 1, "list Job": 1, "watch Job": 1,
        "deleted": 1,
    }  # fmt: skip


def test_pods_that_do_not_fit_are_refused_before_any_is_created() -> None:
    """With the room that there is; Pods of others count."""
    cluster = Cluster(LOG, pods=30, nodes=3, room=12)
    with pytest.raises(InfrastructureError, match="30 Pods do not fit on the cluster: its 3 nodes accept 6"):
        read_in_pods(cluster, [])
    assert cluster.did == ["list Node", "list Pod"]


def test_nodes_without_zones_are_spread_over_alone() -> None:
    """The scheduler would ignore nodes that lack one of the labels."""
    nodes = [
        NodeSnapshot.of({"metadata": {"name": name, "labels": labels}, "status": {"conditions": [ready]}})
        for ready in [{"type": "Ready", "status": "True"}]
        for name, labels in (("n1", {ZONE_LABEL: "a"}), ("n2", {}))
    ]
    assert Placement.of(nodes, ()).spread == (HOST_LABEL,)
    assert Placement.of(nodes[:1], ()).spread == (ZONE_LABEL, HOST_LABEL)
    assert Placement.of((), ()).spread == (HOST_LABEL,)


def test_job_is_deleted_when_a_pod_wrote_nothing() -> None:
    """A Pod without a document in its log is an error, and the Job is removed."""
    cluster = Cluster("killed\n")
    with pytest.raises(HarnessError, match="completed 0 of 1 reads"):
        read_in_pods(cluster, [])
    assert cluster.did[-1] == "deleted"
