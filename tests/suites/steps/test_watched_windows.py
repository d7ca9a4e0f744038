"""Windows in which something must not happen: two rounds of what could make it happen."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

import pytest

import suites
from suites.steps.deletion import WINDOW_SECONDS
from suites.steps.reconcile import (
    EFFECT_SECONDS,
    FULL_RECONCILE_DELAY,
    RETRY_SECONDS,
    STEADY_SECONDS,
    TWO_RETRIES,
    ReconcileSteps,
)

SUITES: Final = Path(suites.__path__[0])
#: A window of two rounds of Fluid's controllers, by its expression.
TWO_ROUNDS: Final = ("TWO_RETRIES", "two_reconciles")
#: Other windows by their file: what acts in them, and why two rounds of a controller of Fluid need not fit.
OTHERS: Final[Mapping[str, str]] = {
    "cache/test_c1_fuse_on_first_use.py": "--window, 60 s unless chosen",
    "cache/test_c9_cached_once.py": "Alluxio's workers copy while a file is read",
    "correct_use/test_a16_dataset_reference.py": "the reference's controller syncs every 5 s",
    "correct_use/test_a17_a18_worker_placement.py": "the scheduler tries again after 10 s at most",
    "correct_use/test_a25_data_backup.py": "45 s",
    "correct_use/test_a4_fuse_pods_by_node.py": "the CSI plugin acts at once",
    "correct_use/test_a48_port_policy.py": "the scheduler tries again after 10 s at most",
    "correct_use/test_a6_a7_clean_policy.py": "the CSI plugin acts at once",
    "correct_use/test_a9_a10_a11_folders.py": "the kubelet tries again every few seconds",
    "lifecycle/test_e2_e4_runtime_deletion.py": "55 s",
    "lifecycle/test_e7_e8_upgrades.py": "Fluid is uninstalled",
    "misuse/test_b1_b5_b6_wrong_claims.py": "--window, and the scheduler",
    "misuse/test_b2_claim_with_datasets_name.py": "--window, 60 s unless chosen",
    "misuse/test_b24_missing_csi_plugin.py": "the kubelet, while the CSI plugin is gone",
    "misuse/test_b25_b26_node_selectors.py": "the scheduler tries again after 10 s at most",
    "misuse/test_b3_hand_made_volume.py": "the kubelet and the CSI plugin",
    "misuse/test_b33_b34_colliding_names.py": "60 s",
    "misuse/test_b36_deleted_parts.py": "it begins the next step, and judges nothing",
    "misuse/test_b37_webhook_down.py": "the API server asks a webhook that is gone at each request",
    "run/pending_applications.py": "the scheduler, during the window of B1",
    "run/unbindable.py": "45 s, for all Datasets that cannot become Bound at once",
    "steps/deletion.py": "Fluid tries again every 10 s",
    "steps/checks/fuse.py": "the caller's window",
    "steps/endurance.py": "minutes",
    "steps/idle_watch.py": "until the caller ends it",
    "steps/node_placement.py": "a reconcile is requested every 5 s, or two retries are waited for",
}


def _windows() -> Iterator[tuple[str, str]]:
    """Each call with a window: its file, and the expression."""
    for file in sorted(SUITES.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func)
            given = [word.value for word in call.keywords if word.arg == "window" and name.endswith("hold")]
            if name.endswith("no_fuse_over_window"):
                given = [call.args[1]]
            for window in given:
                yield str(file.relative_to(SUITES)).removeprefix("scenarios/"), ast.unparse(window)


def _waits_that_judge_the_phase() -> Iterator[tuple[str, ast.Call]]:
    """Waits of scenarios that end with an error at a wrong phase of the Dataset: their file, and the call."""
    for file in sorted((SUITES / "scenarios").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        judges = {
            node.name
            for node in nodes
            if isinstance(node, ast.FunctionDef) and "the Dataset's phase is" in ast.unparse(node)
        }
        for call in nodes:
            if not isinstance(call, ast.Call) or ast.unparse(call.func) != "wait":
                continue
            failed = {ast.unparse(word.value) for word in call.keywords if word.arg == "failed"}
            if failed & judges:
                yield file.name, call


def test_a_phase_that_is_judged_while_something_is_awaited_is_reconciled_meanwhile() -> None:
    """The wait may be shorter than the 90 s after which Fluid looks at a Bound Dataset again."""
    found = list(_waits_that_judge_the_phase())
    assert "test_d4_deleted_worker.py" in {file for file, _ in found}
    quiet = [file for file, call in found if "with_reconcile_" not in ast.unparse(call.args[0])]
    assert quiet == []


def test_each_window_holds_two_rounds_of_the_controller_or_watches_something_else() -> None:
    """A window that is added is long enough, or is listed here with what acts in it."""
    found = list(_windows())
    assert len(found) > len(OTHERS)
    short = {file for file, window in found if not any(word in window for word in TWO_ROUNDS)}
    assert short == set(OTHERS) - {"steps/node_placement.py"}


@pytest.mark.parametrize(("requests", "between"), [(True, FULL_RECONCILE_DELAY), (False, STEADY_SECONDS)])
def test_two_reconciles_fit_with_their_effects_whether_requested_or_not(
    requests: bool, between: float
) -> None:
    """Without requests, the controller's own period counts."""
    window = cast(property, ReconcileSteps.two_reconciles).fget
    assert window is not None
    assert window(SimpleNamespace(requests_reconciles=requests)) == 2 * between + EFFECT_SECONDS


@pytest.mark.parametrize(
    ("row", "constant"),
    [
        ("test_d11_restarted_node", "WATCHED_SECONDS"),
        ("test_d16_d17_d25_maintained_node", "OUT_SECONDS"),
        ("test_d18_d19_d20_d24_nfs_faults", "BROKEN_SECONDS"),
        ("test_d21_api_server_gone", "GONE_SECONDS"),
        ("test_d22_d23_worker_resources", "WATCHED_SECONDS"),
        ("test_d9_d10_d13_d14_restarts", "WATCHED_SECONDS"),
    ],
)
def test_a_fault_lasts_for_two_reconciles_or_is_followed_by_two(row: str, constant: str) -> None:
    """The Dataset's phase is judged meanwhile, with requests for reconciles."""
    lasts = getattr(importlib.import_module(f"suites.scenarios.recovery.{row}"), constant)
    assert lasts > 2 * FULL_RECONCILE_DELAY


def test_two_retries_are_longer_than_twice_the_time_between_them() -> None:
    """Wherever the last try was, two others are in the window."""
    assert TWO_RETRIES > 2 * RETRY_SECONDS
    assert WINDOW_SECONDS > 2 * 10  # a Dataset that is deleted is tried again every 10 s
