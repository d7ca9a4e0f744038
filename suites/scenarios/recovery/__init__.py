"""Scenarios of recovery."""
