"""An application that keeps a record of its own reads."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from clusters.host.commands import Completed
from workloads import recording_reader
from workloads.application import Application
from workloads.data import DataFile, Files
from workloads.pod_commands import OutputError
from workloads.recording_reader import Read, ReadRecord, read_record

FILES = Files((DataFile("a.bin", 1000, "s"), DataFile("odd/größe x.bin", 10, "t"), DataFile("gone", 5, "u")))


def a_record(text: str) -> ReadRecord:
    """What the text says, of these files."""
    return read_record(Completed(("cat",), 0, text, ""), FILES)


def test_each_read_is_recorded_with_its_checksum_or_its_error(tmp_path: Path) -> None:
    """The program itself, on real files: right reads, and one of a file that is not there."""
    for file in FILES.files[:2]:
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(file.pieces()))
    application = Application(namespace="demo", name="a", claim="c", image="i", mount_path=str(tmp_path))
    *command, record, pause, first, second, third = recording_reader.recording(application, FILES).command
    assert record == recording_reader.RECORD
    own = tmp_path / "record"
    with subprocess.Popen([*command, str(own), pause, first, second, third]) as process:
        deadline = time.monotonic() + 20
        while not own.exists() or own.read_text().count("end\t") < len(FILES.files) + 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 0
    seen = a_record(f"{time.time()}\n{own.read_text()}")
    right = [read for read in seen.reads if read.checksum]
    assert {read.path for read in right} == {"a.bin", "odd/größe x.bin"}
    assert seen.wrong(FILES) == ()
    assert {read.path for read in seen.failed} == {"gone"}
    assert "No such file" in seen.failed[0].message
    assert all(read.ended is not None and read.ended >= read.begun for read in seen.reads[:4])


def test_read_that_has_not_ended_is_one_that_waits() -> None:
    """It has been taking time until the record was read, and is part of the stretch."""
    seen = a_record("100.0\nbegin\t0\t10.0\nend\t0\t11.0\tok\tabc\nbegin\t1\t12.0\n")
    assert seen.reads == (Read("a.bin", 10.0, 11.0, "abc"), Read("odd/größe x.bin", 12.0))
    assert seen.longest == 88.0
    assert [read.path for read in seen.wrong(FILES)] == ["a.bin"]
    assert seen.during(50.0, 60.0).reads == seen.reads[1:]
    assert seen.during(0.0, 10.5).reads == seen.reads[:1]
    assert seen.during(0.0, 5.0).reads == ()
    assert seen.ended == seen.reads[:1]
    assert a_record("100.0\n").longest == 0.0


def test_line_that_is_being_written_is_left_out() -> None:
    """The record is read while the application writes it."""
    assert a_record("100.0\nbegin\t0\t10.0\nend\t0\t1").reads == (Read("a.bin", 10.0),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon\n",
        "1.0\nend\t0\t1.0\tok\tabc\n",
        "1.0\nbegin\t9\t1.0\n",
        "1.0\nbegin\t0\t1.0\nend\t1\t2.0\tok\tabc\n",
        "1.0\nwhat\n",
    ],
    ids=["nothing", "no time", "end without begin", "no such file", "end of another file", "no record"],
)
def test_anything_else_is_refused(text: str) -> None:
    """Nothing is concluded from a record that is none."""
    with pytest.raises(OutputError):
        a_record(text)


def test_error_without_words_is_an_error() -> None:
    """A read that failed is never taken for one that has not ended."""
    (read,) = a_record("9.0\nbegin\t0\t1.0\nend\t0\t2.0\tfailed\t\n").reads
    assert (read.message, read.checksum) == ("failed", "")
