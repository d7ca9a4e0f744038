"""Debian roots, from the mirror that this machine's own apt uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError
from clusters.host.commands import Commands
from clusters.progress import RunningStage

_DEBOOTSTRAP_SECONDS: Final = 1_800.0


def mirror(commands: Commands) -> str:
    """The address of the Debian archive that apt on this machine uses.

    Raises:
        RefusalError: apt has no source that is a Debian archive.
    """
    targets = commands.run(["apt-get", "indextargets", "--format", "$(LABEL)|$(COMPONENT)|$(REPO_URI)"])
    for line in targets.stdout.splitlines():
        label, component, address = line.split("|", 2)
        # The security archive has a label of its own.
        if label == "Debian" and component == "main":
            return address.rstrip("/")
    raise RefusalError(
        "apt on this machine has no Debian archive among its sources",
        advice="run this check on Debian, after apt-get update",
    )


def debootstrap(
    commands: Commands, release: str, root: Path, packages: Sequence[str], stage: RunningStage
) -> None:
    """Install a minimal Debian with the packages into a new folder ``root``; needs root.

    Raises:
        CommandError: debootstrap failed.
    """
    argv: list[str | Path] = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    commands.run([*argv, release, root, mirror(commands)], timeout=_DEBOOTSTRAP_SECONDS, on_line=stage.says)
