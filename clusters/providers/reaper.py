"""Removal of what killed runs left on this machine: only what has the harness's mark."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import HarnessError, RefusalError
from clusters.host import bootstrap, engine, own_engine, probes
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import CommandError, Commands, SystemCommands
from clusters.host.engine import Engine
from clusters.paths import cache_root, remove_stale_credentials
from clusters.progress import Progress
from clusters.providers import hung_mounts
from clusters.providers.kind_nodes import ManagedNode, cluster_containers, cluster_of, managed_nodes

#: The network that kind creates in every engine.
_NETWORK: Final = "kind"
_INTERFACES: Final = Path("/sys/class/net")
_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Reaped:
    """What was removed.

    Attributes:
        clusters: by name.
        engine: the harness's engine, or its leftovers.
        bridges: network interfaces of an engine that is gone.
    """

    clusters: tuple[str, ...] = ()
    engine: bool = False
    bridges: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"cluster {name}" for name in self.clusters]
        parts += ["the harness's container engine"] if self.engine else []
        parts += [f"bridge {name}" for name in self.bridges]
        return f"removed {', '.join(parts)}" if parts else "there was nothing of the harness"


def reap(progress: Progress, *, only_cluster: str | None = None, commands: Commands | None = None) -> Reaped:
    """Remove the harness's clusters, its engine and their leftovers; images and build caches stay.

    Args:
        progress: shows stages.
        only_cluster: remove only this cluster, and the engine if no cluster of the harness is left in it.
        commands: runs programs.

    Raises:
        RefusalError: ``only_cluster`` is a foreign cluster, or the engine is another user's.
    """
    commands = commands or SystemCommands()
    cache = cache_root()
    removed: list[str] = []
    still_used = False
    for running in _engines(cache, only_cluster, commands, progress):
        removed += _remove_clusters(running, only_cluster, progress)
        if running.managed:
            still_used = bool(managed_nodes(running))
            if not still_used:
                running.run("network", "rm", _NETWORK, check=False)
    for name in [only_cluster] if only_cluster else _states(cache):
        shutil.rmtree(cache / "clusters" / name, ignore_errors=True)
    if still_used:
        return Reaped(tuple(removed))
    had_engine = engine.RUN_FOLDER.exists()
    own_engine.stop(cache, commands, progress)
    bridges = _remove_bridges(own_engine.data_folder(cache), commands)
    if only_cluster is None:
        bootstrap.remove_policy()
        ArtifactCache(cache, commands, progress).clear_partials()
        remove_stale_credentials(cache)
    return Reaped(tuple(removed), had_engine, bridges)


def _states(cache: Path) -> list[str]:
    """Folders of clusters; the journals of a failed creation stay."""
    return [path.name for path in (cache / "clusters").glob("*") if not path.name.endswith("-failed")]


def remove_orphans(running: Engine, progress: Progress) -> None:
    """Remove clusters that killed runs left: their nodes still run, and start again with the engine.

    Call it with the lock of the cache held. Clusters that must be kept stay, and so do those of another
    cache, which has another lock.
    """
    folder = cache_root() / "clusters"
    orphans = [node for node in managed_nodes(running) if node.state.parent == folder and not node.kept]
    for name in _removed(running, orphans, progress):
        progress.note(f"cluster {name} was left by a run that was killed")
        shutil.rmtree(folder / name, ignore_errors=True)


def in_use(running: Engine) -> bool:
    """Whether an engine has a cluster of the harness, running or not, or runs anything else."""
    return bool(managed_nodes(running)) or bool(running.run("ps", "-q").stdout.split())


def _engines(cache: Path, only: str | None, commands: Commands, progress: Progress) -> Iterator[Engine]:
    """All engines that may have clusters of the harness; its own is started if its data has some."""
    running = engine.every(commands)
    yield from running
    at_rest = _clusters_at_rest(own_engine.data_folder(cache))
    if any(one.managed for one in running) or not (at_rest if only is None else only in at_rest):
        return
    try:
        # Without the wrapper that nodes may need to run, because these are only deleted.
        yield own_engine.start(probes.probe(), cache, None, commands, progress)
    except HarnessError as error:
        names = ", ".join(sorted(at_rest))
        progress.note(f"{names} cannot be removed from the engine that died with it: {error.message}")


def _clusters_at_rest(data: Path) -> set[str]:
    """Names of the kind clusters in the data of the harness's engine (config.v2.json of Docker 20.10)."""
    found = set()
    for file in (data / "containers").glob("*/config.v2.json"):
        try:
            found.add(cluster_of(json.loads(file.read_text())))
        except (OSError, ValueError):
            continue
    return found - {""}


def end_engine(running: Engine, commands: Commands, progress: Progress) -> None:
    """Delete kind's network, which would stay as a bridge of the host, and stop the harness's engine.

    Raises:
        RefusalError: another user started it.
    """
    with contextlib.suppress(HarnessError):  # an engine that does not answer is stopped all the same
        running.run("network", "rm", _NETWORK, check=False)
    cache = cache_root()
    own_engine.stop(cache, commands, progress)
    _remove_bridges(own_engine.data_folder(cache), commands)


def _remove_clusters(running: Engine, only: str | None, progress: Progress) -> list[str]:
    nodes = managed_nodes(running, only)
    if only is not None and not nodes and cluster_containers(running, only):
        raise RefusalError(
            f"kind cluster {only} was not created by the harness, so it is not deleted",
            advice=f"delete it yourself: kind delete cluster --name {only}",
        )
    return _removed(running, nodes, progress)


def _removed(running: Engine, nodes: Iterable[ManagedNode], progress: Progress) -> list[str]:
    """Remove nodes; the names of their clusters."""
    removed = set()
    for node in nodes:
        with progress.stage(f"remove {node.container}"):
            hung_mounts.give_up(running, node.container)
            running.run("rm", "-f", "-v", node.container)
        removed.add(node.cluster)
    return sorted(removed)


def _remove_bridges(data: Path, commands: Commands) -> tuple[str, ...]:
    """Remove bridges of networks whose engine was killed: they occupy the subnet for ever.

    A bridge is a leftover if the data of the harness's engine names it and that engine has ended.
    """
    names = _networks_of_dead_engine(data)
    if not names or os.geteuid() != 0:
        return ()
    for table in ("nat", "filter"):
        _remove_rules(table, names, commands)
    for name in names:
        commands.run(["ip", "link", "delete", name], check=False, timeout=_SECONDS)
    return tuple(names)


def _remove_rules(table: str, bridges: list[str], commands: Commands) -> None:
    """Remove the packet filter rules that name one of the bridges."""
    try:
        rules = commands.run(["iptables-save", "-t", table], timeout=_SECONDS).stdout
    except CommandError:  # no iptables, no rules
        return
    for line in rules.splitlines():
        words = shlex.split(line) if line.startswith("-A ") else []
        if any(name in words for name in bridges):
            commands.run(["iptables", "-t", table, "-D", *words[1:]], check=False, timeout=_SECONDS)


def _networks_of_dead_engine(data: Path) -> list[str]:
    """Interface names (``br-`` and 12 digits of the network's id) in the engine's network store."""
    try:
        raw = (data / "network" / "files" / "local-kv.db").read_bytes()
    except OSError:
        return []
    present = [path.name for path in _INTERFACES.iterdir() if path.name.startswith("br-")]
    return sorted(name for name in present if name.removeprefix("br-").encode() in raw)
