"""pytest-kind's KindCluster in a process of its own.

KindCluster works in the current folder, reads the engine from the environment, prints to the
terminal and has no time limit. A child process has its own folder and environment, and its parent
receives its output and can end it with all programs that it started.

Usage: python -m clusters.providers.kind_child create|delete NAME KUBECONFIG IMAGE KIND KUBECTL [CONFIG]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pytest_kind import KindCluster


def main(arguments: list[str]) -> int:
    """Create or delete a cluster; returns kind's exit code, without a traceback over its own words."""
    action, name, kubeconfig, image, kind, kubectl, *config = arguments
    cluster = KindCluster(
        name, Path(kubeconfig), image=image or None, kind_path=Path(kind), kubectl_path=Path(kubectl)
    )
    try:
        if action == "create":
            cluster.create(config[0] if config else None)
        else:
            cluster.delete()
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
