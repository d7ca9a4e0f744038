"""What the container engine and kind mean by their commonest errors, each in a sentence with advice.

The texts are those of Docker 20.10 to 28 and kind 0.30; one that is not known is shown as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clusters.commands import CommandError


@dataclass(frozen=True, slots=True)
class Meaning:
    """An error in a user's words.

    Attributes:
        sentence: what is wrong.
        advice: what to do about it.
    """

    sentence: str
    advice: str


_KNOWN: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), Meaning(sentence, advice))
    for pattern, sentence, advice in (
        (
            r"no space left on device",
            "the disk is full",
            "free some disk, or point FLUID_CONFORMANCE_CACHE at a larger one",
        ),
        (
            r"port is already allocated|address already in use|bind for \S+ failed",
            "a port that the cluster needs is in use on this host",
            "end what listens on it (ss -ltnp names it), then run again",
        ),
        (
            r"pool overlaps with other one|networks have overlapping|non-overlapping IPv[46] address pool"
            r"|all predefined address pools have been fully subnetted",
            "the subnet that the cluster's network needs is in use by another network",
            "remove networks that nothing uses (docker network prune), or set default-address-pools of the engine",
        ),
        (
            r"node\(s\) already exist for a cluster with the name",
            "the cluster's name is taken by a cluster that appeared meanwhile",
            "choose another --cluster-name",
        ),
        (
            r"permission denied while trying to connect to the docker daemon|dial unix \S+ connect: permission denied",
            "the container engine's socket may not be opened by this user",
            "run as root, or join the group that owns the socket",
        ),
        (
            r"cannot connect to the docker daemon|is the docker daemon running|connection reset by peer.*docker",
            "the container engine does not answer any more",
            "see whether it runs, then run again; what was made half-way is recognised",
        ),
        (
            r"pull access denied|manifest unknown|failed to pull image|toomanyrequests|no such image",
            "an image is not to be had",
            "check the version and --registry, or build the images with --images=build",
        ),
        (
            r"too many open files|inotify_init",
            "the host's limit of inotify instances is used up",
            "raise it: sysctl fs.inotify.max_user_instances=512",
        ),
        (
            r"unable to apply caps|could not find a log line that matches",
            "the node's first process did not come up",
            "see the node's console in the kept journals; the host may forbid privileged containers",
        ),
        (
            r"failed to init node with kubeadm|kubelet is not running|kubelet is unhealthy"
            r"|failed to join node with kubeadm",
            "Kubernetes did not come up in the node",
            "see the node's kubelet journal; too little memory or a kernel without cgroups is the usual cause",
        ),
        (
            r"failed to setup ip tables|iptables.*(no chain|failed|permission denied)",
            "the container engine cannot set packet filter rules on this host",
            "run on a host whose kernel has iptables or nftables",
        ),
        (
            r"'overlay2?' is not supported|driver not supported|prerequisites for driver not satisfied",
            "the container engine cannot keep its layers on the file system of the cache folder",
            "point FLUID_CONFORMANCE_CACHE at a folder on ext4 or xfs",
        ),
        (
            r"(could not resolve|temporary failure resolving|no such host|network is unreachable|i/o timeout)",
            "something could not be fetched from the network",
            "check the network and its proxies, then run again; what was fetched is kept",
        ),
    )
)


def meaning(text: str) -> Meaning | None:
    """The first known error in a program's output, in a user's words."""
    return next((meaning for pattern, meaning in _KNOWN if pattern.search(text)), None)


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
