"""The measured values and the schema of `benchmark.json`; needs neither numpy nor a cluster."""
