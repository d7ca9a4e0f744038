"""Scenarios of correct use."""
