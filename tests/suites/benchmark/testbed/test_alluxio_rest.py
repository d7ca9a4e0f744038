"""What Alluxio's web interface says, in the shapes that 2.9.6 answered on a real cluster."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from suites.benchmark.testbed.alluxio_rest import AnswerError, body, cache_state, parse_state
from workloads.fio import DataFile

FILES = (DataFile(PurePosixPath("a.bin"), 300), DataFile(PurePosixPath("b.bin"), 100))
METRICS: dict[str, Any] = {
    "counters": {"Cluster.BytesReadLocal": {"count": 7}, "Cluster.BytesReadUfsAll": {"count": 400}},
    "gauges": {"Cluster.CapacityUsed": {"value": 268435456}},
}


def listing(**percents: int) -> dict[str, Any]:
    """A folder as the interface lists it."""
    infos = [
        {"absolutePath": f"/large/0/{name}.bin", "inAlluxioPercentage": percent, "size": "300B"}
        for name, percent in percents.items()
    ]
    return {"fileInfos": infos, "fatalError": None}


def test_files_weigh_by_their_bytes() -> None:
    """Three quarters of the bytes fully cached are 75 %."""
    found = parse_state([listing(a=100, b=0)], METRICS, "large/0", FILES)
    assert found.percent == 75
    assert found.used_bytes == 268435456
    assert found.counters == {"Cluster.BytesReadLocal": 7.0, "Cluster.BytesReadUfsAll": 400.0}


def test_all_cached_is_exactly_all() -> None:
    """100 means that every file is cached as a whole, without rounding."""
    assert parse_state([listing(a=100, b=100)], METRICS, "large/0", FILES).percent == 100
    assert parse_state([listing(a=100, b=99)], METRICS, "large/0", FILES).percent != 100


def test_file_that_is_not_listed_leaves_it_unknown() -> None:
    """Where Alluxio lists fewer files than there are, nothing is said of how much it holds."""
    assert parse_state([listing(a=100)], METRICS, "large/0", FILES).percent is None
    assert parse_state([{"fileInfos": None}], METRICS, "large/0", FILES).percent is None


def test_another_shape_is_refused() -> None:
    """An answer without its fields is an error, not a zero."""
    with pytest.raises(AnswerError):
        parse_state([{}], METRICS, "large/0", FILES)
    with pytest.raises(AnswerError):
        parse_state([listing(a=1)], {}, "large/0", FILES)


def test_body_of_an_answer() -> None:
    """Only a success with a JSON object is an answer."""
    text = json.dumps({"a": 1})
    assert body(f"HTTP/1.1 200 OK\r\nServer: Jetty\r\n\r\n{text}") == {"a": 1}
    for bad in (
        f"HTTP/1.1 500 Error\r\n\r\n{text}",
        "HTTP/1.1 200 OK\r\n\r\n[1]",
        "HTTP/1.1 200 OK\r\n\r\n",
        "",
    ):
        with pytest.raises(AnswerError):
            body(bad)


def test_many_folders_are_asked_for_in_few_commands() -> None:
    """The state of 500 copies costs six commands in the master's Pod; its metrics are asked for once."""
    files = [DataFile(PurePosixPath(f"{copy}/large.bin"), 10) for copy in range(500)]
    commands: list[tuple[str, ...]] = []

    def execute(
        namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
    ) -> Completed:
        requests = argv[5:]
        commands.append(requests)
        paths = [parse_qs(urlsplit(one).query).get("path", [""])[0] for one in requests]
        answers = [
            {"fileInfos": [{"absolutePath": f"{path}/large.bin", "inAlluxioPercentage": 100}]}
            if path
            else {"counters": {}, "gauges": {"Cluster.CapacityUsed": {"value": 7}}}
            for path in paths
        ]
        return Completed(argv, 0, "".join(f"HTTP/1.0 200 OK\n\n{json.dumps(one)}\0" for one in answers), "")

    kube = cast("Kube", SimpleNamespace(exec=execute))
    found = cache_state(kube, "n", "demo", port=1, folder="one", files=files)
    assert (found.percent, found.used_bytes) == (100, 7)
    assert [len(one) for one in commands] == [100, 100, 100, 100, 100, 1]
