"""Scenarios of the doctor."""
