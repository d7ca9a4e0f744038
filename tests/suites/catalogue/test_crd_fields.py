"""Fields of Fluid's resources, the rows that cover them, and the reasons of those without a row."""

import json
from pathlib import Path

import pytest

from suites.catalogue import crd_fields, fields_page
from suites.catalogue.discovery import declared
from suites.catalogue.scenario import Level, Scenario
from suites.catalogue.uncovered_fields import UNCOVERED_FIELDS, UncoveredFields, WhyUncovered

FIELDS = ("Dataset.spec.placement", "Dataset.status.phase")
REASON = UncoveredFields("Dataset.status.*", WhyUncovered.NO_ROW, "nothing prevents it")


def row(*fields: str) -> Scenario:
    """A row that covers these fields."""
    return Scenario("A1", Level.SMOKE, "what must hold", fields=fields, file="suites/scenarios/test_a1.py")


def test_each_field_has_a_row_or_a_reason_and_each_row_names_fields_that_exist() -> None:
    """The coverage of the real rows is whole."""
    assert fields_page.problems(crd_fields.fields(), declared(), UNCOVERED_FIELDS) == []


def test_field_in_neither_is_a_problem() -> None:
    """A field that a new version of Fluid has is not passed over."""
    found = fields_page.problems(FIELDS, [row("Dataset.spec.placement")], [])
    assert found == ["Dataset.status.phase is neither covered by a row nor has a reason to have none"]


def test_row_that_names_a_field_that_does_not_exist_is_a_problem() -> None:
    """A misspelt field covers nothing."""
    found = fields_page.problems(FIELDS, [row("Dataset.spec.placement", "Dataset.spec.plaecment")], [REASON])
    assert found == ["A1 names Dataset.spec.plaecment, and Fluid 1.0.8 has no such field"]


def test_reason_that_is_no_longer_needed_is_a_problem() -> None:
    """A field with a row needs no reason to have none."""
    found = fields_page.problems(FIELDS, [row(*FIELDS)], [REASON])
    assert found == ["the reason for Dataset.status.* is needed by no field"]


@pytest.mark.parametrize(
    ("pattern", "field", "matches"),
    [
        ("A.spec.*.env", "A.spec.master.env", True),
        ("A.spec.*", "A.spec.master.env", False),
        ("A.spec.**", "A.spec.master.env", True),
        ("A.status.last*", "A.status.lastTime", True),
        ("A.spec.mounts[].name", "A.spec.mounts[].name", True),
        ("A.spec.env", "A.spec.environment", False),
    ],
)
def test_patterns_of_reasons(pattern: str, field: str, *, matches: bool) -> None:
    """One star is one part of a path, two are all that follows."""
    assert UncoveredFields(pattern, WhyUncovered.NO_ROW, "").matches(field) is matches


def test_leaves_of_a_crd() -> None:
    """Lists, types of Kubernetes and maps that Fluid fills are read as the page counts them."""
    crd = {
        "spec": {
            "versions": [
                {
                    "schema": {
                        "openAPIV3Schema": {
                            "properties": {
                                "spec": {
                                    "properties": {
                                        "mounts": {
                                            "type": "array",
                                            "items": {"properties": {"path": {"type": "string"}}},
                                        },
                                        "args": {"type": "array", "items": {"type": "string"}},
                                        "affinity": {"properties": {"nodeAffinity": {}}},
                                    }
                                },
                                "status": {"properties": {"cacheStates": {"type": "object"}}},
                            }
                        }
                    }
                }
            ]
        }
    }
    found = tuple(crd_fields.fields_of("Dataset", crd))
    assert found[:3] == ("Dataset.spec.affinity", "Dataset.spec.args", "Dataset.spec.mounts[].path")
    assert "Dataset.status.cacheStates.cachedPercentage" in found[3:]


def test_list_has_what_the_models_may_write() -> None:
    """The two lists of fields that the repository has agree, as far as both go."""
    known = json.loads((Path(__file__).parents[2] / "data" / "fluid_fields.json").read_text())["1.0.8"]
    for kind, paths in known.items():
        own = [field for field in crd_fields.fields() if field.startswith(f"{kind}.spec.")]
        for path in paths:
            full = f"{kind}.spec.{path}"
            within = any(
                field == full
                or field.startswith((f"{full}.", f"{full}["))
                or full.startswith((f"{field}.", f"{field}["))
                for field in own
            )
            assert within, full


def test_page_counts_and_names_what_has_no_row() -> None:
    """What is not covered comes first, and every field has its line."""
    text = fields_page.page(FIELDS, [row("Dataset.spec.placement")], [REASON])
    assert "## No row yet (1)" in text
    assert "- `Dataset.status.phase`" in text
    assert "| `spec.placement` | [A1](../suites/scenarios/test_a1.py) |  |" in text
    assert "| Dataset | 2 | 1 | 0 | 1 |" in text
