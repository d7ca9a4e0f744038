"""Errors of docker and kind as they write them, and the errors that they become."""

from __future__ import annotations

import pytest

from clusters.host.commands import CommandError, Completed
from clusters.host.known_errors import meaning, retold

KIND_SUBNET = """\
ERROR: failed to create cluster: failed to ensure docker network: command "docker network create -d=bridge \
-o com.docker.network.bridge.enable_ip_masquerade=true kind" failed with error: exit status 1
Command Output: Error response from daemon: could not find an available, non-overlapping IPv4 address pool \
among the defaults to assign to the network"""
OVERLAP = "Error response from daemon: Pool overlaps with other one on this address space"
PORT = (
    "docker: Error response from daemon: driver failed programming external connectivity on endpoint "
    "demo-control-plane: Bind for 127.0.0.1:6443 failed: port is already allocated."
)
TAKEN = 'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "demo"'
GONE = (
    "Cannot connect to the Docker daemon at unix:///run/x/docker.sock. Is the docker daemon running?\n"
    'ERROR: failed to get cluster "demo"'
)
DENIED = (
    "Got permission denied while trying to connect to the Docker daemon socket at "
    'unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/version": '
    "dial unix /var/run/docker.sock: connect: permission denied"
)
FULL = "Error processing tar file(exit status 1): write /usr/bin/kubelet: no space left on device"
NO_LOG = (
    'ERROR: failed to create cluster: could not find a log line that matches "Reached target .*Multi-User"'
)
KUBEADM = "ERROR: failed to create cluster: failed to init node with kubeadm: command failed: exit status 1"
PULL = 'ERROR: failed to create cluster: failed to pull image "kindest/node:v9": command failed'
TABLES = "failed to start daemon: Error initializing network controller: failed to setup IP tables"
OVERLAY = "failed to start daemon: error initializing graphdriver: driver not supported"
OFFLINE = "Err:1 http://deb.example bookworm InRelease\n  Temporary failure resolving 'deb.example'"
FILES = "Failed to create control group inotify object: Too many open files"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (KIND_SUBNET, "subnet"),
        (OVERLAP, "subnet"),
        (PORT, "port"),
        (TAKEN, "name"),
        (GONE, "engine does not answer"),
        (DENIED, "this user"),
        (FULL, "disk is full"),
        (NO_LOG, "first process"),
        (KUBEADM, "Kubernetes did not come up"),
        (PULL, "image"),
        (TABLES, "packet filter"),
        (OVERLAY, "file system of the cache"),
        (OFFLINE, "network"),
        (FILES, "inotify"),
    ],
)
def test_known_errors_have_a_meaning_and_advice(text: str, word: str) -> None:
    """Each of them is a sentence that a user understands, with something to do."""
    found = meaning(text)
    assert found is not None
    assert word in found.sentence
    assert found.advice


def test_other_output_has_none() -> None:
    """Nothing is guessed."""
    assert meaning("Step 3/9 : RUN true\n ---> Using cache") is None


def test_a_known_error_is_retold_with_its_output() -> None:
    """The sentence is first, and the output of the program is kept."""
    done = Completed(("kind",), 1, PORT, "")
    error = retold(CommandError("kind failed with exit code 1", completed=done), "cluster demo was not made")
    assert error.message == "cluster demo was not made: a port that the cluster needs is in use on this host"
    assert error.last_seen == PORT
    assert "ss -ltnp" in error.advice


def test_an_unknown_error_keeps_its_own_words() -> None:
    """Nothing of it is lost."""
    done = Completed(("kind",), 1, "strange", "")
    error = retold(CommandError("kind failed", completed=done, advice="pray"), "cluster demo was not made")
    assert (error.message, error.last_seen) == ("cluster demo was not made: kind failed", "strange")
    assert error.advice == "pray"
