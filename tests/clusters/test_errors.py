"""What an error shows, and whose fault it says it is."""

from clusters.errors import FailureClass, HarnessError, InfrastructureError, ProductFailureError, RefusalError


def test_an_error_shows_its_data_and_one_line_of_advice() -> None:
    """An error's text holds the object, the expectation, the time, what was seen and what to do."""
    error = HarnessError(
        "it did not start",
        subject="Dataset demo/a",
        condition="phase Bound",
        elapsed=1.25,
        last_seen="NotBound\nsecond line",
        advice="check its events",
    )
    assert str(error).splitlines() == [
        "it did not start",
        "  object:    Dataset demo/a",
        "  expected:  phase Bound",
        "  elapsed:   1.2 s",
        "  last seen: NotBound",
        "             second line",
        "  to do:     check its events",
    ]


def test_an_error_says_nothing_twice() -> None:
    """Subject and condition that are in the message already are not shown again."""
    error = HarnessError(
        "timed out waiting for phase Bound of Dataset a", subject="Dataset a", condition="phase Bound"
    )
    assert str(error) == "timed out waiting for phase Bound of Dataset a"


def test_each_class_of_error_blames_the_right_party() -> None:
    """Refusals are the harness's, broken hosts infrastructure's, and findings the product's."""
    assert RefusalError("x").failure_class is FailureClass.HARNESS
    assert InfrastructureError("x").failure_class is FailureClass.INFRASTRUCTURE
    assert ProductFailureError("x").failure_class is FailureClass.PRODUCT
    assert isinstance(ProductFailureError("x"), AssertionError)
