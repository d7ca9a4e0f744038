"""fio's output, recorded from fio 3.33, against the parser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workloads.fio import Direction, FioOutputError, FioReport, JobReport, Latency, parse
from workloads.fio.document import DEEPEST

RECORDED = Path(__file__).parent.parent / "data" / "fio"
NAMES = sorted(path.stem for path in RECORDED.glob("*.txt"))
WITH_TERSE = ("same-run", "longer")
WITH_NORMAL = ("same-run", "longer", "several")


def recorded(name: str) -> str:
    """One recording."""
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def directions(report: FioReport) -> list[tuple[JobReport, str, Direction]]:
    """The reads, writes and trims of all jobs."""
    return [(job, kind, getattr(job, kind)) for job in report.jobs for kind in ("read", "write", "trim")]


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_fios_own(name: str) -> None:
    """Each value of the model stands in fio's JSON under the same name, unchanged."""
    text = recorded(name)
    raw = json.JSONDecoder().raw_decode(text, text.index("{\n"))[0]
    report = parse(text)
    assert report.version == raw["fio version"] == "fio-3.33"
    assert report.timestamp_ms == raw["timestamp_ms"]
    assert len(report.jobs) == len(raw["jobs"])
    for job, given_job in zip(report.jobs, raw["jobs"], strict=True):
        for field in ("jobname", "groupid", "error", "elapsed", "job_runtime", "usr_cpu", "sys_cpu", "ctx"):
            assert getattr(job, field) == given_job[field]
        assert dict(job.options) == given_job["job options"]
        for kind in ("read", "write", "trim"):
            _same_direction(getattr(job, kind), given_job[kind])


def _same_direction(ours: Direction, theirs: dict[str, object]) -> None:
    for field in Direction.__dataclass_fields__:
        value, wanted = getattr(ours, field), theirs[field]
        if not isinstance(value, Latency):
            assert value == wanted, field
            continue
        assert isinstance(wanted, dict)
        for part in ("min", "max", "mean", "stddev", "N"):
            assert getattr(value, part) == wanted[part]
        assert value.percentile == tuple((float(p), ns) for p, ns in wanted.get("percentile", {}).items())
        if "bins" in wanted:
            assert value.bins is not None
            assert dict(value.bins.counts) == {int(ns): count for ns, count in wanted["bins"].items()}
        else:
            assert value.bins is None


@pytest.mark.parametrize("name", WITH_TERSE)
def test_numbers_agree_with_terse_output_of_the_same_run(name: str) -> None:
    """Terse (version 3) gives the same numbers in its own units: KiB, KiB/s, ms and whole µs."""
    text = recorded(name)
    lines = [line.split(";") for line in text.splitlines() if line.startswith("3;fio-")]
    jobs = parse(text).jobs
    assert len(lines) == len(jobs)
    for job, line in zip(jobs, lines, strict=True):
        assert line[1:5] == ["fio-3.33", job.jobname, str(job.groupid), str(job.error)]
        _same_as_terse(job.read, line[5:46])
        _same_as_terse(job.write, line[46:87])
        assert line[87:92] == [
            f"{job.usr_cpu:f}%",
            f"{job.sys_cpu:f}%",
            str(job.ctx),
            str(job.majf),
            str(job.minf),
        ]


def _same_as_terse(io: Direction, fields: list[str]) -> None:
    assert fields[:4] == [str(io.io_kbytes), str(io.bw), str(int(io.iops)), str(io.runtime)]
    for latency, place in ((io.slat_ns, 4), (io.clat_ns, 8), (io.lat_ns, 32)):
        assert fields[place : place + 2] == [str(latency.min // 1000), str(latency.max // 1000)]
        assert float(fields[place + 2]) == pytest.approx(latency.mean / 1000, abs=2e-6)
        assert float(fields[place + 3]) == pytest.approx(latency.stddev / 1000, abs=2e-6)
    # With lat_percentiles terse lists the total latency's, else the completion's.
    source = io.lat_ns if io.lat_ns.percentile else io.clat_ns
    listed = [field.split("%=") for field in fields[12:32]]
    if source.N:
        assert source.bins is not None
        for percent, microseconds in listed[: len(source.percentile)]:
            assert source.bins.percentile(float(percent)) // 1000 == int(microseconds)
    assert fields[36:38] == [str(io.bw_min), str(io.bw_max)]
    assert [float(field) for field in fields[39:41]] == pytest.approx([io.bw_mean, io.bw_dev], abs=2e-6)


NORMAL_JOB = re.compile(r"^(\S+): \(groupid=(\d+), jobs=\d+\): err= *(\d+)", re.MULTILINE)
NORMAL_IO = re.compile(r"^  (read|write): IOPS=\S+, BW=\S+ \((\S+)B/s\)\((\S+)B/(\d+)msec\)", re.MULTILINE)
NORMAL_PERCENTILE = re.compile(r"(\d+\.\d+)th=\[ *(\d+)\]")
NORMAL_GROUP = re.compile(
    r"^ *(READ|WRITE): bw=\S+ \((\S+)B/s\), \S+ \((\S+)B/s-(\S+)B/s\), io=(\S+)B \(.*run=\d+-(\d+)msec",
    re.MULTILINE,
)
SCALE = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20}


def shown(number: str) -> float:
    """A number as fio shows it to people."""
    match = re.fullmatch(r"([0-9.]+)([kMGKi]*)", number)
    assert match is not None
    return float(match[1]) * SCALE[match[2]]


@pytest.mark.parametrize("name", WITH_NORMAL)
def test_numbers_agree_with_normal_output_of_the_same_run(name: str) -> None:
    """The output for people gives the same jobs, bytes, bandwidths and run times, rounded."""
    text = recorded(name)
    report = parse(text)
    assert [(match[1], int(match[2]), int(match[3])) for match in NORMAL_JOB.finditer(text)] == [
        (job.jobname, job.groupid, job.error) for job in report.jobs
    ]
    busy = [(kind, io) for _, kind, io in directions(report) if io.io_bytes]
    lines = list(NORMAL_IO.finditer(text))
    assert len(lines) == len(busy) > 0
    for line, (kind, io) in zip(lines, busy, strict=True):
        assert line[1] == kind
        assert shown(line[2]) == pytest.approx(io.bw_bytes, rel=5e-3)
        assert shown(line[3]) == pytest.approx(io.io_bytes, rel=5e-3)
        assert int(line[4]) == io.runtime


@pytest.mark.parametrize("name", WITH_NORMAL)
def test_group_totals_agree_with_normal_output(name: str) -> None:
    """What the jobs of a group did together is what fio's "Run status" says."""
    text = recorded(name)
    report = parse(text)
    lines = list(NORMAL_GROUP.finditer(text))
    groups = sorted((*report.groups("read"), *report.groups("write")), key=lambda group: group.groupid)
    assert len(lines) == len(groups) > 0
    for line, group in zip(lines, groups, strict=True):
        assert line[1].lower() == group.kind
        assert shown(line[2]) == pytest.approx(group.bw_bytes, rel=5e-3)
        assert shown(line[3]) == pytest.approx(group.min_bw_bytes, rel=5e-3)
        assert shown(line[4]) == pytest.approx(group.max_bw_bytes, rel=5e-3)
        assert shown(line[5]) == pytest.approx(group.io_bytes, rel=5e-3)
        assert int(line[6]) == group.runtime


@pytest.mark.parametrize("name", NAMES)
def test_percentiles_from_bins_are_fios(name: str) -> None:
    """The percentiles that are computed from the bins are the ones that fio lists."""
    for _, _, io in directions(parse(recorded(name))):
        for latency in (io.slat_ns, io.clat_ns, io.lat_ns):
            if latency.bins is not None:
                assert (
                    tuple((p, latency.bins.percentile(p)) for p, _ in latency.percentile)
                    == latency.percentile
                )


def test_several_jobs_of_one_group_are_told_apart_and_together() -> None:
    """Without group reporting each job is there, and its group's bins are those of all."""
    report = parse(recorded("several"))
    assert [(job.jobname, job.groupid) for job in report.jobs] == [("first", 0), ("second", 0), ("alone", 1)]
    together = report.groups()[0]
    assert together.jobs == ("first", "second")
    assert together.total_ios == 128
    assert together.clat_bins is not None
    assert together.clat_bins.total == 128


def test_clones_with_group_reporting_are_one_job() -> None:
    """With group reporting four clones come as one job, with all their bytes."""
    readers, others = parse(recorded("group")).jobs
    assert (readers.jobname, readers.groupid, readers.read.io_bytes) == ("readers", 0, 4 * 2**20)
    assert (others.jobname, others.groupid, others.read.io_bytes) == ("others", 1, 2 * 2**20)


def test_a_job_that_failed_is_named() -> None:
    """A job whose file is missing has fio's errno; the one beside it has its numbers."""
    report = parse(recorded("missing-file"))
    assert [(job.jobname, job.error) for job in report.failed] == [("absent", 2)]
    assert report.jobs[0].read.io_bytes == 256 * 1024
    assert any("No such file or directory" in line for line in report.messages)
    assert [(job.jobname, job.error) for job in parse(recorded("failed-verify")).failed] == [("bad", 84)]


def test_lines_around_the_json_are_kept() -> None:
    """Warnings before and after the JSON do no harm and are kept."""
    text = f"fio: a warning {{ with a brace\n\n{recorded('randread')}\nfio: a late warning\n"
    assert parse(text).messages == ("fio: a warning { with a brace", "fio: a late warning")
    assert parse(text).jobs == parse(recorded("randread")).jobs


def test_an_option_given_twice_counts_with_its_last_value() -> None:
    """The key of an option that was given twice comes twice; the last one is what fio did."""
    options = dict(parse(recorded("repeated-option")).jobs[0].options)
    assert (options["rw"], options["bs"]) == ("randread", "8k")


def test_bytes_are_read_as_text() -> None:
    """Raw bytes give the same as their text."""
    assert parse(recorded("randread").encode()) == parse(recorded("randread"))


def refused(text: str | bytes) -> FioOutputError:
    """The error with which a text is refused."""
    with pytest.raises(FioOutputError) as caught:
        parse(text)
    assert caught.value.place
    assert caught.value.reason
    return caught.value


def changed(old: str, new: str, name: str = "randread") -> str:
    """A recording with one thing changed."""
    text = recorded(name)
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", "line 1, column 1", "it is empty"),
        (" \n\n", "line 3, column 1", "it is empty"),
        ("fio: failed to open job file\n", "line 2, column 1", "no line begins with"),
        (b"{\n\xff}", "line 2, byte 2", "not UTF-8"),
        ("{}", "$.jobs", "missing"),
        ('{"jobs": []}', "$.jobs", "no job"),
        ('{"jobs": {}}', "$.jobs", "a list is wanted"),
        ('{"jobs": [3]}', "$.jobs[0]", "an object is wanted"),
        ('warning\n{\n  "jobs" : [\n', "line 4, column 1", "cut off"),
        ('{\n  "a" : oops }', "line 2, column 9", "not JSON"),
        ('{"a": "\ud800", "jobs": []}', "$.a", "half a character"),
        ('{"a": "\\ud800", "jobs": []}', "$.a", "half a character"),
        ('{"x": ' + "[" * 100_000, f"line 1, column {6 + DEEPEST}", "nested more than"),
        ('{"x": {"y": 1, "y": 2}}', "$.x", "more than once"),
    ],
)
def test_unusable_text_is_refused_with_place_and_reason(text: str | bytes, place: str, reason: str) -> None:
    """Empty, cut, malformed and hostile text is refused; the error says where and why."""
    error = refused(text)
    assert error.place == place
    assert reason in error.reason


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ('"io_bytes" : 524288', '"io_bytes" : "524288"', "$.jobs[0].read.io_bytes", "a whole number"),
        ('"io_bytes" : 524288', '"io_bytes" : -1', "$.jobs[0].read.io_bytes", "a whole number"),
        ('"io_bytes" : 524288', '"io_bytes" : true', "$.jobs[0].read.io_bytes", "a whole number"),
        ('"io_bytes" : 524288', '"io_bytes" : 1.5', "$.jobs[0].read.io_bytes", "a whole number"),
        ('"io_bytes" : 524288', '"io_bytes" : null', "$.jobs[0].read.io_bytes", "a whole number"),
        ('"io_bytes" : 524288', '"io_bytes" : 1, "io_bytes" : 2', "$.jobs[0].read", "more than once"),
        ('"io_bytes" : 524288', '"io_bytez" : 1', "$.jobs[0].read.io_bytes", "missing"),
        ('"io_bytes" : 524288', f'"io_bytes" : {"9" * 5000}', "$.jobs[0].read.io_bytes", "64 bits"),
        ('"usr_cpu" : ', '"usr_cpu" : 1e999, "x" : ', "$.jobs[0].usr_cpu", "too large"),
        ('"usr_cpu" : ', '"usr_cpu" : NaN, "x" : ', "$.jobs[0].usr_cpu", "NaN"),
        ('"usr_cpu" : ', '"usr_cpu" : -Infinity, "x" : ', "$.jobs[0].usr_cpu", "-Infinity"),
        ('"usr_cpu" : ', '"usr_cpu" : -0.5, "x" : ', "$.jobs[0].usr_cpu", "from 0"),
        ('"50.000000"', '"fifty"', "$.jobs[0].read.clat_ns.percentile.fifty", "percentage"),
        ('"50.000000"', '"150.000000"', "$.jobs[0].read.clat_ns.percentile.150.000000", "percentage"),
        ('"bins" : {', '"bins" : { "130" : 1,', "$.jobs[0].read.clat_ns.bins.130", "no latency bucket"),
        ('"bins" : {', '"bins" : { "0129" : 1,', "$.jobs[0].read.clat_ns.bins.0129", "no latency bucket"),
        ('"bins" : {', '"bins" : { "5" : 1,', "$.jobs[0].read.clat_ns.bins", "N says 128"),
        ('"clat_ns" : {', '"clat_ns" : [], "x" : {', "$.jobs[0].read.clat_ns", "an object is wanted"),
        ('"rw" : "randread"', '"rw" : 7', "$.jobs[0].job options.rw", "a text is wanted"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(old: str, new: str, place: str, reason: str) -> None:
    """A field of the wrong kind is refused with its path in the JSON, not taken for a zero."""
    error = refused(changed(old, new))
    assert (
        error.place.startswith(place.removesuffix("264, column"))
        if "column" in place
        else error.place == place
    )
    assert reason in error.reason


def test_a_number_that_c_could_not_compute_is_refused_with_its_line() -> None:
    """What C prints for "not a number" is no JSON; the line of it is told."""
    text = changed('"usr_cpu" : ', '"usr_cpu" : -nan, "x" : ')
    error = refused(text)
    line = text[: text.index("-nan")].count("\n") + 1
    assert error.place.startswith(f"line {line}, column ")
    assert "not JSON" in error.reason


def test_two_runs_in_one_text_are_refused() -> None:
    """Of two results it is unclear which one counts, so neither does."""
    text = recorded("randread")
    error = refused(text + text)
    assert error.place == f"line {text.count(chr(10)) + 1}, column 1"
    assert "second" in error.reason


def report_or_refusal(text: str) -> None:
    """Parse a text; only a refusal with place and reason may come instead of a report."""
    try:
        parse(text)
    except FioOutputError as error:
        told = error.place and error.reason and str(error)
    else:
        told = "a report"
    assert told


SMALL = recorded("missing-file")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SMALL.rstrip()) - 1))
@example(len(SMALL.rstrip()) - 1)
def test_truncated_output_is_always_refused(length: int) -> None:
    """Wherever the output is cut, it is refused; half a result is never taken for one."""
    error = refused(SMALL[:length])
    assert "cut off" in error.reason or "no line begins" in error.reason or "empty" in error.reason


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_recordings_give_a_report_or_a_refusal(data: st.DataObject) -> None:
    """Any change to real output gives either a report or a refusal, never another error."""
    text = recorded(data.draw(st.sampled_from(["randread", "missing-file", "group"])))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 1, 2, 10, 1000]))
        piece = data.draw(
            st.one_of(
                st.sampled_from(
                    ['"', "{", "}", "[[", "]", ",", ":", "NaN", "1e400", "-1", "null", "9" * 400, "\\u"]
                ),
                st.text(max_size=8),
            )
        )
        text = text[:start] + piece + text[start + length :]
    report_or_refusal(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    ("jobs",),
    ("jobs", 0),
    ("jobs", 0, "read"),
    ("jobs", 0, "read", "clat_ns"),
    ("jobs", 0, "read", "clat_ns", "bins"),
    ("jobs", 0, "read", "clat_ns", "percentile"),
    ("jobs", 0, "read", "iops"),
    ("jobs", 0, "job options"),
    ("global options",),
    ("fio version",),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FIELDS), json_values)
def test_any_value_in_any_place_gives_a_report_or_a_refusal(
    path: tuple[str | int, ...], value: object
) -> None:
    """Whatever JSON stands where a field should be, it gives a report or a refusal."""
    tree = json.loads(recorded("randread"))
    inner = tree
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    report_or_refusal(json.dumps(tree))


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200), st.binary(max_size=200), st.text(alphabet='{}[]",:\\ue1-\n', max_size=60)
    )
)
def test_any_text_is_refused(text: str | bytes) -> None:
    """Text that fio never wrote is refused, whatever it is."""
    with pytest.raises(FioOutputError):
        parse(text)


def test_hostile_text_is_refused_quickly() -> None:
    """Input made to be slow is refused in time that grows with its length and no faster."""
    for text in ('{"' + "\\" * 300_000, "{\n" * 100_000, '{"a":' + "1" * 300_000, "{" + '"a":1,' * 100_000):
        refused(text)
