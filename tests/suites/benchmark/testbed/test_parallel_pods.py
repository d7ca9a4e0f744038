"""Reads in a Job's Pods: their script, run here, and the combined figures of several Pods."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.clock import SYSTEM_CLOCK
from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.benchmark.testbed import parallel_pods
from suites.benchmark.testbed.fio_run import FioRun, FioRuns, measure_argv, parse_runs
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
    """A Job with two Pods on nodes whose clocks differ by a minute.

    Attributes:
        log: what each Pod writes.
        start_times: when each Pod has to start.
        did: what was asked of the API, in order.
    """

    log: str
    start_times: dict[str, int] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    ahead: tuple[float, float] = (0.0, 60.0)
    user: Any = None

    def __post_init__(self) -> None:
        objects = SimpleNamespace(list=self.pods, get=self.job)
        self.user = SimpleNamespace(
            namespace="n", observer=SimpleNamespace(objects=objects), application=self.application
        )
        self.system = SimpleNamespace(kube=self)

    def application(self, name: str, claim: str, **more: Any) -> Application:
        """An application."""
        return Application(namespace="n", name=name, claim=claim, image="toolbox", **more)

    def next_job(self, what: str) -> str:
        """A name."""
        return f"{what}-1"

    def create(self, manifest: Any) -> None:
        """The Job is created."""
        spread = manifest["spec"]["template"]["spec"].get("topologySpreadConstraints")
        self.did.append(f"{manifest['spec']['completions']} Pods{', spread' if spread else ''}")

    def delete(self, kind: object, name: str, namespace: str) -> None:
        """The Job is deleted."""
        self.did.append("deleted")

    def logs(self, namespace: str, pod: str, container: str) -> str:
        """The log of a Pod; it started at its start time."""
        return self.log.replace("@started@", str(self.start_times[pod]))

    @contextmanager
    def changes(self, *_: object, **__: object) -> Iterator[None]:
        """No watch."""
        yield None

    def pods(self, snapshot: type, namespace: str, *, labels: str) -> tuple[PodSnapshot, ...]:
        """The Pods, the later one first."""
        return tuple(
            PodSnapshot.of(
                {
                    "metadata": {"name": f"parallel-1-{number}-abc", "namespace": "n"},
                    "spec": {"nodeName": f"node-{number}"},
                    "status": {"phase": "Running"},
                }
            )
            for number in (1, 0)
        )

    def job(self, snapshot: type, name: str, namespace: str) -> JobSnapshot:
        """A Job that has ended."""
        return JobSnapshot.of({"metadata": {"name": name}, "status": {"succeeded": 2}})

    def exec(self, namespace: str, pod: str, container: str, argv: Any, *, timeout: float) -> Completed:
        """Ready, the time, and the start."""
        number = int(pod.split("-")[2])
        if argv[0] == "date":
            return Completed(argv, 0, str(int((time.time() + self.ahead[number]) * 1e9)), "")
        if argv[0] == "bash":
            self.start_times[pod] = int(argv[-1])
        return Completed(argv, 0, "", "")


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


def read_in_two_pods(cluster: Cluster, observed: list[Any]) -> FioRuns:
    """Two Pods read."""
    return parallel_pods.read_in_parallel(
        cast("Testbed", cluster),
        plan(),
        "demo",
        f"one/{parallel_pods.INDEX}",
        pods=2,
        seconds=5,
        ready=observed.append,
        ended=observed.append,
    )


def test_pods_on_nodes_whose_clocks_differ_start_together() -> None:
    """Each has the same start time by its own clock; observations are before the start and after the end."""
    cluster, observed = Cluster(LOG), list[Any]()
    found = read_in_two_pods(cluster, observed)
    early, late = (cluster.start_times[f"parallel-1-{number}-abc"] for number in (0, 1))
    assert late - early == pytest.approx(60e9, abs=1e8)
    assert found.seconds == pytest.approx(found.each[0].seconds, abs=0.1)
    assert [part.node for part in found.parts] == ["node-0", "node-1"]
    assert len(observed) == 2
    assert cluster.did == ["2 Pods, spread", "deleted"]


def test_job_is_deleted_when_a_pod_wrote_nothing() -> None:
    """A Pod without a document in its log is an error, and the Job is removed."""
    cluster = Cluster("killed\n")
    with pytest.raises(HarnessError, match="completed 0 of 1 reads"):
        read_in_two_pods(cluster, [])
    assert cluster.did[-1] == "deleted"
