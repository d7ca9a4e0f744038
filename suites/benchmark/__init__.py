"""Measuring Fluid against raw NFS, and judging what was measured."""
