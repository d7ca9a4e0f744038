"""What git says about a local checkout of Fluid."""

from __future__ import annotations

from clusters.facts import FluidSourceFacts
from clusters.fluid_source import FluidSource
from clusters.host.commands import CommandError, Commands


def source_facts(source: FluidSource, commands: Commands) -> FluidSourceFacts:
    """The commit of a checkout and whether its files differ from it; no commit where git knows none."""

    def git(*words: str) -> str:
        # The checkout may belong to another user than the one who runs the harness.
        argv = ["git", "-c", f"safe.directory={source.folder}", "-C", str(source.folder), *words]
        try:
            done = commands.run(argv, check=False, timeout=60)
        except CommandError:
            return ""
        return done.stdout.strip() if done.exit_code == 0 else ""

    commit = git("rev-parse", "HEAD")
    return FluidSourceFacts(
        commit=commit, changed=bool(commit and git("status", "--porcelain")), digest=source.digest
    )
