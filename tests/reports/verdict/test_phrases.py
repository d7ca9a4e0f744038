"""Words that all reports share."""

from __future__ import annotations

import pytest

from reports.verdict import phrases
from reports.verdict.model import DefectResult, Verdict


@pytest.mark.parametrize(
    ("tested", "expected"),
    [
        ("v1.0.8-6533239", "is gone"),
        ("1.1.0", "is gone"),
        ("master-6533239", "is gone"),
        ("0.9.3", "of Fluid 1.0.8 does not show on 0.9.3"),
    ],
)
def test_defect_is_only_gone_where_it_has_been(sample: Verdict, tested: str, expected: str) -> None:
    """A version older than the one in which a defect was found may never have had it."""
    assert sample.system is not None
    system = sample.system.model_copy(update={"fluid": tested})
    defect = DefectResult(key="k", says="it is wrong", source="pkg/some.go:1-2 (1.0.8)", seen=False)
    assert phrases.not_seen(defect, system) == expected


def test_defect_without_a_version_is_gone_when_it_does_not_show(sample: Verdict) -> None:
    """A defect without a place is described without it."""
    assert phrases.not_seen(DefectResult(key="k", says="it is wrong", seen=False), sample.system) == "is gone"
    found = DefectResult(key="k", says="it is wrong", source="create.go:194 (1.0.8)", seen=False)
    assert phrases.not_seen(found, None) == "is gone"
