"""All sabotages: each breaks the product in one way and names the scenarios that must notice.

The order keeps the number of Datasets small: first the cases that leave an unused Dataset unchanged, last
those that delete it.
"""

from typing import Final

from suites.sabotage.cases import after_deletion, creation, faults, shared_dataset, slowness, unused_dataset
from suites.sabotage.model import Sabotage

CASES: Final[tuple[Sabotage, ...]] = (
    *shared_dataset.CASES,
    *unused_dataset.CASES,
    *creation.CASES,
    *slowness.CASES,
    *faults.CASES,
    *after_deletion.CASES,
)
