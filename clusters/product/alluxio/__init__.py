"""Alluxio under a Dataset: its command line, what that prints, and its master's web interface."""
