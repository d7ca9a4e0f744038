"""What a user reads where the engine or the registries do not serve a run: one sentence each."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.images import pull
from clusters.progress import Progress
from tests.ordinary.checkout import FOLDER, REPOSITORY
from tests.ordinary.disk import USER
from tests.ordinary.guest import Guest
from tests.ordinary.registries import Registries, Service

#: In place of `clusters.images.pull.PULL_SECONDS`, of which nobody waits for the end.
PULL_SECONDS: Final = 60
RUN_SECONDS: Final = 600.0
PREPARE_SECONDS: Final = 1_200.0
#: Exit codes of the README.
INVALID: Final = 3
REFUSED: Final = 4
_PREPARE: Final = (
    "python3 -m venv .venv && .venv/bin/pip install --quiet tox && .venv/bin/tox -e smoke --notest"
)
_RUN: Final = ".tox/dev/bin/python -m pytest suites --level smoke --scenario A1 --images=pull"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A state of the guest or of its registries, and what a run says in it.

    Attributes:
        state: in words.
        sentence: regular expression that a line of the output contains.
        enter: a command line of root that brings the guest into it.
        leave: a command line of root that brings the guest out of it.
        registries: brings the registries into it.
        exit_code: of the run.
    """

    state: str
    sentence: str
    enter: str = "true"
    leave: str = "true"
    registries: Callable[[Registries], None] | None = None
    exit_code: int = REFUSED


def _limit(registries: Registries) -> None:
    registries.service = Service.LIMITED


def _slow(registries: Registries) -> None:
    registries.service = Service.SLOW


#: A Docker context of an engine that is reached by SSH; that it is this machine's own does not matter.
_REMOTE: Final = (
    "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519",
    "cat ~/.ssh/id_ed25519.pub >> ~/.ssh/authorized_keys",
    "ssh-keyscan 127.0.0.1 >> ~/.ssh/known_hosts",
    f"docker context create far --docker host=ssh://{USER}@127.0.0.1",
    "docker context use far",
)
#: In this order: a registry that is gone is not started again, and Podman replaces Docker.
REFUSALS: Final = (
    Refusal(
        "Docker is stopped",
        r"no container engine answers on this host",
        enter="systemctl stop docker.socket docker.service",
        leave="systemctl start docker.service",
    ),
    Refusal(
        "the user is not in group docker",
        r"socket may not be opened by this user",
        enter=f"gpasswd --delete {USER} docker",
        leave=f"gpasswd --add {USER} docker",
    ),
    Refusal(
        "the current context is an engine of another host",
        rf"the engine at ssh://{USER}@127\.0\.0\.1 is on another host",
        enter=f"su - {USER} -c {shlex.quote(' && '.join(_REMOTE))}",
        leave=f"su - {USER} -c 'docker context use default'",
    ),
    Refusal(
        "the registries limit",
        r"docker\.io serves this host no more images for now",
        registries=_limit,
    ),
    Refusal(
        "the registries are slow",
        rf"docker\.io did not deliver \S+ within {PULL_SECONDS} s",
        registries=_slow,
        exit_code=INVALID,
    ),
    Refusal("the registries are gone", r"docker\.io does not answer", registries=Registries.close),
    Refusal(
        "Podman under the name of Docker's client",
        r"the harness needs Docker",
        enter="apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install podman podman-docker",
    ),
)


def prepare(guest: Guest) -> None:
    """Install the checkout's environment, and shorten the limit of a download in it."""
    file = Path(pull.__file__).relative_to(REPOSITORY)
    constant = f"^PULL_SECONDS: Final = {pull.PULL_SECONDS:_}$"
    guest.run(f"cd {FOLDER} && {_PREPARE}", timeout=PREPARE_SECONDS)
    guest.run(f"cd {FOLDER} && sed -i 's/{constant}/PULL_SECONDS: Final = {PULL_SECONDS}/' {file}")
    guest.run(f"grep -q '^PULL_SECONDS: Final = {PULL_SECONDS}$' {FOLDER}/{file}")


def observe(guest: Guest, registries: Registries, progress: Progress) -> list[str]:
    """Run in each state; returns each state with its sentence.

    Raises:
        InfrastructureError: a run said something else, ended otherwise, or left containers.
    """
    seen = []
    for refusal in REFUSALS:
        guest.run(refusal.enter, user="root", timeout=PREPARE_SECONDS)
        if refusal.registries is not None:
            refusal.registries(registries)
        start = time.monotonic()
        with progress.stage(refusal.state) as stage:
            done = guest.run(f"cd {FOLDER} && {_RUN}", check=False, timeout=RUN_SECONDS, on_line=stage.says)
        guest.run(refusal.leave, user="root")
        found = re.search(rf"^.*{refusal.sentence}.*$", done.stdout, re.MULTILINE)
        if found is None or done.exit_code != refusal.exit_code:
            raise InfrastructureError(
                f"where {refusal.state}, the run ended with exit code {done.exit_code}",
                condition=f"exit code {refusal.exit_code} and {refusal.sentence!r}",
                last_seen=done.stdout[-3_000:],
            )
        left = guest.run("docker ps --all --quiet", user="root").stdout.split()
        if left:
            raise InfrastructureError(f"where {refusal.state}, the run left containers")
        seen.append(f"{refusal.state}: {found.group(0).strip()} ({time.monotonic() - start:.0f} s)")
    return seen
