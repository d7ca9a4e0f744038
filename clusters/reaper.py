"""Removing what a killed run left on this machine, and only what carries our mark."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters import engine
from clusters.commands import CommandError, Commands, SystemCommands
from clusters.images.workshop import cache_root
from clusters.kind import cluster_containers, is_ours
from clusters.progress import Progress

_NETWORK: Final = "kind"


@dataclass(frozen=True, slots=True)
class Reaped:
    """What was removed."""

    clusters: tuple[str, ...]
    engine: bool


def reap(
    progress: Progress, *, only_cluster: str | None = None, commands: Commands | None = None
) -> Reaped:
    """Remove our clusters, our engine and what they left; images and build caches stay.

    Args:
        progress: where it is told.
        only_cluster: remove just this cluster, and the engine once no cluster of ours is left.
        commands: runs programs.
    """
    commands = commands or SystemCommands()
    cache = cache_root()
    running = engine.find(commands)
    removed: list[str] = []
    if running is not None:
        removed = _remove_clusters(running, only_cluster, progress)
        left = [name for name in cluster_containers(running) if is_ours(running, name)]
        if left:
            return Reaped(tuple(removed), engine=False)
        if running.ours:
            running.run("network", "rm", _NETWORK, check=False)
    had_engine = engine.RUN_FOLDER.exists()
    engine.stop(commands, progress)
    _remove_bridges(progress)
    for folder in (cache / "clusters").glob("*"):
        if only_cluster is None and not folder.name.endswith("-failed"):
            shutil.rmtree(folder, ignore_errors=True)
    return Reaped(tuple(removed), engine=had_engine)


def _remove_clusters(running: engine.Engine, only: str | None, progress: Progress) -> list[str]:
    removed = set()
    for container in cluster_containers(running, only):
        if not is_ours(running, container):
            continue
        label = '{{index .Config.Labels "io.x-k8s.kind.cluster"}}'
        name = running.run("inspect", "--format", label, container).stdout.strip()
        with progress.stage(f"remove {container}"):
            running.run("rm", "-f", "-v", container, check=False)
        removed.add(name)
    return sorted(removed)


def _remove_bridges(progress: Progress) -> None:
    """Remove bridges of networks whose engine died with them: they hold the subnet for ever.

    A bridge counts as left over when the engine's own data names it and no engine of ours runs.
    """
    names = _networks_of_dead_engine(cache_root() / "engine")
    for name in names:
        if Path(f"/sys/class/net/{name}").exists() and os.geteuid() == 0:
            progress.note(f"removing bridge {name} of an engine that is gone")
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


def _networks_of_dead_engine(data: Path) -> list[str]:
    """Interface names (``br-`` and 12 digits of the network's id) in the engine's network store."""
    store = data / "network" / "files" / "local-kv.db"
    try:
        raw = store.read_bytes()
    except OSError:
        return []
    present = [path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith("br-")]
    return [name for name in present if name.removeprefix("br-").encode() in raw]


def quiet_reap(progress: Progress) -> None:
    """Reap before a run without letting a leftover that resists stop it."""
    try:
        reap(progress)
    except CommandError as error:
        progress.note(f"reaping did not finish: {error.message}")
