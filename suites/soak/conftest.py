"""The end of a soak in the terminal: plain lines, also in CI."""

from __future__ import annotations

import pytest

from suites.record.run import run_of


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print reads, failures, leftovers, and what grew."""
    soak = run_of(config).soak
    if soak is None:
        return
    terminalreporter.section("soak")
    reads = soak["reads"]
    terminalreporter.write_line(
        f"seed {soak['seed']}, {soak['seconds'] / 3600:.2f} h, {len(soak['steps'])} steps, "
        f"{soak['failures']} failed, {len(soak['leaks'])} leftovers"
    )
    terminalreporter.write_line(
        f"reads: {reads['right']} right, {reads['failed']} failed while a fault permitted it, none wrong "
        f"unless a step says so; the longest took {reads['longest']} s"
    )
    for step in soak["steps"]:
        if step["outcome"] == "fail":
            terminalreporter.write_line(
                f"    step {step['number']}, {step['row']}: {step['class']}: {step['reason']}", red=True
            )
    for text in (*soak["replaced"], *soak["leaks"]):
        terminalreporter.write_line(f"    {text}")
    for one in soak["growth"]:
        terminalreporter.write_line(
            f"    {one['series']}: {one['first']:.0f} → {one['last']:.0f}, {one['per_hour']:+.0f} an hour"
        )
