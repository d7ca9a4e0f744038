"""`doctor --watch`: one list of each kind, and then the changes of the answer."""

from __future__ import annotations

import io
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clusters.kubernetes import kinds, object_cache
from suites.diagnosis.fluid_facts import RUNTIME_KINDS
from suites.doctor import pod_events, watching
from suites.doctor.__main__ import command_parser, main
from tests.clusters import conftest as fakes
from tests.suites.doctor.doctor_cluster import Cluster, Object, application

#: The API server of another folder's tests.
api = fakes.api

PODS = kinds.POD.path()


@dataclass
class Script:
    """A clock whose waits play the next step of a test; after the last one the user presses Ctrl-C.

    Attributes:
        steps: what happens while the doctor waits; the change that it brings is waited for.
        ahead: seconds that have passed in the test's own time.
    """

    steps: list[Callable[[], object]] = field(default_factory=list)
    ahead: float = 0.0

    def now(self) -> float:
        """The time."""
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        self.ahead += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Play one step."""
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()
        return event.wait(0.5)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(object_cache, "FIRST_PAUSE", 0.01)
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch ")]


def serve(api: fakes.FakeApi, cluster: Cluster) -> None:
    """Answer lists and watches of the whole cluster, and of Fluid's namespace."""
    for path, objects in cluster.lists(("fluid-system",)).items():
        api.answer("GET", path, {"metadata": {"resourceVersion": "7"}, "items": objects})
        api.watches[path] = queue.Queue()


def send(api: fakes.FakeApi, kind: str, obj: Object, version: int = 8) -> None:
    """Send an event of a Pod."""
    changed = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(version)}}
    api.watches[PODS].put(json.dumps({"type": kind, "object": changed}).encode() + b"\n")


def run(api: fakes.FakeApi, *steps: Callable[[], object], words: tuple[str, ...] = ()) -> tuple[int, str]:
    """Watch while the steps happen; exit code and output."""
    out = io.StringIO()
    options = command_parser().parse_args(["--kubeconfig", str(api.kubeconfig()), "--watch", *words])
    return watching.watch(options, out, clock=Script(list(steps))), out.getvalue()


def test_a_changed_answer_is_printed_with_its_code(api: fakes.FakeApi) -> None:
    """First the whole answer, then what is new and what is gone; the exit code is that of the last answer."""
    serve(api, Cluster.right().add(application()))
    wrong = application("train-1", "demo-src")
    code, out = run(api, lambda: send(api, "ADDED", wrong), lambda: send(api, "DELETED", application(), 9))
    lines = out.splitlines()
    assert lines[0].startswith("ok     demo/train-0  served")
    changes = [line for line in lines if "exit code" in line]
    assert ["exit code 1" in line for line in changes] == [True, True]
    assert [line.split()[:3] for line in lines if line.startswith("  new ")] == [
        ["new", "WRONG", "demo/train-1"]
    ]
    assert "original-claim" in next(line for line in lines if line.startswith("  new "))
    assert next(line for line in lines if line.startswith("  gone")).startswith(
        "  gone  ok     demo/train-0  served"
    )
    assert code == 1


def test_a_change_that_changes_no_answer_is_not_printed(api: fakes.FakeApi) -> None:
    """Such as a Pod that has nothing to do with Fluid, or a new version of an object."""
    serve(api, Cluster.right().add(application()))
    code, out = run(
        api,
        lambda: send(api, "MODIFIED", application()),
        lambda: send(api, "ADDED", application("x", "db"), 9),
    )
    assert "exit code" not in out
    assert code == 0


def test_each_kind_is_listed_once(api: fakes.FakeApi) -> None:
    """However often the answer is given again."""
    serve(api, Cluster.right().add(application()))
    run(api, *(lambda: send(api, "MODIFIED", application()) for _ in range(5)))
    asked = Counter(
        request.path for request in api.requests if request.path in api.watches and not request.asked("watch")
    )
    assert set(asked.values()) == {1}
    assert {kinds.POD.path(), kinds.DATASET.path(), *(kind.path() for kind in RUNTIME_KINDS)} <= set(asked)


def test_changes_are_lines_of_json(api: fakes.FakeApi) -> None:
    """Each line is complete in itself, with the codes of findings and the exit code."""
    serve(api, Cluster.right().add(application()))
    wrong = application("train-1", "demo-src")
    _, out = run(api, lambda: send(api, "ADDED", wrong), words=("--json",))
    first, second = map(json.loads, out.splitlines())
    assert (first["event"], first["exitCode"], len(first["findings"])) == ("answer", 0, 1)
    assert (second["event"], second["exitCode"], second["disappeared"]) == ("change", 1, [])
    assert [found["verdict"] for found in second["appeared"]] == ["original-claim"]
    assert "findings" not in second


def test_expired_watches_are_continued(api: fakes.FakeApi) -> None:
    """After a 410 the kind is listed again, and a Pod that was deleted meanwhile is gone from the answer."""
    serve(api, Cluster.right().add(application()))
    left = [obj for path, objects in Cluster.right().lists().items() if path == PODS for obj in objects]

    def expire() -> None:
        api.answer("GET", PODS, {"metadata": {"resourceVersion": "90"}, "items": left})
        error = {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}
        api.watches[PODS].put(json.dumps(error).encode() + b"\n")
        api.watches[PODS].put(None)

    code, out = run(api, expire, lambda: time.sleep(0.1), lambda: send(api, "ADDED", application("late"), 91))
    assert "  gone  ok     demo/train-0  served" in out
    assert "  new   ok     demo/late  served" in out
    assert "error" not in out
    assert code == 0


def test_an_api_server_that_is_away_is_reported_and_survived(
    api: fakes.FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, after a while, with the last answer as it was; then the watch goes on where it was."""
    monkeypatch.setattr(watching, "PROBLEM_SECONDS", 3 * watching.SETTLE_SECONDS)
    serve(api, Cluster.right().add(application()))

    def leave() -> None:
        del api.watches[PODS]
        api.answer("GET", PODS, api.dropped())
        stream.put(None)

    def come_back() -> None:
        api.watches[PODS] = queue.Queue()
        send(api, "ADDED", application("late"))

    stream = api.watches[PODS]
    code, out = run(api, leave, *([lambda: time.sleep(0.02)] * 8), come_back, lambda: time.sleep(0.2))
    assert out.count("error: the cluster cannot be read: pods: ") == 1
    assert out.count("recovered") == 1
    assert "  new   ok     demo/late  served" in out
    assert code == 0
    assert sum(not request.asked("watch") for request in api.asked("GET", PODS)) == 1


def test_time_alone_changes_the_answer(api: fakes.FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits too long becomes wrong although no object changes: the doctor looks again by itself."""
    serve(api, Cluster.right().add(application()))
    waits: list[float] = []

    def wait(self: Script, event: threading.Event, seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(Script, "wait", wait)
    assert run(api)[0] == 0
    assert waits == [watching.RECHECK_SECONDS] * 3


def test_events_are_created_for_what_is_new(api: fakes.FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each change; after a while those of what is still wrong are renewed."""
    reported: list[list[str]] = []
    monkeypatch.setattr(
        pod_events,
        "report",
        lambda kube, state, findings: reported.append([one.pod[1] for one in findings if one.wrong]),
    )
    serve(api, Cluster.right().add(application("a", "demo-src")))
    monkeypatch.setattr(watching, "EVENTS_SECONDS", 10_000.0)
    steps = [
        lambda: send(api, "ADDED", application("b", "demo-src")),
        lambda: send(api, "MODIFIED", application("c"), 9),
    ]
    run(api, *steps, words=("--events",))
    assert reported == [["a"], ["b"], []]


@pytest.mark.parametrize("words", [("--from", "x"), ("--exec",), ("--metrics",)])
def test_options_that_make_no_sense_together_are_refused(
    api: fakes.FakeApi, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """With exit code 2, before anything is read."""
    assert main(["--watch", *words], io.StringIO()) == 2
    assert f"{words[0]} and --watch exclude each other" in capsys.readouterr().err
    assert api.requests == []


def test_who_may_only_list_is_refused(api: fakes.FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """With the missing right, and the role that has it."""
    serve(api, Cluster.right())
    del api.watches[PODS]
    api.answer(
        "GET", PODS, {"metadata": {"resourceVersion": "7"}, "items": []}, api.refusal(403, "Forbidden")
    )
    assert main(["--kubeconfig", str(api.kubeconfig()), "--watch"], io.StringIO()) == 2
    said = capsys.readouterr().err
    assert "may not watch pods" in said
    assert "fluid-doctor-watch" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(api: fakes.FakeApi, number: signal.Signals) -> None:
    """Soon, and with the exit code of the last answer."""
    serve(api, Cluster.right().add(application("train-1", "demo-src")))
    command = [sys.executable, "-m", "suites.doctor", "--kubeconfig", str(api.kubeconfig()), "--watch"]
    with subprocess.Popen(
        [*command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as doctor:
        assert doctor.stdout is not None
        first: dict[str, Any] = json.loads(doctor.stdout.readline())
        doctor.send_signal(number)
        _, said = doctor.communicate(timeout=30)
    assert first["exitCode"] == 1
    assert doctor.returncode == 1
    assert said == "interrupted; nothing was changed\n"


def test_a_reader_that_has_read_enough_ends_it(api: fakes.FakeApi) -> None:
    """Such as `head -n 1`."""
    serve(api, Cluster.right().add(application()))

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            if self.tell():
                raise BrokenPipeError
            return super().write(text)

    options = command_parser().parse_args(["--kubeconfig", str(api.kubeconfig()), "--watch", "--json"])
    dropped: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "drop_output", lambda: dropped.append(True))
        steps = [lambda: send(api, "ADDED", application("b", "demo-src"))]
        assert watching.watch(options, Closed(), clock=Script(list(steps))) == 1
    assert dropped == [True]
