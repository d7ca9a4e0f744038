"""What a mutant is: one change of the product, and the rows that have to turn red."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

#: The version of Fluid whose source the line numbers of the edits belong to.
FLUID: Final = "1.0.8"
#: Chart whose CRDs the API server uses; its folder ``crds`` is in no container.
FLUID_CHART: Final = "charts/fluid/fluid"
#: Put in place of a call that records an event: it accepts the same arguments and does nothing.
NOTHING: Final = "func(...any) {}("


class Part(StrEnum):
    """The part of the product that a mutant changes."""

    CSI_PLUGIN = "CSI plugin"
    DATASET_CONTROLLER = "dataset controller"
    RUNTIME_CONTROLLER = "Alluxio runtime controller"
    THIN_CONTROLLER = "thin runtime controller"
    APPLICATION_CONTROLLER = "application controller"
    WEBHOOK = "webhook"
    ENGINE = "engine"
    CHARTS = "charts"
    HANG = "hang"


class Program(StrEnum):
    """A program of Fluid, by its name in the image."""

    CSI_PLUGIN = "fluid-csi"
    DATASET_CONTROLLER = "dataset-controller"
    RUNTIME_CONTROLLER = "alluxioruntime-controller"
    THIN_CONTROLLER = "thinruntime-controller"
    APPLICATION_CONTROLLER = "fluidapp-controller"
    WEBHOOK = "fluid-webhook"

    @property
    def path(self) -> str:
        """Where it is in its image."""
        return f"/usr/local/bin/{self}"


#: Programs that do nothing for a Dataset until an application or a reference uses it.
AFTER_BOUND: Final = frozenset(
    {Program.CSI_PLUGIN, Program.WEBHOOK, Program.APPLICATION_CONTROLLER, Program.THIN_CONTROLLER}
)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change within one line of a file of Fluid.

    Attributes:
        file: path inside Fluid's Go module.
        line: number of the line, from 1.
        find: characters that occur exactly once in that line.
        put: what is put in their place.
    """

    file: str
    line: int
    find: str
    put: str


@dataclass(frozen=True, slots=True)
class Hang:
    """A process that is stopped (SIGSTOP), not killed, on every node that runs it.

    Attributes:
        process: name of the program, or a word of its arguments such as a Java class.
        when: pattern of a fact (``source: says``) at which it is stopped; empty: before anything is created.
    """

    process: str
    when: str = ""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the product.

    Attributes:
        id: such as ``M01``.
        says: what is broken, in a user's words.
        part: where.
        rows: ids of the rows that have to turn red, tried one after the other until one is.
        edits: changes of source or templates; empty for a hang.
        program: which program is built with the edits, or carries the edited templates.
        hang: the process that is stopped.
        green: id of the row that has to stay green meanwhile, on a Dataset that was there before.
        timeout_factor: share of the usual time limits for which the rows wait.
        untouched: the rows request no reconcile from Fluid, which would hide that it retries no more.
        after_bound: the changed lines run only once a Dataset is Bound; see `dataset_ahead`.
    """

    id: str
    says: str
    part: Part
    rows: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    program: Program = Program.RUNTIME_CONTROLLER
    hang: Hang | None = None
    green: str = "A2"
    timeout_factor: float = 1.0
    untouched: bool = False
    after_bound: bool = False

    @property
    def dataset_ahead(self) -> bool:
        """Its row's Dataset may be created before the change is in, and while another such change is in.

        It has no effect on the creation of a Dataset: it changes a program that only acts for applications
        or references, stops a process at a later moment, or changes what Fluid does with a Bound Dataset.
        Then nothing that the row judges happens before the change is in; and a Dataset that cannot be
        created is never taken for a row that turned red.
        """
        if self.hang is not None:
            return bool(self.hang.when)
        return self.after_bound or self.program in AFTER_BOUND

    @property
    def crds(self) -> bool:
        """Only CRDs are changed, which the API server uses, and no program."""
        return bool(self.edits) and all(edit.file.startswith(f"{FLUID_CHART}/crds/") for edit in self.edits)

    @property
    def templates(self) -> bool:
        """Only templates of charts are changed, so nothing has to be compiled."""
        return bool(self.edits) and all(edit.file.startswith("charts/") for edit in self.edits)


#: What came of a mutant. ``misblamed``: a row turned red and called it another's fault than the product's.
#: ``not run``: it is not proved that the changed program ran while the rows did: they say nothing about it.
Outcome = Literal["killed", "misblamed", "survived", "not buildable", "not run"]
