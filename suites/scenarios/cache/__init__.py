"""Scenarios about what is cached, and where."""
