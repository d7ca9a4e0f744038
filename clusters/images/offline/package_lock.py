"""`python -m clusters.images.offline.package_lock`: writes the hashes of the packages in the harness's image.

Run it after a change of the dependencies in pyproject.toml. pip resolves them for each machine without
installing anything, and the hashes of the wheels that it would install are kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from clusters.host.commands import Commands, SystemCommands
from clusters.images.offline.harness_image import PACKAGES, for_the_image, requirements

#: Machines, as the names of wheels have them.
MACHINES: Final = ("aarch64", "x86_64")
_HEAD: Final = (
    "# Python packages of the harness's image with the SHA-256 of their wheels, for all machines.\n"
    "# Made by `python -m clusters.images.offline.package_lock`.\n"
)


def locked(wanted: Iterable[str], commands: Commands) -> str:
    """The content of the file: packages, and what they depend on, with their hashes.

    Args:
        wanted: requirements, as in pyproject.toml.
        commands: runs pip.
    """
    hashes: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        listed, report = Path(place, "requirements.txt"), Path(place, "report.json")
        listed.write_text("\n".join(wanted) + "\n")
        for machine in MACHINES:
            argv = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
            argv += ["--report", str(report), *for_the_image(machine, Path(place, "none")), "-r", str(listed)]
            commands.run(argv)
            for package in json.loads(report.read_text())["install"]:
                name, value = _hash(package)
                hashes.setdefault(name, set()).add(value)
    lines = [
        " \\\n    ".join([name, *(f"--hash=sha256:{value}" for value in sorted(values))]) + "\n"
        for name, values in sorted(hashes.items())
    ]
    return _HEAD + "".join(lines)


def _hash(package: Mapping[str, Any]) -> tuple[str, str]:
    """Requirement and hash of one package of pip's report (its format has version 1)."""
    metadata = package["metadata"]
    name = str(metadata["name"]).lower().replace("_", "-")
    return f"{name}=={metadata['version']}", str(package["download_info"]["archive_info"]["hashes"]["sha256"])


if __name__ == "__main__":
    PACKAGES.write_text(locked(requirements(), SystemCommands()))
