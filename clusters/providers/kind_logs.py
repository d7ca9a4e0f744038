"""What a kind node says about itself, for failure bundles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from clusters.host.commands import CommandError, Completed
from clusters.host.engine import Engine

#: Lines of each journal of a node in a failure bundle, and seconds to read it.
LOG_LINES: Final = 2_000
LOG_SECONDS: Final = 20.0
_UNITS: Final = ("kubelet", "containerd", "load-images")


def node_logs(engine: Engine, node: str, node_exec: Callable[..., Completed]) -> Mapping[str, str]:
    """The journals of kubelet and containerd and the container's own output, by file name.

    A node that does not answer has its console only, and the reason in place of the journals.

    Args:
        engine: runs the node.
        node: name of its container.
        node_exec: runs programs on it.
    """
    done = engine.run("logs", "--tail", str(LOG_LINES), node, check=False)
    found = {f"{node}/console.log": done.stdout + done.stderr}
    for unit in _UNITS:
        argv = ["journalctl", "--no-pager", "-n", str(LOG_LINES), "-u", unit]
        try:
            found[f"{node}/{unit}.log"] = node_exec(node, argv, timeout=LOG_SECONDS).stdout
        except CommandError as error:
            found[f"{node}/{unit}.log"] = str(error)
            break
    return found
