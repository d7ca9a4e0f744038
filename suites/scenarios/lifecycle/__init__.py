"""Scenarios of a Dataset's lifecycle, and of Fluid's own."""
