"""A benchmark run: which series are measured, in which order, and the pytest plugin that starts them."""
