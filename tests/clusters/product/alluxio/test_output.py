"""Parsers of what Alluxio 2.9 prints."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from clusters.product.alluxio import output
from clusters.product.alluxio.output import AlluxioOutputError

DATA = Path(__file__).parents[3] / "data" / "alluxio"


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
    assert output.size(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "MB", "1.2XB", "1 MB", "1.2MiB", "NaN"])
def test_text_that_is_not_a_size_is_refused(text: str) -> None:
    """An unknown unit is an error."""
    with pytest.raises(AlluxioOutputError):
        output.size(text)


def test_listing_has_size_and_cached_share_of_each_file() -> None:
    """Files differ from folders, names may have blanks, and an owner may be missing."""
    listing = output.parse_listing(printed("ls.txt"))
    assert [(e.path, e.bytes, e.in_alluxio) for e in listing.entries] == [
        ("/images", 3, None),
        ("/images/0001.bin", 10485760, 100),
        ("/images/with two  blanks.bin", 33554432, 50),
        ("/images/é.bin", 1024, 0),
        ("/e", 0, 100),
    ]
    assert listing.entries[0].is_folder
    assert listing.total_bytes == 10485760 + 33554432 + 1024
    assert listing.cached_bytes == 10485760 + 16777216
    assert listing.percentage == pytest.approx(61.9, abs=0.1)


def test_a_listing_without_security_has_no_owners() -> None:
    """Where Alluxio runs without security it prints neither mode nor owner."""
    line = f"{1024:>15}{'PERSISTED':>16}{'11-22-2026 15:20:01:123':>24}{'100%':>5} /a/b"
    (entry,) = output.parse_listing(line).entries
    assert (entry.path, entry.bytes, entry.in_alluxio) == ("/a/b", 1024, 100)


def listing_of(*shares: tuple[int, int]) -> output.Listing:
    """A listing of files of these bytes and shares."""
    return output.Listing(tuple(output.Entry(f"/{i}", size, share) for i, (size, share) in enumerate(shares)))


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
def test_empty_files_do_not_count(shares: list[tuple[int, int]], every: bool, none: bool) -> None:
    """Only files with data count; a listing without files is never *all cached*."""
    listing = listing_of(*shares)
    assert (listing.all_cached, listing.none_cached) == (every, none)


def test_log_lines_are_skipped() -> None:
    """A warning of the client's logging is not an entry."""
    log = "2026-11-22 15:20:01,123 WARN  Configuration - something\nSLF4J: Class path contains\n"
    assert output.parse_listing(log + printed("ls.txt")) == output.parse_listing(printed("ls.txt"))


@pytest.mark.parametrize(
    "line", ["/nothing does not exist", "-rw-r--r-- root root 1.00MB PERSISTED x y 1% /a"]
)
def test_other_listing_formats_are_refused_with_their_line(line: str) -> None:
    """Human-readable sizes (``-h``) and error messages are not a listing."""
    with pytest.raises(AlluxioOutputError) as caught:
        output.parse_listing(printed("ls.txt") + line)
    assert caught.value.last_seen == line


def test_summary_has_workers_and_space() -> None:
    """Workers, capacity and use are read."""
    summary = output.parse_summary(printed("summary.txt"))
    assert summary.live_workers == 1
    assert (summary.capacity, summary.used) == (512 * 1024**2, 42 * 1024**2)


def test_a_summary_without_a_figure_is_refused() -> None:
    """A figure that is missing or not a number is never read as 0."""
    with pytest.raises(AlluxioOutputError):
        output.parse_summary(re.sub(r"Live Workers: *\d+", "Live Workers: many", printed("summary.txt")))
    with pytest.raises(AlluxioOutputError, match="fsadmin report summary") as caught:
        output.parse_summary(printed("summary.txt").replace("Used Capacity", "Spent"))
    assert "'Used Capacity'" in caught.value.last_seen


def test_metrics_are_bytes_rates_counts_or_texts() -> None:
    """Bytes, rates and counts are read as numbers, and texts are left out."""
    metrics = output.parse_metrics(printed("metrics.txt"))
    assert metrics.read_local == pytest.approx(19.37 * 1024**2)
    assert metrics.read_remote == 4096
    assert metrics.read_source == pytest.approx(30.75 * 1024**2)
    assert metrics.value("Cluster.BytesReadUfsThroughput") == pytest.approx(787.17 * 1024)
    assert metrics.value("Master.FilesCompleted") == 6_367_897
    assert metrics.value("Cluster.CacheHitRate") == 0.61
    assert "Master.RoleId" not in metrics.by_name


@pytest.mark.parametrize("name", ["Master.RoleId", "Cluster.NoSuchThing", "Master.JournalCheckpointWarn"])
def test_metric_without_a_number_is_refused(name: str) -> None:
    """A metric that is missing or a text is never read as 0."""
    with pytest.raises(AlluxioOutputError) as caught:
        output.parse_metrics(printed("metrics.txt")).value(name)
    assert name in caught.value.last_seen


def test_other_metric_formats_are_refused_with_their_line() -> None:
    """An error message is not a metric."""
    with pytest.raises(AlluxioOutputError) as caught:
        output.parse_metrics("Failed to connect to the master\n")
    assert caught.value.last_seen == "Failed to connect to the master"


def test_mounts_of_the_source_are_listed() -> None:
    """Each mount has its source, path and options."""
    root, web = output.parse_mounts(printed("mount.txt"))
    assert (root.source, root.path) == ("/underFSStorage", "/")
    assert (web.source, web.path) == ("https://mirror.example/x", "/web with blank")
    assert "read-only" in web.options


def test_block_files_are_listed_by_the_real_find(tmp_path: Path) -> None:
    """The command lists each file with its bytes, and unfinished blocks are marked."""
    (tmp_path / ".tmp_blocks" / "7").mkdir(parents=True)
    (tmp_path / ".tmp_blocks" / "7" / "x").write_bytes(b"12")
    (tmp_path / "16777216").write_bytes(b"12345")
    printed_by_find = subprocess.run(
        output.find_blocks(str(tmp_path)), capture_output=True, text=True, check=True
    ).stdout
    blocks = sorted(output.parse_blocks(printed_by_find), key=lambda block: block.bytes)
    assert [(block.bytes, block.temporary) for block in blocks] == [(2, True), (5, False)]
    assert output.parse_blocks("") == ()
    with pytest.raises(AlluxioOutputError):
        output.parse_blocks("find: no such folder")


def test_leader_is_read_among_log_lines() -> None:
    """The line of the leader, with the port of its RPC service, between others."""
    text = "2026-11-28 06:00:00,000 WARN  a line of the log\nCurrent leader master: demo-master-1:20000\n"
    assert output.parse_leader(f"{text}All masters: [demo-master-0:20000, demo-master-1:20000]\n") == (
        "demo-master-1"
    )


@pytest.mark.parametrize("address", ["<unresolved>", "10.244.0.7"])
def test_leader_is_the_host_alone(address: str) -> None:
    """As Java 17 prints an address (seen with 2.9.0)."""
    assert output.parse_leader(f"Current leader master: demo-master-0/{address}:20000\n") == "demo-master-0"


def test_output_without_a_leader_is_refused() -> None:
    """While the masters elect one, the command says that there is none."""
    with pytest.raises(output.AlluxioOutputError, match="masterInfo"):
        output.parse_leader("Failed to determine the primary rpc address\n")
