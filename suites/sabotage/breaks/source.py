"""Data at the source that change behind Fluid's back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from suites.sabotage.breaks.nodes import run_on_node
from suites.sabotage.model import Environment, Tampering, Users
from workloads.faults import FaultError


@contextmanager
def source_file_changed(environment: Environment, users: Users, path: str) -> Iterator[Tampering]:
    """One file of the export has other bytes, and the same length."""
    del users
    nfs = environment.system.nfs_server
    file, kept = f"{environment.folder}/{path}", nfs.folder(".kept-by-sabotage")
    size = next(one.size for one in environment.files.files if one.path == path)
    try:
        nfs.run("cp", "-p", "--", file, kept)
        nfs.run("bash", "-c", 'head -c "$2" /dev/urandom > "$1"', "change", file, str(size))
        yield Tampering()
    finally:
        nfs.run("bash", "-c", 'cp -p -- "$2" "$1" && rm -f -- "$2"', "restore", file, kept)
        # No later read on the node may be served from the page cache with the other bytes.
        run_on_node(environment, nfs.node, "sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches")
        check_source_unchanged(environment)


def check_source_unchanged(environment: Environment) -> None:
    """Check that the export has the files that were created at the start.

    Raises:
        FaultError: it has not.
    """
    difference = environment.files.difference(environment.observer.at_the_source(environment.folder))
    if difference:
        raise FaultError(
            "the source was not restored", subject=environment.system.nfs.address, last_seen=str(difference)
        )
