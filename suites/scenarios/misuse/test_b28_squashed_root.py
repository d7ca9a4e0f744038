"""An NFS export that squashes root."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks
from suites.steps.stalled_reads import check_no_slow_read
from suites.steps.user import DATASET, User
from workloads import pod_commands
from workloads.models.dataset import Dataset

#: Seconds for a read that must not succeed; Alluxio's client tries again for minutes.
STALL_SECONDS: Final = 10.0
#: Folder of the export that is exported a second time, and its files.
SQUASHED_FOLDER: Final = "/export/squashed"
OPEN: Final = "open.txt"
PRIVATE: Final = "private.txt"
TEXT: Final = "made by the conformance harness\n"
#: Owner of the private file.
OWNER: Final = 1000
SQUASHED_CLAIM: Final = "nfs-squashed"
_MAKE_FILES: Final = """
set -e
mkdir -p -m 755 "$1"
for name in "$2" "$3"; do rm -f "$1/$name"; printf %s "$4" > "$1/$name"; done
chmod 644 "$1/$2"
chown "$5:$5" "$1/$3"
chmod 600 "$1/$3"
"""


@scenario(
    "B28",
    Level.FULL,
    issues=(174, 144),
    nfs_server="has the NFS server export a folder once more, with root squashed",
)
def test_private_files_of_an_export_that_squashes_root_are_not_read(user: User) -> None:
    """Over an NFS export that squashes root, Fluid reads files that all users may read and no private file.

    The user's export has ``root_squash``, and Fluid's worker reads as root. One file is readable by all,
    one only by its owner; on raw NFS the owner reads both.
    """
    server = user.system.nfs_server
    server.run("bash", "-c", _MAKE_FILES, "make", SQUASHED_FOLDER, OPEN, PRIVATE, TEXT, str(OWNER))
    user.creates_source(SQUASHED_CLAIM, folder=server.exports_squashed(SQUASHED_FOLDER))
    raw = user.starts(user.application("b28-raw", SQUASHED_CLAIM))
    checks.reads_raw_nfs(user, raw, "the control")
    _check_reads(user, raw, OPEN)
    _check_reads(user, raw, PRIVATE, uid=OWNER)
    _check_does_not_read(user, raw, PRIVATE)
    user.creates_dataset(
        Dataset.over_claim(user.namespace, DATASET, SQUASHED_CLAIM).evolve(placement="Shared")
    )
    dataset = user.waits_until_bound()
    user.evidence.fact("Dataset status", f"Bound, {dataset.ufs_total or 'no size shown yet'}")
    pod = user.starts(user.application("b28-reader", DATASET))
    checks.served_by_fluid(user, pod)
    _check_reads(user, pod, OPEN)
    _check_does_not_read(user, pod, PRIVATE)
    _check_does_not_read(user, pod, PRIVATE, uid=OWNER)
    private = user.observer.listing(user.namespace, DATASET).entry(f"/{PRIVATE}")
    if private is None or private.in_alluxio:
        checks.fail(
            "a file that Fluid may not read is cached, or not listed",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"/{PRIVATE} listed, 0 % cached",
            seen=str(private),
        )
    user.evidence.fact("Alluxio listing", f"/{PRIVATE} is listed and not cached")
    checks.reported_events(user, DATASET)


def _cat(name: str, uid: int) -> pod_commands.Argv:
    read = ("env", "LC_ALL=C", "cat", f"/data/{name}")
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *read) if uid else read


def _check_reads(user: User, pod: PodSnapshot, name: str, *, uid: int = 0) -> None:
    done = user.observer.inside(pod, _cat(name, uid))
    if done.exit_code != 0 or done.stdout != TEXT:
        checks.fail(
            f"{pod.name} does not read {name} as user {uid}",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=TEXT.strip(),
            seen=(done.stdout + done.stderr)[-500:],
        )
    user.evidence.fact("application", f"{pod.name} reads {name} as user {uid}", bytes=len(done.stdout))


def _check_does_not_read(user: User, pod: PodSnapshot, name: str, *, uid: int = 0) -> None:
    """A read is refused, or does not end, and returns no data."""
    who = f"{pod.name}, {name} as user {uid}"
    try:
        done = user.observer.inside(pod, _cat(name, uid), timeout=STALL_SECONDS)
    except ExecTimeoutError:
        check_no_slow_read(user.observer, pod, STALL_SECONDS)
        user.evidence.fact("application", f"{who}: the read does not end within {STALL_SECONDS:g} s")
        return
    if done.exit_code == 0 or done.stdout:
        checks.fail(
            f"{pod.name} reads {name} as user {uid}, although root is squashed",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="refused, and no data",
            seen=done.stdout[-500:] or "an empty file",
        )
    user.evidence.fact("application", f"{who}: refused: {done.stderr.strip()[-200:]}")
