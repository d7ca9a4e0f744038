"""The machine that runs the harness: its container engine, programs, limits and mounts."""
