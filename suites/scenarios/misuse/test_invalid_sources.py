"""Group B: sources that are not there, or that do not let Fluid read."""

from __future__ import annotations

from typing import Final

from clusters.errors import InfrastructureError
from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.event import EventSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.steps import checks
from suites.steps.user import DATASET, User
from workloads import pod_commands
from workloads.models.dataset import Dataset, Mount, NodeAffinity

#: Seconds until the master's Pod runs, or is refused its volume.
MASTER_SECONDS: Final = 180.0
#: Seconds for which a Dataset that is refused its folder is watched.
REFUSED_SECONDS: Final = 25.0
#: Seconds that a read is given which must not succeed; Alluxio's client tries again for minutes.
STALL_SECONDS: Final = 10.0

#: Folder of the export that is exported a second time, and what lies there.
SQUASHED_FOLDER: Final = "/export/squashed"
OPEN: Final = "open.txt"
PRIVATE: Final = "private.txt"
TEXT: Final = "made by the conformance harness\n"
#: Who the private file belongs to.
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
    "B27",
    Level.FULL,
    issues=(1935, 1726),
    defects=(
        Defect(
            "missing-local-folder-made-empty",
            "A Dataset over a folder of the node that is not there gets Bound, and is empty: the folder "
            "is made on the way, because Fluid's Pods mount it without saying that it must be there.",
            "charts/alluxio/templates/master/statefulset.yaml:480-487 (1.0.8)",
        ),
    ),
)
def test_dataset_over_a_local_folder_that_is_not_there_shows_no_data(user: User) -> None:
    """A Dataset over a folder that its node has not got shows no data, or does not get Bound.

    The user's mount point is local:// and a folder that is misspelt, or was never mounted on the node.
    """
    node = user.system.nodes[0]
    folder = f"/var/lib/fluid-conformance-missing-{user.namespace}"
    if _is_folder(user, node, folder):
        raise InfrastructureError(f"node {node} has a folder {folder}, which no run has made before")
    try:
        mount = Mount(mount_point=f"local://{folder}", name="local", path="/")
        affinity = NodeAffinity.on(node)
        dataset = Dataset(namespace=user.namespace, name=DATASET, mounts=(mount,), placement="Shared")
        user.creates_dataset(dataset.evolve(node_affinity=affinity))
        if not _master_starts(user):
            _stays_unbound(user)
            return
        bound = user.waits_until_bound()
        made = _is_folder(user, node, folder)
        user.evidence.fact("node", f"{folder} is {'there now' if made else 'still not there'}")
        user.evidence.fact("Dataset status", f"Bound, {bound.ufs_total or 'no size told'}")
        _sees_nothing(user)
        user.evidence.defect(
            "missing-local-folder-made-empty",
            seen=made,
            says=f"the Dataset is Bound and empty; the folder was made on {node}"
            if made
            else f"the Dataset is Bound and empty, and there is no folder on {node}",
        )
    finally:
        # It may be mounted in Fluid's Pods still; that does not keep an empty folder from going.
        user.system.provider.node_exec(node, ["rmdir", folder])


def _is_folder(user: User, node: str, folder: str) -> bool:
    return user.system.provider.node_exec(node, ["test", "-e", folder]).exit_code == 0


def _master_starts(user: User) -> bool:
    """Whether the master's Pod runs; if not, it was refused its volume."""
    objects, name = user.observer.objects, fluid_names.master_pod(DATASET)

    def look() -> tuple[PodSnapshot | None, tuple[EventSnapshot, ...]]:
        events = objects.events(user.namespace, name, "Pod")
        return objects.get(PodSnapshot, name, user.namespace), tuple(
            e for e in events if e.reason == "FailedMount"
        )

    with user.evidence.phase("waiting", "the master starts, or is refused its volume"):
        pod, refused = wait(
            look,
            lambda seen: bool(seen[1]) or (seen[0] is not None and seen[0].phase == "Running"),
            subject=f"Pod {user.namespace}/{name}",
            condition="phase Running or a refusal of its volume",
            timeout=MASTER_SECONDS,
            describe=lambda seen: f"{seen[0] or 'no Pod'}; {len(seen[1])} refusals",
        )
    if pod is not None and pod.phase == "Running":
        return True
    user.evidence.fact("event", str(refused[-1]))
    return False


def _stays_unbound(user: User) -> None:
    with user.evidence.phase("window", "the Dataset does not get Bound"):
        looks = hold(
            lambda: user.observer.dataset(user.namespace, DATASET),
            lambda seen: "it is Bound" if seen.bound else None,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="a phase other than Bound",
            window=REFUSED_SECONDS,
        )
    user.evidence.defect(
        "missing-local-folder-made-empty", seen=False, says=f"it is refused: {looks[-1]}", looks=len(looks)
    )


def _sees_nothing(user: User) -> None:
    pod = user.starts(user.application("b27-reader", DATASET))
    checks.served_by_fluid(user, pod)
    result = user.observer.read(pod)
    if result.checksums or not result.complete:
        checks.fail(
            "a Dataset over a folder that is not there is not empty",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="no file",
            seen=f"{', '.join(result.checksums) or 'no file'}; {result.message}",
        )
    user.evidence.fact("application", f"{pod.name} sees an empty folder", files=0)


@scenario("B28", Level.FULL, issues=(174, 144))
def test_private_files_of_an_export_that_squashes_root_are_not_read(user: User) -> None:
    """Behind an NFS export that squashes root, Fluid reads what everybody may read and no private file.

    The user's export has ``root_squash``, and Fluid's worker reads as root. One file is for everybody,
    one for its owner alone; on raw NFS the owner reads both.
    """
    server = user.system.nfs
    server.run("bash", "-c", _MAKE_FILES, "make", SQUASHED_FOLDER, OPEN, PRIVATE, TEXT, str(OWNER))
    user.creates_source(SQUASHED_CLAIM, folder=server.exports_squashed(SQUASHED_FOLDER))
    raw = user.starts(user.application("b28-raw", SQUASHED_CLAIM))
    checks.reads_raw_nfs(user, raw, "the control")
    _reads(user, raw, OPEN)
    _reads(user, raw, PRIVATE, uid=OWNER)
    _does_not_read(user, raw, PRIVATE)
    user.creates_dataset(
        Dataset.over_claim(user.namespace, DATASET, SQUASHED_CLAIM).evolve(placement="Shared")
    )
    dataset = user.waits_until_bound()
    user.evidence.fact("Dataset status", f"Bound, {dataset.ufs_total or 'no size told yet'}")
    pod = user.starts(user.application("b28-reader", DATASET))
    checks.served_by_fluid(user, pod)
    _reads(user, pod, OPEN)
    _does_not_read(user, pod, PRIVATE)
    _does_not_read(user, pod, PRIVATE, uid=OWNER)
    private = user.observer.listing(user.namespace, DATASET).entry(f"/{PRIVATE}")
    if private is None or private.in_alluxio:
        checks.fail(
            "a file that Fluid may not read is cached, or not even listed",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"/{PRIVATE} listed, 0 % cached",
            seen=str(private),
        )
    user.evidence.fact("Alluxio listing", f"/{PRIVATE} is listed, and nothing of it is cached")
    checks.reported_events(user, DATASET)


def _cat(name: str, uid: int) -> pod_commands.Argv:
    read = ("env", "LC_ALL=C", "cat", f"/data/{name}")
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *read) if uid else read


def _reads(user: User, pod: PodSnapshot, name: str, *, uid: int = 0) -> None:
    done = user.observer.inside(pod, _cat(name, uid))
    if done.exit_code != 0 or done.stdout != TEXT:
        checks.fail(
            f"{pod.name} does not read {name} as user {uid}",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=TEXT.strip(),
            seen=(done.stdout + done.stderr)[-500:],
        )
    user.evidence.fact("application", f"{pod.name} reads {name} as user {uid}", bytes=len(done.stdout))


def _does_not_read(user: User, pod: PodSnapshot, name: str, *, uid: int = 0) -> None:
    """A read is refused, or does not end; never does it give any data."""
    who = f"{pod.name}, {name} as user {uid}"
    try:
        done = user.observer.inside(pod, _cat(name, uid), timeout=STALL_SECONDS)
    except ExecTimeoutError:
        user.evidence.fact("application", f"{who}: the read does not end within {STALL_SECONDS:g} s")
        return
    if done.exit_code == 0 or done.stdout:
        checks.fail(
            f"{pod.name} reads {name} as user {uid}, though root is squashed",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="refused, and no data",
            seen=done.stdout[-500:] or "an empty file",
        )
    user.evidence.fact("application", f"{who}: refused: {done.stderr.strip()[-200:]}")
