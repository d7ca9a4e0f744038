"""Mount points of a Bound Dataset that are edited."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, web_mounts
from suites.steps.user import DATASET, SOURCE, User
from workloads import pod_commands
from workloads.models.dataset import Mount

#: Seconds until a changed mount point is in use: a ConfigMap reaches the master's Pod after up to 90 s, and
#: by themselves Fluid's controllers reconcile every 90 s, up to three times until the mount is there.
UPDATE_SECONDS: Final = 420.0
#: A file of the claim that the Dataset is over at first, and one of the claim that it is edited to.
OLD_FILE: Final = "/data/train/part-0.bin"
NEW_FILE: Final = "/data/00.txt"


@scenario(
    "A27",
    Level.CONFORMANCE,
    issues=(3377,),
    untouched=True,
    defects=(
        Defect(
            "native-mount-edit-ignored",
            "A changed pvc:// mount point of a Bound Dataset is ignored, and no event says so.",
            "pkg/ddc/alluxio/ufs_internal.go:148-190 (1.0.8)",
        ),
        Defect(
            "not-ready-after-update",
            "After a mount point was added the Dataset's condition Ready is False, although it serves.",
            "pkg/utils/dataset.go:141-145 (1.0.8)",
        ),
    ),
)
def test_mount_points_can_be_added_to_a_bound_dataset(dataset_owner: User) -> None:
    """A mount point added to a Bound Dataset appears as a folder, and disappears when it is removed.

    The user adds an http:// mount point while an application runs, removes it, and then
    changes the pvc:// mount point to another claim.
    """
    server = web_mounts.start_server(dataset_owner)
    pod = dataset_owner.starts(dataset_owner.application("a27-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    native = Mount(mount_point=f"pvc://{SOURCE}", name=SOURCE, path="/")
    web = web_mounts.mount_of(server)
    _edit_mounts(dataset_owner, native, web)
    _wait_for_mount(dataset_owner, "/web", there=True)
    dataset = dataset_owner.observer.dataset(dataset_owner.namespace, DATASET)
    ready = next((c for c in dataset.conditions if c.type == "Ready"), None)
    dataset_owner.evidence.defect(
        "not-ready-after-update",
        seen=dataset.bound and ready is not None and ready.status == "False",
        says=f"phase {dataset.phase}, condition {ready}",
    )
    _check_reads_web_file(dataset_owner, pod)
    _edit_mounts(dataset_owner, native)
    _wait_for_mount(dataset_owner, "/web", there=False)
    dataset_owner.creates_source("nfs-other", folder=f"{dataset_owner.folder}/labels")
    _edit_mounts(dataset_owner, Mount(mount_point="pvc://nfs-other", name="nfs-other", path="/"))
    _check_native_edit(dataset_owner, pod)


def _edit_mounts(user: User, *mounts: Mount) -> None:
    """Change the Dataset's mounts."""
    body = {"spec": {"mounts": [mount.spec_fields() for mount in mounts]}}
    user.system.kube.patch(kinds.DATASET, DATASET, user.namespace, body)
    points = ", ".join(mount.mount_point for mount in mounts)
    user.evidence.fact("Dataset", f"the user sets its mounts to {points}")


def _wait_for_mount(user: User, path: str, *, there: bool) -> None:
    """Wait until Alluxio has that mount, or no longer has it, and the Dataset is Bound."""

    def observe() -> tuple[tuple[str, ...], DatasetSnapshot]:
        mounts = user.observer.alluxio(user.namespace, DATASET).mounts()
        return tuple(mount.path for mount in mounts), user.observer.dataset(user.namespace, DATASET)

    def is_up_to_date(seen: tuple[tuple[str, ...], DatasetSnapshot]) -> bool:
        paths, dataset = seen
        return (path in paths) == there and dataset.bound

    with user.evidence.phase("waiting", f"{path} is {'added' if there else 'removed'}"):
        paths, dataset = wait(
            user.with_reconcile_requests(observe),
            is_up_to_date,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"mount {path} {'in' if there else 'removed from'} Alluxio, phase Bound",
            timeout=UPDATE_SECONDS * user.timeout_factor,
            delay=3.0,
            describe=lambda seen: f"mounts {', '.join(seen[0])}; phase {seen[1].phase}",
            advice="check the ConfigMap of mounts and the alluxioruntime-controller's log",
        )
    user.evidence.fact("Alluxio mounts", ", ".join(paths), phase=dataset.phase)


def _check_reads_web_file(user: User, pod: PodSnapshot) -> None:
    path = f"/data/web/{web_mounts.FILE}"
    done = user.observer.inside(pod, ("cat", path))
    if done.stdout != web_mounts.TEXT:
        checks.fail(
            "the application does not read what the web server serves",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{path} holds “{web_mounts.TEXT}”",
            seen=(done.stdout + done.stderr)[-500:],
        )
    user.evidence.fact("application", f"reads {path} from the web server", bytes=len(done.stdout))


def _check_native_edit(user: User, pod: PodSnapshot) -> None:
    """A changed pvc:// mount point is honoured, refused with a warning, or ignored (a known defect).

    In each case the Dataset stays usable: Fluid must not answer an edit with a Dataset that is Failed.
    """
    before = user.observer.objects.events(user.namespace, DATASET)
    with user.evidence.phase("window", "a changed pvc:// mount point"):
        observations = hold(
            user.with_reconcile_requests(lambda: user.observer.dataset(user.namespace, DATASET)),
            why_edit_broke_dataset,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition="phase Bound or Updating after an edit of a mount point",
            window=user.two_reconciles,
            delay=3.0,
        )
    if not observations[-1].bound:
        user.waits_until_bound()
    events = [event for event in user.observer.objects.events(user.namespace, DATASET) if event not in before]
    warnings = [str(event) for event in events if event.type == "Warning"]
    old, new = (_sees(user, pod, path) for path in (OLD_FILE, NEW_FILE))
    if old == new:
        checks.fail(
            "after an edit of the mount point the application sees the files of neither claim alone",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{OLD_FILE} of the old claim, or {NEW_FILE} of the new one",
            seen="both" if old else "neither",
        )
    if new:
        says = "the files of the new claim are served"
    elif warnings:
        says = f"the files of the old claim are served, and a warning says so: {warnings[-1]}"
    else:
        says = "it stays Bound and serves the files of the old claim, and no event says so"
    user.evidence.defect("native-mount-edit-ignored", seen=old and not warnings, says=says)


def why_edit_broke_dataset(dataset: DatasetSnapshot) -> str | None:
    """What an edit of a mount point must never do to a Dataset, or None."""
    return None if dataset.phase in ("Bound", "Updating") else f"its phase is {dataset.phase or 'empty'}"


def _sees(user: User, pod: PodSnapshot, path: str) -> bool:
    return pod_commands.file_stat(user.observer.inside(pod, pod_commands.stat_argv(path))) is not None
