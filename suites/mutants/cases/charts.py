"""Mutants of the charts that the controllers' images carry."""

from __future__ import annotations

from typing import Final

from suites.mutants.model import FLUID_CHART, Edit, Mutant, Part, Program

FUSE: Final = "charts/alluxio/templates/fuse/daemonset.yaml"
MASTER: Final = "charts/alluxio/templates/master/statefulset.yaml"
WORKER: Final = "charts/alluxio/templates/worker/statefulset.yaml"
LOADER: Final = "charts/fluid-dataloader/alluxio/templates/configmap.yaml"


def _mutant(
    id_: str,
    says: str,
    rows: tuple[str, ...],
    *edits: Edit,
    program: Program = Program.RUNTIME_CONTROLLER,
    timeout_factor: float = 1.0,
) -> Mutant:
    return Mutant(
        id_,
        says,
        Part.CHARTS,
        rows,
        edits,
        program=program,
        timeout_factor=timeout_factor,
        # The image of the dataset controller has the charts of data operations, which are rendered for those.
        after_bound=program is Program.DATASET_CONTROLLER,
    )


CHARTS: Final = (
    _mutant(
        "M123",
        "the worker cannot see the source",
        ("A2",),
        Edit(WORKER, 189, "{{ .containerPath }}", "/nowhere{{ .containerPath }}"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M124",
        "the Fuse's mount stays inside its Pod",
        ("A2",),
        Edit(FUSE, 174, "Bidirectional", "HostToContainer"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M125",
        "the worker ignores the folder that the mount point names",
        ("A9",),
        Edit(WORKER, 191, ".subPath", "false"),
    ),
    _mutant(
        "M205",
        "variables that the user sets for the worker do not reach it",
        ("A50", "A37"),
        Edit(WORKER, 149, ".Values.worker.env", ".Values.worker.nothing"),
    ),
    _mutant(
        # A17 checks the label itself: workers are placed as before, by the anti-affinity of Exclusive ones.
        "M126",
        "every worker says that its placement is Shared",
        ("A17",),
        Edit(WORKER, 64, "{{ .Values.placement }}", "Shared"),
    ),
    _mutant(
        "M127",
        "a Fuse that was killed does not start again",
        ("D1",),
        Edit(FUSE, 128, '"/entrypoint.sh"', '"/bin/bash", "-c", "/entrypoint.sh $0 $@; sleep 86400"'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M128",
        "a master whose source cannot be mounted is Ready",
        ("B14", "B15"),
        Edit(MASTER, 195, '"bash", "-c", "/etc/fluid/scripts/mount.sh >> /proc/1/fd/1 2>&1"', '"true"'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M129",
        "a Dataset over a claim that does not exist starts over an empty folder",
        ("B16",),
        Edit(MASTER, 491, "persistentVolumeClaim:", "emptyDir: {}"),
        Edit(MASTER, 492, 'claimName: "{{ .name }}"', ""),
        Edit(WORKER, 359, "persistentVolumeClaim:", "emptyDir: {}"),
        Edit(WORKER, 360, 'claimName: "{{ .name }}"', ""),
    ),
    _mutant(
        "M157",
        "a Dataset over a claim that is not in its namespace starts over a folder of the node",
        ("B17",),
        Edit(MASTER, 491, "persistentVolumeClaim:", "hostPath: {path: /etc/cni}"),
        Edit(MASTER, 492, 'claimName: "{{ .name }}"', ""),
        Edit(WORKER, 359, "persistentVolumeClaim:", "hostPath: {path: /etc/cni}"),
        Edit(WORKER, 360, 'claimName: "{{ .name }}"', ""),
    ),
    _mutant(
        "M161",
        "the Fuse DaemonSet has no node selector",
        ("C1",),
        Edit(FUSE, 86, "if .Values.fuse.nodeSelector", "if false"),
    ),
    _mutant(
        "M163",
        "labels of fuse.podMetadata do not reach the Fuse Pod",
        ("A37",),
        Edit(FUSE, 63, ".Values.fuse.labels", "false"),
    ),
    _mutant(
        "M164",
        "imagePullSecrets of a runtime do not reach its master",
        ("A42",),
        Edit(MASTER, 80, ".Values.imagePullSecrets", "false"),
    ),
    _mutant(
        "M165",
        "the node selector of a DataLoad is ignored",
        ("A44",),
        Edit(
            "charts/fluid-dataloader/alluxio/templates/job.yaml",
            62,
            ".Values.dataloader.nodeSelector",
            "false",
        ),
        program=Program.DATASET_CONTROLLER,
    ),
    _mutant(
        "M194",
        "the Fuse Pod leaves a node with a NoExecute taint, although applications that tolerate it stay",
        ("D17",),
        Edit(
            "charts/alluxio/templates/fuse/daemonset.yaml",
            92,
            "operator: Exists",
            "{operator: Exists, effect: NoSchedule}",
        ),
        timeout_factor=0.5,
    ),
    _mutant(
        "M174",
        "the API accepts a Dataset with an empty list of mounts",
        ("B30",),
        Edit(f"{FLUID_CHART}/crds/data.fluid.io_datasets.yaml", 118, "minItems: 1", "minItems: 0"),
    ),
    _mutant(
        "M130",
        "a DataLoad loads all of the Dataset, whatever it is asked for",
        ("A34",),
        Edit(LOADER, 88, '"$DATA_PATH"', '"/"'),
        program=Program.DATASET_CONTROLLER,
    ),
    _mutant(
        "M131",
        "a DataLoad ends without having loaded anything",
        ("A22",),
        Edit(LOADER, 61, "{", "{ return 0"),
        program=Program.DATASET_CONTROLLER,
        timeout_factor=0.5,
    ),
    _mutant(
        "M132",
        "a DataLoad of a path that does not exist succeeds",
        ("B39",),
        Edit(LOADER, 52, "exit 1", "exit 0"),
        program=Program.DATASET_CONTROLLER,
    ),
    _mutant(
        "M133",
        "a DataBackup names its file otherwise than a restore expects",
        ("A51",),
        Edit(
            "charts/fluid-databackup/alluxio/templates/configmap.yaml",
            24,
            "metadata-backup-",
            "backup-",
        ),
        program=Program.DATASET_CONTROLLER,
    ),
    _mutant(
        "M134",
        "a DataProcess succeeds without having run the user's script",
        ("A24",),
        Edit(
            "charts/fluid-dataprocess/common/templates/job.yaml",
            57,
            '"/fluid-scripts/preprocess.sh"',
            '"-c", "true"',
        ),
        program=Program.DATASET_CONTROLLER,
    ),
)
