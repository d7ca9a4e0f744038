"""Runs of the harness in the cluster itself, as a Job or a CronJob."""
