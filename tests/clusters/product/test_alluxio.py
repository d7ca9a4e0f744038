"""Parsers of what Alluxio 2.9 prints, and asking it several things at once."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from clusters.host.commands import CommandError, Completed
from clusters.kubernetes.client import Kube
from clusters.product import alluxio
from clusters.product.alluxio import Alluxio, AlluxioOutputError

DATA = Path(__file__).parents[2] / "data" / "alluxio"


def printed(name: str) -> str:
    """Output in the format of Alluxio's own printers."""
    return (DATA / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0B", 0),
        ("4096B", 4096),
        ("19.37MB", 19.37 * 1024**2),
        ("1202.37KB", 1202.37 * 1024),
        ("11.47GB", 11.47 * 1024**3),
        ("1,154,531", 1154531),
        ("-1", -1),
    ],
)
def test_sizes_are_binary(text: str, expected: float) -> None:
    """A size of Alluxio is in units of 1024, with or without commas."""
    assert alluxio.size(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "MB", "1.2XB", "1 MB", "1.2MiB", "NaN"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Another unit is not guessed at."""
    with pytest.raises(AlluxioOutputError):
        alluxio.size(text)


def test_a_listing_tells_size_and_share_of_each_file() -> None:
    """Files and folders are told apart, names with blanks survive, and an owner may be missing."""
    listing = alluxio.parse_listing(printed("ls.txt"))
    assert [(e.path, e.bytes, e.in_alluxio) for e in listing.entries] == [
        ("/images", 3, None),
        ("/images/0001.bin", 10485760, 100),
        ("/images/with two  blanks.bin", 33554432, 50),
        ("/images/é.bin", 1024, 0),
        ("/e", 0, 100),
    ]
    first, _, other, bare, _ = listing.entries
    assert first.is_folder
    assert (other.owner, other.group) == ("nobody", "nogroup")
    assert (bare.owner, bare.group, bare.mode) == ("", "", "-rw-r--r--+")
    assert listing.total_bytes == 10485760 + 33554432 + 1024
    assert listing.cached_bytes == 10485760 + 16777216
    assert listing.percentage == pytest.approx(61.9, abs=0.1)


def test_a_listing_without_security_has_no_owners() -> None:
    """Where Alluxio runs without security it prints neither mode nor owner."""
    line = f"{1024:>15}{'PERSISTED':>16}{'11-22-2026 15:20:01:123':>24}{'100%':>5} /a/b"
    (entry,) = alluxio.parse_listing(line).entries
    assert (entry.path, entry.bytes, entry.in_alluxio, entry.mode) == ("/a/b", 1024, 100, "")


def listing_of(*shares: tuple[int, int]) -> alluxio.Listing:
    """A listing of files of these bytes and shares."""
    return alluxio.Listing(
        tuple(
            alluxio.Entry(f"/{i}", size, share, "PERSISTED", "", "", "", "")
            for i, (size, share) in enumerate(shares)
        )
    )


@pytest.mark.parametrize(
    ("shares", "every", "none"),
    [
        ([], False, True),
        ([(0, 100)], False, True),
        ([(5, 100), (0, 0)], True, False),
        ([(5, 99)], False, False),
        ([(5, 0), (0, 100)], False, True),
    ],
)
def test_empty_files_prove_nothing(shares: list[tuple[int, int]], every: bool, none: bool) -> None:
    """Only files with data count; no file at all is never *all cached*."""
    listing = listing_of(*shares)
    assert (listing.all_cached, listing.none_cached) == (every, none)


def test_log_lines_among_the_output_are_passed_over() -> None:
    """A warning of the client's logging is no entry."""
    log = "2026-11-22 15:20:01,123 WARN  Configuration - something\nSLF4J: Class path contains\n"
    assert alluxio.parse_listing(log + printed("ls.txt")) == alluxio.parse_listing(printed("ls.txt"))


@pytest.mark.parametrize(
    "line", ["/nothing does not exist", "-rw-r--r-- root root 1.00MB PERSISTED x y 1% /a"]
)
def test_another_listing_is_refused_with_its_line(line: str) -> None:
    """Sizes for people (``-h``) and error messages are not taken for a listing."""
    with pytest.raises(AlluxioOutputError) as caught:
        alluxio.parse_listing(printed("ls.txt") + line)
    assert caught.value.last_seen == line


def test_the_summary_tells_workers_and_space() -> None:
    """Workers, capacity and use are read, by tier as well."""
    summary = alluxio.parse_summary(printed("summary.txt"))
    assert (summary.live_workers, summary.lost_workers, summary.version) == (1, 0, "2.9.6")
    assert (summary.capacity, summary.used, summary.free) == (512 * 1024**2, 42 * 1024**2, 470 * 1024**2)
    assert summary.tiers == {"MEM": (512 * 1024**2, 42 * 1024**2)}
    assert not summary.safe_mode


def test_a_summary_without_a_figure_is_refused() -> None:
    """A figure that is not printed is not taken for nought."""
    with pytest.raises(AlluxioOutputError, match="fsadmin report summary") as caught:
        alluxio.parse_summary(printed("summary.txt").replace("Used Capacity", "Spent"))
    assert "'Used Capacity'" in caught.value.last_seen


def test_metrics_are_bytes_rates_counts_or_texts() -> None:
    """Each value keeps what it is; names with blanks of their own survive."""
    metrics = alluxio.parse_metrics(printed("metrics.txt"))
    assert metrics.read_local == pytest.approx(19.37 * 1024**2)
    assert metrics.read_remote == 4096
    assert metrics.read_source == pytest.approx(30.75 * 1024**2)
    rate = metrics.by_name["Cluster.BytesReadUfsThroughput"]
    assert (rate.type, rate.per_minute) == ("GAUGE", True)
    assert rate.value == pytest.approx(787.17 * 1024)
    assert metrics.value("Master.FilesCompleted") == 6_367_897
    assert metrics.value("Cluster.CacheHitRate") == 0.61
    assert metrics.by_name["Master.RoleId"].text == "PRIMARY"


@pytest.mark.parametrize("name", ["Master.RoleId", "Cluster.NoSuchThing", "Master.JournalCheckpointWarn"])
def test_a_metric_that_is_no_number_is_told(name: str) -> None:
    """A missing metric is not nought."""
    with pytest.raises(AlluxioOutputError) as caught:
        alluxio.parse_metrics(printed("metrics.txt")).value(name)
    assert name in caught.value.last_seen


def test_other_metrics_are_refused_with_their_line() -> None:
    """An error message is not taken for metrics."""
    with pytest.raises(AlluxioOutputError) as caught:
        alluxio.parse_metrics("Failed to connect to the master\n")
    assert caught.value.last_seen == "Failed to connect to the master"


def test_capacity_of_one_tier_is_told_by_worker() -> None:
    """With one tier its size is the worker's."""
    first, second = alluxio.parse_capacity(printed("capacity-one-tier.txt"))
    assert (first.name, first.last_heartbeat) == ("172.18.0.3", 0)
    assert (first.capacity, first.used) == (512 * 1024**2, 42 * 1024**2)
    assert first.tiers == {"MEM": (512 * 1024**2, 42 * 1024**2)}
    assert (second.last_heartbeat, second.used) == (2, 0)


def test_capacity_of_several_tiers_is_told_by_worker() -> None:
    """With several tiers the total stands apart, and a worker may lack one."""
    first, second = alluxio.parse_capacity(printed("capacity-two-tiers.txt"))
    assert (first.capacity, first.used) == (5632 * 1024**2, 42 * 1024**2)
    assert first.tiers == {
        "MEM": (512 * 1024**2, 40 * 1024**2),
        "SSD": (5120 * 1024**2, 2 * 1024**2),
    }
    assert second.tiers == {"MEM": (0, 0), "SSD": (1024 * 1024**2, 0)}


def test_no_worker_is_an_answer() -> None:
    """A cluster without workers says so."""
    assert alluxio.parse_capacity("No workers found.\n") == ()


@pytest.mark.parametrize(
    "change",
    [
        ("Worker Name", "Name"),
        ("capacity      512.00MB\n", "capacity\n"),
        ("                                  used          0B (0%)\n", ""),
    ],
)
def test_other_capacities_are_refused(change: tuple[str, str]) -> None:
    """A row that is missing or incomplete is not guessed at."""
    text = printed("capacity-one-tier.txt")
    assert change[0] in text
    with pytest.raises(AlluxioOutputError):
        alluxio.parse_capacity(text.replace(*change))


def test_a_count_is_three_numbers() -> None:
    """Files, folders and bytes."""
    assert alluxio.parse_count(printed("count.txt")) == alluxio.Count(50_000, 1_000, 6_706_560_319)
    for other in ("", "File Count  Folder Count  Folder Size\n", "/x does not exist", "1 2 3"):
        with pytest.raises(AlluxioOutputError):
            alluxio.parse_count(other)


def test_mounts_of_the_source_are_listed() -> None:
    """Each mount tells where it comes from and how it is mounted."""
    root, web = alluxio.parse_mounts(printed("mount.txt"))
    assert (root.source, root.path) == ("/underFSStorage", "/")
    assert (web.source, web.path) == ("https://mirror.example/x", "/web with blank")
    assert "read-only" in web.options


def test_block_files_are_listed_by_the_real_find(tmp_path: Path) -> None:
    """The command lists each file with its bytes, and unfinished blocks are told apart."""
    (tmp_path / ".tmp_blocks" / "7").mkdir(parents=True)
    (tmp_path / ".tmp_blocks" / "7" / "x").write_bytes(b"12")
    (tmp_path / "16777216").write_bytes(b"12345")
    output = subprocess.run(
        alluxio.find_blocks(str(tmp_path)), capture_output=True, text=True, check=True
    ).stdout
    blocks = sorted(alluxio.parse_blocks(output), key=lambda block: block.bytes)
    assert [(block.bytes, block.temporary) for block in blocks] == [(2, True), (5, False)]
    assert alluxio.parse_blocks("") == ()
    with pytest.raises(AlluxioOutputError):
        alluxio.parse_blocks("find: no such folder")


class LocalKube:
    """Runs what should run in the container on this machine, with an ``alluxio`` of our own."""

    def __init__(self, folder: Path, script: str) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.folder = folder
        program = folder / "alluxio"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def exec(self, namespace: str, pod: str, container: str, argv: Sequence[str], **_: Any) -> Completed:
        """Run it here."""
        self.calls.append((namespace, pod, container))
        env = {"PATH": f"{self.folder}:/usr/bin:/bin"}
        done = subprocess.run(list(argv), capture_output=True, text=True, check=False, env=env)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def alluxio_of(kube: LocalKube) -> Alluxio:
    """The Alluxio of Dataset ``demo/imagenet``."""
    return Alluxio(cast("Kube", kube), "demo", "imagenet")


ANSWERS = f"""case "$2 $3" in
"ls -R") cat {DATA}/ls.txt;;
"report summary") cat {DATA}/summary.txt;;
"report metrics") cat {DATA}/metrics.txt;;
"report capacity") cat {DATA}/capacity-one-tier.txt;;
esac"""


def test_one_look_is_one_exec(tmp_path: Path) -> None:
    """Listing, summary, metrics and workers come from one exec in the master's container."""
    kube = LocalKube(tmp_path, ANSWERS)
    look = alluxio_of(kube).look(workers=True)
    assert kube.calls == [("demo", "imagenet-master-0", "alluxio-master")]
    assert look.listing == alluxio.parse_listing(printed("ls.txt"))
    assert look.summary == alluxio.parse_summary(printed("summary.txt"))
    assert look.metrics == alluxio.parse_metrics(printed("metrics.txt"))
    assert look.workers == alluxio.parse_capacity(printed("capacity-one-tier.txt"))


def test_only_what_is_asked_for_is_run(tmp_path: Path) -> None:
    """Each command costs a JVM, so what is not wanted is not run."""
    kube = LocalKube(tmp_path, ANSWERS)
    look = alluxio_of(kube).look(listing=False, metrics=False)
    assert look.summary is not None
    assert (look.listing, look.metrics, look.workers) == (None, None, None)
    assert alluxio_of(kube).look(listing=False, summary=False, metrics=False) == alluxio.Look()
    assert len(kube.calls) == 1


def test_outputs_of_several_commands_are_kept_apart(tmp_path: Path) -> None:
    """Each command has its own outputs and exit code, and quoting survives the shell."""
    kube = LocalKube(tmp_path, 'printf \'%s|\' "$@"; echo "err $1" >&2; test $1 != b')
    a, b = alluxio_of(kube).run_all([["alluxio", "a", "x y;'$HOME"], ["alluxio", "b"]])
    assert (a.exit_code, a.stdout, a.stderr) == (0, "a|x y;'$HOME|", "err a\n")
    assert (b.exit_code, b.stdout, b.stderr.strip()) == (1, "b|", "err b")


def test_a_failed_command_of_a_look_is_told(tmp_path: Path) -> None:
    """When Alluxio refuses one command, its words are shown."""
    kube = LocalKube(tmp_path, "echo master is away >&2; exit 255")
    with pytest.raises(CommandError, match="`alluxio fs ls -R /` in Alluxio's master failed") as caught:
        alluxio_of(kube).look()
    assert "master is away" in caught.value.last_seen


def test_a_broken_script_is_told() -> None:
    """An exec that ended half-way is not taken for answers."""
    with pytest.raises(CommandError, match="only 1 of 2 commands ended"):
        alluxio.split_outputs(Completed(("bash",), 137, "out\n==m== 0\n", ""), [["a"], ["b"]], "==m==")
