"""Scenarios of misuse."""
