"""A clean checkout of this repository in the guest, and the command that the README shows first."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from clusters.errors import RefusalError
from clusters.pins import PINS_FILE, published_nodes
from tests.ordinary.guest import Guest
from tests.ordinary.store import Store

REPOSITORY: Final = Path(__file__).parents[2]
#: In the user's home.
FOLDER: Final = "fluid"
_GIT_SECONDS: Final = 120.0
_COMMAND: Final = re.compile(r"^python3 -m venv .*\btox -e smoke\b.*$", re.MULTILINE)


def readme_command(readme: str, arguments: Sequence[str] = ()) -> str:
    """The README's first command for the real system, with further arguments for the suites.

    Raises:
        RefusalError: the README shows none.
    """
    match = _COMMAND.search(readme)
    if match is None:
        raise RefusalError("README.md shows no command with tox -e smoke")
    command = match.group(0).rstrip()
    if not arguments:
        return command
    return f"{command}{'' if ' -- ' in command else ' --'} {shlex.join(arguments)}"


def clone(guest: Guest) -> str:
    """Clone the commit that is checked out here into the user's home; returns its hash.

    Changes that are not committed are not part of it.
    """
    commands = guest.network.commands
    with TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle")
        git = ("git", "-C", REPOSITORY)
        commands.run([*git, "bundle", "create", bundle, "HEAD"], timeout=_GIT_SECONDS)
        commit = commands.run([*git, "rev-parse", "HEAD"], timeout=_GIT_SECONDS).stdout.strip()
        guest.run("base64 -d > bundle", stdin=base64.b64encode(bundle.read_bytes()).decode())
    guest.run(f"rm -rf {FOLDER} && git clone -q bundle {FOLDER} && rm bundle")
    return commit


def pin_digests(guest: Guest, store: Store) -> list[str]:
    """Replace the digests of published node images that the stand-in serves by those that it has.

    The stand-in cannot serve the bytes of the real images. That the harness pulls by digest, and refuses
    another content, is the same with a digest of this store.

    Returns:
        The names of these images.
    """
    changed = []
    for version, published in published_nodes().items():
        name = f"kindest/node:v{version}"
        if store.has(name):
            file = PINS_FILE.relative_to(REPOSITORY)
            guest.run(f"sed -i s/{published}/{store.digest(name)}/ {FOLDER}/{file}")
            changed.append(name)
    return changed
