"""A DataBackup of a Dataset."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items, texts
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.undo import NodeFolders
from clusters.product import fluid_names
from clusters.product.fluid import DATASET_CONTROLLER
from clusters.product.fluid_snapshots import DATA_OPERATIONS, DataOperationSnapshot
from clusters.waiting import WaitError, hold, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, data_operations, predicates
from suites.steps.user import DATASET, PHASE_SECONDS, User
from workloads.models.data_backup import ALLUXIO_BACKUPS, DataBackup

#: Seconds for which a data operation that cannot run is watched; Fluid tries again every 20 s.
WINDOW_SECONDS: Final = 45.0
#: Folder of the master's node to which the DataBackup writes its files.
BACKUP_FOLDER: Final = "/var/lib/fluid-conformance-backup"


@scenario(
    "A25",
    Level.FULL,
    disturbs={Disruption.NODE: "lets a backup be written to a folder of a node"},
    issues=(745,),
    defects=(
        Defect(
            "backup-not-permitted",
            "A DataBackup never runs: Fluid's dataset-controller has to create a Pod for it, and its role "
            "does not permit it to create Pods.",
            "charts/fluid-databackup/alluxio/templates/databackup.yaml:2, "
            "charts/fluid/fluid/templates/role/dataset/rbac.yaml:57-64 (1.0.8)",
        ),
        Defect(
            "backup-folder-not-shared",
            f"The Pod of a DataBackup looks for the backup in a folder of the node, and the master writes it "
            f"to {ALLUXIO_BACKUPS} in its own container, where no such folder is mounted.",
            "charts/fluid-databackup/alluxio/templates/databackup.yaml:71-74, "
            "charts/alluxio/templates/master/statefulset.yaml (1.0.8)",
        ),
        Defect(
            "refused-backup-stays",
            "A DataBackup that could not run cannot be deleted either: Fluid may not delete the Pod of its "
            "release, so the finalizer stays, and the namespace cannot be deleted.",
            "pkg/controllers/operation_controller.go:74-86 (1.0.8)",
        ),
    ),
    writes=(kinds.DATA_BACKUP,),
)
def test_data_backup_writes_its_files_to_its_path(shared_user: User) -> None:
    """A DataBackup writes its files to the folder that it names, and the Dataset stays Bound.

    The user creates a DataBackup to a folder of the master's node.
    """
    name = "a25-backup"
    mounted = _mounts_of_master(shared_user)
    shared_user.evidence.defect(
        "backup-folder-not-shared",
        seen=ALLUXIO_BACKUPS not in mounted,
        says=f"volumes of the master are mounted at {', '.join(mounted)}",
    )
    backup = DataBackup(
        namespace=shared_user.namespace, name=name, dataset=DATASET, backup_path=f"local://{BACKUP_FOLDER}"
    )
    removals = [NodeFolders(node, (BACKUP_FOLDER,)) for node in shared_user.system.nodes]
    folders = ExitStack()
    says = f"a backup is in {BACKUP_FOLDER}"
    folders.enter_context(shared_user.system.journal.undoing(says, *removals))
    try:
        shared_user.applies(backup.manifest())
        observations = _watched(shared_user, kinds.DATA_BACKUP, name, fluid_names.data_backup_pod(name))
        events = checks.reported_events(shared_user, name, "DataBackup")
        permitted = any(pod or operation is None or operation.ended for operation, pod in observations)
        if permitted:
            shared_user.evidence.defect(
                "backup-not-permitted", seen=False, says="there is a Pod for the backup"
            )
            ended = data_operations.ends(shared_user, kinds.DATA_BACKUP, name)
            data_operations.ended_as(shared_user, kinds.DATA_BACKUP, ended, "Complete")
            _check_backup_files(shared_user)
        else:
            _check_not_permitted(shared_user, name, len(observations), events)
        _check_still_bound(shared_user)
    finally:
        data_operations.delete(shared_user, kinds.DATA_BACKUP, name)
        folders.close()
        stays = _why_not_deleted(shared_user, name)
    if stays and permitted:
        checks.fail(
            "a DataBackup that has run is not deleted",
            subject=f"DataBackup {shared_user.namespace}/{name}",
            expected="deletion with its Pod",
            seen=stays,
        )
    shared_user.evidence.defect(
        "refused-backup-stays", seen=bool(stays), says=stays or "the DataBackup was deleted"
    )


def _why_not_deleted(user: User, name: str) -> str:
    """What kept a DataBackup from being deleted, or an empty text; its finalizer is removed then."""
    kube = user.system.kube
    try:
        data_operations.gone(user, kinds.DATA_BACKUP, name)
    except WaitError as error:
        kube.patch(kinds.DATA_BACKUP, name, user.namespace, {"metadata": {"finalizers": None}})
        kube.delete(
            kinds.CONFIG_MAP,
            fluid_names.data_backup_record(name),
            user.namespace,
            because="helm's record of a backup that Fluid cannot remove",
        )
        data_operations.gone(user, kinds.DATA_BACKUP, name)
        return f"{error.message}; its finalizer was removed"
    return ""


def _mounts_of_master(user: User) -> tuple[str, ...]:
    """Mount paths of the volumes in the master's container."""
    pod = user.observer.objects.get(PodSnapshot, fluid_names.master_pod(DATASET), user.namespace)
    master = pod.container(fluid_names.MASTER_CONTAINER) if pod is not None else None
    if master is None:
        checks.fail(
            "the Dataset has no master",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"Pod {fluid_names.master_pod(DATASET)}",
            seen=str(pod),
        )
    return tuple(mount.path for mount in master.mounts)


def _watched(
    user: User, kind: Kind, name: str, pod: str
) -> list[tuple[DataOperationSnapshot | None, PodSnapshot | None]]:
    """Wait until a data operation is Executing, then watch it and its Pod for a window without judging."""
    objects = user.observer.objects

    def observe() -> tuple[DataOperationSnapshot | None, PodSnapshot | None]:
        return objects.get(DATA_OPERATIONS[kind], name, user.namespace), objects.get(
            PodSnapshot, pod, user.namespace
        )

    def has_begun(seen: tuple[DataOperationSnapshot | None, PodSnapshot | None]) -> bool:
        operation, _ = seen
        return operation is not None and (operation.phase == "Executing" or operation.ended)

    with user.system.kube.changes(kind, user.namespace) as changed:
        wait(
            observe,
            has_begun,
            subject=f"{kind} {user.namespace}/{name}",
            condition="phase Executing",
            timeout=2 * PHASE_SECONDS * user.timeout_factor,
            changes=changed,
        )
    with user.evidence.phase("window", f"{kind} {name} is watched"):
        observations = hold(
            observe,
            predicates.anything,
            subject=f"{kind} {user.namespace}/{name}",
            condition="its end",
            window=WINDOW_SECONDS,
            delay=2.0,
        )
    operation, there = observations[-1]
    user.evidence.fact(
        f"{kind} status", f"{operation or 'gone'}; {there or 'no Pod for it'}", looks=len(observations)
    )
    return observations


def _check_not_permitted(user: User, name: str, checks_done: int, events: str) -> None:
    """A DataBackup had no Pod because Fluid may not create one; any other reason is a failure."""
    role = user.system.kube.get(kinds.CLUSTER_ROLE, DATASET_CONTROLLER) or {}
    verbs = {
        verb
        for rule in items(role, "rules")
        if "pods" in texts(rule, "resources")
        for verb in texts(rule, "verbs")
    }
    if not verbs or verbs & {"create", "*"}:
        checks.fail(
            "a DataBackup neither runs nor is refused",
            subject=f"DataBackup {user.namespace}/{name}",
            expected="a Pod that runs the backup",
            seen=f"none in {checks_done} checks; Fluid may {', '.join(sorted(verbs)) or 'nothing'}; {events}",
        )
    user.evidence.fact(f"ClusterRole {DATASET_CONTROLLER}", f"permits for Pods: {', '.join(sorted(verbs))}")
    user.evidence.defect(
        "backup-not-permitted",
        seen=True,
        says=f"no Pod for the backup in {checks_done} checks: {events[-300:]}",
    )


def _check_backup_files(user: User) -> None:
    """The files of a backup are on the master's node."""
    pod = user.observer.objects.get(PodSnapshot, fluid_names.master_pod(DATASET), user.namespace)
    node = pod.node if pod is not None else user.system.nodes[0]
    done = user.system.provider.node_exec(node, ["find", BACKUP_FOLDER, "-type", "f", "-size", "+0"])
    files = done.stdout.split()
    if not any(file.endswith(".gz") for file in files) or not any(file.endswith(".yaml") for file in files):
        checks.fail(
            "the DataBackup is Complete, and its files are not in its path",
            subject=f"node {node}",
            expected=f"the metadata (.gz) and the Dataset (.yaml) in {BACKUP_FOLDER}",
            seen=", ".join(files) or "no file",
        )
    user.evidence.fact("node's disk", f"the backup is in {BACKUP_FOLDER}", files=len(files))


def _check_still_bound(user: User) -> None:
    dataset = user.observer.dataset(user.namespace, DATASET)
    if not dataset.bound:
        checks.fail(
            "the Dataset is no longer Bound",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase Bound",
            seen=str(dataset),
        )
    user.evidence.fact("Dataset status", "phase Bound as before")
