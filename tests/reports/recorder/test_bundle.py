"""Bundles: what is in them, what bounds them, what they survive."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clusters.errors import FailureClass
from reports.files import clipped, create_private, point_latest, safe_path, write_atomically
from reports.recorder.bundle import Story, write_bundle
from reports.verdict.model import Failure
from suites.record.evidence import Fact
from suites.record.run import BundleCollector, FailureContext

CONTEXT = FailureContext("B1", "call", ("b1",), datetime(2026, 11, 22, 15, 37, tzinfo=UTC))


def story(**texts: str) -> Story:
    """A failure of B1 with these texts."""
    return Story(
        context=CONTEXT,
        title="An application on the original claim gets no acceleration",
        failures=(
            Failure(
                failure_class=FailureClass.PRODUCT,
                reason="cached",
                phase="call",
                detail="cached\n  elapsed: 3 s",
            ),
        ),
        seconds=14.2,
        trace="Traceback: …",
        facts=(Fact(source="node label", says="fluid.io/f-b1-data=true", at=12.0),),
        texts=texts,
    )


def collector(name: str, files: Mapping[str, str | bytes], seconds: float = 5.0) -> BundleCollector:
    """A collector that gives these files."""
    return BundleCollector(name, lambda context: files, seconds)


def test_index_explains_the_run(tmp_path: Path) -> None:
    """The index says what failed, how, what had been seen, and what is where."""
    index = write_bundle(
        tmp_path, story(sent="kind: Dataset"), [collector("events", {"b1.txt": "FailedMount"})]
    )
    assert index == tmp_path / "index.md"
    text = index.read_text()
    for expected in (
        "B1 failed in its body",
        "original claim",
        "14.2 s",
        "Namespaces: b1",
        "elapsed: 3 s",
        "node label",
    ):
        assert expected in text
    for path, content in [
        ("events/b1.txt", "FailedMount"),
        ("error.txt", "Traceback: …"),
        ("test/sent", "kind: Dataset"),
    ]:
        assert f"({path})" in text
        assert (tmp_path / path).read_text() == content


def test_collectors_receive_the_context(tmp_path: Path) -> None:
    """A collector receives the scenario, its namespaces and the start time."""
    given: list[FailureContext] = []

    def take(context: FailureContext) -> dict[str, str]:
        given.append(context)
        return {"x.txt": "x"}

    write_bundle(tmp_path, story(), [BundleCollector("x", take)])
    assert given == [CONTEXT]


def test_failing_and_hanging_collectors(tmp_path: Path) -> None:
    """A collector that raises, hangs or finds nothing leaves a note, and the others' files are there."""
    release = threading.Event()

    def fail(context: FailureContext) -> dict[str, str]:
        raise SystemExit("no API")

    def hang(context: FailureContext) -> dict[str, str]:
        release.wait(30)
        return {"late.txt": "too late"}

    collectors = [
        BundleCollector("logs", fail),
        BundleCollector("mounts", hang, seconds=0.05),
        collector("report", {}),
        collector("events", {"e.txt": "kept"}),
    ]
    try:
        index = write_bundle(tmp_path, story(), collectors)
    finally:
        release.set()
    assert index is not None
    text = index.read_text()
    assert "logs: failed: SystemExit: no API" in text
    assert "mounts: gave nothing within 0.05 s" in text
    assert "report: found nothing" in text
    assert (tmp_path / "events/e.txt").read_text() == "kept"
    assert not (tmp_path / "mounts").exists()


def test_long_file_keeps_head_and_tail(tmp_path: Path) -> None:
    """A file beyond its limit keeps its beginning and its end, and says so."""
    log = "first\n" + "x" * 5000 + "\nlast"
    index = write_bundle(tmp_path, story(), [collector("logs", {"a.log": log})], file_limit=1000)
    kept = (tmp_path / "logs/a.log").read_bytes()
    assert len(kept) <= 1000
    assert kept.startswith(b"first") and kept.endswith(b"last") and b"left out" in kept  # noqa: PT018 - one thing
    assert index is not None
    assert "middle left out" in index.read_text()


def test_full_bundle(tmp_path: Path) -> None:
    """A file that does not fit into the bundle is named; later files that fit are kept."""
    collectors = [
        collector("logs", {"a.log": "a" * 600, "b.log": "b" * 600}),
        collector("events", {"e.txt": "small"}),
    ]
    index = write_bundle(tmp_path, story(), collectors, bundle_limit=1000)
    assert index is not None
    assert "logs: b.log was left out" in index.read_text()
    assert (tmp_path / "logs/a.log").exists()
    assert (tmp_path / "events/e.txt").exists()
    assert not (tmp_path / "logs/b.log").exists()


def test_unwritable_folder(tmp_path: Path) -> None:
    """Where nothing can be written there is no bundle, and no error."""
    (tmp_path / "file").write_text("in the way")
    assert write_bundle(tmp_path / "file", story(), []) is None


def test_names_that_clash(tmp_path: Path) -> None:
    """Two collectors of one name lose nothing."""
    write_bundle(tmp_path, story(), [collector("logs", {"a.log": "1"}), collector("logs", {"a.log": "2"})])
    assert {path.read_text() for path in (tmp_path / "logs").iterdir()} == {"1", "2"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pods/app.log", "pods/app.log"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a b:c.txt", "a-b-c.txt"),
        ("..", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_safe_path(name: str, expected: str) -> None:
    """A name given by a collector cannot leave the bundle."""
    assert safe_path(name).as_posix() == expected


def test_clipped_never_exceeds() -> None:
    """Clipping keeps within the limit, also where there is hardly room for the mark."""
    for limit in (100, 101, 500):
        assert len(clipped(b"x" * 10_000, limit)) <= limit
    assert clipped(b"short", 100) == b"short"


def test_atomic_write_leaves_no_parts(tmp_path: Path) -> None:
    """A rewritten file is complete, and no other file is left."""
    for text in ("one", "two"):
        write_atomically(tmp_path / "deep" / "f.txt", text)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["f.txt"]
    assert (tmp_path / "deep" / "f.txt").read_text() == "two"


def test_latest(tmp_path: Path) -> None:
    """``latest`` follows the newest run; a folder of that name is left alone."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point_latest(tmp_path / name)
    assert (tmp_path / "latest").readlink() == Path("two")
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").mkdir()
    point_latest(tmp_path / "one")
    assert not (tmp_path / "latest").is_symlink()


def test_folders_of_a_run_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Those that exist above keep their mode."""
    before = tmp_path.stat().st_mode
    create_private(tmp_path / "out" / "run")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out" / "run").stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode == before
    (tmp_path / "out" / "run").chmod(0o755)  # as another plugin created it
    create_private(tmp_path / "out" / "run")
    assert (tmp_path / "out" / "run").stat().st_mode & 0o777 == 0o700
