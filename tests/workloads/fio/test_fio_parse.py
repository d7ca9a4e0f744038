"""fio's output, recorded from fio 3.33, against the parser."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workloads.fio import Bins, FioOutputError, parse

RECORDED = Path(__file__).parents[2] / "data" / "fio"
NAMES = sorted(path.stem for path in RECORDED.glob("*.txt"))
WITH_TERSE = ("same-run", "longer")
WITH_NORMAL = ("same-run", "longer", "several")


def recorded(name: str) -> str:
    """One recording."""
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def raw_jobs(name: str) -> list[dict[str, Any]]:
    """The jobs in the JSON of a recording."""
    text = recorded(name)
    jobs: list[dict[str, Any]] = json.JSONDecoder().raw_decode(text, text.index("{\n"))[0]["jobs"]
    return jobs


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_fios_own(name: str) -> None:
    """Each value of the model is in fio's JSON under the same name, unchanged."""
    report = parse(recorded(name))
    assert report.version == "fio-3.33"
    for job, raw in zip(report.jobs, raw_jobs(name), strict=True):
        assert (job.jobname, job.groupid, job.error) == (raw["jobname"], raw["groupid"], raw["error"])
        read, latency = raw["read"], raw["read"]["clat_ns"]
        assert (job.read.io_bytes, job.read.runtime) == (read["io_bytes"], read["runtime"])
        parsed = job.read.clat_ns
        assert (parsed.max, parsed.mean, parsed.N) == (latency["max"], latency["mean"], latency["N"])
        if "bins" in latency:
            assert parsed.bins is not None
            assert dict(parsed.bins.counts) == {int(ns): count for ns, count in latency["bins"].items()}
        else:
            assert parsed.bins is None


@pytest.mark.parametrize("name", WITH_TERSE)
def test_numbers_agree_with_terse_output_of_the_same_run(name: str) -> None:
    """Terse (version 3) gives the same numbers in its own units: KiB, ms and whole µs."""
    text = recorded(name)
    lines = [line.split(";") for line in text.splitlines() if line.startswith("3;fio-")]
    jobs = parse(text).jobs
    assert len(lines) == len(jobs)
    for job, line, raw in zip(jobs, lines, raw_jobs(name), strict=True):
        assert line[1:5] == ["fio-3.33", job.jobname, str(job.groupid), str(job.error)]
        fields = line[5:46]
        assert (fields[0], fields[3]) == (str(job.read.io_bytes // 1024), str(job.read.runtime))
        latency = job.read.clat_ns
        assert fields[9] == str(latency.max // 1000)
        assert float(fields[10]) == pytest.approx(latency.mean / 1000, abs=2e-6)
        # With lat_percentiles terse lists those of the total latency, else those of the completion.
        if latency.N and "percentile" not in raw["read"]["lat_ns"]:
            assert latency.bins is not None
            for field in fields[12 : 12 + len(raw["read"]["clat_ns"].get("percentile", {}))]:
                percent, microseconds = field.split("%=")
                assert latency.bins.percentile(float(percent)) // 1000 == int(microseconds)


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
    reads = [job.read for job in report.jobs if job.read.io_bytes]
    lines = [line for line in NORMAL_IO.finditer(text) if line[1] == "read"]
    assert len(lines) == len(reads) > 0
    for line, read in zip(lines, reads, strict=True):
        assert shown(line[2]) == pytest.approx(read.io_bytes * 1000 / read.runtime, rel=5e-3)
        assert shown(line[3]) == pytest.approx(read.io_bytes, rel=5e-3)
        assert int(line[4]) == read.runtime


@pytest.mark.parametrize("name", WITH_NORMAL)
def test_group_totals_agree_with_normal_output(name: str) -> None:
    """What the jobs of a group did together is what fio's "Run status" says."""
    text = recorded(name)
    report = parse(text)
    lines = [line for line in NORMAL_GROUP.finditer(text) if line[1] == "READ"]
    groups = report.groups()
    assert len(lines) == len(groups) > 0
    for line, group in zip(lines, groups, strict=True):
        assert shown(line[2]) == pytest.approx(group.bw_bytes, rel=5e-3)
        assert shown(line[5]) == pytest.approx(group.io_bytes, rel=5e-3)
        assert int(line[6]) == group.runtime


@pytest.mark.parametrize("name", NAMES)
def test_percentiles_from_bins_are_fios(name: str) -> None:
    """The percentiles that are computed from the bins are the ones that fio lists, for all latencies."""
    for raw in raw_jobs(name):
        for kind, latency in itertools.product(("read", "write", "trim"), ("slat_ns", "clat_ns", "lat_ns")):
            listed = raw[kind][latency]
            if "bins" in listed:
                bins = Bins.of({int(ns): count for ns, count in listed["bins"].items()})
                for percent, ns in listed.get("percentile", {}).items():
                    assert bins.percentile(float(percent)) == ns


def test_several_jobs_of_one_group_are_reported_each_and_together() -> None:
    """Without group reporting each job is there, and its group's bins are those of all."""
    report = parse(recorded("several"))
    assert [(job.jobname, job.groupid) for job in report.jobs] == [("first", 0), ("second", 0), ("alone", 1)]
    together = report.groups()[0]
    assert together.clat_bins is not None
    assert together.clat_bins.total == 128


def test_clones_with_group_reporting_are_one_job() -> None:
    """With group reporting four clones are one job, with all their bytes."""
    readers, others = parse(recorded("group")).jobs
    assert (readers.jobname, readers.groupid, readers.read.io_bytes) == ("readers", 0, 4 * 2**20)
    assert (others.jobname, others.groupid, others.read.io_bytes) == ("others", 1, 2 * 2**20)


def test_a_job_that_failed_is_named() -> None:
    """A job whose file is missing has fio's errno; the other one has its numbers."""
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


def test_an_option_given_twice_does_no_harm() -> None:
    """The key of an option that was given twice is twice in the JSON."""
    assert parse(recorded("repeated-option")).jobs[0].error == 0


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


def changed_mean(new: str) -> str:
    """A recording with another mean of the completion latency."""
    head, mark, tail = recorded("randread").partition('"clat_ns" : {')
    return head + mark + tail.replace('"mean" : ', new, 1)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", "line 1, column 1", "it is empty"),
        (" \n\n", "line 3, column 1", "it is empty"),
        ("fio: failed to open job file\n", "line 2, column 1", "no line begins with"),
        (b"{\n\xff}", "line 2, byte 2", "not UTF-8"),
        ('{"fio version": "fio-3.33"}', "$.jobs", "required"),
        ('{"fio version": "fio-3.33", "jobs": []}', "$.jobs", "at least 1 item"),
        ('{"fio version": "fio-3.33", "jobs": {}}', "$.jobs", "a valid array"),
        ('{"fio version": "fio-3.33", "jobs": [3]}', "$.jobs[0]", "an object"),
        ('warning\n{\n  "jobs" : [\n', "line 4, column 1", "cut off"),
        ('{\n  "a" : oops }', "line 2, column 9", "not JSON"),
        ('{"x": ' + "[" * 100_000, "line 1, column 1", "nested too deeply"),
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
        ('"io_bytes" : 524288', '"io_bytes" : "524288"', "$.jobs[0].read.io_bytes", "a valid integer"),
        ('"io_bytes" : 524288', '"io_bytes" : -1', "$.jobs[0].read.io_bytes", "greater than or equal to 0"),
        ('"io_bytes" : 524288', '"io_bytes" : true', "$.jobs[0].read.io_bytes", "a valid integer"),
        ('"io_bytes" : 524288', '"io_bytes" : 1.5', "$.jobs[0].read.io_bytes", "a valid integer"),
        ('"io_bytes" : 524288', '"io_bytes" : null', "$.jobs[0].read.io_bytes", "a valid integer"),
        ('"io_bytes" : 524288', '"io_bytez" : 1', "$.jobs[0].read.io_bytes", "required"),
        ('"io_bytes" : 524288', f'"io_bytes" : {"9" * 30}', "$.jobs[0].read.io_bytes", "less than"),
        ('"mean" : ', '"mean" : 1e999, "x" : ', "$.jobs[0].read.clat_ns.mean", "finite"),
        ('"mean" : ', '"mean" : NaN, "x" : ', "$.jobs[0].read.clat_ns.mean", "finite"),
        ('"mean" : ', '"mean" : -0.5, "x" : ', "$.jobs[0].read.clat_ns.mean", "greater than or equal"),
        ('"bins" : {', '"bins" : { "130" : 1,', "$.jobs[0].read.clat_ns.bins", "no latency bucket"),
        ('"bins" : {', '"bins" : { "0129" : 1,', "$.jobs[0].read.clat_ns.bins", "no latency bucket"),
        ('"bins" : {', '"bins" : { "5" : 1,', "$.jobs[0].read.clat_ns", "N says 128"),
        ('"bins" : {', '"bins" : { "5" : -1,', "$.jobs[0].read.clat_ns.bins", "number from 0"),
        ('"clat_ns" : {', '"clat_ns" : [], "x" : {', "$.jobs[0].read.clat_ns", "an object"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(old: str, new: str, place: str, reason: str) -> None:
    """A field of the wrong type is refused with its path in the JSON."""
    text = changed(old, new) if old != '"mean" : ' else changed_mean(new)
    error = refused(text)
    assert error.place == place
    assert reason in error.reason


def test_a_number_that_c_could_not_compute_is_refused_with_its_line() -> None:
    """What C prints for "not a number" is no JSON; the error names its line."""
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
    """Parse a text; the result is a report, or a refusal with place and reason."""
    try:
        parse(text)
    except FioOutputError as error:
        shown = error.place and error.reason and str(error)
    else:
        shown = "a report"
    assert shown


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
    """Any JSON in place of a field leads to a report or a refusal."""
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


OLD = {
    "fio version": "fio-3.14",
    "jobs": [
        {
            "jobname": "reads",
            "groupid": 0,
            "error": 0,
            "job options": {"rw": "read"},
            "read": {
                "io_bytes": 64 * 2**20,
                "runtime": 1000,
                "clat_ns": {"min": 100, "max": 700, "mean": 300.0, "percentile": {"50.000000": 300}},
            },
        }
    ],
}


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_output_of_an_older_fio(mark: str) -> None:
    """Fio 3.14 has neither writes nor counts of latencies; a byte order mark does no harm."""
    report = parse(mark + json.dumps(OLD))
    assert report.groups()[0].bw_bytes == 64 * 2**20
    assert report.groups()[0].clat_bins is None
    assert parse((mark + json.dumps(OLD)).encode()) == report


def test_output_without_json_is_refused_in_one_sentence() -> None:
    """The end of the output is in the error."""
    error = refused("fio: no such file or directory: /data/x\nRun status group 0 (all jobs):\n")
    assert error.message == (
        "the output of fio cannot be used at line 3, column 1: no line begins with '{', so there is no JSON"
    )
    assert "no such file" in error.last_seen


@pytest.mark.parametrize(
    ("runtime", "mean", "seconds"),
    [
        (21, 20.34e6 / 128, (20.34 + 21) / 2000),  # as fio 3.33 reported one job with 128 reads
        (21, 19.9e6 / 128, 0.0205),  # it opened and closed files for longer than a millisecond
        (19, 65.28e6 / 128, 0.0185),  # several jobs, or several reads at once: the sum says nothing
        (21, 0.0, 0.0205),
    ],
)
def test_short_run_time_is_known_better_than_in_milliseconds(
    runtime: int, mean: float, seconds: float
) -> None:
    """The latencies of reads that were one after another bound it from below."""
    read = {"io_bytes": 524288, "runtime": runtime, "clat_ns": {"max": 10**9, "mean": mean, "N": 128}}
    job = {"jobname": "one", "groupid": 0, "error": 0, "read": read}
    (group,) = parse(json.dumps({"fio version": "fio-3.33", "jobs": [job]})).groups()
    assert group.runtime == runtime
    assert group.seconds == pytest.approx(seconds)
