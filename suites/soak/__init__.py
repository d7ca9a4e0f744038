"""A soak: rows of the catalogue at random on one cluster for hours, and what grows or is left meanwhile."""
