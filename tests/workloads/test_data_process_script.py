import hashlib
import subprocess
from pathlib import Path

import pytest

from workloads.data_process_script import parse_log, reading_script
from workloads.pod_commands import OutputError


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script as a DataProcess does."""
    return subprocess.run(
        ["bash", "-c", reading_script(str(folder))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_the_script_prints_mounts_and_checksums(tmp_path: Path) -> None:
    """Whatever the files are called, their checksums and the mounts can be read from the log."""
    names = ("plain", "with blank", "größe-数据", "line\nfeed")
    for name in names:
        (tmp_path / name).write_text(name)
    done = run(tmp_path)
    said = parse_log(f"something before\n{done.stdout}")
    assert done.returncode == 0
    assert said.read.complete
    assert said.read.checksums == {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    assert "/proc" in said.mounts


def test_a_folder_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    """The script fails where the read failed, and the log says why."""
    done = run(tmp_path / "missing")
    said = parse_log(done.stdout)
    assert done.returncode != 0
    assert not said.read.complete
    assert "No such file" in said.read.message


@pytest.mark.parametrize(
    "log",
    [
        "",
        "mounts YQ==\n",
        "checksums 0 YQ==\n",
        "mounts a!\nchecksums 0 YQ==\n",
        "mounts YQ==\nchecksums 0 YQ==\n",
    ],
)
def test_a_log_that_says_something_else_is_an_error(log: str) -> None:
    """A log with a missing or wrong part never counts as a finding."""
    with pytest.raises(OutputError):
        parse_log(log)
