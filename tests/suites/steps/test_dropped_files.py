"""Pages are dropped where applications read and where workers read the source."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.record.evidence import Evidence
from suites.steps.page_cache import drop_files
from suites.steps.user import User
from workloads.data import one_file


def pod(name: str) -> PodSnapshot:
    """A Pod."""
    return PodSnapshot.of({"metadata": {"name": name, "namespace": "ns"}})


def user(left: Callable[[str], str], commands: list[tuple[str, str]]) -> User:
    """A user whose Dataset has two workers; records where pages are dropped, and answers what is left."""

    def run(name: str, argv: tuple[str, ...]) -> Completed:
        commands.append((name, argv[-1]))
        return Completed(argv, 0, f"{left(name)}\n", "")

    def execute(_namespace: str, name: str, _container: str, argv: tuple[str, ...], **_: Any) -> Completed:
        return run(name, argv)

    workers = (pod("demo-worker-0"), pod("demo-worker-1"))
    made = SimpleNamespace(
        namespace="ns",
        files=one_file("data", 1000),
        evidence=Evidence(silent=True),
        system=SimpleNamespace(kube=SimpleNamespace(exec=execute)),
        observer=SimpleNamespace(
            inside=lambda where, argv, _timeout: run(where.name, argv),
            objects=SimpleNamespace(list=lambda *_, **__: workers),
        ),
    )
    return cast("User", made)


def test_pages_of_readers_and_of_all_workers_are_dropped() -> None:
    """A worker on another node could answer from its page cache, too."""
    commands: list[tuple[str, str]] = []
    drop_files(user(lambda _: "0", commands), pod("reader"))
    assert commands == [
        ("reader", "/data"),
        ("demo-worker-0", "/underFSStorage"),
        ("demo-worker-1", "/underFSStorage"),
    ]


@pytest.mark.parametrize("where", ["reader", "demo-worker-1"])
def test_pages_that_stay_are_a_fault_of_the_infrastructure(where: str) -> None:
    """The read after it would prove nothing."""
    with pytest.raises(InfrastructureError, match=where):
        drop_files(user(lambda name: "900" if name == where else "0", []), pod("reader"))


def test_pages_that_were_in_use_are_dropped_again() -> None:
    """On a busy node a page stays now and then; that proves nothing as long as it can be dropped later."""
    left = iter(["900", "400", "0"])
    commands: list[tuple[str, str]] = []
    drop_files(user(lambda name: next(left) if name == "reader" else "0", commands), pod("reader"))
    assert [name for name, _ in commands] == ["reader"] * 3 + ["demo-worker-0", "demo-worker-1"]


def test_image_that_cannot_count_pages_is_accepted() -> None:
    """The pages were dropped; how many are left is not known."""
    drop_files(user(lambda _: "-", []), pod("reader"))
