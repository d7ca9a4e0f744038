"""Wiring: the plugins of the suites and of the reports."""

pytest_plugins = (
    "suites.run.plugin",
    "suites.benchmark.plugin",
    "suites.mutants.plugin",
    "reports.verdict.plugin",
    "reports.performance.plugin",
)
