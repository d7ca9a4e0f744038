"""The scenarios, by group of the catalogue."""
