"""Two teams on a cluster, whose applications read through Fluid all the time.

Nothing of it has a label of the harness: to the harness they are foreign.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from clusters.errors import FailureClass, HarnessError
from clusters.images import on_nodes
from clusters.images.offline import definitions
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.kinds import kind_of
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.nodes import node_for_servers, schedulable
from clusters.kubernetes.requests import request_json
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.product import nfs
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import wait
from tests.live_cluster import wait_for_deletion, wait_for_pod
from workloads.application import Application
from workloads.models.base import Manifest
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime
from workloads.nfs_source import NfsSource

STORAGE: Final = "team-storage"
TEAMS: Final = ("team-a", "team-b")
DATASET: Final = "photos"
CLAIM: Final = "source"
READER: Final = "reader"
#: Files of each team, and bytes of each file.
FILES: Final = 6
FILE_BYTES: Final = 2 * 1024 * 1024
READY_SECONDS: Final = 300.0
#: Seconds for one read of all files; a longer one counts as failed.
READ_SECONDS: Final = 20
_LINE: Final = re.compile(r"^good (\d+) bad (\d+) longest (\d+)$", re.MULTILINE)

#: Reads all files again and again, past the page cache of the node, and compares their checksums.
_READS: Final = r"""
good=0; bad=0; longest=0
cd /data || exit 1
while :; do
  for file in *.bin; do dd if="$file" iflag=nocache count=0 status=none; done
  start=$(date +%s%N)
  if timeout "$SECONDS_FOR_ONE" sha256sum --check --quiet <<< "$SUMS"; then
    good=$((good + 1))
  else
    bad=$((bad + 1)); date
  fi
  took=$((($(date +%s%N) - start) / 1000000))
  if [ "$took" -gt "$longest" ]; then longest=$took; fi
  echo "good $good bad $bad longest $longest"
  sleep 0.2
done
"""


@dataclass(frozen=True, slots=True)
class Reads:
    """What the application of a team read.

    Attributes:
        pod: its identity; another one is another Pod.
        restarts: of its container.
        good: reads of all files with the right content.
        bad: reads that failed, were wrong, or took too long.
        longest: milliseconds of the longest read.
    """

    pod: str
    restarts: int
    good: int
    bad: int
    longest: int


def create(kube: Kube, mirror: str | None) -> None:
    """Create the teams, and wait until each of them has read its data."""
    nodes = ClusterReader(kube).list(NodeSnapshot)
    toolbox = on_nodes.harness_image(definitions.toolbox(), nodes, mirror)
    server = on_nodes.harness_image(definitions.nfs_server(), nodes, mirror)
    for manifest in nfs.manifests(server, node_for_servers(kube)):
        _send(kube, moved(manifest))
    wait_for_pod(kube, STORAGE, nfs.NAME, READY_SECONDS)
    service = kube.get(kinds.SERVICE, nfs.NAME, STORAGE) or {}
    places = schedulable(kube)
    readers = []
    for number, team in enumerate(TEAMS):
        reader = Application(
            namespace=team,
            name=READER,
            claim=DATASET,
            image=toolbox,
            node=places[number % len(places)],
            command=("bash", "-c", _READS),
            env={"SUMS": _write_files(kube, team), "SECONDS_FOR_ONE": str(READ_SECONDS)},
        )
        readers.append(reader)
        _create_dataset(kube, team, service["spec"]["clusterIP"])
    for reader in readers:
        _start_reading(kube, reader)


def _create_dataset(kube: Kube, team: str, server: str) -> None:
    source = NfsSource(namespace=team, name=CLAIM, server=server, path=f"/export/{team}")
    # With placement Exclusive no other Dataset could use the node.
    dataset = Dataset.over_claim(team, DATASET, CLAIM).evolve(placement="Shared")
    runtime = laptop_runtime(team, DATASET, quota="64Mi")
    _send(kube, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team}})
    for manifest in (*source.manifests(), dataset.manifest(), runtime.manifest()):
        _send(kube, manifest)


def _start_reading(kube: Kube, reader: Application) -> None:
    team = reader.namespace
    wait(
        lambda: DatasetSnapshot.of(kube.get(kinds.DATASET, DATASET, team) or {}),
        lambda seen: seen.phase == "Bound",
        subject=f"Dataset {team}/{DATASET}",
        condition="phase Bound",
        timeout=READY_SECONDS,
        failure_class=FailureClass.INFRASTRUCTURE,
    )
    _send(kube, reader.manifest())
    wait_for_pod(kube, team, READER, READY_SECONDS)
    wait(
        partial(reads, kube, team),
        lambda seen: seen.good > 1,
        subject=f"the application of {team}",
        condition="its second read",
        timeout=READY_SECONDS,
        failure_class=FailureClass.INFRASTRUCTURE,
    )


def reads(kube: Kube, team: str) -> Reads:
    """What the application of a team read so far, by its last line.

    Raises:
        HarnessError: there is no such Pod.
    """
    pod = kube.get(kinds.POD, READER, team)
    if pod is None:
        raise HarnessError(f"Pod {team}/{READER} is gone")
    (status,) = (pod.get("status") or {}).get("containerStatuses") or [{}]
    lines = _LINE.findall(kube.logs(team, READER, tail=5))
    good, bad, longest = map(int, lines[-1]) if lines else (0, 0, 0)
    return Reads(pod["metadata"]["uid"], int(status.get("restartCount", 0)), good, bad, longest)


def delete(kube: Kube) -> None:
    """Delete the teams: applications first, then Datasets, then namespaces and volumes."""
    because = "it belongs to the teams of this check"
    for team in TEAMS:
        kube.delete(kinds.POD, READER, team, because=because)
        kube.delete(kinds.DATASET, DATASET, team, because=because)
        wait_for_deletion(kube, kinds.DATASET, DATASET, team, READY_SECONDS)
    for namespace in (*TEAMS, STORAGE):
        kube.delete(kinds.NAMESPACE, namespace, because=because)
        wait_for_deletion(kube, kinds.NAMESPACE, namespace, None, READY_SECONDS)
    for team in TEAMS:
        kube.delete(kinds.VOLUME, f"nfs.{team}.{CLAIM}", because=because)


def moved(manifest: Mapping[str, Any]) -> Manifest:
    """An object of the harness's NFS server as one of the teams' storage."""
    found = copy.deepcopy(dict(manifest))
    metadata = found["metadata"]
    if found["kind"] == kinds.NAMESPACE.name:
        metadata["name"] = STORAGE
    else:
        metadata["namespace"] = STORAGE
    return found


def _send(kube: Kube, manifest: Mapping[str, Any]) -> None:
    """Apply without the labels of the harness."""
    kind, metadata = kind_of(manifest), manifest["metadata"]
    request_json(
        kube.connection,
        "PATCH",
        kind.path(metadata.get("namespace") if kind.namespaced else None, metadata["name"]),
        what=f"apply {kind} {metadata['name']}",
        query=[("fieldManager", "teams"), ("force", "true")],
        body=dict(manifest),
        content_type="application/apply-patch+yaml",
    )


def _write_files(kube: Kube, team: str) -> str:
    """Write the files of a team to the export; returns their checksums as sha256sum prints them."""
    script = (
        'mkdir -p "/export/$1" && cd "/export/$1" && '
        'for number in $(seq "$2"); do head -c "$3" /dev/urandom > "$number.bin"; done && sha256sum *.bin'
    )
    words: Sequence[str] = ("bash", "-c", script, "write", team, str(FILES), str(FILE_BYTES))
    done = kube.exec(STORAGE, nfs.NAME, nfs.CONTAINER, words, timeout=60.0)
    if done.exit_code != 0:
        raise HarnessError("the files of a team cannot be written", last_seen=done.stderr)
    return done.stdout


def stored(kube: Kube) -> str:
    """Everything on the NFS server of the teams: names and kinds, and the checksums of files.

    Raises:
        HarnessError: it cannot be read.
    """
    script = "cd /export && find . -printf '%y %p\\n' | sort && find . -type f -exec sha256sum {} + | sort"
    done = kube.exec(STORAGE, nfs.NAME, nfs.CONTAINER, ("bash", "-c", script), timeout=60.0)
    if done.exit_code != 0:
        raise HarnessError("the files of the teams cannot be read", last_seen=done.stderr)
    return done.stdout


def problems(before: Mapping[str, Reads], after: Mapping[str, Reads], least: int) -> Iterator[str]:
    """What a run did to the applications of the teams.

    Args:
        before: by team, before the run.
        after: by team, after it.
        least: reads that each of them must have done meanwhile, or the check says nothing.
    """
    for team, was in before.items():
        now = after[team]
        if (now.pod, now.restarts) != (was.pod, was.restarts):
            yield f"the application of {team} was started again"
        if now.bad > was.bad:
            yield f"{now.bad - was.bad} reads of {team} failed"
        if now.good - was.good < least:
            yield f"{team} read {now.good - was.good} times, which is less than {least}"
