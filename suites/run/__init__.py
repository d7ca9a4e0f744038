"""The pytest plugin of the suites, and the Datasets that it prepares and tears down."""
