"""The files that scenarios read, at the NFS source: created, checked and repaired there, past Fluid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clusters.errors import FailureClass, HarnessError, InfrastructureError
from clusters.system import System
from clusters.waiting import wait
from suites.steps.observer import Observer
from suites.steps.user import User
from workloads.data import Difference, Files

#: Seconds to write the files of the smoke suite on a busy machine.
WRITE_SECONDS: Final = 300.0
#: Seconds for which the source must stay clean after a write that was not refused, and how often it is
#: checked: Alluxio persists such a write some seconds later.
QUIET_SECONDS: Final = 30.0
QUIET_CHECKS: Final = 6
#: Seconds until it stays clean.
UNDO_SECONDS: Final = 180.0


def data_folder(system: System) -> str:
    """The folder with the files that scenarios read, as clients mount it; it is never written to."""
    return system.nfs.folder("smoke")


def folder_for_writing(user: User) -> str:
    """The folder of a user that applications write to, as clients mount it."""
    return user.system.nfs.folder(f"written-{user.namespace}")


def ensure(system: System, files: Files, folder: str) -> Difference:
    """Create the files in a folder of the export, or repair what an interrupted or failed run left there.

    Returns:
        What was repaired: files with other contents, and additional files. They are removed, the
        former are written again.

    Raises:
        InfrastructureError: the files could not be written, or differ all the same; the files are named.
    """
    _write(system, files, folder)
    observer = Observer(system)
    found = files.difference(observer.at_the_source(folder))
    if not found:
        return found
    inside = system.nfs.inside(folder)
    foreign = [f"{inside}/{path}" for path in (*found.changed, *found.unexpected)]
    system.nfs.run("rm", "-f", "--", *foreign)
    _write(system, files, folder)
    remaining = files.difference(observer.at_the_source(folder))
    if remaining:
        raise InfrastructureError(
            f"the source export {folder} is not as it should be, and could not be repaired: {remaining}",
            subject=system.nfs.subject,
            condition="the files as they were made",
            last_seen=str(remaining),
            advice="delete the folder at the source, or use a new cluster",
        )
    return found


@contextmanager
def restored(user: User) -> Iterator[None]:
    """Undo what the block writes to the files that other scenarios read, also when the block fails.

    A block that fails may have written through Alluxio, which writes to the source later. So the source is
    repaired then until it stays as it was for a while; what the block raised is raised in any case.

    Raises:
        InfrastructureError: it cannot be undone, after a block that did not fail.
    """
    try:
        yield
    except Exception:
        try:
            undo_until_quiet(user)
        except HarnessError as error:
            user.evidence.fact(
                user.system.nfs.observed_on, f"what the scenario wrote is not undone: {error.message}"
            )
        raise
    except BaseException:
        _undo(user)
        raise
    if _undo(user):
        undo_until_quiet(user)


def _undo(user: User) -> Difference:
    undone = ensure(user.system, user.files, user.folder)
    if undone:
        user.evidence.fact(user.system.nfs.observed_on, f"what the scenario wrote is undone: {undone}")
    return undone


def undo_until_quiet(user: User) -> None:
    """Undo what appears at the source until nothing has appeared for `QUIET_SECONDS`."""

    def is_clean(undone: Difference) -> bool:
        return not undone

    with user.evidence.phase("teardown", "the source stays as it was"):
        wait(
            lambda: _undo(user),
            is_clean,
            subject=f"export {user.folder}",
            condition="the files as they were made, for the whole window",
            timeout=UNDO_SECONDS,
            successes=QUIET_CHECKS,
            delay=QUIET_SECONDS / QUIET_CHECKS,
            failure_class=FailureClass.INFRASTRUCTURE,
            clock=user.system.kube.clock,
        )


def _write(system: System, files: Files, folder: str) -> None:
    source = system.nfs
    script = files.shell(source.inside(folder)).encode()
    done = source.execute("bash", "-s", stdin=script, timeout=WRITE_SECONDS)
    if done.exit_code != 0:
        raise InfrastructureError(
            f"the files of the source could not be written to {folder}",
            subject=system.nfs.subject,
            last_seen=(done.stdout + done.stderr).strip()[-1_000:],
            advice="check the free space of the source",
        )
