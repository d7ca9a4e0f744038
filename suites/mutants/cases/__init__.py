"""All mutants, by the part of Fluid that they change."""

from __future__ import annotations

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
