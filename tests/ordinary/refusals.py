"""What a user reads when the public registries limit, are slow, or are gone: one sentence each."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.images import pull
from clusters.progress import Progress
from tests.ordinary.checkout import FOLDER, REPOSITORY
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
    """A state of the registries, and what a run says in it.

    Attributes:
        state: in words.
        enter: brings the registries into it.
        sentence: regular expression that a line of the output contains.
        exit_code: of the run.
    """

    state: str
    enter: Callable[[Registries], None]
    sentence: str
    exit_code: int


def _limit(registries: Registries) -> None:
    registries.service = Service.LIMITED


def _slow(registries: Registries) -> None:
    registries.service = Service.SLOW


#: In this order: a registry that is gone is not started again.
REFUSALS: Final = (
    Refusal("limited", _limit, r"docker\.io serves this host no more images for now", REFUSED),
    Refusal("slow", _slow, rf"docker\.io did not deliver \S+ within {PULL_SECONDS} s", INVALID),
    Refusal("gone", Registries.close, r"docker\.io does not answer", REFUSED),
)


def prepare(guest: Guest) -> None:
    """Install the checkout's environment, and shorten the limit of a download in it."""
    file = Path(pull.__file__).relative_to(REPOSITORY)
    constant = f"^PULL_SECONDS: Final = {pull.PULL_SECONDS:_}$"
    guest.run(f"cd {FOLDER} && {_PREPARE}", timeout=PREPARE_SECONDS)
    guest.run(f"cd {FOLDER} && sed -i 's/{constant}/PULL_SECONDS: Final = {PULL_SECONDS}/' {file}")
    guest.run(f"grep -q '^PULL_SECONDS: Final = {PULL_SECONDS}$' {FOLDER}/{file}")


def observe(guest: Guest, registries: Registries, progress: Progress) -> list[str]:
    """Run with the registries in each state; returns each state with its sentence.

    Raises:
        InfrastructureError: a run said something else, ended otherwise, or left containers.
    """
    seen = []
    for refusal in REFUSALS:
        refusal.enter(registries)
        start = time.monotonic()
        with progress.stage(f"registries {refusal.state}") as stage:
            done = guest.run(f"cd {FOLDER} && {_RUN}", check=False, timeout=RUN_SECONDS, on_line=stage.says)
        found = re.search(rf"^.*{refusal.sentence}.*$", done.stdout, re.MULTILINE)
        if found is None or done.exit_code != refusal.exit_code:
            raise InfrastructureError(
                f"with registries that are {refusal.state}, the run ended with exit code {done.exit_code}",
                condition=f"exit code {refusal.exit_code} and {refusal.sentence!r}",
                last_seen=done.stdout[-3_000:],
            )
        left = guest.run("docker ps --all --quiet").stdout.split()
        if left:
            raise InfrastructureError(f"with registries that are {refusal.state}, the run left containers")
        seen.append(f"{refusal.state}: {found.group(0).strip()} ({time.monotonic() - start:.0f} s)")
    return seen
