"""The qualification of a release: the old and the new version, the upgrade between them, and what changed."""
