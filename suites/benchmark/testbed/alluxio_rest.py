"""What Alluxio has cached and read, from the web interface of its master.

The command line reports the same, but each call starts a JVM: four seconds of both processors, between
rounds of one second. The interface is that of Alluxio 2.9 (`AlluxioMasterRestServiceHandler`,
``/api/v1/master/webui_browse`` and ``/metrics/json``); Fluid chooses the port.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from clusters.errors import InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.product import fluid_names
from workloads.fio import DataFile

#: Counters that are recorded with each round: the sources of the bytes that were read.
COUNTERS: Final = (
    "Cluster.BytesReadLocal",
    "Cluster.BytesReadRemote",
    "Cluster.BytesReadDomain",
    "Cluster.BytesReadUfsAll",
)
_USED: Final = "Cluster.CapacityUsed"
_PORT: Final = re.compile(r"-Dalluxio\.master\.web\.port=(\d+)")
_DEFAULT_PORT: Final = 19999
_SECONDS: Final = 30.0
_MOST: Final = 100_000
#: Folders that one command in the master's Pod asks for.
_FOLDERS: Final = 100

# One connection for each request; answers end with NUL. Only bash, because the image has no HTTP client.
_ASK: Final = r"""
port=$1
shift
for question in "$@"; do
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$question" >&3
  cat <&3
  exec 3>&-
  printf '\0'
done
"""


class AnswerError(InfrastructureError):
    """Alluxio's web interface did not answer as it does in 2.9."""


@dataclass(frozen=True, slots=True)
class CacheState:
    """State of Alluxio at one moment.

    Attributes:
        percent: of the bytes of the files that workers hold; None if a file is not listed.
        used_bytes: of all tiers.
        counters: bytes by the names in `COUNTERS`; counters that do not exist yet are missing.
    """

    percent: float | None
    used_bytes: int | None
    counters: Mapping[str, float]


def web_port(kube: Kube, namespace: str, dataset: str) -> int:
    """The port of the web interface of the master, from the options that Fluid sets."""
    for name in fluid_names.config_maps(dataset):
        found = kube.get(kinds.CONFIG_MAP, name, namespace) or {}
        for text in (found.get("data") or {}).values():
            if match := _PORT.search(text):
                return int(match[1])
    return _DEFAULT_PORT


def cache_state(
    kube: Kube, namespace: str, dataset: str, *, port: int, folder: str, files: Sequence[DataFile]
) -> CacheState:
    """Read how much of some files Alluxio holds, and its counters.

    Args:
        kube: reaches the cluster.
        namespace: of the Dataset.
        dataset: its name.
        port: of the web interface of the master.
        folder: of the files in the Dataset, such as ``large/0``.
        files: with their paths below it.

    Raises:
        AnswerError: the web interface could not be reached, or its answer is not that of 2.9.
    """
    folders = sorted({str((PurePosixPath("/") / folder / file.path).parent) for file in files})
    requests = [f"/api/v1/master/webui_browse?path={quote(one)}&offset=0&limit={_MOST}" for one in folders]
    requests.append("/metrics/json/")
    answers: list[dict[str, Any]] = []
    for start in range(0, len(requests), _FOLDERS):
        answers += _ask(kube, namespace, dataset, port, requests[start : start + _FOLDERS])
    *listings, metrics = answers
    return parse_state(listings, metrics, folder, files)


def _ask(
    kube: Kube, namespace: str, dataset: str, port: int, requests: Sequence[str]
) -> list[dict[str, Any]]:
    """The answers of the master's web interface, by one command in its Pod."""
    done = kube.exec(
        namespace,
        fluid_names.master_pod(dataset),
        fluid_names.MASTER_CONTAINER,
        ("bash", "-euc", _ASK, "ask", str(port), *requests),
        timeout=_SECONDS,
    )
    *answers, rest = done.stdout.split("\0")
    if done.exit_code != 0 or rest or len(answers) != len(requests):
        raise AnswerError("Alluxio's web interface does not answer", last_seen=done.stderr.strip()[-500:])
    return [body(answer) for answer in answers]


def parse_state(
    listings: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    folder: str,
    files: Sequence[DataFile],
) -> CacheState:
    """Combine the answers.

    Raises:
        AnswerError: one of them has an unexpected format.
    """
    try:
        percents = {
            str(info["absolutePath"]): int(info["inAlluxioPercentage"])
            for listing in listings
            for info in listing["fileInfos"] or ()
        }
        counters = {
            name: float(metrics["counters"][name]["count"])
            for name in COUNTERS
            if name in metrics["counters"]
        }
        used = metrics["gauges"].get(_USED, {}).get("value")
    except (KeyError, TypeError, ValueError) as error:
        message = "the answer of Alluxio's web interface has an unexpected format"
        raise AnswerError(message, last_seen=repr(error)) from error
    sizes = {str(PurePosixPath("/") / folder / file.path): file.size for file in files}
    percent = None
    if sizes.keys() <= percents.keys():
        # Alluxio rounds to whole per cents; if all are 100, the sum is exactly 100.
        parts = sum(size * percents[path] for path, size in sizes.items())
        percent = parts / sum(sizes.values())
    return CacheState(percent, None if used is None else int(used), counters)


def body(answer: str) -> dict[str, Any]:
    """The JSON object in an HTTP answer.

    Raises:
        AnswerError: the answer is not a success, or not a JSON object.
    """
    head, _, text = answer.replace("\r\n", "\n").partition("\n\n")
    status = head.split("\n", 1)[0].split()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if len(status) < 2 or status[1] != "200" or not isinstance(found, dict):  # noqa: PLR2004 - a status line
        raise AnswerError("Alluxio's web interface does not answer", last_seen=answer[:300])
    return found
