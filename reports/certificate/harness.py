"""The harness's own files, by which a certificate says what made it."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pydantic import Field

from clusters.digests import digest, file_digest
from reports.verdict.model import Model

#: The folder with the code of the harness.
HOUSE: Final = Path(__file__).parents[2]
FOLDERS: Final = ("clusters", "workloads", "suites", "reports")
_DISTRIBUTION: Final = "fluid-conformance"


class HarnessFacts(Model):
    """What made a certificate: `harness.json`."""

    version: str = Field(description="of the package; empty: not installed")
    commit: str = Field("", description="git commit of the checkout; empty: not a checkout")
    changed: bool = Field(False, description="the checkout has changes that are not committed")
    files: dict[str, str] = Field(description="SHA-256 of each file by its path")

    @property
    def code(self) -> str:
        """Digest of the Python code alone, as `suites.record.run.own_digest` computes it for a run."""
        return digest(f"{Path(name)}:{sha}" for name, sha in _python(self.files))


def _python(files: dict[str, str]) -> list[tuple[str, str]]:
    found = [(name, sha) for name, sha in files.items() if name.endswith(".py")]
    # The order of `own_digest`: folder by folder, each sorted by the parts of the paths.
    return sorted(found, key=lambda one: Path(one[0]))


@cache
def harness_facts() -> HarnessFacts:
    """The facts of the harness that runs now."""
    files = sorted(
        path
        for folder in FOLDERS
        for path in (HOUSE / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    )
    try:
        installed = version(_DISTRIBUTION)
    except PackageNotFoundError:
        installed = ""
    commit = _git("rev-parse", "HEAD") if (HOUSE / ".git").exists() else ""
    return HarnessFacts(
        version=installed,
        commit=commit,
        changed=bool(commit and _git("status", "--porcelain", "--", *FOLDERS)),
        files={path.relative_to(HOUSE).as_posix(): file_digest(path) for path in files},
    )


def _git(*words: str) -> str:
    """Output of git, or nothing where it is missing or fails: the digests say what counts."""
    try:
        done = subprocess.run(
            ["git", "-C", str(HOUSE), *words], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
