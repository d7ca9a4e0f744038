"""pytest-kind's KindCluster in a process of its own.

KindCluster works in the current folder, takes the engine from the environment, prints
straight to the terminal and has no time limit. A child process gives it a folder and an
environment, and its parent its output and a way to end it with all that it started.

Usage: python -m clusters.kind_child create|delete NAME KUBECONFIG IMAGE KIND KUBECTL [CONFIG]
"""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_kind import KindCluster


def main(arguments: list[str]) -> None:
    """Create or delete a cluster."""
    action, name, kubeconfig, image, kind, kubectl, *config = arguments
    cluster = KindCluster(
        name, Path(kubeconfig), image=image or None, kind_path=Path(kind), kubectl_path=Path(kubectl)
    )
    if action == "create":
        cluster.create(config[0] if config else None)
    else:
        cluster.delete()


if __name__ == "__main__":
    main(sys.argv[1:])
