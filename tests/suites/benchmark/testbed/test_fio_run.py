"""fio inside a Pod with the observations around it, run here by a shell with a fake fio."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from suites.benchmark.testbed.fio_run import (
    FioRun,
    HungError,
    measure_argv,
    parse_run,
    parse_runs,
    read_all_argv,
    repeat_argv,
)
from workloads.fio import Amounts, Plan, load

DATA = Path(__file__).parents[3] / "data" / "fio"
MIB = 1024 * 1024


def plan(numjobs: int = 1) -> Plan:
    """A small plan."""
    return load("sequential-1m").plan(Amounts(large_bytes=4 * MIB), directory="/data", numjobs=numjobs)


def run(argv: tuple[str, ...], folder: Path, fio: str = "", stdin: str = "") -> Completed:
    """Run a command here with a fio and a fincore of our own on the path."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, text in (
        ("fio", fio),
        ("fincore", "for f; do case $f in -*|RES) ;; *) echo 4096;; esac; done"),
    ):
        file = tools / name
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, input=stdin, timeout=20)
    return Completed(argv, done.returncode, done.stdout, done.stderr)


def files(folder: Path) -> Path:
    """A folder with two files, one of them further down."""
    data = folder / "data with blank"
    (data / "sub").mkdir(parents=True)
    (data / "one").write_bytes(b"x" * 5000)
    (data / "sub" / "two words").write_bytes(b"x" * 5000)
    return data


def test_observations_are_before_and_after_fio(tmp_path: Path) -> None:
    """Page cache, load and processors are read before and after fio, which reads its job from a pipe."""
    fio = f"cat > {tmp_path}/job; cat {DATA}/seqread.txt"
    done = run(measure_argv(plan(), str(files(tmp_path)), 5), tmp_path, fio, stdin="[job]\n")
    found = parse_run(done)
    assert (tmp_path / "job").read_text() == "[job]\n"
    assert found.resident_before == found.resident_after == 2 * 4096
    assert found.load >= 0
    assert found.busy is None or 0 <= found.busy <= 1
    assert found.report.version.startswith("fio-")


def test_processor_time_is_that_of_all_programs_and_processors(tmp_path: Path) -> None:
    """Ticks that were neither idle nor spent waiting for a disk: as a share, and as seconds."""
    done = run(measure_argv(plan(), str(files(tmp_path)), 5), tmp_path, f"cat {DATA}/seqread.txt")
    own = ("seen cpu", "seen ended", "seen started")
    text = "".join(line for line in done.stdout.splitlines(keepends=True) if not line.startswith(own))
    text += "seen cpu-before cpu 10 0 20 400 50 0 0 0 0 0\nseen cpu-after cpu 110 5 70 420 75 10 10 0 0 0\n"
    reading = parse_run(done).seconds

    def observed(seconds: float) -> FioRun:
        times = f"seen started {10**18}\nseen ended {10**18 + int(seconds * 1e9)}\n"
        return parse_run(Completed(done.argv, 0, text + times, ""))

    found = observed(1.9 * reading)
    assert found.cpu_seconds == pytest.approx(1.75)
    assert found.busy == pytest.approx(175 / 220)
    # Most of the time fio was starting.
    assert observed(2.1 * reading).cpu_seconds is None


def test_fio_that_hangs_is_ended_and_named(tmp_path: Path) -> None:
    """A fio that does not end is ended inside the Pod, and the error says what to try."""
    done = run(measure_argv(plan(), str(files(tmp_path)), 1), tmp_path, "exec sleep 30")
    with pytest.raises(HungError, match="did not end within 1 s") as caught:
        parse_run(done)
    assert "parallel jobs" in caught.value.advice


def test_several_runs_are_one_command(tmp_path: Path) -> None:
    """Each run reads the job again; the page cache is dropped between two of them if it must be empty."""
    data, argv = str(files(tmp_path)), measure_argv(plan(), "/data", 5)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "dd").write_text(f"#!/bin/bash\necho drop >> {tmp_path}/did\n")
    (tmp_path / "tools" / "dd").chmod(0o755)
    fio = f"cat >> {tmp_path}/did; cat {DATA}/seqread.txt"
    for empty, expected in ((False, ["[job]"] * 3), (True, ["[job]", *(2 * ["drop", "drop", "[job]"])])):
        (tmp_path / "did").write_text("")
        one = measure_argv(plan(), data, 5)
        done = run(repeat_argv(one, data, 3, empty=empty), tmp_path, fio, stdin="[job]\n")
        found = parse_runs(argv, done.stdout, 3, who="the reader")
        assert (tmp_path / "did").read_text().splitlines() == expected
        assert {each.read_bytes for each in found} == {found[0].read_bytes}


def test_failed_run_is_the_last_one(tmp_path: Path) -> None:
    """A fio that hangs is not started again, and is reported as hung."""
    data = str(files(tmp_path))
    argv = measure_argv(plan(), data, 1)
    fio = f"echo begun >> {tmp_path}/did; exec sleep 30"
    done = run(repeat_argv(argv, data, 3, empty=False), tmp_path, fio)
    assert (tmp_path / "did").read_text().splitlines() == ["begun"]
    with pytest.raises(HungError, match="did not end within 1 s"):
        parse_runs(argv, done.stdout, 3, who="the reader")


def test_missing_run_is_reported_with_what_was_written(tmp_path: Path) -> None:
    """A page cache that cannot be dropped ends the command before the second read."""
    data = str(files(tmp_path))
    argv = measure_argv(plan(), data, 5)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "dd").write_text("#!/bin/bash\nexit 1\n")
    (tmp_path / "tools" / "dd").chmod(0o755)
    done = run(repeat_argv(argv, data, 2, empty=True), tmp_path, f"cat {DATA}/seqread.txt")
    with pytest.raises(InfrastructureError, match="the reader completed 1 of 2 reads") as caught:
        parse_runs(argv, done.stdout, 2, who="the reader", stderr=done.stderr)
    assert "cannot drop the pages of" in caught.value.last_seen


def test_fio_that_is_not_there_is_no_measurement(tmp_path: Path) -> None:
    """A command that fails without JSON is reported with its output."""
    done = run(measure_argv(plan(), str(files(tmp_path)), 5), tmp_path, "echo no such job >&2; exit 1")
    with pytest.raises(InfrastructureError, match="fio could not run") as caught:
        parse_run(done)
    assert "no such job" in caught.value.last_seen


def test_reading_all_files_prints_what_the_page_cache_holds(tmp_path: Path) -> None:
    """The last word is the number of bytes in memory; a folder that cannot be read is an error."""
    data = files(tmp_path)
    done = run(read_all_argv(str(data)), tmp_path)
    assert (done.exit_code, done.stdout.split()[-1]) == (0, str(2 * 4096)), done.stderr
    assert run(read_all_argv(str(data / "none")), tmp_path).exit_code != 0
