"""What a run records: evidence, facts of the system, failure classes, versions."""
