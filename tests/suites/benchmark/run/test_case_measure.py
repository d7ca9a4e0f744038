"""Measuring cases against a small model of the system: mounts, Fuse Pods, workers and an NFS server."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import HarnessError, InfrastructureError
from clusters.host.commands import Completed
from clusters.product.nfs import ServedBytes
from clusters.progress import Progress
from reports.performance.compare import compare
from reports.performance.lines import lines
from reports.performance.report import render_markdown, render_performance_page
from suites.benchmark.model import results
from suites.benchmark.model.judgement import Purpose
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round
from suites.benchmark.run import arms, base_session, case_measure, case_session, cases, remote_reads
from suites.benchmark.run.case_measure import CaseMeasurer, MetadataMeasurer, WriteMeasurer, zeros
from suites.benchmark.run.case_session import CaseSession
from suites.benchmark.run.cases import FILES, READ_BYTES, WRITTEN_BYTES, Case, TooFewNodesError
from suites.benchmark.run.profile import Settings
from suites.benchmark.run.remote_reads import RemoteMeasurer
from suites.benchmark.run.schedule import order
from suites.benchmark.testbed import alluxio_rest, testbed
from suites.benchmark.testbed.alluxio_rest import CacheState
from suites.benchmark.testbed.testbed import Observation
from suites.steps import workers
from tests.reports.measurements import ENVIRONMENT
from tests.suites.benchmark.run.test_measure import Model

NEAR, FAR = "node-1", "node-2"


@dataclass
class Cluster(Model):
    """Two nodes with a worker each, and an NFS server.

    Attributes:
        nodes: of the cluster.
        pods: how many were started.
        stays: the Fuse Pod is not replaced when that is asked for.
        handled: files that an operation handles.
        copies: what a worker caches is cached by the other one, too.
        uncached: a write does not reach the cache.
        lost: a write does not reach the NFS server.
        at_source: checksums of written files.
        blocks: bytes of block files by node.
        counters: of Alluxio.
        kernel: nodes mount NFS by their kernel.
    """

    nodes: tuple[str, ...] = (NEAR, FAR)
    pods: int = 0
    stays: bool = False
    handled: int = FILES
    copies: bool = False
    uncached: bool = False
    lost: bool = False
    kernel: bool = False
    at_source: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=lambda: {NEAR: 0, FAR: 0})
    counters: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.raw = SimpleNamespace(name="raw", namespace="n", uid="raw-0", node=NEAR)
        self.fluid = SimpleNamespace(name="fluid", namespace="n", uid="fluid-0", node=NEAR)

    @property
    def system(self) -> Any:
        """The cluster."""
        run = lambda *words, **more: self.exec(*words, **more)  # noqa: E731, PLW0108 - tests replace exec later
        server = SimpleNamespace(
            served=lambda: ServedBytes(self.sent, "Ganesha", self.sent),
            create_writable=lambda folder: self.did.append(f"writable {folder}"),
            empty=lambda folder: self.did.append(f"emptied {folder}"),
        )
        return SimpleNamespace(kube=SimpleNamespace(exec=run), nodes=self.nodes, nfs_server=server)

    @property
    def user(self) -> Any:
        """The owner of the objects."""
        observer = SimpleNamespace(
            mount=lambda pod: SimpleNamespace(fs_type="nfs4" if self.kernel else "fuse.nfs"),
            inside=lambda pod, argv, timeout: self.at_source.pop(Path(argv[-1]).name, None),
            at_the_source=lambda folder: dict(self.at_source),
            blocks_on=lambda node, namespace, dataset: [SimpleNamespace(bytes=self.blocks[node])],
        )
        return SimpleNamespace(
            namespace="n",
            observer=observer,
            application=lambda name, claim, node: SimpleNamespace(name=name, node=node),
            starts=self._starts,
            stops=lambda pod: self.did.append(f"stopped {pod.name}"),
        )

    def _starts(self, application: Any) -> Any:
        self.pods += 1
        return SimpleNamespace(
            name=application.name, namespace="n", uid=f"pod-{self.pods}", node=application.node
        )

    def fuse_pod(self) -> Any:
        """The Fuse Pod of the reader's node."""
        return SimpleNamespace(uid=f"fuse-{self.fuse}")

    def replace_client(self, *, hung: bool = False) -> None:
        """Another Fuse Pod."""
        if not self.stays:
            super().replace_client(hung=hung)

    def fill_page_cache(self, pod: Any, folder: str, data_bytes: int) -> None:
        """A read through Fluid, which the worker of the reader's node caches."""
        for node in self.blocks if self.copies else (pod.node,):
            self.blocks[node] += READ_BYTES
        self.percent[folder] = 100.0

    def observe(self, layout: Any, copy: int, plan: Any) -> Observation:
        """All sources."""
        state = CacheState(self.percent.get(layout.folder(copy), 0.0), 0, dict(self.counters))
        served = ServedBytes(self.sent, "Ganesha", self.sent)
        return Observation(datetime.now(UTC), state, served, f"fuse-{self.fuse}")

    def exec(self, namespace: str, pod: str, container: str, argv: Any, **more: Any) -> Completed:
        """Run an operation, or fio."""
        if self.fails:
            raise InfrastructureError("the connection broke")
        if argv[3] != "measure" or argv[5] not in {"perl", "bash"}:
            done = super().exec(namespace, pod, container, argv, **more)
            if argv[3] == "repeat" and pod == "fluid":
                local = argv[4].endswith("/0")
                name = remote_reads.LOCAL if local else remote_reads.REMOTE
                self.counters[name] = self.counters.get(name, 0.0) + int(argv[5]) * READ_BYTES
            return done
        if self.hangs:
            return Completed(argv, 124, "", "")
        result = self.handled
        if argv[5] == "bash":
            result = int(argv[-1]) * 1024 * 1024
            self.at_source[Path(argv[-2]).name] = "" if self.lost else zeros(WRITTEN_BYTES)
        output = (
            "seen load 0.5\nseen cpu-before cpu 0 0 0 0 0 0 0 0 0 0\n"
            "seen cpu-after cpu 50 0 40 10 0 0 0 0 0 0\n"
            f"seen started 10.0\nseen ended {12.0 if pod == 'fluid' else 11.0}\nseen result {result}\n"
        )
        return Completed(argv, 0, output, "")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The model in place of Alluxio's web interface, and of the Pods of workers."""
    made = Cluster(READ_BYTES)

    def cached(*_: object, files: Sequence[Any], **__: object) -> CacheState:
        held = files[0].path.name in made.at_source and not made.uncached
        return CacheState(100.0 if held else None, 0, {})

    monkeypatch.setattr(alluxio_rest, "web_port", lambda *_: 19999)
    monkeypatch.setattr(alluxio_rest, "cache_state", cached)
    pods = tuple(SimpleNamespace(node=node) for node in (NEAR, FAR))
    monkeypatch.setattr(workers, "wait_for_ready", lambda *_: pods)
    monkeypatch.setattr(remote_reads, "REPORTED_SECONDS", 0.1)
    return made


def measurer(case: Case, cluster: Cluster) -> CaseMeasurer:
    """A measurer of a case, prepared."""
    spec = Settings.of("default", cases=case.value).case_specs()[0]
    made = case_session._measurer(cast("Any", cluster), spec, lambda _text: None)
    made.prepare()
    return made


def measure(one: CaseMeasurer, rounds: int = 2) -> list[Round]:
    """Measure rounds in the order of the schedule."""
    return [
        one(arm, number)
        for number in range(rounds)
        for block in order(one.spec.series.blocks, number)
        for arm in block.arms
    ]


@pytest.mark.parametrize("case", list(Case))
def test_every_arm_is_valid_on_a_consistent_system(case: Case, cluster: Cluster) -> None:
    """In any order; the values are in the unit of the case."""
    one = measurer(case, cluster)
    found = measure(one, 4)
    assert [each.reason for each in found if not each.valid] == []
    assert {each.arm for each in found} == set(one.spec.series.arms)
    assert all(each.proof is not None and each.value for each in found)
    one.finish()
    if case.metadata:
        assert {each.value for each in found} == {1.0, 2.0}
        assert {each.read_bytes for each in found} == {0}
    elif case is Case.WRITE:
        assert {each.value for each in found} == {WRITTEN_BYTES, WRITTEN_BYTES / 2}
        assert cluster.at_source == {}


# Metadata


def test_new_mount_is_a_pod_that_was_not_there_before(cluster: Cluster) -> None:
    """Each round has two new Pods on NFS and a new Fuse Pod; the last Pod is stopped at the end."""
    one = measurer(Case.STAT, cluster)
    found = {(each.arm, each.number): each for each in measure(one)}

    def reader(arm: str, number: int) -> str:
        proof = found[arm, number].proof
        assert proof is not None
        return proof.before.fuse_pod or proof.before.reader

    new = [reader(arm, number) for arm in (cases.RAW_NEW, cases.RAW_NEW_REPEATED) for number in (0, 1)]
    assert len(set(new)) == 4
    assert reader(cases.RAW_AGAIN, 1) == reader(cases.RAW_NEW, 1)
    assert reader(cases.FLUID_NEW, 0) != reader(cases.FLUID_NEW, 1) == reader(cases.FLUID_AGAIN, 1)
    one.finish()
    assert sum(text.startswith("stopped metadata-") for text in cluster.did) == cluster.pods == 4


def test_fuse_pod_that_stays_makes_a_new_client_invalid(cluster: Cluster) -> None:
    """The evidence decides, not the preparation."""
    one = measurer(Case.LIST, cluster)
    cluster.stays = True
    assert one(cases.FLUID_NEW, 0).valid  # the model's first one was not used by a round
    assert "had used the files before" in one(cases.FLUID_NEW, 1).reason


def test_arm_that_repeats_needs_the_mount_of_the_one_before(cluster: Cluster) -> None:
    """Without it, or with another one, nothing was repeated."""
    one = measurer(Case.OPEN, cluster)
    assert "no Pod on NFS" in one(cases.RAW_AGAIN, 0).reason
    assert one(cases.FLUID_NEW, 0).valid
    cluster.fuse += 1
    assert "not the one that had just used the files" in one(cases.FLUID_AGAIN, 0).reason


def test_files_that_are_missing_in_a_listing_make_a_round_invalid(cluster: Cluster) -> None:
    """A short listing is not a fast one."""
    one = measurer(Case.LIST, cluster)
    cluster.handled = FILES - 1
    assert one(cases.FLUID_NEW, 0).reason == "9999 of 10000 files were handled"


def test_first_listing_and_a_kernel_client_are_reported(cluster: Cluster) -> None:
    """The time that the master needs once; and that a kernel shares what it knows between mounts."""
    cluster.kernel = True
    one = measurer(Case.LIST, cluster)
    assert "listed once through Fluid, in 2.0 s" in one.findings[0]
    assert "may know more than its name says" in one.findings[1]


def test_hung_operation_costs_a_round_and_its_client(cluster: Cluster) -> None:
    """The next round is valid again."""
    one = measurer(Case.OPEN, cluster)
    cluster.hangs = True
    assert "did not end within 300 s" in one(cases.FLUID_NEW, 0).reason
    assert cluster.did[-1] == "client in place of the hung one"
    cluster.hangs = False
    assert one(cases.FLUID_NEW, 1).valid


def test_broken_connection_makes_a_round_of_a_case_invalid(cluster: Cluster) -> None:
    """With its reason."""
    one = measurer(Case.OPEN, cluster)
    cluster.fails = True
    assert one(cases.RAW_NEW, 0).reason == "the connection broke"


# Writes


def test_write_is_proved_on_the_server_and_in_the_cache(cluster: Cluster) -> None:
    """Both before and after; the file is removed."""
    one = measurer(Case.WRITE, cluster)
    proof = one(cases.FLUID_WRITE, 0).proof
    assert proof is not None
    assert (proof.before.server_bytes, proof.after.server_bytes) == (0, WRITTEN_BYTES)
    assert (proof.before.cached_percent, proof.after.cached_percent) == (None, 100.0)


@pytest.mark.parametrize(
    ("change", "arm", "says"),
    [
        ({"lost": True}, cases.FLUID_WRITE, "the file on the NFS server is not the one that was written"),
        ({"lost": True}, cases.RAW_WRITE, "the file on the NFS server is not the one that was written"),
        ({"uncached": True}, cases.FLUID_WRITE, "Alluxio holds nothing of the file"),
        (
            {"at_source": {"0-6.bin": zeros(WRITTEN_BYTES), "0-7.bin": zeros(WRITTEN_BYTES)}},
            cases.FLUID_WRITE,
            "the file was on the NFS server before",
        ),
    ],
)
def test_write_that_did_not_arrive_is_invalid(
    cluster: Cluster, change: dict[str, object], arm: str, says: str
) -> None:
    """A write through the cache must be in both places."""
    one = measurer(Case.WRITE, cluster)
    for name, value in change.items():
        setattr(cluster, name, value)
    assert says in one(arm, 0).reason


def test_raw_write_needs_no_cache(cluster: Cluster) -> None:
    """Alluxio does not know the file."""
    one = measurer(Case.WRITE, cluster)
    cluster.uncached = True
    assert one(cases.RAW_WRITE, 0).valid


# Local and remote reads


def test_each_worker_holds_its_copy_before_the_rounds(cluster: Cluster) -> None:
    """It is read once on the node of each, and then a new client is measured."""
    one = measurer(Case.REMOTE, cluster)
    assert cluster.blocks == {NEAR: READ_BYTES, FAR: READ_BYTES}
    assert cluster.did == ["stopped loader-0", "stopped loader-1", "fresh client"]
    local, remote = one(cases.FLUID_LOCAL, 0), one(cases.FLUID_REMOTE, 0)
    assert local.read_bytes > remote.read_bytes == READ_BYTES
    assert remote.proof is not None
    assert remote.proof.before.block_bytes == remote.proof.after.block_bytes == cluster.blocks


def test_data_that_both_workers_hold_cannot_be_measured(cluster: Cluster) -> None:
    """Then no read would be remote."""
    cluster.copies = True
    with pytest.raises(InfrastructureError, match="does not hold the file that was read on its node"):
        measurer(Case.REMOTE, cluster)


def test_worker_that_copies_during_a_read_makes_it_invalid(cluster: Cluster) -> None:
    """The next read would be local; raw NFS is not affected."""
    one = measurer(Case.REMOTE, cluster)
    cluster.blocks[NEAR] += 1
    assert "the workers held" in one(cases.FLUID_REMOTE, 0).reason
    assert one(arms.RAW_COLD, 0).valid


def test_alluxios_own_counters_are_reported(cluster: Cluster) -> None:
    """What they say is a finding; so is that they do not agree."""
    one = measurer(Case.REMOTE, cluster)
    measure(one, 1)
    one.finish()
    assert "from the worker of the reader's node, and 128 MiB from the other one" in one.findings[-1]
    cluster.counters.clear()
    one.finish()
    assert "Alluxio's own counters do not agree" in one.findings[-1]


# The session


@pytest.fixture
def seen() -> list[Benchmark]:
    """Each state of the results that was written."""
    return []


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> list[Any]:
    """The testbeds that were created: their data and their variant."""
    found: list[Any] = []

    def create(_system: Any, _progress: Any, layouts: Sequence[Any], _proxy: Any, variant: Any) -> Any:
        found.append(([layout.name for layout in layouts], variant))
        return cluster

    monkeypatch.setattr(testbed.Testbed, "create", create)
    monkeypatch.setattr(case_session, "probe_environment", lambda *_: ENVIRONMENT)
    monkeypatch.setattr(case_session, "mounts_of", lambda _: dict.fromkeys((True, False), ("fuse.nfs", "rw")))
    monkeypatch.setattr(base_session, "CALIBRATION_SERIES", 5)
    return found


def session(cluster: Cluster, tmp_path: Path, seen: list[Benchmark], text: str) -> CaseSession:
    """A prepared session."""
    made = CaseSession(
        system=cluster.system,
        progress=Progress(stream=io.StringIO()),
        settings=Settings.of("default", cases=text, rounds=6),
        out=tmp_path / "run",
        run_id="run",
        command="pytest",
        started=datetime.now(UTC),
        on_write=seen.append,
    )
    made.prepare()
    return made


def test_all_cases_are_measured_judged_and_reported(
    cluster: Cluster, created: list[Any], tmp_path: Path, seen: list[Benchmark]
) -> None:
    """Each on its Dataset, of which only one exists at a time; the small files are created once."""
    one = session(cluster, tmp_path, seen, "all")
    for plan in one.settings.plans():
        assert all(each.valid for each in one.series(plan.name).rounds)
    one.close(clean=True)
    assert [(names, variant.workers, variant.writable) for names, variant in created] == [
        (["metadata-10000"], 1, False),
        (["one-134217728"], 2, False),
        ([], 1, True),
    ]
    assert cluster.did.count("removed") == 3
    saved = results.load(tmp_path / "run" / results.FILE)
    assert saved == seen[-1]
    assert [series.workload.operation for series in saved.series] == ["list", "stat", "open", "read", "write"]
    assert all(judged.ratio for series in saved.series for judged in series.judged)
    stat = next(one for one in saved.series[1].judged if one.candidate == cases.FLUID_NEW)
    assert stat.ratio == pytest.approx(0.5)
    text = render_markdown(saved)
    assert "1 process looked up 10,000 files in each round." in text
    assert "1 process wrote 256 MiB to 1 file in each round." in text
    assert "| how it was done | median |" in text
    page = render_performance_page(saved)
    assert "Time for one round" in page
    assert "Fluid, warm, worker on another node" in page
    assert any(Purpose.EQUAL in line for line in lines(saved))
    found = compare(saved, saved.model_copy(update={"id": "another"}))
    gated = {(one.series, one.name) for one in found.metrics if one.gated}
    assert ("stat 10,000 files", "Fluid, new client against raw NFS, new mount") in gated
    remote = f"{cases.FLUID_REMOTE} against {cases.FLUID_LOCAL}"
    assert (cases.TITLES[Case.REMOTE], remote) in gated
    assert (cases.TITLES[Case.WRITE], f"{cases.FLUID_WRITE} against {cases.RAW_WRITE}") in gated


def test_one_node_is_too_few_for_remote_reads(
    cluster: Cluster, created: list[Any], tmp_path: Path, seen: list[Benchmark]
) -> None:
    """One sentence before anything is created, also in the results; the other cases are measured."""
    cluster.nodes = (NEAR,)
    one = session(cluster, tmp_path, seen, "list,remote")
    assert created == []
    output = cast("io.StringIO", one.progress.stream).getvalue()
    assert "local and remote reads need a worker on each of two nodes, and this cluster has 1" in output
    assert "add --nodes 2" in output
    with pytest.raises(TooFewNodesError):
        one.series(cases.TITLES[Case.REMOTE])
    one.series(cases.TITLES[Case.LIST])
    one.close(clean=True)
    assert [series.name for series in seen[-1].series] == [cases.TITLES[Case.LIST]]
    assert "could not be measured: local and remote reads need" in seen[-1].findings[0]


def test_nothing_is_created_if_nothing_can_be_measured(
    cluster: Cluster, created: list[Any], tmp_path: Path, seen: list[Benchmark]
) -> None:
    """No data, no Dataset, no results."""
    cluster.nodes = (NEAR,)
    one = session(cluster, tmp_path, seen, "remote")
    with pytest.raises(HarnessError):
        one.series(cases.TITLES[Case.REMOTE])
    one.close(clean=True)
    assert (created, seen, cluster.did) == ([], [], [])


def test_small_files_are_one_copy_in_one_folder() -> None:
    """Named by number, as the operations ask for them."""
    layout = case_measure.metadata_layout()
    assert (layout.copies, len(layout.files.files)) == (1, FILES)
    assert {file.path for file in layout.files.files} == {str(number) for number in range(FILES)}
    assert layout.folder(0) == case_measure.metadata_folder()


@pytest.mark.parametrize(
    ("case", "kind"),
    [(Case.LIST, MetadataMeasurer), (Case.WRITE, WriteMeasurer), (Case.REMOTE, RemoteMeasurer)],
)
def test_each_case_has_its_measurer(cluster: Cluster, case: Case, kind: type) -> None:
    """By what it does."""
    assert type(measurer(case, cluster)) is kind
