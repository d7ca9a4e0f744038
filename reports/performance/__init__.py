"""What was measured: pages, charts, comparison of runs."""
