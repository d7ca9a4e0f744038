"""Wiring: the plugins of the suites and of the reports."""

pytest_plugins = ("suites.plugin", "suites.benchmark.plugin", "reports.plugin", "reports.performance_plugin")
