"""Values of API objects."""

from __future__ import annotations

import pytest

from clusters.kubernetes import fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512Mi", 512 * 1024**2),
        ("250m", 0.25),
        ("2", 2),
        ("1.5Gi", 1.5 * 1024**3),
        ("4k", 4000),
        ("1e3", 1000),
    ],
)
def test_quantities_are_numbers(text: str, expected: float) -> None:
    """Kubernetes' decimal, binary and exponent forms are read."""
    assert fields.quantity(text) == expected


@pytest.mark.parametrize("text", ["", "Mi", "12 Mi", "1Xi", "-"])
def test_other_quantities_are_refused(text: str) -> None:
    """What is no quantity is not guessed at."""
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        fields.quantity(text)
