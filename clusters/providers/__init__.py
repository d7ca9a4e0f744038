"""Providers of a cluster: a kind cluster that the harness creates, or an existing one."""
