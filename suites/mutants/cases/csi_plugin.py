"""Mutants of the CSI plugin: staging, publishing, unpublishing, unstaging, and recovery of mounts."""

from __future__ import annotations

from typing import Final

from suites.mutants.model import NOTHING, Edit, Mutant, Part, Program

NODE_SERVER: Final = "pkg/csi/plugins/nodeserver.go"
RECOVER: Final = "pkg/csi/recover/recover.go"


def _mutant(id_: str, says: str, rows: tuple[str, ...], *edits: Edit, timeout_factor: float = 1.0) -> Mutant:
    return Mutant(
        id_,
        says,
        Part.CSI_PLUGIN,
        rows,
        edits,
        program=Program.CSI_PLUGIN,
        green="B11",  # without a Fuse, which each change of the plugin may disturb
        timeout_factor=timeout_factor,
    )


CSI_PLUGIN: Final = (
    _mutant(
        "M01",
        "no Fuse Pod starts when an application uses the Dataset: its node is labelled with another value",
        ("A2",),
        Edit(NODE_SERVER, 350, '"true"', '"false"'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M02",
        "with cleanPolicy OnDemand the node keeps its label, and the Fuse Pod, after the last application",
        ("A7",),
        Edit(NODE_SERVER, 710, ".Delete(fuseLabelKey)", '.Add(fuseLabelKey, "true")'),
    ),
    _mutant(
        "M03",
        "the Fuse Pod is removed with the last application although the clean policy is the default one",
        ("A6",),
        Edit(NODE_SERVER, 681, "false", "true"),
    ),
    _mutant(
        "M04",
        "an application starts before the Fuse is mounted, on an empty folder",
        ("A2",),
        Edit(
            NODE_SERVER,
            156,
            "utils.CheckMountReadyAndSubPathExist(fluidPath, mountType, subPath)",
            "os.MkdirAll(fluidPath, 0o755); _ = mountType",
        ),
    ),
    _mutant(
        "M05",
        "the mount of an application stays on the node after the application",
        ("E1",),
        Edit(NODE_SERVER, 238, "if symlinkRemove", "if true || symlinkRemove"),
    ),
    _mutant(
        "M06",
        "when one of several applications of a node ends, the Fuse Pod of the others is removed",
        ("A3",),
        Edit(NODE_SERVER, 681, "false", "true"),
        Edit(NODE_SERVER, 701, "if inUse", "if false && inUse"),
        Edit(
            NODE_SERVER,
            276,
            "glog.V(4)",
            "if clean, _ := ns.getCleanFuseFunc(req.GetVolumeId()); clean != nil { _ = clean() }; glog.V(4)",
        ),
    ),
    _mutant(
        "M07",
        "with FuseRecovery a mount that broke is never mended",
        ("D2",),
        Edit(RECOVER, 165, "r.doRecover(point)", "_ = point"),
    ),
    _mutant(
        "M166",
        "with FuseRecovery a mount that broke for the second time is unmounted before it is restored",
        ("D3",),
        Edit(RECOVER, 261, "> r.recoverWarningThreshold", "> 1"),
    ),
    _mutant(
        "M08",
        "with FuseRecovery a mended mount is not reported by an event",
        ("D2",),
        Edit(RECOVER, 270, "r.eventRecord(", NOTHING),
    ),
    _mutant(
        "M09",
        "the plugin does not ask to be called before the first application of a node starts",
        ("B7",),
        Edit(NODE_SERVER, 381, "RPC_STAGE_UNSTAGE_VOLUME", "RPC_UNKNOWN"),
        timeout_factor=0.5,
    ),
    _mutant(
        "M10",
        "the event of an application on a hand-written volume without a path does not say what is missing",
        ("B3",),
        Edit(NODE_SERVER, 130, "fluid_path is not set", "invalid"),
        timeout_factor=0.3,
    ),
    _mutant(
        "M11",
        "a hand-written volume whose claim is not Fluid's is treated as a Dataset's",
        ("B3",),
        Edit("pkg/utils/dataset/volume/get.go", 44, "!kubeclient.", "false && kubeclient."),
        timeout_factor=0.3,
    ),
    _mutant(
        "M12",
        "a copy of Fluid's volume in another namespace is not served",
        ("B4",),
        Edit(NODE_SERVER, 396, "nameFound &&", 'runtimeName == "" && nameFound &&'),
        timeout_factor=0.5,
    ),
    _mutant(
        "M13",
        "a Dataset that refers to a folder of another one shows all of it",
        ("A16",),
        Edit(NODE_SERVER, 139, ' + "/" + subPath', ""),
    ),
    _mutant(
        "M14",
        "a Fuse Pod that runs ahead is removed and started again for the first application of its node",
        ("A8",),
        Edit(
            NODE_SERVER,
            359,
            "err =",
            "var off common.LabelsToModify; off.Delete(fuseLabelKey); _ = ns.patchNodeWithLabel(node, off); "
            "time.Sleep(5 * time.Second); err =",
        ),
    ),
    _mutant(
        "M150",
        "an application that has waited for the CSI plugin for more than 20 s is never served",
        ("B24",),
        Edit(
            NODE_SERVER,
            101,
            "glog.Infof(",
            "pod := targetPath; for range 4 { pod = filepath.Dir(pod) }; "
            "if made, e := os.Stat(pod); e == nil && time.Since(made.ModTime()) > 20*time.Second { "
            'return nil, status.Error(codes.DeadlineExceeded, "too late") }; glog.Infof(',
        ),
        timeout_factor=0.5,
    ),
    _mutant(
        "M160",
        "the plugin labels a node for the Fuse of a Dataset only once, so that a lost label stays lost",
        ("B31",),
        Edit(
            NODE_SERVER,
            350,
            "labelsToModify.Add(",
            'seen := "/tmp/" + filepath.Base(fuseLabelKey); if _, e := os.Stat(seen); e != nil { '
            '_ = os.WriteFile(seen, nil, 0o600); labelsToModify.Add(fuseLabelKey, "true") }; '
            "var unused common.LabelsToModify; unused.Add(",
        ),
        timeout_factor=0.5,
    ),
)
