"""Removal of what the harness created, and of nothing else, from fake engines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import RefusalError
from clusters.host import bootstrap, engine, own_engine
from clusters.host.commands import CommandError, Completed
from clusters.host.engine import Engine
from clusters.paths import cache_root
from clusters.progress import Progress
from clusters.providers import reaper
from clusters.providers.reaper import Reaped, end_engine, in_use, reap
from tests.clusters.fakes import FakeCommands, FakeDocker, Ran, programs

SYSTEM = "unix:///var/run/docker.sock"


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """A system's engine that answers, and no engine of the harness."""
    programs(monkeypatch, "docker")
    fake = FakeDocker(FakeCommands())
    listening(fake.commands, SYSTEM)
    return fake


def listening(commands: FakeCommands, *addresses: str) -> None:
    """Let engines answer at these addresses; they all have the same containers."""

    def answer(ran: Ran) -> Completed:
        return Completed(ran.argv, 0 if ran.env["DOCKER_HOST"] in addresses else 1, "20.10.24", "")

    commands.on("docker", "version", does=answer)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Caches whose engines were stopped."""
    caches: list[Path] = []
    monkeypatch.setattr(own_engine, "stop", lambda cache, commands, progress: caches.append(cache))
    return caches


def run(docker: FakeDocker, **more: Any) -> Reaped:
    """Reap without output."""
    return reap(Progress(io.StringIO()), commands=docker.commands, **more)


def test_nothing_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine, no cluster, no folder: it says so and succeeds."""
    programs(monkeypatch)
    assert str(reap(Progress(io.StringIO()), commands=FakeCommands())) == "there was nothing of the harness"


def test_managed_clusters_are_deleted_and_foreign_ones_stay(docker: FakeDocker, stopped: list[Path]) -> None:
    """Only what carries our mark is removed, volumes and all."""
    docker.node("a-control-plane", "a", managed=True)
    docker.node("a-worker", "a", managed=True)
    docker.node("b-control-plane", "b", managed=False)
    (cache_root() / "clusters" / "a").mkdir(parents=True)
    (cache_root() / "clusters" / "a-failed").mkdir()
    done = run(docker)
    assert done.clusters == ("a",)
    assert list(docker.containers) == ["b-control-plane"]
    assert all("-v" in ran.argv for ran in docker.commands.asked("docker", "rm"))
    assert [path.name for path in (cache_root() / "clusters").iterdir()] == ["a-failed"]
    assert stopped == [cache_root()]
    # The network of a system's engine may serve others' clusters.
    assert docker.commands.asked("docker", "network") == []


def test_one_cluster_is_deleted_and_the_others_keep_their_engine(
    docker: FakeDocker, stopped: list[Path]
) -> None:
    """Removing one of two kept clusters leaves the other one all that it needs."""
    listening(docker.commands, engine.own_address())
    for name in ("a", "b"):
        docker.node(f"{name}-0", name, managed=True)
        (cache_root() / "clusters" / name).mkdir(parents=True)
    assert str(run(docker, only_cluster="a")) == "removed cluster a"
    assert list(docker.containers) == ["b-0"]
    assert [path.name for path in (cache_root() / "clusters").iterdir()] == ["b"]
    assert stopped == []


def test_with_the_last_cluster_our_engine_ends(docker: FakeDocker, stopped: list[Path]) -> None:
    """Its network is removed while the engine still answers."""
    listening(docker.commands, engine.own_address())
    docker.node("a-0", "a", managed=True)
    engine.RUN_FOLDER.mkdir()
    assert str(run(docker, only_cluster="a")) == "removed cluster a, the harness's container engine"
    assert docker.commands.asked("docker", "network")[0].argv == ("docker", "network", "rm", "kind")
    assert stopped == [cache_root()]


def test_our_engine_is_not_hidden_by_the_systems(docker: FakeDocker, stopped: list[Path]) -> None:
    """With both up, clusters in the harness's engine are found, and it stays as long as one of them does."""
    listening(docker.commands, SYSTEM, engine.own_address())
    docker.node("b-0", "b", managed=True)
    run(docker, only_cluster="a")
    assert stopped == []
    assert list(docker.containers) == ["b-0"]


def test_a_foreign_cluster_is_not_deleted(docker: FakeDocker, stopped: list[Path]) -> None:
    """A foreign cluster is not deleted because its name was given."""
    docker.node("a-0", "a", managed=False)
    with pytest.raises(RefusalError, match="kind cluster a was not created by the harness") as caught:
        run(docker, only_cluster="a")
    assert "kind delete cluster --name a" in caught.value.advice
    assert list(docker.containers) == ["a-0"]
    assert stopped == []


def test_a_full_reap_clears_what_killed_runs_left(docker: FakeDocker, stopped: list[Path]) -> None:
    """Incomplete artifacts, build contexts and the ban on services are deleted; complete artifacts stay."""
    for name in ("artifacts/a-1", "artifacts/b-1.partial-x", "contexts/tmp1"):
        (cache_root() / name).mkdir(parents=True)
    bootstrap._POLICY.write_text(bootstrap._POLICY_TEXT)
    run(docker)
    assert [path.name for path in (cache_root() / "artifacts").iterdir()] == ["a-1"]
    assert list((cache_root() / "contexts").iterdir()) == []
    assert not bootstrap._POLICY.exists()


@pytest.fixture
def at_rest(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Our engine is dead with a cluster, a failed build and a broken note in it; where it is started."""
    listening(docker.commands)
    docker.node("killed-0", "killed", managed=True)
    for name, config in (
        ("1", {"Config": {"Labels": {"io.x-k8s.kind.cluster": "killed"}}}),
        ("2", {"Config": {"Labels": None}}),
        ("3", None),
    ):
        folder = own_engine.data_folder(cache_root()) / "containers" / name
        folder.mkdir(parents=True)
        (folder / "config.v2.json").write_text(json.dumps(config) if config else "{")
    started: list[Path] = []

    def start(host: object, cache: Path, *_: object) -> Engine:
        started.append(cache)
        listening(docker.commands, engine.own_address())
        return replace(docker.engine, address=engine.own_address(), managed=True)

    monkeypatch.setattr(own_engine, "start", start)
    return started


def test_a_cluster_in_a_dead_engine_is_deleted_too(
    docker: FakeDocker, stopped: list[Path], at_rest: list[Path]
) -> None:
    """It would rise again with the engine of the next run, so the engine is started to remove it."""
    assert run(docker).clusters == ("killed",)
    assert (docker.containers, at_rest, stopped) == ({}, [cache_root()], [cache_root()])


def test_a_dead_engine_is_started_for_the_cluster_that_is_meant_only(
    docker: FakeDocker, stopped: list[Path], at_rest: list[Path]
) -> None:
    """Removing another one does not need it."""
    assert run(docker, only_cluster="other").clusters == ()
    assert at_rest == []
    assert run(docker, only_cluster="killed").clusters == ("killed",)


def test_an_engine_that_does_not_start_is_reported(
    docker: FakeDocker, stopped: list[Path], at_rest: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else is removed."""

    def refuse(*_: object) -> Engine:
        raise RefusalError("no container engine is installed")

    monkeypatch.setattr(own_engine, "start", refuse)
    (cache_root() / "clusters" / "a").mkdir(parents=True)
    progress = Progress(io.StringIO())
    assert reap(progress, commands=docker.commands).clusters == ()
    assert isinstance(progress.stream, io.StringIO)
    assert "killed cannot be removed from the engine that died with it: no container engine" in (
        progress.stream.getvalue()
    )
    assert list((cache_root() / "clusters").iterdir()) == []


RULES = """\
*nat
-A POSTROUTING -s 172.18.0.0/16 ! -o br-aaaaaaaaaaaa -j MASQUERADE
-A POSTROUTING -s 172.19.0.0/16 ! -o br-bbbbbbbbbbbb -j MASQUERADE
-A DOCKER -i br-aaaaaaaaaaaa -m comment --comment "two words" -j RETURN
COMMIT
"""


@pytest.fixture
def bridges(monkeypatch: pytest.MonkeyPatch, docker: FakeDocker) -> Callable[[], list[str]]:
    """A bridge of the harness's dead engine and a foreign one; returns those that are left."""
    interfaces = reaper._INTERFACES
    for name in ("br-aaaaaaaaaaaa", "br-bbbbbbbbbbbb", "eth0"):
        (interfaces / name).mkdir(parents=True)
    store = cache_root() / "engine" / "network" / "files"
    store.mkdir(parents=True)
    (store / "local-kv.db").write_bytes(b"\0\1docker/network/v1.0/aaaaaaaaaaaa0000\xff")
    docker.commands.on("ip", "link", "delete", does=lambda ran: (interfaces / ran.argv[-1]).rmdir())
    docker.commands.on("iptables-save", "nat", stdout=RULES)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return lambda: sorted(path.name for path in interfaces.iterdir())


def test_bridges_of_a_dead_engine_are_deleted(
    docker: FakeDocker, stopped: list[Path], bridges: Callable[[], list[str]]
) -> None:
    """They would hold the subnet for ever; their packet filter rules go with them, others stay."""
    assert str(run(docker)) == "removed bridge br-aaaaaaaaaaaa"
    assert bridges() == ["br-bbbbbbbbbbbb", "eth0"]
    removed = [ran.argv[1:] for ran in docker.commands.asked("iptables")]
    assert [argv[3] for argv in removed] == ["POSTROUTING", "DOCKER"]
    assert all("br-aaaaaaaaaaaa" in argv for argv in removed)
    assert "two words" in removed[1]


def test_bridges_are_left_to_root(
    docker: FakeDocker,
    stopped: list[Path],
    bridges: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user without the rights cannot remove them, so nothing is tried or claimed."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert run(docker).bridges == ()
    assert len(bridges()) == 3


def test_a_host_without_iptables_loses_its_bridges_too(
    docker: FakeDocker, stopped: list[Path], bridges: Callable[[], list[str]]
) -> None:
    """Missing rules are no error."""
    docker.commands.on("iptables-save", raises=CommandError("cannot start iptables-save"))
    assert run(docker).bridges == ("br-aaaaaaaaaaaa",)


def test_an_engine_is_in_use_while_anything_is_in_it(docker: FakeDocker) -> None:
    """Managed clusters in any state, and foreign ones that run."""
    assert not in_use(docker.engine)
    docker.node("b-0", "b", managed=False)
    docker.commands.on("docker", "ps", "-q", stdout="")
    assert not in_use(docker.engine)
    docker.node("a-0", "a", managed=True)
    assert in_use(docker.engine)
    docker.containers.clear()
    docker.commands.on("docker", "ps", "-q", stdout="0123456789ab\n")
    assert in_use(docker.engine)


def test_our_engine_ends_with_its_network(
    docker: FakeDocker, stopped: list[Path], bridges: Callable[[], list[str]]
) -> None:
    """No bridge of it stays, not even where it does not answer any more."""
    docker.commands.on("docker", "network", raises=CommandError("hangs"))
    end_engine(docker.engine, docker.commands, Progress(io.StringIO()))
    assert stopped == [cache_root()]
    assert bridges() == ["br-bbbbbbbbbbbb", "eth0"]
