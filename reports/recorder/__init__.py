"""The pytest plugin that records a run of the suites and writes its reports."""
