"""Folders that killed runs left, with mounts in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.host import leftovers
from tests.clusters.fakes import FakeCommands, Ran


def table(file: Path, *points: str | Path) -> Path:
    """A mountinfo with these mount points."""
    lines = [f"{20 + n} 1 0:{n} / {point} rw - tmpfs tmpfs rw" for n, point in enumerate(points)]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_only_mounts_in_the_folder_are_found_the_deepest_first(tmp_path: Path) -> None:
    """A folder with the same prefix is foreign, and the folder itself is not below itself."""
    mounts = table(tmp_path / "m", "/a", "/a/b", "/a/b/c", "/ab/c", "/", "/a/z")
    assert leftovers.mounts_below(Path("/a"), mounts) == ["/a/b/c", "/a/z", "/a/b"]


def test_a_folder_with_mounts_is_unmounted_and_removed(tmp_path: Path) -> None:
    """An interrupted debootstrap leaves /proc mounted in its target."""
    folder, commands = tmp_path / "root.partial", FakeCommands()
    (folder / "proc").mkdir(parents=True)
    mounts = table(tmp_path / "m", folder / "proc", "/proc")
    commands.on("umount", does=lambda ran: table(mounts, "/proc"))
    leftovers.remove(folder, commands, mounts)
    assert [ran.argv for ran in commands.ran] == [("umount", "--lazy", str(folder / "proc"))]
    assert not folder.exists()


def test_nothing_is_deleted_through_a_mount_that_stays(tmp_path: Path) -> None:
    """What cannot be unmounted is reported and kept, because it may lead to foreign files."""
    folder = tmp_path / "root.partial"
    (folder / "home").mkdir(parents=True)
    (folder / "home" / "mine").write_text("")
    mounts = table(tmp_path / "m", folder / "home")
    with pytest.raises(InfrastructureError, match="is mounted in a folder that a killed run left") as caught:
        leftovers.remove(folder, FakeCommands(), mounts)
    assert (folder / "home" / "mine").exists()
    assert str(folder) in caught.value.advice


def test_a_folder_that_is_not_there_is_nothing_to_do(tmp_path: Path) -> None:
    """Nothing is run for it."""
    commands = FakeCommands()
    leftovers.remove(tmp_path / "none", commands)
    assert commands.ran == []


def test_this_machines_own_table_can_be_read() -> None:
    """The real table is understood, and holds no mounts in a folder that there is not."""
    assert leftovers.mounts_below(Path("/no/such/folder")) == []


def test_unmounting_has_a_time_limit(tmp_path: Path) -> None:
    """A dead NFS server must not hang the cleaning."""
    seen: list[Ran] = []
    commands = FakeCommands()
    commands.on("umount", does=seen.append)
    leftovers.unmount_below(Path("/a"), commands, table(tmp_path / "m", "/a/b"))
    assert seen[0].timeout == leftovers.UMOUNT_SECONDS
