"""The cache folder of the harness: everything in it outlives a run and can be made again."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

from clusters.errors import RefusalError

_CREDENTIALS: Final = "credentials"


def cache_root() -> Path:
    """The cache folder: ``$FLUID_CONFORMANCE_CACHE``, else ``fluid-conformance`` in the user's cache.

    Raises:
        RefusalError: the folder cannot be created or written to.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluid-conformance"
    root = Path(os.environ.get("FLUID_CONFORMANCE_CACHE") or default).absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise RefusalError(
            f"the cache folder {root} cannot be written to: {error.strerror}",
            advice="set FLUID_CONFORMANCE_CACHE to a folder that you may write to",
        ) from error
    return root


def credentials_folder() -> Path | None:
    """Folder in which this process may write client certificates, deleted with it or by `reap`.

    The Kubernetes client passes the certificates of a kubeconfig to TLS as files, which a killed process
    leaves. None if the cache folder cannot be written to: the client then uses the temporary folder.
    """
    try:
        folder = cache_root() / _CREDENTIALS / str(os.getpid())
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
    except (RefusalError, OSError):
        return None
    return folder


def remove_stale_credentials(cache: Path) -> None:
    """Delete the client certificates of processes that have ended."""
    for folder in (cache / _CREDENTIALS).glob("*"):
        if not (folder.name.isdigit() and psutil.pid_exists(int(folder.name))):
            shutil.rmtree(folder, ignore_errors=True)


def cluster_folder(cluster: str) -> Path:
    """The folder with the kubeconfig and the settings of one kind cluster of the harness."""
    return cache_root() / "clusters" / cluster
