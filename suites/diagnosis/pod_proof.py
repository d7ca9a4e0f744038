"""What commands in a Pod prove: what is mounted at the path, whether it is alive, whether it can be read."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Protocol

from clusters.host import mountinfo
from clusters.host.commands import Completed
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Evidence, Finding
from suites.diagnosis.objects import PodInfo
from suites.diagnosis.rules.claim_use import recreation
from suites.diagnosis.rules.fuse_on_node import DEAD_MOUNT_WORDS
from suites.diagnosis.wording import shown

#: Seconds for one command in a Pod; a Fuse that hangs must not hold up the others.
SECONDS: Final = 20.0
#: Bytes of one file that are read.
READ_BYTES: Final = 64 * 1024
#: Pods in which commands run at the same time.
AT_ONCE: Final = 8

_MOUNTS: Final = ("cat", "/proc/self/mountinfo")
_NO_SUCH_PROGRAM: Final = (126, 127)
_LIST_FAILED, _READ_FAILED, _NO_FILE = 11, 12, 13
_FORBIDDEN: Final = 403
#: Lists the folder, then reads the head of one file not deep below it. Names with a newline are ignored.
_READ: Final = f"""
LC_ALL=C; export LC_ALL
ls -- "$1" >/dev/null || exit {_LIST_FAILED}
file=$(find "$1" -maxdepth 4 -type f ! -name '*
*' 2>/dev/null | head -n 1)
[ -n "$file" ] || exit {_NO_FILE}
dd if="$file" of=/dev/null bs={READ_BYTES} count=1 || exit {_READ_FAILED}
"""

#: Findings to which a command in the Pod can add something: the Pod has its mount.
_WORTH_PROVING: Final = frozenset(
    {
        FindingCode.SERVED,
        FindingCode.ORIGINAL_CLAIM,
        FindingCode.OTHER_CLAIM_OF_SOURCE,
        FindingCode.NAMESAKE_CLAIM,
        FindingCode.HAND_MADE_VOLUME,
        FindingCode.FUSE_NOT_READY,
        FindingCode.FUSE_RESTARTED,
        FindingCode.DEAD_MOUNT,
        FindingCode.RUNTIME_NOT_WORKING,
        FindingCode.NOT_SEEN,
        FindingCode.POD_BEING_DELETED,
        FindingCode.CLAIM_DELETED,
        FindingCode.DATASET_NOT_BOUND,
        FindingCode.DATASET_BEING_DELETED,
    }
)
#: Of these, the findings with which Fluid's mount is expected in the Pod.
_EXPECTS_FUSE: Final = frozenset(
    {
        FindingCode.SERVED,
        FindingCode.FUSE_NOT_READY,
        FindingCode.FUSE_RESTARTED,
        FindingCode.DEAD_MOUNT,
        FindingCode.NOT_SEEN,
    }
)
#: Of these, the findings that a successful read through Fluid's mount refutes.
_REFUTED_BY_READ: Final = frozenset(
    {FindingCode.FUSE_RESTARTED, FindingCode.DEAD_MOUNT, FindingCode.NOT_SEEN}
)


class Exec(Protocol):
    """Runs a program in a container; `clusters.kubernetes.client.Kube.exec` is one."""

    def __call__(  # noqa: D102 - described above
        self, namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
    ) -> Completed: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What commands in a Pod showed.

    Attributes:
        container: in which they ran.
        path: where the claim is mounted there.
        mount: what is mounted at the path; None if that could not be determined.
        dead: the mount exists and the process behind it has ended.
        read_error: why the folder or a file in it could not be read; empty after a successful read.
        note: what could not be determined, and why; or what was read.
        read: a file was read.
    """

    container: str
    path: str
    mount: mountinfo.Mount | None = None
    dead: bool = False
    read_error: str = ""
    note: str = ""
    read: bool = False

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The same as evidence."""
        where = f"container {self.container}"
        found = []
        if self.mount is not None:
            found.append(
                Evidence(f"mountinfo in {where}", f"{self.path} is {self.mount.fs_type} {self.mount.source}")
            )
        if self.dead or self.read_error:
            found.append(Evidence(f"a read in {where}", self.read_error))
        elif self.note:
            found.append(Evidence(where, self.note))
        return tuple(found)


def prove_in_pods(
    run: Exec, state: ClusterState, findings: Iterable[Finding]
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings, each decided by what commands in its Pod show; and the rights that are missing for that.

    The commands only read: mountinfo, a folder, and at most 64 KiB of one file, in at most 20 s each.
    A Pod that does not run, or whose image has no ``cat``, keeps its finding, with a note.
    """
    given = list(findings)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda finding: _proved(run, state, finding), given))
    missing = tuple(dict.fromkeys(right for _, right in results if right))
    return tuple(finding for finding, _ in results), missing


def _proved(run: Exec, state: ClusterState, finding: Finding) -> tuple[Finding, str]:
    """A finding after the proof, and the right that was missing for it."""
    pod = state.pods_by_key.get(finding.pod)
    place = _place(pod, finding.claim) if pod and finding.code in _WORTH_PROVING else None
    if pod is None or place is None:
        return finding, ""
    try:
        proof = prove(run, pod, *place)
    except KubeError as error:
        if error.status == _FORBIDDEN:
            return finding, f"get or create pods/exec in namespace {pod.snapshot.namespace}"
        proof = Proof(*place, note=f"no command could be run there: {error.said or error.message}")
    return decided(state, finding, proof), ""


def _is_fluid_mount(mount: mountinfo.Mount, mount_type: str) -> bool:
    """Whether a mount is of the type that the volume's attributes name.

    Fluid's plugin results for that word in the whole line of mountinfo (csi/shell/check_mount.sh); only
    those with a dot are types, the others are sources (pkg/common, constants *MountType).
    """
    if not mount_type or "." in mount_type:
        return mount.fs_type == (mount_type or mountinfo.FLUID_TYPE)
    return mount.fs_type.startswith("fuse") and mount.serves != "nfs"


def _place(pod: PodInfo, claim: str) -> tuple[str, str] | None:
    """A running container of the Pod and the path of the claim in it."""
    running = {c.name for c in (*pod.snapshot.containers, *pod.snapshot.init_containers) if c.running}
    return next((place for place in pod.snapshot.paths_of(claim) if place[0] in running), None)


def prove(run: Exec, pod: PodInfo, container: str, path: str) -> Proof:
    """Read one path in one container.

    Raises:
        KubeError: the command was refused, or the connection broke.
    """
    namespace, name = pod.key
    try:
        seen = run(namespace, name, container, _MOUNTS, timeout=SECONDS)
    except ExecTimeoutError as error:
        return Proof(container, path, note=error.message)
    if seen.exit_code != 0:
        return Proof(container, path, note=f"has no cat to show its mounts ({seen.stderr.strip()[:120]})")
    try:
        mount = mountinfo.mount_at(mountinfo.parse(seen.stdout), path)
    except mountinfo.MountInfoError as error:
        return Proof(container, path, note=error.message)
    argv = ("sh", "-c", _READ, "read", path)
    try:
        read = run(namespace, name, container, argv, timeout=SECONDS)
    except ExecTimeoutError:
        return Proof(container, path, mount, read_error=f"{path} gave no answer within {SECONDS:g} s")
    notes = {
        0: f"a file under {path} was read",
        _NO_FILE: f"{path} contains no file to read",
        **dict.fromkeys(_NO_SUCH_PROGRAM, "has no shell to read with"),
    }
    if read.exit_code in notes:
        return Proof(container, path, mount, note=notes[read.exit_code], read=read.exit_code == 0)
    said = " ".join(read.stderr.split())[:200] or f"exit code {read.exit_code}"
    dead = any(word in said.lower() for word in DEAD_MOUNT_WORDS)
    return Proof(container, path, mount, dead=dead, read_error=said)


def decided(state: ClusterState, finding: Finding, proof: Proof) -> Finding:
    """A finding with the proof: what the commands showed has priority over what the objects say.

    Args:
        state: the cluster.
        finding: by the objects alone.
        proof: what the commands in its Pod showed.
    """
    found = replace(finding, evidence=finding.evidence + proof.evidence)
    pod = state.pods_by_key[finding.pod].snapshot
    volume = state.volume_of(state.claims_by_key.get((finding.pod[0], finding.claim)))
    # Without a type the plugin expects Alluxio's.
    mount_type = volume.snapshot.attributes.get("mount_type", "") if volume else ""
    start = f"Pod {shown(finding.pod[1])} mounts claim {shown(finding.claim)}"
    if finding.code is FindingCode.POD_BEING_DELETED:
        return replace(found, says=f"{found.says} Its mount is dead.") if proof.dead else found
    if proof.dead:
        return replace(
            found,
            code=FindingCode.DEAD_MOUNT,
            state=State.WRONG,
            says=f"{start}, and its mount at {proof.path} is dead: the Fuse behind it has ended.",
            change=recreation(pod),
        )
    if proof.mount is None or finding.code not in _EXPECTS_FUSE:
        return found
    return _decided_by_mount(found, proof, proof.mount, mount_type, recreation(pod))


def _decided_by_mount(
    found: Finding, proof: Proof, mount: mountinfo.Mount, mount_type: str, advice: str
) -> Finding:
    """A finding about a Pod in which Fluid's mount is expected."""
    start = f"Pod {shown(found.pod[1])} mounts claim {shown(found.claim)}"
    if not _is_fluid_mount(mount, mount_type):
        return replace(
            found,
            code=FindingCode.NOT_THROUGH_FUSE,
            state=State.WRONG,
            says=f"{start}, and {proof.path} is served by {mount.fs_type}, not by a Fuse of Fluid.",
            change=advice,
        )
    if proof.read_error:
        return replace(
            found,
            code=FindingCode.READ_FAILS,
            state=State.WRONG,
            says=f"{start} through Fluid, and reading {proof.path} fails: {proof.read_error}.",
            change="See the logs of the Fuse and of the workers, and whether the source answers.",
        )
    if found.code in _REFUTED_BY_READ and (proof.read or found.code is not FindingCode.NOT_SEEN):
        return replace(
            found,
            code=FindingCode.SERVED,
            state=State.OK,
            says=f"{start}: it goes through Fluid, as a read in it shows.",
            change="",
        )
    return found
