"""Errors: whose fault, and in what words."""

from __future__ import annotations

import errno
import subprocess

import pytest
import urllib3
from kubernetes.client.exceptions import ApiException

from clusters.clock import SYSTEM_CLOCK
from clusters.errors import FailureClass, HarnessError, InfrastructureError, ProductFailureError, RefusalError
from clusters.waiting import WaitTimeoutError, wait
from reports.recorder.failures import failures
from suites.record.failure_class import REASON_LENGTH, failure_class, reason
from suites.record.run import When

PRODUCT, HARNESS, INFRASTRUCTURE = FailureClass.PRODUCT, FailureClass.HARNESS, FailureClass.INFRASTRUCTURE


def caused(error: Exception, cause: Exception) -> Exception:
    """``error`` as if it had been raised from ``cause``."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ProductFailureError("no"), PRODUCT),
        (HarnessError("no"), HARNESS),
        (RefusalError("no"), HARNESS),
        (InfrastructureError("no"), INFRASTRUCTURE),
        (InfrastructureError('500: failed calling webhook "fuse.serverful.fluid.io": timed out'), PRODUCT),
        (InfrastructureError('500: failed calling webhook "other.example.org": timed out'), INFRASTRUCTURE),
        (AssertionError("no"), PRODUCT),
        (pytest.fail.Exception("no"), PRODUCT),
        (pytest.fail.Exception("Timeout (>300.0s) from pytest-timeout."), HARNESS),
        (ApiException(status=404), HARNESS),
        (ApiException(status=429), INFRASTRUCTURE),
        (ApiException(status=503), INFRASTRUCTURE),
        (ApiException(status=0), INFRASTRUCTURE),
        (urllib3.exceptions.MaxRetryError(None, "/api"), INFRASTRUCTURE),  # type: ignore[arg-type]  # no pool is needed
        (urllib3.exceptions.ProtocolError("reset"), INFRASTRUCTURE),
        (ConnectionRefusedError(), INFRASTRUCTURE),
        (OSError(errno.ENOSPC, "No space left on device"), INFRASTRUCTURE),
        (FileNotFoundError("pins.toml"), HARNESS),
        (MemoryError(), INFRASTRUCTURE),
        (subprocess.CalledProcessError(1, "kind"), INFRASTRUCTURE),
        (KeyError("status"), HARNESS),
        (caused(RuntimeError("watch ended"), ConnectionResetError()), INFRASTRUCTURE),
        (caused(RuntimeError("odd"), AssertionError("inner")), HARNESS),
    ],
    ids=lambda value: f"{value!r}{getattr(value, 'status', '')}",
)
def test_class_in_the_body(error: BaseException, expected: FailureClass) -> None:
    """An error in the body of a test is laid at the right door."""
    assert failure_class(error, "call") is expected


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_plain_assertion_around_the_test(phase: When) -> None:
    """A plain assertion of a fixture is the harness's; a stated finding stays the product's."""
    assert failure_class(AssertionError("no"), phase) is HARNESS
    assert failure_class(ProductFailureError("a leak"), phase) is PRODUCT


def test_wait_says_whose_fault_it_is() -> None:
    """A failed wait keeps the class that its caller gave it."""
    with pytest.raises(WaitTimeoutError) as caught:
        wait(
            int, bool, subject="x", condition="y", timeout=0, failure_class=INFRASTRUCTURE, clock=SYSTEM_CLOCK
        )
    assert failure_class(caught.value, "call") is INFRASTRUCTURE


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (HarnessError("Dataset a/b is not Bound", last_seen="NotBound"), "Dataset a/b is not Bound"),
        (AssertionError("3 Pods\nassert 3 == 1"), "3 Pods"),
        (AssertionError(), "an assertion without words failed"),
        (KeyError("status"), "KeyError: 'status'"),
        (MemoryError(), "MemoryError"),
        (ValueError("x" * 1000), f"ValueError: {'x' * 1000}"[: REASON_LENGTH - 1] + "…"),
    ],
)
def test_reason(error: BaseException, expected: str) -> None:
    """A reason is one short line in the error's own words."""
    assert reason(error) == expected


def test_group_is_split() -> None:
    """Several errors of one teardown are several failures."""
    group = BaseExceptionGroup(
        "errors", [ConnectionResetError("gone"), ExceptionGroup("more", [KeyError("x")])]
    )
    found = failures(group, "teardown", 3.0)
    assert [(f.failure_class, f.phase, f.at) for f in found] == [
        (INFRASTRUCTURE, "teardown", 3.0),
        (HARNESS, "teardown", 3.0),
    ]
