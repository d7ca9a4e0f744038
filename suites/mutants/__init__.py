"""The checks can fail: Fluid's own source is changed in one place at a time, and rows have to turn red."""
