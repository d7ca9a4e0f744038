"""Who serves a folder, read from mountinfo."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.host import mountinfo
from clusters.host.mountinfo import MountInfoError

FLUID = (
    "612 580 0:52 / /data ro,relatime master:9 - fuse.alluxio-fuse alluxio-fuse "
    "ro,user_id=0,group_id=0,allow_other,max_read=131072"
)
KERNEL_NFS = (
    "613 580 0:53 /sub /data rw,relatime - nfs4 10.0.0.7:/export rw,vers=4.1,rsize=1048576,addr=10.0.0.7"
)
USER_NFS = "614 580 0:54 / /data rw,nosuid,nodev - fuse.nfs 10.0.0.7:/export rw,user_id=0"


def test_every_field_is_read() -> None:
    """A line gives ids, device, places, options of mount and file system, type and source."""
    (mount,) = mountinfo.parse(KERNEL_NFS + "\n")
    assert (mount.mount_id, mount.parent, mount.device) == (613, 580, "0:53")
    assert (mount.root, mount.mount_point) == ("/sub", "/data")
    assert (mount.fs_type, mount.source) == ("nfs4", "10.0.0.7:/export")
    assert mount.options == ("rw", "relatime")
    assert "vers=4.1" in mount.super_options


@pytest.mark.parametrize(
    ("optional", "expected"),
    [
        ("", ()),
        (" shared:1", ("shared:1",)),
        (" shared:1 master:2 propagate_from:3", ("shared:1", "master:2", "propagate_from:3")),
    ],
)
def test_optional_fields_may_be_any_number(optional: str, expected: tuple[str, ...]) -> None:
    """The number of fields before the separator varies."""
    (mount,) = mountinfo.parse(f"36 35 98:0 / /mnt rw{optional} - ext3 /dev/root rw")
    assert mount.optional == expected
    assert mount.fs_type == "ext3"


def test_escaped_characters_are_restored() -> None:
    r"""Blanks, tabs, line ends and backslashes are written as octal, letters of UTF-8 are not."""
    (mount,) = mountinfo.parse(r"36 35 98:0 /a\040b /c\134d\011é rw - ext4 s\040 rw")
    assert (mount.root, mount.mount_point, mount.source) == ("/a b", "/c\\d\té", "s ")


def test_a_digit_after_a_backslash_is_not_escaped_twice() -> None:
    r"""``\134040`` is a backslash and three digits, not a blank."""
    (mount,) = mountinfo.parse(r"36 35 98:0 / /x\134040 rw - ext4 s rw")
    assert mount.mount_point == r"/x\040"


def test_an_empty_source_is_read() -> None:
    """A file system without a source leaves its field empty."""
    (mount,) = mountinfo.parse("36 35 0:5 / /x rw - tmpfs  rw")
    assert mount.source == ""


@pytest.mark.parametrize(
    ("line", "serves"),
    [
        (FLUID, "fluid"),
        (KERNEL_NFS, "nfs"),
        (USER_NFS, "nfs"),
        (KERNEL_NFS.replace("nfs4", "nfs"), "nfs"),
        (FLUID.replace("fuse.alluxio-fuse", "fuse.juicefs"), "other"),
        (FLUID.replace("fuse.alluxio-fuse", "fuse"), "other"),
        (FLUID.replace("fuse.alluxio-fuse", "fuseblk"), "other"),
        (FLUID.replace("fuse.alluxio-fuse", "nfsd"), "other"),
    ],
)
def test_only_the_type_says_who_serves(line: str, serves: str) -> None:
    """Fluid is its own FUSE type and nothing else; a source with the name alluxio proves nothing."""
    (mount,) = mountinfo.parse(line)
    assert mount.serves == serves


def test_read_only_is_either_the_mount_or_the_file_system() -> None:
    """Either one refuses writing."""
    fluid, nfs = mountinfo.parse(f"{FLUID}\n{KERNEL_NFS}")
    assert fluid.read_only
    assert not nfs.read_only
    (by_system,) = mountinfo.parse("36 35 0:5 / /x rw - ext4 /dev/a ro")
    assert by_system.read_only


MOUNTS = mountinfo.parse(
    "1 0 8:1 / / rw - ext4 /dev/root rw\n"
    "2 1 0:5 / /data rw - nfs4 s:/e rw\n"
    "3 2 0:6 / /data/sub rw - tmpfs tmpfs rw\n"
    "4 1 0:7 / /database rw - tmpfs tmpfs rw\n"
    "5 2 0:8 / /data rw - fuse.alluxio-fuse alluxio-fuse rw\n"
)


@pytest.mark.parametrize(
    ("path", "mount_id"),
    [
        ("/", 1),
        ("/etc", 1),
        ("/data", 5),
        ("/data/", 5),
        ("/data/x/../y", 5),
        ("/data/sub/file", 3),
        ("/database", 4),
        ("/data2", 1),
        ("//data", 5),
    ],
)
def test_the_deepest_and_newest_mount_serves(path: str, mount_id: int) -> None:
    """The longest mount point above a path wins, and of several at one place the last."""
    assert mountinfo.mount_at(MOUNTS, path).mount_id == mount_id


def test_a_path_that_nothing_serves_is_reported() -> None:
    """Without a root mount there may be no answer; a relative path has none at all."""
    with pytest.raises(MountInfoError, match="no mount serves /x"):
        mountinfo.mount_at(MOUNTS[1:], "/x")
    with pytest.raises(MountInfoError, match="'data' is no absolute path"):
        mountinfo.mount_at(MOUNTS, "data")


@pytest.mark.parametrize("line", ["hello", "36 35 98:0 / / rw", "x 35 98:0 / / rw - ext4 s rw", FLUID[:68]])
def test_another_text_is_refused_with_its_line(line: str) -> None:
    """What is not mountinfo is an error that shows it."""
    with pytest.raises(MountInfoError) as caught:
        mountinfo.parse(f"{KERNEL_NFS}\n{line}\n")
    assert caught.value.last_seen == line


def test_this_machines_own_mountinfo_is_understood() -> None:
    """The kernel's real file parses, and something serves this folder."""
    mounts = mountinfo.parse(
        Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    )
    assert mountinfo.mount_at(mounts, str(Path(__file__).resolve())).fs_type
