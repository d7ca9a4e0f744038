"""Group A: what is done with the data of a Dataset: processed, backed up, migrated."""

from __future__ import annotations

from typing import Final

from clusters.host import mountinfo
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items, texts
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.controllers import JobSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_chart import ImageRef
from clusters.product.fluid_snapshots import DATA_OPERATIONS, DataMigrateSnapshot, DataOperationSnapshot
from clusters.waiting import WaitError, hold, reason_if_any, wait
from suites.catalogue.scenario import Defect, Level, scenario
from suites.record.versions import Since
from suites.steps import checks, data_loads, data_operations
from suites.steps.user import DATASET, PHASE_SECONDS, SOURCE, User
from workloads.data_process_script import reading_script, told
from workloads.models.data_backup import DataBackup
from workloads.models.data_load import DataLoad
from workloads.models.data_migrate import DataMigrate, DatasetToMigrate, DataToMigrate, ExternalStorage
from workloads.models.data_process import DataProcess, MountedDataset, Processor, ScriptProcessor

#: Seconds for which a data operation that cannot run is watched; Fluid tries again every 20 s.
WINDOW_SECONDS: Final = 45.0
#: Who carries data operations out, and its role.
DATASET_CONTROLLER: Final = "dataset-controller"
#: Where a DataBackup is to put its files on the master's node.
BACKUP_FOLDER: Final = "/var/lib/fluid-conformance-backup"
#: Where Alluxio's master writes a backup, and a DataBackup's Pod looks for it.
ALLUXIO_BACKUPS: Final = "/alluxio_backups"


@scenario("A24", Level.FULL, since=Since("1.0", "0.9 has no DataProcess (api/v1alpha1 of 0.9.3)"))
def test_data_process_reads_the_dataset_through_fluid(shared_user: User) -> None:
    """A DataProcess runs the user's script over the Dataset, which it reads right and through Fluid.

    The user makes a DataProcess with a script that reads all files of the Dataset, and another one
    without anything to run, which is refused.
    """
    image = ImageRef.of(shared_user.system.toolbox)
    script = ScriptProcessor(
        image=f"{image.prefix}/{image.name}".strip("/"),
        image_tag=image.tag,
        image_pull_policy="IfNotPresent",
        command=("bash",),
        source=reading_script("/data"),
    )
    dataset = MountedDataset(name=DATASET, namespace=shared_user.namespace, mount_path="/data")
    reads, nothing = (
        DataProcess(namespace=shared_user.namespace, name=name, dataset=dataset, processor=processor)
        for name, processor in (("a24-reads", Processor(script=script)), ("a24-nothing", Processor()))
    )
    try:
        shared_user.applies(reads.manifest(), nothing.manifest())
        ended = data_operations.ends(shared_user, kinds.DATA_PROCESS, reads.name)
        pod = _its_pod(shared_user, reads.name)
        data_operations.ended_as(shared_user, kinds.DATA_PROCESS, ended, "Complete")
        _read_through_fluid(shared_user, pod)
        refused = data_operations.ends(shared_user, kinds.DATA_PROCESS, nothing.name)
        data_operations.ended_as(shared_user, kinds.DATA_PROCESS, refused, "Failed")
        checks.reported_events(shared_user, nothing.name, "DataProcess")
        data_operations.no_job(shared_user, fluid_names.data_process_job(nothing.name))
    finally:
        data_operations.delete(shared_user, kinds.DATA_PROCESS, reads.name, nothing.name)
    data_operations.gone(shared_user, kinds.DATA_PROCESS, reads.name, nothing.name)


def _its_pod(user: User, name: str) -> PodSnapshot:
    """The Pod in which a DataProcess ran; its log is kept."""
    release = fluid_names.data_process_release(name)
    pods = user.observer.objects.list(PodSnapshot, user.namespace, labels=f"release={release}")
    for pod in (pod for pod in pods if pod.ended):
        user.evidence.attach(f"log of {pod.name}", user.system.kube.logs(user.namespace, pod.name))
    last = next((pod for pod in pods if pod.phase == "Succeeded"), None)
    if last is None:
        checks.fail(
            f"no Pod of DataProcess {name} ended well",
            subject=f"DataProcess {user.namespace}/{name}",
            expected="a Pod that ran the script to its end",
            seen="; ".join(map(str, pods)) or "no Pod",
        )
    return last


def _read_through_fluid(user: User, pod: PodSnapshot) -> None:
    """The Pod had Fluid's claim, saw Fluid's mount, read the right data, and its node has a Fuse Pod."""
    subject = f"Pod {pod.namespace}/{pod.name}"
    said = told(user.system.kube.logs(pod.namespace, pod.name))
    mount = mountinfo.mount_at(mountinfo.parse(said.mounts), "/data")
    if DATASET not in pod.claim_names or mount.serves != "fluid":
        checks.fail(
            "the DataProcess did not read the Dataset through Fluid",
            subject=subject,
            expected=f"claim {DATASET}, and a mount of type fuse.alluxio-fuse at /data",
            seen=f"claims {', '.join(pod.claim_names) or 'none'}; {mount}",
        )
    user.evidence.fact("script's mountinfo", f"/data is of type {mount.fs_type}", mounted_from=mount.source)
    difference = user.files.difference(said.read.checksums)
    if not said.read.complete or difference:
        checks.fail(
            "the DataProcess did not read what lies at the source",
            subject=subject,
            expected=f"{len(user.files.files)} files with their checksums",
            seen=f"{difference}; {said.read.message}".strip("; "),
        )
    user.evidence.fact("script", f"read {len(user.files.files)} files, checksums right", pod=pod.name)
    fuse = user.observer.fuse(user.namespace, DATASET)
    if not fuse.ready_on(pod.node):
        checks.fail(
            f"no ready Fuse Pod on {pod.node}, where the DataProcess ran",
            subject=subject,
            expected="a ready Fuse Pod, and the label of the node",
            seen=str(fuse),
        )
    user.evidence.fact("Fuse DaemonSet", f"a ready Fuse Pod on {pod.node}", desired=fuse.desired)


@scenario(
    "A25",
    Level.FULL,
    issues=(745,),
    defects=(
        Defect(
            "backup-not-permitted",
            "A DataBackup is never carried out: Fluid's dataset-controller is to make a Pod for it, and its "
            "role does not permit it to make Pods.",
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
            "A DataBackup that could not be carried out cannot be deleted either: Fluid may not delete the "
            "Pod of its release, so it keeps its finalizer, and the namespace with it.",
            "pkg/controllers/operation_controller.go:74-86 (1.0.8)",
        ),
    ),
)
def test_data_backup_puts_its_files_where_it_is_told(shared_user: User) -> None:
    """A DataBackup puts its files into the folder that it names; the Dataset goes on as before.

    The user makes a DataBackup to a folder of the master's node.
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
    try:
        shared_user.applies(backup.manifest())
        looks = _watched(shared_user, kinds.DATA_BACKUP, name, fluid_names.data_backup_pod(name))
        events = checks.reported_events(shared_user, name, "DataBackup")
        permitted = any(pod or operation is None or operation.ended for operation, pod in looks)
        if permitted:
            shared_user.evidence.defect(
                "backup-not-permitted", seen=False, says="there is a Pod for the backup"
            )
            ended = data_operations.ends(shared_user, kinds.DATA_BACKUP, name)
            data_operations.ended_as(shared_user, kinds.DATA_BACKUP, ended, "Complete")
            _backup_is_there(shared_user)
        else:
            _not_permitted(shared_user, name, len(looks), events)
        _still_bound(shared_user)
    finally:
        data_operations.delete(shared_user, kinds.DATA_BACKUP, name)
        for node in shared_user.system.nodes:
            shared_user.system.provider.node_exec(node, ["rm", "-rf", BACKUP_FOLDER])
        stays = _stays(shared_user, name)
    if stays and permitted:
        checks.fail(
            "a DataBackup that was carried out does not go when it is deleted",
            subject=f"DataBackup {shared_user.namespace}/{name}",
            expected="gone, with its Pod",
            seen=stays,
        )
    shared_user.evidence.defect(
        "refused-backup-stays", seen=bool(stays), says=stays or "the deleted DataBackup went by itself"
    )


def _stays(user: User, name: str) -> str:
    """What kept a deleted DataBackup from going, nothing when it went; one that was kept is set free."""
    kube = user.system.kube
    try:
        data_operations.gone(user, kinds.DATA_BACKUP, name)
    except WaitError as error:
        kube.patch(kinds.DATA_BACKUP, name, user.namespace, {"metadata": {"finalizers": None}})
        kube.delete(
            kinds.CONFIG_MAP,
            fluid_names.data_backup_record(name),
            user.namespace,
            because="helm's record of a backup that Fluid cannot take away",
        )
        data_operations.gone(user, kinds.DATA_BACKUP, name)
        return f"{error.message}; set free by hand"
    return ""


def _mounts_of_master(user: User) -> tuple[str, ...]:
    """Where volumes are mounted in the master's container."""
    pod = user.observer.objects.get(PodSnapshot, fluid_names.master_pod(DATASET), user.namespace)
    master = pod.container(fluid_names.MASTER_CONTAINER) if pod is not None else None
    if master is None:
        checks.fail(
            "there is no master of the Dataset",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"Pod {fluid_names.master_pod(DATASET)}",
            seen=str(pod),
        )
    return tuple(mount.path for mount in master.mounts)


def _watched(
    user: User, kind: Kind, name: str, pod: str
) -> list[tuple[DataOperationSnapshot | None, PodSnapshot | None]]:
    """Wait until a data operation is Executing, then watch it and its Pod for a while; nothing is judged."""
    objects = user.observer.objects

    def look() -> tuple[DataOperationSnapshot | None, PodSnapshot | None]:
        return objects.get(DATA_OPERATIONS[kind], name, user.namespace), objects.get(
            PodSnapshot, pod, user.namespace
        )

    with user.system.kube.changes(kind, user.namespace) as changed:
        wait(
            look,
            lambda seen: seen[0] is not None and (seen[0].phase == "Executing" or seen[0].ended),
            subject=f"{kind} {user.namespace}/{name}",
            condition="phase Executing",
            timeout=2 * PHASE_SECONDS * user.timeout_factor,
            changes=changed,
        )
    with user.evidence.phase("window", f"{kind} {name} is watched"):
        looks = hold(
            look,
            lambda _: None,  # the scenario judges
            subject=f"{kind} {user.namespace}/{name}",
            condition="progress",
            window=WINDOW_SECONDS,
            delay=2.0,
        )
    operation, there = looks[-1]
    user.evidence.fact(
        f"{kind} status", f"{operation or 'gone'}; {there or 'no Pod for it'}", looks=len(looks)
    )
    return looks


def _not_permitted(user: User, name: str, looks: int, events: str) -> None:
    """A DataBackup had no Pod all the time because Fluid may not make one; any other reason is a failure."""
    role = user.system.kube.get(kinds.CLUSTER_ROLE, DATASET_CONTROLLER) or {}
    verbs = {
        verb
        for rule in items(role, "rules")
        if "pods" in texts(rule, "resources")
        for verb in texts(rule, "verbs")
    }
    if not verbs or verbs & {"create", "*"}:
        checks.fail(
            "a DataBackup is neither carried out nor refused",
            subject=f"DataBackup {user.namespace}/{name}",
            expected="a Pod that makes the backup",
            seen=f"none in {looks} looks, though Fluid may {', '.join(sorted(verbs)) or 'nothing'}; {events}",
        )
    user.evidence.fact(f"ClusterRole {DATASET_CONTROLLER}", f"of Pods it permits {', '.join(sorted(verbs))}")
    user.evidence.defect(
        "backup-not-permitted", seen=True, says=f"no Pod for the backup in {looks} looks: {events[-300:]}"
    )


def _backup_is_there(user: User) -> None:
    """The files of a backup lie on the master's node."""
    pod = user.observer.objects.get(PodSnapshot, fluid_names.master_pod(DATASET), user.namespace)
    node = pod.node if pod is not None else user.system.nodes[0]
    done = user.system.provider.node_exec(node, ["find", BACKUP_FOLDER, "-type", "f", "-size", "+0"])
    files = done.stdout.split()
    if not any(file.endswith(".gz") for file in files) or not any(file.endswith(".yaml") for file in files):
        checks.fail(
            "the DataBackup is Complete, and its files are not where they should be",
            subject=f"node {node}",
            expected=f"the metadata (.gz) and what is known of the Dataset (.yaml) in {BACKUP_FOLDER}",
            seen=", ".join(files) or "no file",
        )
    user.evidence.fact("node's disk", f"the backup lies in {BACKUP_FOLDER}", files=len(files))


def _still_bound(user: User) -> None:
    dataset = user.observer.dataset(user.namespace, DATASET)
    if not dataset.bound:
        checks.fail(
            "the Dataset is not Bound any more",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="phase Bound",
            seen=str(dataset),
        )
    user.evidence.fact("Dataset status", "phase Bound as before")


@scenario("A26", Level.FULL, defects=(data_loads.NOT_NOTICED,))
def test_data_migrate_fails_and_leaves_the_dataset_usable(dataset_owner: User) -> None:
    """A DataMigrate, which Alluxio does not support, fails without a Job, and leaves the Dataset usable.

    The user wants the Dataset copied to a folder of the NFS claim, and loads it then.
    """
    name = "a26-migrate"
    source = DatasetToMigrate(name=DATASET, namespace=dataset_owner.namespace, path="/")
    target = ExternalStorage(uri=f"pvc://{SOURCE}/migrated")
    migrate = DataMigrate(
        namespace=dataset_owner.namespace,
        name=name,
        source=DataToMigrate(dataset=source),
        to=DataToMigrate(external_storage=target),
    )
    dataset_owner.applies(migrate.manifest())
    ended = data_operations.ends(dataset_owner, kinds.DATA_MIGRATE, name)
    data_operations.ended_as(dataset_owner, kinds.DATA_MIGRATE, ended, "Failed")
    checks.reported_events(dataset_owner, name, "DataMigrate")
    data_operations.usable_again(dataset_owner)
    with dataset_owner.evidence.phase("window", "no Job, phase Failed, Dataset Bound"):
        looks = hold(
            lambda: _after_migration(dataset_owner, name),
            reason_if_any,
            subject=f"DataMigrate {dataset_owner.namespace}/{name}",
            condition="phase Failed without a Job, with a Bound Dataset,",
            window=WINDOW_SECONDS / 2,
        )
    dataset_owner.evidence.fact(
        "DataMigrate status", "stays Failed, and no Job was started", looks=len(looks)
    )
    dataset_owner.applies(DataLoad.whole(dataset_owner.namespace, "a26-load", DATASET).manifest())
    data_loads.completes(dataset_owner, "a26-load")
    data_operations.job_of_load(dataset_owner, "a26-load")
    checks.all_cached(dataset_owner)
    checks.source_unchanged(dataset_owner)


def _after_migration(user: User, name: str) -> str:
    """What contradicts that the migration failed and left everything alone, or nothing."""
    operation = user.observer.objects.get(DataMigrateSnapshot, name, user.namespace)
    dataset = user.observer.dataset(user.namespace, DATASET)
    jobs = user.observer.objects.list(JobSnapshot, user.namespace)
    if operation is None or operation.phase != "Failed":
        return f"the DataMigrate is {operation.phase if operation else 'gone'}"
    if not dataset.bound:
        return f"the Dataset's phase is {dataset.phase}"
    return f"there is {'; '.join(map(str, jobs))}" if jobs else ""
