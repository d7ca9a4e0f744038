"""Proof that the changed program runs: the digests of what the processes of Pods execute and read.

A Pod that is ready and has the right volumes says what should run. What does run is in ``/proc`` of its node:
the file that a process executes (``exe``), and the templates that it reads (``root``). Their SHA-256 is
compared with that of what was built. A workload without Pods proves nothing: the changed program never ran.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clusters.errors import InfrastructureError
from clusters.host.commands import Completed
from clusters.kubernetes.fields import text
from suites.mutants.building import Built

#: Runs a program on a node, by the node's name.
OnNode = Callable[[str, Sequence[str]], Completed]

# Arguments: name of the program, its path in the image, and the paths of the files. A line for each process
# and file: id of the process, UID of its Pod, digest, path.
_SCRIPT: Final = r"""
name=$1 path=$2; shift 2
for process in /proc/[0-9]*; do
  exe=$(readlink "$process/exe" 2>/dev/null) || continue
  exe=${exe% (deleted)}
  [ "${exe##*/}" = "$name" ] || continue
  pod=$(grep -o 'pod[0-9a-f_-]\{36\}' "$process/cgroup" 2>/dev/null | head -n 1)
  for file in "$@"; do
    if [ "$file" = "$path" ]; then read=$process/exe; else read=$process/root$file; fi
    sum=$(sha256sum < "$read" 2>/dev/null) || continue
    echo "${process#/proc/} ${pod#pod} ${sum%% *} $file"
  done
done
"""
_LINE: Final = re.compile(r"(?P<pid>\d+) (?P<pod>[0-9a-f_-]{36}) (?P<digest>[0-9a-f]{64}) (?P<file>/\S+)")


@dataclass(frozen=True, slots=True)
class Running:
    """Which Pods of a workload run what was built.

    Attributes:
        proofs: a sentence for each Pod that does.
        others: names of the Pods that do not.
    """

    proofs: tuple[str, ...]
    others: tuple[str, ...]


def running(on_node: OnNode, pods: Sequence[dict[str, Any]], built: Built) -> Running:
    """Compare what each Pod runs with what was built.

    Raises:
        InfrastructureError: the processes of a node could not be listed.
    """
    by_node = {
        node: _seen(on_node, node, built)
        for node in sorted({text(pod, "spec", "nodeName") for pod in pods} - {""})
    }
    proofs, others = [], []
    for pod in pods:
        name, node = text(pod, "metadata", "name"), text(pod, "spec", "nodeName")
        pids = _right(by_node.get(node, {}).get(text(pod, "metadata", "uid"), {}), built)
        if not pids:
            others.append(name)
            continue
        shown = ", ".join(f"{digest[:12]} ({file})" for file, digest in built.digests.items())
        proofs.append(f"process {pids[0]} of Pod {name} on node {node} has {shown}")
    return Running(tuple(proofs), tuple(others))


def _seen(on_node: OnNode, node: str, built: Built) -> dict[str, dict[int, dict[str, str]]]:
    """UID of a Pod → process → file → digest, for the program on one node."""
    argv = ("sh", "-c", _SCRIPT, "running", str(built.program), built.program.path, *built.digests)
    done = on_node(node, argv)
    if done.exit_code != 0:
        raise InfrastructureError(
            f"cannot see what {built.program} runs on {node}", last_seen=done.stderr.strip()
        )
    seen: dict[str, dict[int, dict[str, str]]] = {}
    for match in _LINE.finditer(done.stdout):
        pod = match["pod"].replace("_", "-")
        seen.setdefault(pod, {}).setdefault(int(match["pid"]), {})[match["file"]] = match["digest"]
    return seen


def _right(processes: dict[int, dict[str, str]], built: Built) -> list[int]:
    """The processes that have every file as it was built."""
    return [pid for pid, files in processes.items() if files == dict(built.digests)]
