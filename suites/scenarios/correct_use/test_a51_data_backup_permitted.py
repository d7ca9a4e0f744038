"""A DataBackup where Fluid may create its Pod, and the master shares its folder of backups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import table
from clusters.kubernetes.predicates import is_rolled_out
from clusters.kubernetes.snapshots.controllers import DeploymentSnapshot
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.undo import NodeFolders
from clusters.product import fluid, fluid_names
from clusters.product.fluid import DATASET_CONTROLLER
from clusters.product.fluid_snapshots import DataBackupSnapshot
from clusters.waiting import wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.record.versions import Affected
from suites.steps import checks, data_operations
from suites.steps.user import DATASET, LOAD_SECONDS, SOURCE, User
from workloads.models.base import Manifest, metadata
from workloads.models.data_backup import ALLUXIO_BACKUPS, DataBackup
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

BACKUP: Final = "a51-backup"
#: Folder of the master's node that the DataBackup names.
FOLDER: Final = "/var/lib/fluid-conformance-permitted-backup"
#: Below it Fluid looks for what the master wrote, by namespace and Dataset (value ``workdir`` of the chart,
#: and charts/fluid-databackup/alluxio/templates/databackup.yaml:71-80 of 1.0.8).
SHARED: Final = "/tmp/alluxio-backup"  # noqa: S108 - Fluid's default
CRASHES: Final = "running-backup-crashes-the-controller"
#: Seconds until the controller is ready after its crashes; Kubernetes waits longer after each.
READY_SECONDS: Final = 300.0


@scenario(
    "A51",
    Level.FULL,
    alone=True,
    disturbs={
        Disruption.NODE: "lets a backup be written to two folders of a node",
        Disruption.FLUID_COMPONENTS: "crashes Fluid's dataset-controller where Fluid has that defect",
    },
    issues=(745,),
    defects=(
        Defect(
            CRASHES,
            "While a DataBackup is Executing, Fluid's dataset-controller crashes again and again, and no "
            "Dataset or data operation of the cluster is handled: the handler of its status is created "
            "without the DataBackup that it reads. The DataBackup stays Executing.",
            "pkg/controllers/v1alpha1/databackup/implement.go:139-141, status_handler.go:43 (1.0.8)",
            Affected(first="1.0"),
        ),
    ),
    fields=("DataBackup.spec.backupPath", "DataBackup.spec.dataset", "DataBackup.status.phase"),
    writes=(kinds.DATA_BACKUP, kinds.ROLE, kinds.ROLE_BINDING),
)
def test_data_backup_that_may_run_writes_metadata_and_counts(user: User) -> None:
    """A DataBackup that may run writes metadata and counts of the Dataset to the folder that it names.

    The user permits Fluid's controller to create Pods in the namespace, mounts the folder of the node in
    which Fluid looks for backups into the master, reads all files, and creates a DataBackup.
    """
    shared = f"{SHARED}/{user.namespace}"
    removals = [NodeFolders(node, (FOLDER, shared)) for node in user.system.nodes]
    with user.system.journal.undoing(f"a backup is in {FOLDER}", *removals):
        user.applies(*_permission(user.namespace))
        user.applies(
            Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared").manifest(),
            _runtime(user.namespace, f"{shared}/{DATASET}"),
        )
        user.waits_until_bound()
        reader = user.starts(user.application("a51-reader", DATASET))
        user.reads_right(reader)
        restarts = _restarts(_controllers(user))
        with _backup(user):
            _check_files(user, _node_of_backup(user))
            _check_end(user, restarts)
        _wait_until_the_controller_is_ready(user)
        user.removes_datasets()


@contextmanager
def _backup(user: User) -> Iterator[None]:
    """A DataBackup whose Pod has ended well; it is deleted afterwards, whatever happens."""
    backup = DataBackup(
        namespace=user.namespace, name=BACKUP, dataset=DATASET, backup_path=f"local://{FOLDER}"
    )
    try:
        user.applies(backup.manifest())
        _wait_for_pod(user)
        yield
    finally:
        data_operations.delete(user, kinds.DATA_BACKUP, BACKUP)
        data_operations.gone(user, kinds.DATA_BACKUP, BACKUP, timeout=READY_SECONDS)


def _wait_for_pod(user: User) -> None:
    name = fluid_names.data_backup_pod(BACKUP)
    with user.system.kube.changes(kinds.POD, user.namespace) as changed:
        wait(
            lambda: user.observer.objects.get(PodSnapshot, name, user.namespace),
            lambda pod: pod is not None and pod.phase == "Succeeded",
            subject=f"Pod {user.namespace}/{name}",
            condition="phase Succeeded",
            timeout=LOAD_SECONDS * user.timeout_factor,
            failed=lambda pod: "the backup failed" if pod is not None and pod.phase == "Failed" else None,
            changes=changed,
            failure_class=FailureClass.PRODUCT,
            advice="check its log, and the events of the DataBackup",
        )


def _controllers(user: User) -> tuple[PodSnapshot, ...]:
    """The Pods of Fluid's dataset-controller."""
    return fluid.pods_of(user.observer.objects, DATASET_CONTROLLER)


def _restarts(pods: Iterable[PodSnapshot]) -> int:
    return sum(pod.restarts for pod in pods)


def _check_end(user: User, restarts: int) -> None:
    """The DataBackup is Complete and says where the backup is; or the known defect shows."""

    def observe() -> tuple[DataBackupSnapshot | None, tuple[PodSnapshot, ...]]:
        backup = user.observer.objects.get(DataBackupSnapshot, BACKUP, user.namespace)
        return backup, _controllers(user)

    def has_crashed(pods: tuple[PodSnapshot, ...]) -> bool:
        running = all(container.running for pod in pods for container in pod.containers)
        return not running or _restarts(pods) > restarts

    with user.system.kube.changes(kinds.DATA_BACKUP, user.namespace) as changed:
        backup, pods = wait(
            observe,
            lambda seen: has_crashed(seen[1]) or (seen[0] is not None and seen[0].ended),
            subject=f"DataBackup {user.namespace}/{BACKUP}",
            condition="its end",
            timeout=LOAD_SECONDS * user.timeout_factor,
            changes=changed,
            delay=1.0,
            failure_class=FailureClass.PRODUCT,
            advice="check the log of the dataset-controller",
        )
    crashed = has_crashed(pods)
    user.evidence.defect(CRASHES, seen=crashed, says=f"{backup}; {'; '.join(map(str, pods))}")
    if not crashed and backup is not None:
        data_operations.ended_as(user, kinds.DATA_BACKUP, backup, "Complete")
        _check_infos(user, _node_of_backup(user))


def _wait_until_the_controller_is_ready(user: User) -> None:
    with user.system.kube.changes(kinds.DEPLOYMENT, fluid.NAMESPACE) as changed:
        wait(
            lambda: user.observer.objects.get(DeploymentSnapshot, DATASET_CONTROLLER, fluid.NAMESPACE),
            is_rolled_out,
            subject=f"Deployment {fluid.NAMESPACE}/{DATASET_CONTROLLER}",
            condition="readiness once the DataBackup is deleted",
            timeout=READY_SECONDS * user.timeout_factor,
            changes=changed,
            failure_class=FailureClass.PRODUCT,
            advice="check the log of its last container",
        )


def _permission(namespace: str) -> tuple[Manifest, Manifest]:
    """What Fluid's own role lacks (known defect backup-not-permitted of row A25), in one namespace."""
    name = "a51-backup-pods"
    return (
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata(name, namespace),
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "patch", "delete"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata(name, namespace),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [
                {"kind": "ServiceAccount", "name": DATASET_CONTROLLER, "namespace": fluid.NAMESPACE}
            ],
        },
    )


def _runtime(namespace: str, folder: str) -> Manifest:
    """A small runtime whose master writes its backups to a folder of the node."""
    runtime = laptop_runtime(namespace, DATASET).manifest()
    spec = runtime["spec"]
    spec["volumes"] = [{"name": "backups", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}]
    master = spec.setdefault("master", {})
    master["volumeMounts"] = [{"name": "backups", "mountPath": ALLUXIO_BACKUPS}]
    return runtime


def _node_of_backup(user: User) -> str:
    """The node of the backup's Pod, which has to be that of the master."""
    objects = user.observer.objects
    pods = [
        objects.get(PodSnapshot, name, user.namespace)
        for name in (fluid_names.data_backup_pod(BACKUP), fluid_names.master_pod(DATASET))
    ]
    nodes = {pod.node for pod in pods if pod is not None}
    if None in pods or len(nodes) != 1:
        checks.fail(
            "the Pod of the DataBackup did not run on the master's node",
            subject=f"DataBackup {user.namespace}/{BACKUP}",
            expected=f"Pod {fluid_names.data_backup_pod(BACKUP)} on the master's node",
            seen="; ".join(map(str, pods)),
        )
    return nodes.pop()


def _check_infos(user: User, node: str) -> None:
    """The status says where the backup is."""
    found = user.system.kube.get(kinds.DATA_BACKUP, BACKUP, user.namespace) or {}
    infos = dict(table(found, "status", "infos"))
    expected = {"BackupLocationPath": f"local://{FOLDER}", "BackupLocationNodeName": node}
    if infos != expected:
        checks.fail(
            "the status of the DataBackup does not say where the backup is",
            subject=f"DataBackup {user.namespace}/{BACKUP}",
            expected=str(expected),
            seen=str(infos),
        )
    user.evidence.fact("DataBackup status", f"the backup is at local://{FOLDER} of {node}")


def _check_files(user: User, node: str) -> None:
    """The folder holds exactly the two files that a restore reads, and the counts are those of the source."""
    stem = f"{DATASET}-{user.namespace}"
    metadata_file, counts_file = f"metadata-backup-{stem}.gz", f"{stem}.yaml"
    listed = user.system.provider.node_exec(node, ["find", FOLDER, "-type", "f", "-size", "+0"])
    files = sorted(line.removeprefix(f"{FOLDER}/") for line in listed.stdout.splitlines())
    packed = user.system.provider.node_exec(node, ["gzip", "--test", f"{FOLDER}/{metadata_file}"])
    if files != sorted((metadata_file, counts_file)) or packed.exit_code != 0:
        checks.fail(
            "the DataBackup is Complete, and what a restore needs is not in its folder",
            subject=f"node {node}",
            expected=f"{metadata_file}, whole, and {counts_file} in {FOLDER}",
            seen=f"{', '.join(files) or 'no file'}; {packed.stderr.strip()}",
        )
    counts = user.system.provider.node_exec(node, ["cat", f"{FOLDER}/{counts_file}"]).stdout
    seen = dict(line.split(": ", 1) for line in counts.splitlines() if ": " in line)
    expected = {
        "dataset": DATASET,
        "namespace": user.namespace,
        "ufstotal": str(user.files.total_bytes),
        "filenum": str(len(user.files.files)),
    }
    if seen != expected:
        checks.fail(
            "the counts in the backup are not those of the source",
            subject=f"file {counts_file} on node {node}",
            expected=str(expected),
            seen=str(seen),
        )
    user.evidence.fact("node's disk", f"metadata and counts in {FOLDER}: {counts.strip()!r}")
