"""Access to a cluster's API server: requests, watches, exec, and frozen snapshots of what it said."""
