"""Wiring: the plugins of the suites and of the reports."""

pytest_plugins = ("suites.plugin", "reports.plugin")
