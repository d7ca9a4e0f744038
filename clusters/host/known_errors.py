"""What the container engine and kind mean by their commonest errors, each in a sentence with advice.

The texts are those of Docker 20.10 to 28 and kind 0.30; one that is not known is shown as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clusters.host.commands import CommandError


@dataclass(frozen=True, slots=True)
class Meaning:
    """An error in a user's words.

    Attributes:
        sentence: what is wrong.
        advice: what to do about it.
    """

    sentence: str
    advice: str


_FULL: Final = "free some disk, or point FLUID_CONFORMANCE_CACHE at a larger one"
_POOLS: Final = "remove networks that nothing uses (docker network prune), or give the engine other pools"
_DENIED: Final = ("permission denied while trying to connect", "dial unix .*: permission denied")
_NO_IMAGE: Final = ("pull access denied", "manifest unknown", "failed to pull image", "toomanyrequests")
_NO_NETWORK: Final = ("could not resolve", "temporary failure resolving", "no such host", "i/o timeout")

#: Patterns, sentence, advice; the first that is found counts.
_KNOWN: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (("no space left on device",), "the disk is full", _FULL),
    (
        ("port is already allocated", "address already in use", r"bind for \S+ failed"),
        "a port that the cluster needs is in use on this host",
        "end what listens on it (ss -ltnp names it), then run again",
    ),
    (
        (
            "pool overlaps with other one",
            "networks have overlapping",
            "non-overlapping ipv[46] address pool",
            "all predefined address pools have been fully subnetted",
        ),
        "the subnet that the cluster's network needs is in use by another network",
        _POOLS,
    ),
    (
        (r"node\(s\) already exist for a cluster with the name",),
        "the cluster's name was taken meanwhile by another cluster",
        "choose another --cluster-name",
    ),
    (
        _DENIED,
        "the container engine's socket may not be opened by this user",
        "run as root, or join the group that owns the socket",
    ),
    (
        ("cannot connect to the docker daemon", "is the docker daemon running"),
        "the container engine does not answer any more",
        "see that it runs, then run again; incomplete clusters are recognised",
    ),
    (
        (*_NO_IMAGE, "no such image"),
        "an image is not to be had",
        "check the version and --registry, or build the images with --images=build",
    ),
    (
        ("too many open files", "inotify_init"),
        "the host's limit of open files or of inotify instances is used up",
        "raise it: sysctl fs.inotify.max_user_instances=512",
    ),
    (
        ("unable to apply caps", "could not find a log line that matches"),
        "the node's first process did not come up",
        "see the node's console among the kept journals; the host may forbid privileged containers",
    ),
    (
        (
            "failed to init node with kubeadm",
            "failed to join node with kubeadm",
            "kubelet is not running",
            "kubelet is not healthy",
            "kubelet is unhealthy",
        ),
        "Kubernetes did not come up in the node",
        "see the node's kubelet journal; too little memory is the usual cause",
    ),
    (
        ("failed to setup ip tables", "iptables.*(no chain|failed|permission denied)"),
        "the container engine cannot set packet filter rules on this host",
        "run on a host whose kernel has iptables or nftables",
    ),
    (
        ("'?overlay2?'? is not supported", "driver not supported", "prerequisites for driver not satisfied"),
        "the container engine cannot keep its layers on the file system of the cache folder",
        "point FLUID_CONFORMANCE_CACHE at a folder on ext4 or xfs",
    ),
    (
        (*_NO_NETWORK, "network is unreachable"),
        "something could not be fetched from the network",
        "check the network and its proxies, then run again; what was fetched is kept",
    ),
)


def meaning(text: str) -> Meaning | None:
    """The first known error in a program's output, in a user's words."""
    for patterns, sentence, advice in _KNOWN:
        if any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns):
            return Meaning(sentence, advice)
    return None


def retold(error: CommandError, what: str) -> CommandError:
    """The same failure with a sentence and advice where its output is known.

    Args:
        error: of the program.
        what: was to be done, such as ``kind cluster demo was not made``.
    """
    known = meaning(error.last_seen)
    if known is None:
        return CommandError(f"{what}: {error.message}", completed=error.completed, advice=error.advice)
    return CommandError(f"{what}: {known.sentence}", completed=error.completed, advice=known.advice)
