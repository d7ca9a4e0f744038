"""Where a cluster comes from: a kind cluster that the harness creates, or an existing one."""
