"""Parts that are stopped, not killed: the process exists, and does nothing."""

from __future__ import annotations

from typing import Final

from suites.mutants.model import Hang, Mutant, Part, Program
from suites.sabotage.own import BEGINS

#: Once the application of a row was seen to have its mount.
MOUNTED: Final = "^application mountinfo"


def _mutant(id_: str, says: str, rows: tuple[str, ...], hang: Hang, *, green: str = "A2") -> Mutant:
    return Mutant(id_, says, Part.HANG, rows, hang=hang, green=green, timeout_factor=0.5)


HANGS: Final = (
    _mutant(
        "M135",
        "the Fuse hangs once the application runs",
        ("A2",),
        Hang("alluxio.fuse.AlluxioFuse", MOUNTED),
        green="B11",
    ),
    _mutant(
        "M136",
        "the worker hangs",
        ("A2",),
        Hang("alluxio.worker.AlluxioWorker", BEGINS),
        green="B11",
    ),
    _mutant(
        "M137",
        "the master hangs",
        ("A2",),
        Hang("alluxio.master.AlluxioMaster", BEGINS),
        green="B11",
    ),
    _mutant("M138", "the CSI plugin hangs", ("A2",), Hang(Program.CSI_PLUGIN, BEGINS), green="B11"),
    _mutant("M139", "the Alluxio runtime controller hangs", ("B12", "A1"), Hang(Program.RUNTIME_CONTROLLER)),
    _mutant("M140", "the dataset controller hangs", ("B11",), Hang(Program.DATASET_CONTROLLER)),
    _mutant(
        "M141",
        "the dataset controller hangs before a DataLoad",
        ("A22",),
        Hang(Program.DATASET_CONTROLLER, BEGINS),
    ),
    _mutant("M142", "the webhook hangs", ("A29",), Hang(Program.WEBHOOK, BEGINS)),
    _mutant(
        "M143",
        "the worker's job process hangs before a DataLoad",
        ("A22",),
        Hang("alluxio.worker.AlluxioJobWorker", BEGINS),
        green="B11",
    ),
    _mutant(
        "M144",
        "the Fuse hangs before the Dataset is deleted",
        ("E1",),
        Hang("alluxio.fuse.AlluxioFuse", MOUNTED),
        green="B11",
    ),
)
