"""Removing what a killed run left on this machine, and only what carries our mark."""

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
from clusters.host import bootstrap, engine, probes
from clusters.host.commands import CommandError, Commands, SystemCommands
from clusters.host.engine import Engine
from clusters.images.offline.artifact_cache import ArtifactCache, cache_root
from clusters.progress import Progress
from clusters.providers.kind import OwnNode, cluster_containers, cluster_of, own_nodes

#: The network that kind makes in every engine it works with.
_NETWORK: Final = "kind"
_INTERFACES: Final = Path("/sys/class/net")
_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Reaped:
    """What was removed.

    Attributes:
        clusters: by name.
        engine: our engine, or what was left of it.
        bridges: network interfaces of an engine that is gone.
    """

    clusters: tuple[str, ...] = ()
    engine: bool = False
    bridges: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"cluster {name}" for name in self.clusters]
        parts += ["our container engine"] if self.engine else []
        parts += [f"bridge {name}" for name in self.bridges]
        return f"removed {', '.join(parts)}" if parts else "nothing of ours was there"


def reap(progress: Progress, *, only_cluster: str | None = None, commands: Commands | None = None) -> Reaped:
    """Remove our clusters, our engine and what they left; images and build caches stay.

    Args:
        progress: where it is told.
        only_cluster: remove just this cluster, and the engine once no cluster of ours is left in it.
        commands: runs programs.

    Raises:
        RefusalError: ``only_cluster`` is a cluster that is not ours, or our engine is another user's.
    """
    commands = commands or SystemCommands()
    cache = cache_root()
    removed: list[str] = []
    still_used = False
    for running in _engines(cache, only_cluster, commands, progress):
        removed += _remove_clusters(running, only_cluster, progress)
        if running.ours:
            still_used = bool(own_nodes(running))
            if not still_used:
                running.run("network", "rm", _NETWORK, check=False)
    for name in [only_cluster] if only_cluster else _states(cache):
        shutil.rmtree(cache / "clusters" / name, ignore_errors=True)
    if still_used:
        return Reaped(tuple(removed))
    had_engine = engine.RUN_FOLDER.exists()
    engine.stop(cache, commands, progress)
    bridges = _remove_bridges(engine.data_folder(cache), commands)
    if only_cluster is None:
        bootstrap.remove_policy()
        ArtifactCache(cache, commands, progress).clear_partials()
    return Reaped(tuple(removed), had_engine, bridges)


def _states(cache: Path) -> list[str]:
    """Folders of clusters; the journals of one that failed stay, for they are there to be read."""
    return [path.name for path in (cache / "clusters").glob("*") if not path.name.endswith("-failed")]


def remove_orphans(running: Engine, progress: Progress) -> None:
    """Remove clusters that killed runs left: their nodes run on, and the engine starts them anew with itself.

    To be called with the lock of the cache held, when no other run is under way. Clusters that were to be
    kept stay, and so do those that were made from another cache, whose lock is another one.
    """
    folder = cache_root() / "clusters"
    orphans = [node for node in own_nodes(running) if node.state.parent == folder and not node.kept]
    for name in _removed(running, orphans, progress):
        progress.note(f"cluster {name} was left by a run that was killed")
        shutil.rmtree(folder / name, ignore_errors=True)


def in_use(running: Engine) -> bool:
    """Whether an engine holds a cluster of ours, running or not, or runs anything else."""
    return bool(own_nodes(running)) or bool(running.run("ps", "-q").stdout.split())


def _engines(cache: Path, only: str | None, commands: Commands, progress: Progress) -> Iterator[Engine]:
    """All engines that may hold what is ours; our own is started where clusters lie in a dead one."""
    running = engine.every(commands)
    yield from running
    at_rest = _clusters_at_rest(engine.data_folder(cache))
    if any(one.ours for one in running) or not (at_rest if only is None else only in at_rest):
        return
    try:
        # Without the wrapper that nodes may need to run, since these need not.
        yield engine.start(probes.probe(), cache, None, commands, progress)
    except HarnessError as error:
        names = ", ".join(sorted(at_rest))
        progress.note(f"{names} cannot be removed from the engine that died with it: {error.message}")


def _clusters_at_rest(data: Path) -> set[str]:
    """Names of the kind clusters in our engine's data, as it noted them (config.v2.json of Docker 20.10)."""
    found = set()
    for file in (data / "containers").glob("*/config.v2.json"):
        try:
            found.add(cluster_of(json.loads(file.read_text())))
        except (OSError, ValueError):
            continue
    return found - {""}


def end_engine(running: Engine, commands: Commands, progress: Progress) -> None:
    """End our engine, and before it the network of kind's, which would outlive it as a bridge of the host.

    Raises:
        RefusalError: it is another user's.
    """
    with contextlib.suppress(HarnessError):  # one that does not answer any more is ended all the same
        running.run("network", "rm", _NETWORK, check=False)
    cache = cache_root()
    engine.stop(cache, commands, progress)
    _remove_bridges(engine.data_folder(cache), commands)


def _remove_clusters(running: Engine, only: str | None, progress: Progress) -> list[str]:
    ours = own_nodes(running, only)
    if only is not None and not ours and cluster_containers(running, only):
        raise RefusalError(
            f"kind cluster {only} was not made by the harness, so it is left alone",
            advice=f"remove it yourself: kind delete cluster --name {only}",
        )
    return _removed(running, ours, progress)


def _removed(running: Engine, nodes: Iterable[OwnNode], progress: Progress) -> list[str]:
    """Remove nodes; the names of their clusters."""
    removed = set()
    for node in nodes:
        with progress.stage(f"remove {node.container}"):
            running.run("rm", "-f", "-v", node.container)
        removed.add(node.cluster)
    return sorted(removed)


def _remove_bridges(data: Path, commands: Commands) -> tuple[str, ...]:
    """Remove bridges of networks whose engine died with them: they hold the subnet for ever.

    A bridge counts as left over when our engine's own data names it, and that engine is gone by now.
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
        told = commands.run(["iptables-save", "-t", table], timeout=_SECONDS).stdout
    except CommandError:  # no iptables, no rules
        return
    for line in told.splitlines():
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
