"""Mutants of the Alluxio runtime controller: volumes, set-up, status, scaling, placement and clean-up."""

from __future__ import annotations

from typing import Final

from suites.mutants.model import NOTHING, Edit, Mutant, Part

AFFINITY: Final = "pkg/ctrl/affinity.go"
CACHE: Final = "pkg/ddc/alluxio/cache.go"
CREATE: Final = "pkg/utils/dataset/volume/create.go"
DATASET: Final = "pkg/utils/dataset.go"
FUSE: Final = "pkg/ddc/alluxio/transform_fuse.go"
HEALTH: Final = "pkg/ddc/alluxio/health_check.go"
DELETE: Final = "pkg/utils/dataset/volume/delete.go"
LEVELS: Final = "pkg/ddc/alluxio/transform.go"
METADATA: Final = "pkg/ddc/alluxio/metadata.go"
IMPLEMENT: Final = "pkg/controllers/v1alpha1/alluxio/implement.go"
QUOTA: Final = "pkg/ddc/alluxio/transform_resources.go"
REPLICAS: Final = "pkg/ctrl/replicas.go"
RUNTIMES: Final = "pkg/controllers/runtime_controller.go"
SHUTDOWN: Final = "pkg/ddc/alluxio/shutdown.go"
SOURCES: Final = "pkg/ddc/alluxio/transform_ufs.go"
STATUS: Final = "pkg/ddc/alluxio/status.go"
SYNCS: Final = "pkg/ddc/base/syncs.go"
VOLUME: Final = "pkg/utils/kubeclient/volume.go"
WORKER: Final = "pkg/ctrl/worker.go"

#: Ids of those whose changed lines run only while a Dataset is deleted, scaled, mounted again or repaired, or
#: change what the status says after a read: a value that was written before the change is in cannot pass.
AFTER_BOUND: Final = frozenset(
    {
        *(f"M{number}" for number in (49, 50, 51, 53, *range(54, 62), 80, 81, *range(89, 93))),
        *("M97", "M98", "M99", "M105", "M106", "M145", "M171", "M203", "M204"),
    }
)


def _mutant(
    id_: str,
    says: str,
    rows: tuple[str, ...],
    *edits: Edit,
    timeout_factor: float = 1.0,
    untouched: bool = False,
    green: str = "A2",
) -> Mutant:
    return Mutant(
        id_,
        says,
        Part.RUNTIME_CONTROLLER,
        rows,
        edits,
        timeout_factor=timeout_factor,
        untouched=untouched,
        green=green,
        after_bound=id_ in AFTER_BOUND,
    )


_VOLUMES: Final = (
    _mutant(
        "M44",
        "a Dataset without access modes is writable",
        ("A13",),
        Edit(DATASET, 72, "ReadOnlyMany", "ReadWriteMany"),
    ),
    _mutant(
        "M45",
        "the size that the Dataset's annotation asks for is ignored",
        ("A32",),
        Edit(DATASET, 96, "(size)", "(DefaultStorageCapacity)"),
    ),
    _mutant(
        "M46",
        "the volume names a mount type that the Fuse does not have",
        ("A2",),
        Edit(CREATE, 89, " mountType,", ' mountType + "x",'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M47",
        "Fluid's claim does not carry the mark by which Fluid knows it again",
        ("B10", "E3"),
        Edit(CREATE, 221, "common.GetExpectedFluidAnnotations()", "nil"),
    ),
    _mutant(
        "M48",
        "an application may be placed where the Dataset's Fuse may not run",
        ("B25",),
        Edit(CREATE, 115, "> 0", "> 99"),
    ),
    _mutant(
        "M49",
        "the volume stays when the Dataset is deleted",
        ("E3",),
        Edit(DELETE, 53, "if found", "if false && found"),
    ),
    _mutant(
        "M50",
        "the claim stays when the runtime is deleted",
        ("E2",),
        Edit(DELETE, 93, "if found", "if false && found"),
    ),
    _mutant(
        "M51",
        "the claim is removed by force although an application uses it",
        ("E4",),
        Edit(VOLUME, 337, "!IsCompletePod(&pod)", "false"),
    ),
    _mutant(
        "M52",
        "a claim that has the Dataset's name and is the user's own is deleted with the Dataset",
        ("B2",),
        Edit(DELETE, 88, "common.GetExpectedFluidAnnotations()", "map[string]string{}"),
    ),
    _mutant(
        "M53",
        "a claim of Fluid's that was deleted by hand is not made again",
        ("B8",),
        Edit(
            RUNTIMES,
            291,
            "err = engine.CreateVolume()",
            "if !utils.IsSetupDone(ctx.Dataset) { err = engine.CreateVolume() }",
        ),
        timeout_factor=0.5,
    ),
)

_VOLUMES_IN_USE: Final = (
    _mutant(
        "M146",
        "the volume and the Fuse of a read-only Dataset allow writing, so that misspelt folders are created",
        ("A10",),
        Edit(
            CREATE,
            78,
            " accessModes,",
            " append([]corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}, accessModes...),",
        ),
        Edit("pkg/ddc/alluxio/transform_optimization.go", 248, ",ro,", ",rw,"),
    ),
    _mutant(
        "M153",
        "the source claim loses the protection of Kubernetes, as Fluid's own claim does when it is deleted",
        ("E9",),
        Edit(
            HEALTH,
            36,
            "masterReady, err",
            '_ = kubeclient.RemoveProtectionFinalizer(e.Client, "nfs-src", e.namespace); masterReady, err',
        ),
    ),
)

_CLEAN_UP: Final = (
    _mutant(
        "M54",
        "the cached data stay in memory when the Dataset is deleted",
        ("E1",),
        Edit(SHUTDOWN, 49, "< grace", "< 0*grace"),
    ),
    _mutant(
        "M55",
        "the labels of the workers' nodes stay when the Dataset is deleted",
        ("E3",),
        Edit(SHUTDOWN, 292, "labelsToModify.Delete(label)", "_ = label"),
    ),
    _mutant(
        "M56",
        "the label that starts the Fuse stays on the node when the Dataset is deleted",
        ("E1",),
        Edit("pkg/ctrl/fuse.go", 114, ".Delete(fuseLabelKey)", '.Add(fuseLabelKey, "true")'),
    ),
    _mutant(
        "M57",
        "ConfigMaps stay when the Dataset is deleted",
        ("E3",),
        Edit(
            SHUTDOWN,
            201,
            "{valueConfigmapName, configmapName}",
            '{valueConfigmapName + "x", configmapName + "x"}',
        ),
    ),
    _mutant(
        "M58",
        "the helm release stays when the Dataset is deleted",
        ("E3",),
        Edit(SHUTDOWN, 101, "if found", "if false && found"),
    ),
    _mutant(
        "M59",
        "a Dataset whose runtime was deleted stays Bound",
        ("E2",),
        Edit(RUNTIMES, 213, "NotBoundDatasetPhase", "BoundDatasetPhase"),
        timeout_factor=0.3,
    ),
    _mutant(
        "M60",
        "what the controller remembers of a deleted Dataset is used for the next one of its name",
        ("E6",),
        Edit(RUNTIMES, 208, "r.implement.RemoveEngine(ctx)", "_ = ctx"),
    ),
    _mutant(
        "M61",
        "a deletion that began before the controller was started is not finished",
        ("E13",),
        Edit(
            "pkg/controllers/v1alpha1/alluxio/alluxio_runtime_controller.go",
            101,
            "ctx.Runtime = runtime",
            "ctx.Runtime = runtime; if _, known := r.engines[ddc.GenerateEngineID(ctx.NamespacedName)]; "
            "!known && !runtime.DeletionTimestamp.IsZero() { return ctrl.Result{}, nil }",
        ),
        timeout_factor=0.3,
    ),
    _mutant(
        "M145",
        "a runtime whose Dataset is gone already is not removed",
        ("E5", "E1"),
        Edit(RUNTIMES, 130, "if !", "if dataset != nil && !"),
        timeout_factor=0.3,
    ),
)

_SET_UP: Final = (
    _mutant(
        "M62",
        "a Dataset is Bound before any worker runs",
        ("B26",),
        Edit(WORKER, 216, "RuntimePhaseNotReady:", "RuntimePhaseNotReady: readyOrPartialReady = true"),
        Edit(STATUS, 99, "> 0", ">= 0"),
    ),
    _mutant(
        "M63",
        "a Dataset whose set-up is not done yet is not looked at again",
        ("A1",),
        Edit(RUNTIMES, 284, "20 * time.Second", "20 * time.Hour"),
        timeout_factor=0.6,
        untouched=True,
    ),
    _mutant(
        "M64",
        "the status of a Bound Dataset is not refreshed any more",
        ("C4", "A22"),
        Edit(RUNTIMES, 308, "(requeueInterval)", "(100 * requeueInterval)"),
        timeout_factor=0.5,
        untouched=True,
    ),
    _mutant(
        "M65",
        "a runtime without a Dataset does not say why nothing starts",
        ("B12",),
        Edit(RUNTIMES, 176, "r.Recorder.Event(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M66",
        "a runtime that was there before its Dataset is not looked at again",
        ("B12",),
        Edit(RUNTIMES, 177, "5 * time.Second", "5 * time.Hour"),
        timeout_factor=0.4,
        untouched=True,
    ),
    _mutant(
        "M67",
        "a runtime that cannot be set up says nothing",
        ("B20",),
        Edit(RUNTIMES, 274, "r.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
    _mutant(
        "M68",
        "a Dataset that cannot be set up does not say so in its conditions",
        ("B20", "B18"),
        Edit(RUNTIMES, 276, "r.ReportDatasetNotReadyCondition(ctx, err)", "error(nil)"),
        timeout_factor=0.4,
    ),
    _mutant(
        "M69",
        "a set-up that failed is not tried again",
        ("E11",),
        Edit(RUNTIMES, 275, "log.Error(", "return utils.NoRequeue(); log.Error("),
        timeout_factor=0.5,
        untouched=True,
    ),
    _mutant(
        "M70",
        "a cache in memory larger than the worker's memory limit is accepted",
        ("B20",),
        Edit(QUOTA, 109, "> 0", "> 1"),
    ),
    _mutant(
        "M71",
        "a tier without a quota is given one",
        ("B22",),
        Edit(
            "pkg/ddc/base/runtime.go",
            404,
            "return TieredStoreInfo{}, fmt.Errorf(",
            "level.Quota, _ = resource.NewQuantity(512<<20, resource.BinarySI), (",
        ),
    ),
    _mutant(
        "M72",
        "a worker does not ask for the memory that its cache may use",
        ("A19",),
        Edit(QUOTA, 123, "needSetMem.String()", '"1Mi"'),
    ),
    _mutant(
        "M73",
        "the folder that a mount point names within the claim is ignored",
        ("A9",),
        Edit(SOURCES, 56, "parts[1]", '""'),
    ),
    _mutant(
        "M74",
        "only the first of several mounts of a Dataset is mounted",
        ("A11",),
        Edit(SOURCES, 31, "range mounts", "range mounts[:1]"),
    ),
    _mutant(
        "M75",
        "a Dataset over a folder of a node shows another folder",
        ("A12",),
        Edit(SOURCES, 41, "HostPath = ", 'HostPath = "/tmp" + '),
    ),
    _mutant(
        "M76",
        "a tier of type emptyDir is a folder of the node",
        ("A21",),
        Edit(LEVELS, 213, "string(level.VolumeType)", '"hostPath"'),
    ),
    _mutant(
        "M77",
        "of two tiers only the second one is used",
        ("A20",),
        Edit(LEVELS, 210, "append(levels,", "append(levels[:0],"),
    ),
    _mutant(
        "M206",
        "of two tiers only the first one is used",
        ("A20",),
        Edit(
            LEVELS,
            194,
            "Levels {",
            "Levels[:min(1, len(runtimeInfo.GetTieredStoreInfo().Levels))] {",
        ),
    ),
    _mutant(
        "M78",
        "a Fuse Pod runs on every node although nobody uses the Dataset",
        ("A1",),
        Edit(FUSE, 103, "value.Fuse.NodeSelector[utils", "map[string]string{}[utils"),
    ),
    _mutant(
        "M190",
        "with the default port policy a Dataset receives no port at all",
        ("A48",),
        Edit("pkg/ddc/base/portallocator/random_allocator.go", 80, "ports, availPort", "ports, 0"),
        timeout_factor=0.4,
    ),
    _mutant(
        "M155",
        "the Fuse runs on every node with Linux, not only where the Dataset is used",
        ("B1",),
        Edit(
            FUSE,
            103,
            "value.Fuse.NodeSelector[utils",
            'value.Fuse.NodeSelector["kubernetes.io/os"] = "linux"; map[string]string{}[utils',
        ),
    ),
    _mutant(
        "M154",
        "the Fuse runs on the nodes of the workers, not on those of the applications",
        ("A4",),
        Edit(
            FUSE,
            103,
            "utils.GetFuseLabelName(runtime.Namespace",
            "func(_, _, _ string) string { return e.runtimeInfo.GetCommonLabelName() }(runtime.Namespace",
        ),
        timeout_factor=0.5,
    ),
    _mutant(
        "M149",
        "a tier of more than 1 GiB is given 1 GB",
        ("B23",),
        Edit(
            LEVELS,
            203,
            "utils.TransformQuantityToAlluxioUnit(cachePath.Quota)",
            'map[bool]string{true: "1GB", false: utils.TransformQuantityToAlluxioUnit(cachePath.Quota)}'
            "[cachePath.Quota.Value() > 1<<30]",
        ),
    ),
    _mutant(
        "M151",
        "a Dataset over a folder that a node does not have shows another folder of the node",
        ("B27",),
        Edit(SOURCES, 41, "HostPath = ", 'HostPath = "/etc/cni"; _ = '),
    ),
    _mutant(
        "M156",
        "a mount point with its scheme in capitals is accepted",
        ("B15",),
        Edit(
            LEVELS,
            48,
            "value = &Alluxio{",
            "for i, one := range dataset.Spec.Mounts { dataset.Spec.Mounts[i].MountPoint = "
            'strings.Replace(one.MountPoint, "PVC://", "pvc://", 1) }; value = &Alluxio{',
        ),
    ),
    _mutant(
        "M158",
        "of several mounts of claims only the first one is made, and nothing says so",
        ("B18",),
        Edit(SOURCES, 52, "if len", "if len(value.UFSVolumes) > 0 { continue }; if len"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M159",
        "a worker with a cache of more than 4 GiB asks for no memory",
        ("B21",),
        Edit(QUOTA, 105, "needSetMem.Add(req)", "if req.Value() < 4<<30 { needSetMem.Add(req) }"),
    ),
    _mutant(
        "M152",
        "a controller that starts replaces the workers of each Dataset",
        ("E7",),
        Edit(
            IMPLEMENT,
            20,
            "datav1alpha1 ",
            'appsv1 "k8s.io/api/apps/v1"; "k8s.io/apimachinery/pkg/types"; "time"; datav1alpha1 ',
        ),
        Edit(
            IMPLEMENT,
            54,
            "= engine",
            "= engine; workers := &appsv1.StatefulSet{}; "
            'name := types.NamespacedName{Namespace: ctx.Namespace, Name: ctx.Name + "-worker"}; '
            "if r.Get(ctx, name, workers) == nil { "
            'workers.Spec.Template.Annotations = map[string]string{"started": time.Now().String()}; '
            "_ = r.Update(ctx, workers) }",
        ),
        green="B11",
    ),
    _mutant(
        "M79",
        "the node selector of the Fuse is ignored",
        ("B25",),
        Edit(FUSE, 99, "runtime.Spec.Fuse.NodeSelector", "map[string]string{}"),
    ),
    _mutant(
        "M200",
        "the tag of Alluxio's image that the user sets is ignored",
        ("B40",),
        Edit("pkg/ddc/alluxio/utils.go", 208, "len(tag) == 0", "len(tag) >= 0"),
    ),
    _mutant(
        "M202",
        "a Dataset has one master, however many the user sets",
        ("A36",),
        Edit(LEVELS, 286, "runtime.Spec.Master.Replicas", "1"),
    ),
    _mutant(
        "M203",
        "the number of attempts to free the cache that the user sets is ignored",
        ("A49",),
        Edit(
            CACHE,
            238,
            "*runtime.Spec.RuntimeManagement.CleanCachePolicy.MaxRetryAttempts",
            "defaultGracefulShutdownLimits",
        ),
    ),
    _mutant(
        "M204",
        "the time to free the cache that the user sets is ignored",
        ("A49",),
        Edit(
            CACHE,
            257,
            "*runtime.Spec.RuntimeManagement.CleanCachePolicy.GracePeriodSeconds",
            "defaultCleanCacheGracePeriodSeconds",
        ),
    ),
    _mutant(
        "M167",
        "all folders of a tier have the first size in quotaList",
        ("A41",),
        Edit("pkg/ddc/base/runtime.go", 424, "ParseQuantity(quotaStr)", "ParseQuantity(quotaStrs[0])"),
    ),
    _mutant(
        "M168",
        "options of all mounts do not reach Alluxio",
        ("A43",),
        Edit(LEVELS, 558, "dataset.Spec.SharedOptions", "nil"),
    ),
    _mutant(
        "M80",
        "web servers that are added to the mounts of a Bound Dataset are ignored",
        ("A27",),
        Edit(SYNCS, 88, "ufsToUpdate.ShouldUpdate()", "false"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M81",
        "a web server that is removed from the mounts of a Bound Dataset stays mounted",
        ("A27",),
        Edit("pkg/ddc/alluxio/ufs_internal.go", 274, "] = ", "] += "),
        timeout_factor=0.5,
    ),
)

_PLACEMENT: Final = (
    _mutant(
        # The scheduler applies the anti-affinity of both Pods, so neither term may match the other Pod.
        "M82",
        "workers with Exclusive and with Shared placement share a node",
        ("A17", "A18"),
        Edit(AFFINITY, 84, "fluid.io/dataset", "fluid.io/dataset-placement"),
        Edit(AFFINITY, 85, "OpExists", 'OpIn, Values: []string{"Exclusive"}'),
        Edit(AFFINITY, 119, "ExclusiveMode)", 'ExclusiveMode) + "-none"'),
    ),
    _mutant(
        "M83",
        "workers with Shared placement do not share a node",
        ("A18",),
        Edit(AFFINITY, 77, "dataset.IsExclusiveMode()", "true"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M84",
        "workers with Exclusive placement share a node",
        ("A17",),
        Edit(AFFINITY, 84, "fluid.io/dataset", "fluid.io/nothing"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M85",
        "the Dataset's node affinity is ignored",
        ("B26", "A12"),
        Edit(AFFINITY, 162, "Required != nil", "Required == nil"),
    ),
    _mutant(
        "M86",
        "the node selector of the workers is ignored",
        ("D15", "D4"),
        Edit(LEVELS, 387, "runtime.Spec.Worker.NodeSelector", "map[string]string{}"),
    ),
    _mutant(
        "M87",
        "the nodes of the workers are not labelled",
        ("A29",),
        Edit(SYNCS, 104, "t.Implement.SyncScheduleInfoToCacheNodes()", "nil"),
    ),
    _mutant(
        "M88",
        "a node that a worker left keeps its labels",
        ("D15", "A28"),
        Edit(
            "pkg/utils/dataset/lifecycle/node.go",
            150,
            "utils.SubtractString(previousNodes, currentNodes)",
            "nil",
        ),
    ),
    _mutant(
        "M89",
        "a negative number of workers takes all of them away",
        ("B32",),
        Edit(WORKER, 114, "runtime.Replicas()", "max(0, runtime.Replicas())"),
    ),
    _mutant(
        "M90",
        "a runtime whose number of workers is raised keeps the old number",
        ("A28",),
        Edit(REPLICAS, 48, "!=", "<"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M91",
        "a runtime whose number of workers is lowered keeps the old number",
        ("A28",),
        Edit(REPLICAS, 48, "!=", ">"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M192",
        "the status says that all workers are ready when one of them is",
        ("D16",),
        Edit("pkg/utils/kubeclient/statefulset.go", 143, "RuntimePhasePartialReady", "RuntimePhaseReady"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M193",
        "a node that lacks the labels of its worker does not receive them",
        ("D13",),
        Edit(
            "pkg/utils/dataset/lifecycle/node.go",
            149,
            "utils.SubtractString(currentNodes, previousNodes)",
            "nil",
        ),
        timeout_factor=0.5,
    ),
    _mutant(
        "M169",
        "the sub-resource scale of a runtime has no selector",
        ("A46",),
        Edit("pkg/ddc/alluxio/master.go", 103, "e.getWorkerSelectors()", '""'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M92",
        "a runtime that was scaled says nothing",
        ("A28",),
        Edit(REPLICAS, 64, "ctx.Recorder.Eventf(", NOTHING),
        timeout_factor=0.4,
    ),
)

_STATUS: Final = (
    _mutant(
        "M93",
        "the status always says that all is cached",
        ("A22",),
        Edit(STATUS, 84, "states.cachedPercentage", '"100.0%"'),
    ),
    _mutant(
        "M94",
        "the status says half the size of the source",
        ("C4", "C7"),
        Edit(METADATA, 317, "float64(datasetUFSTotalBytes)", "float64(datasetUFSTotalBytes) / 2"),
    ),
    _mutant(
        "M95",
        "the status says a wrong number of files",
        ("C4",),
        Edit(METADATA, 324, "= fileNum", '= fileNum + "1"'),
    ),
    _mutant(
        "M96",
        "the status says what is cached where it has to say the size of the cache",
        ("A19",),
        Edit(STATUS, 83, "states.cacheCapacity", "states.cached"),
    ),
    _mutant(
        "M97",
        "the status never says that a read was answered from the cache",
        ("C4",),
        Edit(STATUS, 87, "states.cacheHitStates.cacheHitRatio", '"0.0%"'),
    ),
    _mutant(
        "M98",
        "the status never says that anything is cached",
        ("C4",),
        Edit(STATUS, 85, "states.cached", '"0.00B"'),
    ),
    _mutant(
        "M99",
        "the status says that all reads were answered by the reader's own node",
        ("C8",),
        Edit(STATUS, 88, "localHitRatio", "cacheHitRatio"),
        Edit(STATUS, 89, "states.cacheHitStates.remoteHitRatio", '"0.0%"'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M100",
        "a Dataset that is Bound says that it is not ready",
        ("A1",),
        Edit("pkg/ddc/alluxio/dataset.go", 114, "ConditionTrue", "ConditionFalse"),
    ),
    _mutant(
        "M101",
        "the status names another kind of runtime than the one that serves the Dataset",
        ("A2",),
        Edit("pkg/ddc/alluxio/dataset.go", 109, "AlluxioRuntime", "JindoRuntime"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M102",
        "the metrics do not count set-ups that failed",
        ("C7",),
        Edit("pkg/ddc/base/setup.go", 28, "metrics.Get", "_ = metrics.Get"),
        Edit("pkg/ddc/base/setup.go", 28, ".SetupErrorInc()", ""),
    ),
    _mutant(
        "M103",
        "the metrics do not tell the size of a Dataset",
        ("C7",),
        Edit(METADATA, 223, "base.RecordDatasetMetrics(", NOTHING),
    ),
    _mutant(
        "M104",
        "the files are counted although the user switched that off",
        ("A33",),
        Edit(METADATA, 85, "if !runtime", "if false && !runtime"),
    ),
    _mutant(
        "M105",
        "a Dataset whose Fuse DaemonSet was deleted stays Bound",
        ("B36",),
        Edit("pkg/ctrl/fuse.go", 41, "return", "return true, nil"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M106",
        "a Dataset whose only worker starts again is Failed meanwhile",
        ("D4",),
        Edit(
            "pkg/ddc/alluxio/health_check.go",
            61,
            "{",
            "{ _ = e.UpdateDatasetStatus(data.FailedDatasetPhase)",
        ),
    ),
    _mutant(
        "M170",
        "a Dataset whose master is replaced is Failed meanwhile",
        ("D5",),
        Edit(HEALTH, 46, "{", "{ _ = e.UpdateDatasetStatus(data.FailedDatasetPhase)"),
    ),
    _mutant(
        "M171",
        "a Dataset whose workers' StatefulSet was deleted stays Bound",
        ("D7",),
        Edit(HEALTH, 54, "FailedDatasetPhase", "BoundDatasetPhase"),
        Edit("pkg/ddc/alluxio/replicas.go", 77, "FailedDatasetPhase", "BoundDatasetPhase"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M172",
        "the status says that no worker is available",
        ("C10",),
        Edit(WORKER, 194, "workers.Status.AvailableReplicas", "0"),
        timeout_factor=0.5,
    ),
)

RUNTIME_CONTROLLER: Final = (*_VOLUMES, *_VOLUMES_IN_USE, *_CLEAN_UP, *_SET_UP, *_PLACEMENT, *_STATUS)
