"""All mutants, by the part of Fluid that they change."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from suites.mutants.cases.charts import CHARTS
from suites.mutants.cases.controllers import APPLICATION_CONTROLLER, DATASET_CONTROLLER, THIN_CONTROLLER
from suites.mutants.cases.csi_plugin import CSI_PLUGIN
from suites.mutants.cases.engine import ENGINE
from suites.mutants.cases.hangs import HANGS
from suites.mutants.cases.runtime_controller import RUNTIME_CONTROLLER
from suites.mutants.cases.webhook import WEBHOOK
from suites.mutants.model import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *CSI_PLUGIN,
    *DATASET_CONTROLLER,
    *RUNTIME_CONTROLLER,
    *THIN_CONTROLLER,
    *WEBHOOK,
    *APPLICATION_CONTROLLER,
    *ENGINE,
    *CHARTS,
    *HANGS,
)

#: Rows that no change of Fluid's programs or of the charts inside their images turns red, with the reason.
ROWS_WITHOUT_MUTANT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "A45": "Fluid 1.0.8 itself has the fault that the row looks for, and the row shows it on each run",
        "A47": "Fluid 1.0.8 itself has the fault that the row looks for, and the row shows it on each run",
        "B33": "Fluid 1.0.8 itself has the faults that the row looks for, and the row shows them on each run",
        "B34": "Fluid 1.0.8 itself has the faults that the row looks for, and the row shows them on each run",
        "A25": "no DataBackup runs on this Fluid (known defect backup-not-permitted): a change of it shows "
        "in A51, where it may",
        "B5": "Kubernetes decides that a Pod waits for a claim of another namespace; the sabotage "
        "claims-made-by-hand turns it red",
        "B6": "Kubernetes decides that a Pod waits for a claim that does not exist; the sabotage "
        "claims-made-by-hand turns it red",
        "B28": "the NFS server decides who may read, and Fluid's Pods read as the user of Alluxio's image",
        "E14": "it needs an earlier version on the cluster (--upgrade-from), which no trial of a mutant has",
        "DOC1": "it is about the doctor, which is part of the harness",
        **{
            row: f"{why}; the sabotage fuse-killed-in-{row.lower()} turns it red"
            for row, why in {
                "D9": "mounts are kept by the kernel while the CSI plugin is gone",
                "D10": "mounts are kept by the kernel while the kubelet is gone",
                "D11": "the kubelet starts the Pods of the node again, and Fluid mounts for each Pod",
                "D14": "only new Pods need the webhook",
                "D19": "Alluxio, and the node's NFS client below it, repeat what is lost",
                "D20": "Alluxio, and the node's NFS client below it, wait for what is slow",
                "D21": "neither Alluxio nor the kernel need the API server",
                "D22": "the kubelet starts the worker's container again, and Alluxio finds its blocks",
                "D23": "Alluxio reads from the source what it cannot cache",
                "D24": "Alluxio keeps what it has cached when the source is gone",
                "D25": "Kubernetes removes the Pods of a node that is gone, and creates others",
            }.items()
        },
    }
)
