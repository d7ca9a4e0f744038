"""Mutants of the controllers of Datasets, data operations, references and applications."""

from __future__ import annotations

from typing import Final

from suites.mutants.model import NOTHING, Edit, Mutant, Part, Program

DATASETS: Final = "pkg/controllers/v1alpha1/dataset/dataset_controller.go"
LOADS: Final = "pkg/controllers/v1alpha1/dataload/status_handler.go"
LOAD: Final = "pkg/controllers/v1alpha1/dataload/implement.go"
OPERATIONS: Final = "pkg/controllers/operation_controller.go"
OPERATION: Final = "pkg/ddc/base/operation.go"
LOAD_VALUES: Final = "pkg/ddc/alluxio/load_data.go"
REFERENCE: Final = "pkg/ddc/thin/referencedataset/engine.go"

#: Ids of those whose changed lines run only for a data operation, or while a Dataset is deleted.
AFTER_BOUND: Final = frozenset(
    {"M16", "M17", "M18", "M20", "M21", "M173", *(f"M{number}" for number in range(26, 41))}
)


def _mutant(id_: str, says: str, rows: tuple[str, ...], *edits: Edit, timeout_factor: float = 1.0) -> Mutant:
    return Mutant(
        id_,
        says,
        Part.DATASET_CONTROLLER,
        rows,
        edits,
        program=Program.DATASET_CONTROLLER,
        timeout_factor=timeout_factor,
        after_bound=id_ in AFTER_BOUND,
    )


DATASET_CONTROLLER: Final = (
    _mutant(
        "M16",
        "a Dataset is deleted although an application uses it",
        ("B10",),
        Edit("pkg/utils/kubeclient/volume.go", 292, "!IsCompletePod(&pod)", "false"),
    ),
    _mutant(
        "M17",
        "a Dataset that cannot be deleted does not say who uses it",
        ("B10",),
        Edit(DATASETS, 202, "r.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M18",
        "a deleted Dataset never goes",
        ("E3",),
        Edit(DATASETS, 240, ", finalizer)", ', "")'),
        timeout_factor=0.3,
    ),
    _mutant(
        "M19",
        "a Dataset has no finalizer, so that nothing keeps it while it is in use",
        ("B10",),
        Edit(DATASETS, 141, "if !utils", "if false && !utils"),
    ),
    _mutant(
        "M20",
        "a Dataset is deleted although another one refers to it",
        ("E10",),
        Edit(DATASETS, 229, "len(datasetRefToUpdate) > 0", "false"),
    ),
    _mutant(
        "M21",
        "a Dataset that cannot be deleted does not say which other one refers to it",
        ("E10",),
        Edit(DATASETS, 232, "r.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M22",
        "a Dataset without a runtime is Pending instead of NotBound",
        ("B11",),
        Edit(DATASETS, 163, "NotBoundDatasetPhase", "PendingDatasetPhase"),
    ),
    _mutant(
        "M23",
        "a Dataset whose name Fluid cannot use gets no event that says so",
        ("B29",),
        Edit(DATASETS, 131, "r.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M24",
        "a Dataset whose name Fluid cannot use is accepted",
        ("B29",),
        Edit(DATASETS, 128, "len(errs) > 0", "len(errs) > 99"),
    ),
    _mutant(
        "M25",
        "a Dataset that refers to another one gets no runtime",
        ("A16",),
        Edit(DATASETS, 152, "if checkReferenceDataset", "if false && checkReferenceDataset"),
        timeout_factor=0.3,
    ),
    _mutant(
        "M26",
        "a DataLoad is Complete as soon as its Job runs",
        ("A22", "B35"),
        Edit(LOADS, 77, "nil {", "nil { result.Phase = common.PhaseComplete"),
    ),
    _mutant(
        "M27",
        "a DataLoad whose Job failed is Complete",
        ("B39",),
        Edit(LOADS, 81, "finished", "true || finished"),
    ),
    _mutant(
        "M28",
        "a DataLoad for a Dataset of another namespace is accepted",
        ("B38",),
        Edit(LOAD, 94, "dataLoad.Namespace != dataLoad", '"" == dataLoad'),
    ),
    _mutant(
        "M29",
        "a DataLoad for a Dataset that does not exist says nothing",
        ("B38",),
        Edit(OPERATIONS, 143, "o.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M30",
        "a DataLoad for a Dataset that is not Bound says nothing",
        ("B38",),
        Edit(OPERATIONS, 162, "o.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M31",
        "two DataLoads of one Dataset share one Job",
        ("B35",),
        Edit("pkg/utils/dataload.go", 43, "name)", "name[:1])"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M32",
        "a DataLoad with a schedule runs once",
        ("A23",),
        Edit(LOAD_VALUES, 116, "string(dataload.Spec.Policy)", '"Once"'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M33",
        "a DataLoad with a schedule does not say when it ran last",
        ("A23",),
        Edit(LOADS, 184, "common.PhaseComplete", "common.PhaseComplete; result.LastScheduleTime = nil"),
    ),
    _mutant(
        "M34",
        "the Job of a DataLoad stays when the DataLoad is deleted, and so does its helm release",
        ("A23",),
        Edit(OPERATIONS, 81, "(namespacedName.Name,", '("none-"+namespacedName.Name,'),
    ),
    _mutant(
        "M35",
        "a DataProcess without anything to run says nothing",
        ("A24",),
        Edit("pkg/controllers/v1alpha1/dataprocess/implement.go", 122, "r.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M36",
        "a DataMigrate, which Alluxio does not support, says nothing",
        ("A26",),
        Edit(OPERATION, 140, "ctx.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M173",
        "a data operation does not wait for the one that it names in runAfter",
        ("A39",),
        Edit(OPERATION, 89, "operation.HasPrecedingOperation()", "false"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M201",
        "a data operation stays after its time to live",
        ("A44",),
        Edit("pkg/utils/dataoperation.go", 122, "if opStatus", "if true || opStatus"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M37",
        "a DataLoad that succeeded says nothing",
        ("A22",),
        Edit(OPERATION, 241, "ctx.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M38",
        "a Dataset names DataLoads in its status that ended long ago",
        ("B35", "A22"),
        Edit(OPERATION, 212, "ReleaseTargetDataset(ctx, operation)", "nil"),
    ),
    _mutant(
        "M39",
        "a DataBackup writes into another folder than the one that it names",
        ("A51",),
        Edit("pkg/ddc/alluxio/backup_data.go", 141, "= path", '= path + "/elsewhere"'),
    ),
    _mutant(
        "M40",
        "the script of a DataProcess runs over another claim than the Dataset's",
        ("A24",),
        Edit("pkg/dataprocess/generate_values.go", 84, "dataset.Name", '"nfs"'),
    ),
    _mutant(
        "M162",
        "a Dataset that is not Bound has no finalizer, so that nothing of it is cleaned up without Fluid",
        ("E8",),
        Edit(DATASETS, 141, "!utils", "ctx.Dataset.Status.Phase == datav1alpha1.BoundDatasetPhase && !utils"),
    ),
)

THIN_CONTROLLER: Final = (
    Mutant(
        "M41",
        "a Dataset does not know which others refer to it",
        Part.THIN_CONTROLLER,
        ("E10",),
        (Edit(REFERENCE, 161, "if !utils", "if false && !utils"),),
        program=Program.THIN_CONTROLLER,
    ),
    Mutant(
        "M42",
        "the volume of a Dataset that refers to a folder of another one does not name the folder",
        Part.THIN_CONTROLLER,
        ("A16",),
        (Edit("pkg/ddc/thin/referencedataset/volume.go", 95, "subPaths[0]", '""'),),
        program=Program.THIN_CONTROLLER,
    ),
    Mutant(
        "M148",
        "a second runtime of another kind sets the phase of the first one's Dataset to Failed",
        Part.THIN_CONTROLLER,
        ("B13",),
        (
            Edit(
                "pkg/ddc/thin/dataset.go",
                111,
                "return",
                "return t.UpdateDatasetStatus(datav1alpha1.FailedDatasetPhase)",
            ),
        ),
        program=Program.THIN_CONTROLLER,
    ),
)

APPLICATION_CONTROLLER: Final = (
    Mutant(
        "M43",
        "the Fuse in a sidecar is not unmounted when its application has ended",
        Part.APPLICATION_CONTROLLER,
        ("A40",),
        (
            Edit(
                "pkg/controllers/v1alpha1/fluidapp/fluidapp_controller.go",
                100,
                "f.umountFuseSidecars(pod)",
                "error(nil)",
            ),
        ),
        program=Program.APPLICATION_CONTROLLER,
    ),
)
