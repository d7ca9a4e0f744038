"""The fio jobs: filled in, refused where unfit, and run by a real fio on tiny data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from configparser import ConfigParser
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host.commands import SystemCommands
from workloads.fio import Amounts, Plan, load, names, parse
from workloads.fio.job import KIB, MIB

TINY = Amounts(
    large_bytes=16 * MIB,
    random_4k_bytes=1 * MIB,
    small_files=32,
    small_file_bytes=8 * KIB,
    samples=32,
    sample_bytes=256 * KIB,
)
FIO = shutil.which("fio")
needs_fio = pytest.mark.skipif(FIO is None, reason="fio is not installed (Debian: apt-get install fio)")
ALL = ("random-128k", "random-4k", "sequential-1m", "small-files", "training-epochs")


def test_the_jobs_are_those() -> None:
    """There is a file for each way of reading that the benchmark knows, and each says what it does."""
    assert names() == ALL
    assert all(len(load(name).says) > 40 for name in ALL)


def test_all_jobs_have_the_same_global_settings() -> None:
    """No job differs in what must be equal to be compared."""
    sections = []
    for name in ALL:
        parsed = ConfigParser(default_section="none", interpolation=None, allow_no_value=True)
        parsed.read_string(load(name).text)
        sections.append(dict(parsed["global"]))
    common = dict(set.intersection(*(set(section.items()) for section in sections)))
    assert common == {
        "directory": "${DIRECTORY}",
        "ioengine": "psync",
        "allow_file_create": "0",
        "invalidate": "0",
        "fadvise_hint": "0",
        "group_reporting": "1",
        "numjobs": "${NUMJOBS}",
    }
    assert all("direct" not in section for section in sections)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("numjobs", [1, 4, 16])
def test_the_amount_does_not_depend_on_the_readers(name: str, numjobs: int) -> None:
    """One, four or sixteen jobs read the same number of bytes, of the files that the plan lists."""
    plan = load(name).plan(Amounts(), directory="/data", numjobs=numjobs)
    assert plan.total_bytes == load(name).plan(Amounts(), directory="/data").total_bytes
    assert "${" not in plan.text
    assert plan.name == f"{name} x{numjobs}"
    assert len({one.path for one in plan.files}) == len(plan.files)
    if name != "random-4k":
        assert plan.total_bytes == len(plan.groups) * sum(one.size for one in plan.files)


def test_files_are_listed_with_their_sizes() -> None:
    """The plan names each file that must be there, with its exact size."""
    plan = load("small-files").plan(TINY, directory="/data", numjobs=16)
    assert [(str(one.path), one.size) for one in plan.files][:3] == [
        ("small/0/0", 8192),
        ("small/0/1", 8192),
        ("small/1/0", 8192),
    ]
    assert [str(one.path) for one in load("random-4k").plan(TINY, directory="/data").files] == ["large.bin"]


def test_the_command_never_lets_fio_write() -> None:
    """The command makes fio read-only and asks for the bins."""
    plan = load("random-4k").plan(TINY, directory="/data")
    assert plan.argv("/job.fio") == ("fio", "--readonly", "--eta=never", "--output-format=json+", "/job.fio")


def test_more_than_sixteen_jobs_are_refused_by_default() -> None:
    """Seventeen parallel jobs are refused with the reason, and let through only on request."""
    job = load("random-4k")
    amounts = Amounts(large_bytes=32 * MIB, random_4k_bytes=MIB)
    with pytest.raises(RefusalError, match="32 parallel jobs are not between 1 and 16") as caught:
        job.plan(amounts, directory="/data", numjobs=32)
    assert "hang" in caught.value.advice
    assert job.plan(amounts, directory="/data", numjobs=32, most=32).numjobs == 32


@pytest.mark.parametrize("numjobs", [0, -1])
def test_no_jobs_are_refused(numjobs: int) -> None:
    """Fewer than one job is no workload."""
    with pytest.raises(RefusalError, match="not between 1 and 16"):
        load("random-4k").plan(TINY, directory="/data", numjobs=numjobs)


@pytest.mark.parametrize(
    ("name", "amounts", "says"),
    [
        ("sequential-1m", Amounts(large_bytes=MIB + 1), "blocks of"),
        ("random-4k", Amounts(random_4k_bytes=6 * KIB), "blocks of"),
        ("random-4k", Amounts(large_bytes=MIB, random_4k_bytes=2 * MIB), "cannot be read"),
        ("training-epochs", Amounts(sample_bytes=200 * KIB), "blocks of"),
        ("small-files", Amounts(small_file_bytes=0), "not a size"),
    ],
)
def test_amounts_that_cannot_be_read_whole_are_refused(name: str, amounts: Amounts, says: str) -> None:
    """An amount that fio would silently round is refused."""
    with pytest.raises(RefusalError, match=says):
        load(name).plan(amounts, directory="/data")


def test_files_that_cannot_be_shared_evenly_are_refused() -> None:
    """Ten files among four jobs would not be ten files."""
    with pytest.raises(RefusalError, match="10 files cannot be shared evenly by 4"):
        load("small-files").plan(Amounts(small_files=10), directory="/data", numjobs=4)


@pytest.mark.parametrize("directory", ["", "/data:/other", "/da ta", "/data\nrw=write", "$HOME", "../[x]"])
def test_a_directory_that_fio_would_misread_is_refused(directory: str) -> None:
    """A name with fio's own separators, or with a line of its own, never reaches the job file."""
    with pytest.raises(RefusalError, match="directory"):
        load("random-4k").plan(TINY, directory=directory)


@pytest.mark.parametrize("name", ["nope", "../jobs/random-4k", ""])
def test_a_job_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(RefusalError) as caught:
        load(name)
    assert "sequential-1m" in caught.value.advice


GOOD = """# A job of a user's own.
[global]
directory=${DIRECTORY}
allow_file_create=0
invalidate=0
fadvise_hint=0
group_reporting=1
numjobs=${NUMJOBS}
[own]
rw=read
bs=4k
filename=large.bin
size=${LARGE_SHARE}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rw=read", "rw=randrw", "does not only read"),
        ("rw=read\n", "", "does not only read"),
        ("allow_file_create=0", "allow_file_create=1", "must set allow_file_create=0"),
        ("invalidate=0\n", "", "must set invalidate=0"),
        ("bs=4k", "bs=4k\nruntime=10", "must not set runtime"),
        ("bs=4k", "bs=4k\ntime_based", "must not set time_based"),
        ("bs=4k", "bs=4q", "bs=4q is not a size"),
        ("${LARGE_SHARE}", "${HUGE}", "nothing sets HUGE"),
        ("[own]", "own", "reads nothing"),
        ("# A job of a user's own.\n", "", "does not begin with a comment"),
    ],
)
def test_a_job_file_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    """A job that writes, depends on the time or reads an unknown amount is refused before it runs."""
    (tmp_path / "own.fio").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(RefusalError, match=says):
        load("own", tmp_path).plan(TINY, directory="/data")


def test_a_job_of_a_users_own_is_accepted(tmp_path: Path) -> None:
    """A file of another folder that follows the rules is planned like those of the harness."""
    (tmp_path / "own.fio").write_text(GOOD)
    assert load("own", tmp_path).plan(TINY, directory="/data").total_bytes == 16 * MIB


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that any of the jobs reads, with 1 and with 4 readers."""
    folder = tmp_path_factory.mktemp("fio-data")
    for name in ALL:
        for numjobs in (1, 4):
            for one in load(name).plan(TINY, directory="/data", numjobs=numjobs).files:
                path = folder / one.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(os.urandom(one.size))
    return folder


def run_fio(plan: Plan, folder: Path) -> str:
    """What a real fio prints for the plan."""
    job = folder / "job.fio"
    job.write_text(plan.text)
    return SystemCommands().run(plan.argv(job), cwd=folder, timeout=60).stdout


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Sizes and times of all that is in a folder."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@needs_fio
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("numjobs", [1, 4])
def test_real_fio_reads_what_the_plan_says(name: str, numjobs: int, data: Path, tmp_path: Path) -> None:
    """A real fio reads exactly the planned bytes, in the planned groups, and touches no file."""
    plan = load(name).plan(TINY, directory=str(data), numjobs=numjobs)
    before = tree(data)
    output = run_fio(plan, tmp_path)
    report = parse(output)
    assert report.failed == ()
    assert [job.jobname for job in report.jobs] == list(plan.groups)
    assert sum(job.read.io_bytes for job in report.jobs) == plan.total_bytes
    for job, raw in zip(report.jobs, json.loads(output[output.index("{") :])["jobs"], strict=True):
        assert (raw["write"]["io_bytes"], raw["read"]["short_ios"]) == (0, 0)
        assert job.read.clat_ns.bins is not None
        for percent, ns in raw["read"]["clat_ns"]["percentile"].items():
            assert job.read.clat_ns.bins.percentile(float(percent)) == ns
    assert tree(data) == before


def trace(plan: Plan, folder: Path) -> list[list[str]]:
    """What fio did by its own log: file, action and, for a read, offset and length, in order."""
    text = plan.text
    for group in plan.groups:
        text = text.replace(f"[{group}]", f"[{group}]\nwrite_iolog={folder / group}.log")
    run_fio(Plan(plan.job, plan.numjobs, text, plan.files, plan.total_bytes, plan.groups), folder)
    lines = [line for group in plan.groups for line in (folder / f"{group}.log").read_text().splitlines()]
    return [line.split()[1:] for line in lines if len(line.split()) > 2 and not line.startswith("fio")]


@needs_fio
def test_small_files_are_opened_read_whole_and_closed(data: Path, tmp_path: Path) -> None:
    """Each small file is opened, read whole in one piece and closed before the next is opened."""
    plan = load("small-files").plan(TINY, directory=str(data))
    done = [words for words in trace(plan, tmp_path) if words[1] != "add"]
    assert [words[1] for words in done] == ["open", "read", "close"] * TINY.small_files
    assert {Path(words[0]) for words in done} == {data / one.path for one in plan.files}
    assert all(words[2:] == ["0", str(TINY.small_file_bytes)] for words in done if words[1] == "read")


@needs_fio
def test_training_reads_whole_files_in_another_order_each_epoch(data: Path, tmp_path: Path) -> None:
    """Each epoch reads each sample whole, once, between its open and close, in an order of its own."""
    plan = load("training-epochs").plan(TINY, directory=str(data))
    done = [words for words in trace(plan, tmp_path) if words[1] != "add"]
    reads = TINY.sample_bytes // (128 * KIB)
    assert [words[1] for words in done] == (["open", *["read"] * reads, "close"]) * TINY.samples * 2
    opened = [words[0] for words in done if words[1] == "open"]
    first, second = opened[: TINY.samples], opened[TINY.samples :]
    assert sorted(first) == sorted(second) == sorted(str(data / one.path) for one in plan.files)
    in_order = [str(data / one.path) for one in plan.files]
    assert len({tuple(first), tuple(second), tuple(in_order)}) == 3
    offsets = [int(words[2]) for words in done if words[1] == "read"]
    assert offsets == [0, 128 * KIB] * TINY.samples * 2


@needs_fio
@pytest.mark.parametrize("name", ["random-4k", "random-128k"])
def test_random_reads_repeat_no_piece_and_are_the_same_each_time(
    name: str, data: Path, tmp_path: Path
) -> None:
    """No piece is read twice, and every run reads the same pieces in the same order."""
    plan = load(name).plan(TINY, directory=str(data))
    runs = []
    for attempt in ("one", "two"):
        folder = tmp_path / attempt
        folder.mkdir()
        runs.append([int(words[2]) for words in trace(plan, folder) if words[1] == "read"])
    assert runs[0] == runs[1]
    assert max(Counter(runs[0]).values()) == 1
    assert runs[0] != sorted(runs[0])


@needs_fio
def test_four_readers_share_the_file_without_overlap(data: Path, tmp_path: Path) -> None:
    """With four readers each piece of the large file is read by exactly one of them."""
    plan = load("sequential-1m").plan(TINY, directory=str(data), numjobs=4)
    offsets = [int(words[2]) for words in trace(plan, tmp_path) if words[1] == "read"]
    assert sorted(offsets) == list(range(0, TINY.large_bytes, MIB))


@needs_fio
def test_a_file_that_is_not_there_fails_the_job(tmp_path: Path) -> None:
    """Without its data a job fails; fio creates none."""
    plan = load("sequential-1m").plan(TINY, directory=str(tmp_path))
    (tmp_path / "job.fio").write_text(plan.text)
    done = SystemCommands().run(plan.argv(tmp_path / "job.fio"), check=False, timeout=60)
    assert done.exit_code != 0
    assert [job.jobname for job in parse(done.stdout + done.stderr).failed] == ["sequential-1m"]
    assert not (tmp_path / "large.bin").exists()


@needs_fio
@pytest.mark.parametrize("name", ALL)
def test_a_job_file_runs_by_hand_from_the_environment(name: str, data: Path) -> None:
    """The files are ordinary fio jobs with variables from the environment."""
    values = {
        "DIRECTORY": str(data),
        "NUMJOBS": "4",
        "LARGE_SHARE": "4m",
        "RANDOM_4K_SHARE": "256k",
        "SMALL_FILES_SHARE": "8",
        "SMALL_FILE_SIZE": "8k",
        "SAMPLES_SHARE": "8",
        "SAMPLE_SIZE": "256k",
        "SAMPLE_READS": "2",
    }
    file = Path(__file__).parents[3] / "workloads" / "jobs" / f"{name}.fio"
    done = subprocess.run(
        [str(FIO), "--readonly", "--output-format=json", str(file)],
        env={**os.environ, **values},
        capture_output=True,
        check=True,
        timeout=60,
    )
    planned = load(name).plan(TINY, directory="/data", numjobs=4).total_bytes
    assert sum(job.read.io_bytes for job in parse(done.stdout).jobs) == planned
