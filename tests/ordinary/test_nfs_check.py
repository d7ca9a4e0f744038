"""A mount that hangs while its cluster is deleted, with a guest that is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import InfrastructureError
from clusters.facts import Image, NfsClient, Origin, SystemFacts
from clusters.host import mountinfo
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.host.commands import CommandError, Completed
from clusters.options import Options
from tests.clusters.conftest import FakeClock
from tests.ordinary import __main__ as command
from tests.ordinary import nfs_check
from tests.ordinary.__main__ import Machine
from tests.ordinary.guest import Guest
from tests.ordinary.nfs_check import HANGS, Hang, hang_and_delete, hard_mount, left, require_version

VOLUME = "nfs.fluid-conformance.hanging"
LINE = (
    "52 1 0:44 / /var/lib/kubelet/pods/1/volumes/kubernetes.io~nfs/{volume} rw,relatime shared:9 - "
    "{fs_type} 10.96.7.7:/export rw,vers={version},{kind},proto=tcp\n"
)


def a_mount(version: str = "4.1", kind: str = "hard", volume: str = VOLUME, fs_type: str = "nfs4") -> str:
    """One line of mountinfo."""
    return LINE.format(version=version, kind=kind, volume=volume, fs_type=fs_type)


#: An answer of NFS-Ganesha's D-Bus interface: 500 bytes in 5 READs.
READS = "boolean true struct { uint64 500 uint64 500 uint64 5 uint64 0 uint64 1 uint64 1 }"


class FakeGuest:
    """A guest with one node; what a command says is decided by the first words that it contains."""

    def __init__(self, **said: str) -> None:
        self.ran: list[str] = []
        self.objects: list[dict[str, Any]] = []
        self.stopped = False
        self.down = False
        self.said = {
            "get service": "10.96.7.7",
            "get pod": "node-1",
            "docker exec": a_mount(),
            "GetNFSv41IO": READS,
            "GetNFSv3IO": 'boolean false string "does not have any NFSv3 activity"',
            "ps -e": "D    rpc_wait_bit_killable dd if=/data/hanging of=/dev/null\nS    - dd other\n",
        } | {name.replace("_", " "): text for name, text in said.items()}

    def run(
        self,
        command: str,
        *,
        user: str = "user",
        check: bool = True,
        timeout: float = 0,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Answer one command."""
        self.ran.append(command)
        if stdin is not None:
            self.objects = json.loads(stdin)["items"]
        self.stopped = self.stopped or command.startswith("pkill -STOP")
        if "clusters down" in command:
            assert self.stopped
            assert timeout == nfs_check.DOWN_SECONDS
            assert on_line is not None
            self.down = True
        said = next((text for words, text in self.said.items() if words in command), "")
        if command.startswith("ps -e") and (self.down or not self.stopped):
            said = ""
        return Completed((command,), 0, said, "")


def deleted(guest: FakeGuest, hang: Hang = HANGS[0]) -> list[str]:
    """Delete the cluster while its mount hangs; returns what was said."""
    lines: list[str] = []
    hang_and_delete(cast("Guest", guest), hang, "fluid-conformance/toolbox:1", lines.append, FakeClock())
    return lines


def test_cluster_is_deleted_while_a_process_waits_for_the_server() -> None:
    """The server is stopped first, and something must hang on a hard mount of that version."""
    guest = FakeGuest()
    said = "\n".join(deleted(guest))
    assert "vers=4.1,hard" in said
    assert "own count: 500 bytes" in said
    assert "rpc_wait_bit_killable dd if=/data/hanging" in said
    assert "cluster down ended after" in said
    volume, claim, pod = guest.objects
    assert volume["spec"]["mountOptions"] == ["nfsvers=4.1", "hard"]
    assert claim["spec"]["volumeName"] == VOLUME == volume["metadata"]["name"]
    assert pod["spec"]["containers"][0]["image"] == "fluid-conformance/toolbox:1"
    assert "dd if=/dev/zero of=/data/dirty" not in pod["spec"]["containers"][0]["command"][-1]
    stop = next(command for command in guest.ran if command.startswith("pkill"))
    assert guest.ran.index(stop) < next(i for i, line in enumerate(guest.ran) if "clusters down" in line)


def test_data_that_is_not_written_yet_hangs_next_to_a_read() -> None:
    """The kernel waits for it also after the process was killed."""
    writes = next(hang for hang in HANGS if hang.writes)
    guest = FakeGuest(docker_exec=a_mount(writes.version), GetNFSv42IO=READS, GetNFSv41IO="boolean true")
    guest.said |= {"pgrep": "7 8", "ps -o": "D    folio_wait_bit dd of=/data/dirty"}
    said = "\n".join(deleted(guest, writes))
    assert "kill -KILL 7 8" in guest.ran
    assert "still there:\nD    folio_wait_bit dd of=/data/dirty" in said
    guest = FakeGuest(docker_exec=a_mount(writes.version), GetNFSv42IO=READS, GetNFSv41IO="boolean true")
    assert "none is there" in "\n".join(deleted(guest, writes))
    assert "of=/data/dirty" in guest.objects[-1]["spec"]["containers"][0]["command"][-1]


@pytest.mark.parametrize(
    "found",
    [
        a_mount(kind="soft"),
        a_mount("4.2"),
        a_mount(fs_type="fuse.nfs"),
        a_mount(volume="other"),
    ],
)
def test_another_mount_proves_nothing(found: str) -> None:
    """The kernel's client, hard, of that version and of that volume."""
    assert hard_mount(mountinfo.parse(a_mount()), VOLUME, "4.1").fs_type == "nfs4"
    with pytest.raises(InfrastructureError, match=r"no hard mount of nfs\.fluid-conformance\.hanging"):
        hard_mount(mountinfo.parse(found), VOLUME, "4.1")


@pytest.mark.parametrize("said", [{"GetNFSv41IO": "boolean true"}, {"GetNFSv42IO": READS}])
def test_a_server_that_was_read_by_another_version_proves_nothing(said: dict[str, str]) -> None:
    """It counts each version apart."""
    with pytest.raises(InfrastructureError, match=r"not read by NFS 4\.1 alone"):
        deleted(FakeGuest(**said))


def test_a_deletion_that_does_not_end_fails() -> None:
    """The limit is that of the command in the guest."""

    class Endless(FakeGuest):
        def run(self, command: str, **options: Any) -> Completed:
            done = super().run(command, **options)
            if self.down:
                raise CommandError("ssh did not end within 180 s", completed=done)
            return done

    with pytest.raises(CommandError, match="did not end within 180 s"):
        deleted(Endless())


def test_what_is_left_is_named() -> None:
    """Containers, volumes, mounts in any namespace, and processes that no signal reaches."""
    guest = FakeGuest()
    guest.down = True
    assert not left(cast("Guest", guest))
    guest = FakeGuest(docker_ps="node-1\n", cat_="5 1 0:4 / /x rw - nfs4 s:/e rw\n")
    guest.stopped = True
    found = left(cast("Guest", guest))
    assert "containers: node-1" in found
    assert "processes in state D: D    rpc_wait" in found


@dataclass
class Runs:
    """The runs and deletions of a check, which are replaced.

    Attributes:
        exit_code: of each run.
        ran: arguments of the runs.
        hung: versions of the mounts that hung.
    """

    exit_code: int = 0
    ran: list[list[str]] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)

    def run(self, here: object, arguments: list[str], out: Path) -> int:
        """A run of the README's command."""
        del here, out
        self.ran.append(arguments)
        return self.exit_code

    def hang(self, guest: object, hang: Hang, image: str, say: object) -> None:
        """The deletion of a cluster whose mount hangs."""
        del guest, image, say
        self.hung.append(hang.version)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Each reports the version of NFS that it should."""
    made = Runs()
    monkeypatch.setattr(command, "prepare_checkout", lambda here: None)
    monkeypatch.setattr(command, "run_readme", made.run)
    monkeypatch.setattr(command, "load", lambda path: SimpleNamespace(system=path.parts[-3:]))
    monkeypatch.setattr(command, "require_version", lambda system, version: f"{system} {version}")
    monkeypatch.setattr(command, "hang_and_delete", made.hang)
    return made


def checked(tmp_path: Path, *arguments: str, smoke: bool = False) -> int:
    """The exit code of the check."""
    here = cast("Machine", SimpleNamespace(guest=None))
    return command.check_nfs(here, arguments, tmp_path, smoke=smoke)


@pytest.mark.parametrize("exit_code", [0, 3])
def test_both_versions_run_by_the_readmes_command(runs: Runs, tmp_path: Path, exit_code: int) -> None:
    """Each on a cluster that is kept for what follows; a run without a verdict ends the check."""
    runs.exit_code = exit_code
    assert checked(tmp_path, "--window", "5") == exit_code
    expected = [[*one.arguments, "--window", "5"] for one in HANGS]
    assert runs.ran == (expected if exit_code == 0 else expected[:1])
    assert runs.hung == (["4.1", "4.2"] if exit_code == 0 else [])
    assert all("--keep-cluster" in arguments for arguments in runs.ran)


@pytest.mark.parametrize("exit_code", [1, 5])
def test_deletion_is_observed_also_where_rows_failed(runs: Runs, tmp_path: Path, exit_code: int) -> None:
    """The check does not pass then."""
    runs.exit_code = exit_code
    assert checked(tmp_path) == exit_code
    assert runs.hung == ["4.1", "4.2"]


def test_first_run_may_be_the_whole_smoke_suite(runs: Runs, tmp_path: Path) -> None:
    """With its version of NFS, on a cluster that is kept; the second run is as before."""
    assert checked(tmp_path, smoke=True) == 0
    assert runs.ran == [["--nfs-version", "4.1", "--keep-cluster"], HANGS[1].arguments]
    assert runs.hung == ["4.1", "4.2"]


@pytest.mark.parametrize("name", ["build", "check"])
def test_build_fills_the_registries_and_boots_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """So that a check later needs neither the engine nor the lock of the harness's cache."""
    asked: list[object] = []

    @contextmanager
    def booted(*_: object, **__: object) -> Iterator[None]:
        asked.append("booted")
        yield None

    class Cache(ArtifactCache):
        def obtain(self, artifact: Artifact) -> Path:
            asked.append("disk" if artifact.name.startswith("guest-disk") else artifact.name)
            return tmp_path

    def fill(own: object, images: object, options: Options) -> None:
        del own, images
        asked.append(options.versions.kubernetes)

    monkeypatch.setattr(command, "_require", lambda: None)
    monkeypatch.setattr(command, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(command, "ArtifactCache", Cache)
    monkeypatch.setattr(command, "filled", fill)
    monkeypatch.setattr(command, "machine", booted)
    monkeypatch.setattr(command, "check", lambda here, arguments, out: 0)
    assert command.main([name, "--kubernetes", "1.35.0"]) == 0
    assert asked == (["disk", "1.35.0"] if name == "build" else ["1.35.0", "booted"])


@pytest.mark.parametrize(
    ("client", "versions"),
    [("kernel", ("4.2",)), ("kernel", ()), ("kernel", ("4.1", "4.2")), ("user-space", ())],
)
def test_a_run_with_another_version_of_nfs_proves_nothing(
    client: NfsClient, versions: tuple[str, ...]
) -> None:
    """Its report says what was mounted."""
    image = Image(name="fluid-conformance/toolbox:7-slim", digest="", origin=Origin.SUBSTITUTE)
    system = SystemFacts(
        kubernetes="1.34.0",
        fluid="v1.0.8",
        alluxio="2.9.0",
        cluster="kind",
        nodes=1,
        nfs_client="kernel",
        nfs_versions=("4.1",),
        images=(image,),
    )
    assert require_version(system, "4.1") == image.name
    other = system.model_copy(update={"nfs_client": client, "nfs_versions": versions})
    with pytest.raises(InfrastructureError, match=r"does not report NFS 4\.1"):
        require_version(other, "4.1")
    with pytest.raises(InfrastructureError, match=r"does not report NFS 4\.1"):
        require_version(None, "4.1")
