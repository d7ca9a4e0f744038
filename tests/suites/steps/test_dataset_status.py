"""The status of a Dataset compared with the data: sizes as Fluid rounds them, and impossible percentages."""

from __future__ import annotations

import pytest

from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.steps.dataset_status import ShownSize, why_not_all_cached, why_not_counted

SIZE = 100 * 2**20 + 4096
SHOWN = "100.00MiB"


def status(**changes: object) -> DatasetSnapshot:
    """A status as it must be when all is cached, with changes."""
    states = {"cachedPercentage": "100.0%", "cached": SHOWN} | {
        key: value for key, value in changes.items() if key in {"cachedPercentage", "cached"}
    }
    fields = {"phase": "Bound", "ufsTotal": SHOWN, "fileNum": "7"} | {
        key: value for key, value in changes.items() if key in {"ufsTotal", "fileNum"}
    }
    return DatasetSnapshot.of({"metadata": {"name": "demo"}, "status": {**fields, "cacheStates": states}})


def test_right_status_is_accepted() -> None:
    """Size and percentage are rounded by Fluid."""
    assert why_not_counted(status(), 7, SIZE) == ""
    assert why_not_all_cached(status(), SIZE) == ""


@pytest.mark.parametrize("total", ["50.00MiB", "100.01MiB", "99.99MiB", "100.00GiB", "[Calculating]", ""])
def test_wrong_total_is_named(total: str) -> None:
    """Half the size of the source is as wrong as one hundredth more."""
    assert "ufsTotal is" in why_not_counted(status(ufsTotal=total), 7, SIZE)


@pytest.mark.parametrize("number", ["6", "8", "", "[Calculating]"])
def test_wrong_number_of_files_is_named(number: str) -> None:
    """The number of files is exact."""
    assert "fileNum is" in why_not_counted(status(fileNum=number), 7, SIZE)


@pytest.mark.parametrize("percentage", ["200.0%", "100.1%", "99.9%", "0.0%", "NaN%", ""])
def test_percentage_other_than_100_is_named(percentage: str) -> None:
    """200 % means that the status has half the size of the source."""
    assert "cachedPercentage is" in why_not_all_cached(status(cachedPercentage=percentage), SIZE)


def test_sizes_are_parsed_with_their_unit() -> None:
    """Anything else is no size."""
    assert ShownSize.parse("19.37MiB") == ShownSize(19.37, 2**20)
    assert ShownSize.parse("0.00B") == ShownSize(0.0, 1)
    assert ShownSize.parse("19.37") is None
