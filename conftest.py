"""Wiring: the plugins of the suites and of the reports."""

pytest_plugins = (
    "suites.run.plugin",
    "suites.mutants.plugin",
    "suites.soak.plugin",
    "suites.benchmark.run.plugin",
    "reports.recorder.plugin",
)
