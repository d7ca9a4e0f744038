"""The proof from inside a Pod: who serves the path, whether it lives, whether it can be read."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Protocol

from clusters.host import mountinfo
from clusters.host.commands import Completed
from clusters.kubernetes.connection import KubeError
from clusters.kubernetes.exec import ExecTimeoutError
from suites.diagnosis.cluster_state import ClusterState, PodInfo
from suites.diagnosis.verdicts import Evidence, Finding, State, Verdict
from suites.diagnosis.words import shown

#: Seconds for one command in a Pod; a Fuse that hangs must not hold up the others.
SECONDS: Final = 20.0
#: Bytes of one file that are read.
READ_BYTES: Final = 64 * 1024
#: Pods that are looked into at the same time.
AT_ONCE: Final = 8

_MOUNTS: Final = ("cat", "/proc/self/mountinfo")
#: A dead Fuse answers ENOTCONN; so glibc and musl say it.
_DEAD: Final = ("Transport endpoint is not connected", "Socket not connected")
_NO_SUCH_PROGRAM: Final = (126, 127)
_LIST_FAILED, _READ_FAILED, _NO_FILE = 11, 12, 13
_FORBIDDEN: Final = 403
#: Lists the folder, then reads the head of one file not deep below it. Names with a newline are passed over.
_READ: Final = f"""
LC_ALL=C; export LC_ALL
ls -- "$1" >/dev/null || exit {_LIST_FAILED}
file=$(find "$1" -maxdepth 4 -type f ! -name '*
*' 2>/dev/null | head -n 1)
[ -n "$file" ] || exit {_NO_FILE}
dd if="$file" of=/dev/null bs={READ_BYTES} count=1 || exit {_READ_FAILED}
"""

#: Verdicts on which a look inside has something to say: the Pod has its mount.
_WORTH_A_LOOK: Final = frozenset(
    {
        Verdict.SERVED,
        Verdict.ORIGINAL_CLAIM,
        Verdict.OTHER_CLAIM_OF_SOURCE,
        Verdict.NAMESAKE_CLAIM,
        Verdict.HAND_MADE_VOLUME,
        Verdict.FUSE_NOT_READY,
        Verdict.FUSE_RESTARTED,
        Verdict.CLAIM_DELETED,
        Verdict.DATASET_NOT_BOUND,
        Verdict.DATASET_BEING_DELETED,
    }
)
#: Of these, those where Fluid's mount is expected.
_EXPECTS_FUSE: Final = frozenset({Verdict.SERVED, Verdict.FUSE_NOT_READY, Verdict.FUSE_RESTARTED})


class Exec(Protocol):
    """Runs a program in a container; `clusters.kubernetes.client.Kube.exec` is one."""

    def __call__(  # noqa: D102 - said above
        self, namespace: str, pod: str, container: str, argv: tuple[str, ...], *, timeout: float
    ) -> Completed: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What was seen inside a Pod.

    Attributes:
        container: where.
        path: where the claim is mounted there.
        mount: what serves the path; None when that could not be seen.
        dead: the mount is there and nothing answers behind it.
        read_error: why the folder or a file in it could not be read; empty when all went well.
        note: what could not be seen, and why; or what there was to read.
    """

    container: str
    path: str
    mount: mountinfo.Mount | None = None
    dead: bool = False
    read_error: str = ""
    note: str = ""

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """It as facts."""
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


def look_inside(
    run: Exec, picture: ClusterState, findings: Iterable[Finding]
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings again, each settled by what is seen in its Pod; and rights that are missing for that.

    It reads only: mountinfo, a folder, and at most 64 KiB of one file, in at most 20 s each.
    A Pod that does not run, or whose image has no ``cat``, keeps its finding, with a note.
    """
    given = list(findings)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looks = list(pool.map(lambda finding: _look(run, picture, finding), given))
    missing = tuple(dict.fromkeys(right for _, right in looks if right))
    return tuple(finding for finding, _ in looks), missing


def _look(run: Exec, picture: ClusterState, finding: Finding) -> tuple[Finding, str]:
    """A finding settled, and the right that was missing for it."""
    pod = picture.pods_by_key.get(finding.pod)
    place = _place(pod, finding.claim) if pod and finding.verdict in _WORTH_A_LOOK else None
    if pod is None or place is None:
        return finding, ""
    try:
        proof = prove(run, pod, *place)
    except KubeError as error:
        if error.status == _FORBIDDEN:
            return finding, f"get or create pods/exec in namespace {pod.snapshot.namespace}"
        proof = Proof(*place, note=f"could not be looked into: {error.said or error.message}")
    volume = picture.volume_of(picture.claims_by_key.get((finding.pod[0], finding.claim)))
    mount_type = volume.snapshot.attributes.get("mount_type", "") if volume else ""
    return settled(finding, proof, mount_type), ""


def _is_fluids(mount: mountinfo.Mount, mount_type: str) -> bool:
    """Whether a mount is of the type that the volume promises.

    Fluid's plugin looks for that word in the whole line of mountinfo (csi/shell/check_mount.sh); only
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
    """Look at one path in one container.

    Raises:
        KubeError: running a program there is refused, or broke.
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
        _NO_FILE: f"{path} holds no file to read",
        **dict.fromkeys(_NO_SUCH_PROGRAM, "has no shell to read with"),
    }
    if read.exit_code in notes:
        return Proof(container, path, mount, note=notes[read.exit_code])
    said = " ".join(read.stderr.split())[:200] or f"exit code {read.exit_code}"
    return Proof(container, path, mount, dead=any(word in said for word in _DEAD), read_error=said)


def settled(finding: Finding, proof: Proof, mount_type: str = "") -> Finding:
    """A finding with the proof: what was seen inside goes before what the objects say.

    Args:
        finding: by the objects alone.
        proof: what was seen in the Pod.
        mount_type: what the volume's attributes promise; empty is Alluxio's, as for Fluid's plugin.
    """
    found = replace(finding, evidence=finding.evidence + proof.evidence)
    start = f"Pod {shown(finding.pod[1])} mounts claim {shown(finding.claim)}"
    again = f"Delete Pod {shown(finding.pod[1])} and let it be made anew."
    if proof.dead:
        return replace(
            found,
            verdict=Verdict.DEAD_MOUNT,
            state=State.WRONG,
            says=f"{start}, and its mount at {proof.path} is dead: the Fuse behind it is gone.",
            change=again,
        )
    if proof.mount is None or finding.verdict not in _EXPECTS_FUSE:
        return found
    if not _is_fluids(proof.mount, mount_type):
        return replace(
            found,
            verdict=Verdict.NOT_THROUGH_FUSE,
            state=State.WRONG,
            says=f"{start}, and {proof.path} is served by {proof.mount.fs_type}, not by a Fuse of Fluid's.",
            change=again,
        )
    if proof.read_error:
        return replace(
            found,
            verdict=Verdict.READ_FAILS,
            state=State.WRONG,
            says=f"{start} through Fluid, and reading {proof.path} fails: {proof.read_error}.",
            change="See the logs of the Fuse and of the workers, and whether the source answers.",
        )
    if finding.verdict is Verdict.FUSE_RESTARTED and proof.note:
        return replace(
            found,
            verdict=Verdict.SERVED,
            state=State.OK,
            says=f"{start}: it goes through Fluid, and was mounted again after the Fuse began anew.",
            change="",
        )
    return found
