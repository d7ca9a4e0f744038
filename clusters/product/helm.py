"""The helm command line: all calls of helm are written here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.commands import CommandError, Commands, Completed
from clusters.kubernetes.fields import number, text

#: Seconds for a command that changes a release, without a wait for its Pods.
HELM_SECONDS: Final = 180.0
#: Seconds in which the objects of an uninstalled release must be deleted.
UNINSTALL_SECONDS: Final = 120.0
PULL_SECONDS: Final = 120.0
RENDER_SECONDS: Final = 60.0
#: Error of helm 3 for a release whose installation was killed: helm sees its lock as that of a running one.
UNFINISHED: Final = "another operation (install/upgrade/rollback) is in progress"


@dataclass(frozen=True, slots=True)
class Helm:
    """The helm program.

    Attributes:
        program: path.
        commands: runs it.
        slowness: of this machine: a factor on the limits in seconds, see `clusters.host.speed`.
    """

    program: Path
    commands: Commands
    slowness: float = 1.0

    def pull(
        self, chart: str, version: str, *, repository: str, folder: Path, on_line: Callable[[str], None]
    ) -> Completed:
        """Download and unpack a chart into ``folder``; a non-zero exit is returned, not raised."""
        argv: list[str | Path] = [self.program, "pull", chart, "--repo", repository, "--version", version]
        argv += ["--untar", "--untardir", folder]
        return self.commands.run(argv, check=False, timeout=PULL_SECONDS * self.slowness, on_line=on_line)

    def render(self, release: str, namespace: str, chart: Path, values: Path) -> str:
        """The manifests of a chart without its hooks, as one YAML text.

        Raises:
            CommandError: helm failed.
        """
        argv: list[str | Path] = [self.program, "template", release, chart, "--namespace", namespace]
        done = self.commands.run(
            [*argv, "--values", values, "--no-hooks"], timeout=RENDER_SECONDS * self.slowness
        )
        return done.stdout


@dataclass(frozen=True, slots=True)
class HelmRelease:
    """A helm release on a cluster.

    Helm keeps chart and values of each revision, so that a release that was uninstalled with its
    history can be restored without the chart. Hooks never run: the only hook of Fluid's chart upgrades
    CRDs by an image of its own, and in 0.9.3 no value turns it off.

    Attributes:
        helm: program.
        name: of the release.
        namespace: of the release.
        kubeconfig: reaches the cluster.
    """

    helm: Helm
    name: str
    namespace: str
    kubeconfig: Path

    def install(self, chart: Path, values: Path) -> None:
        """Install the release, or upgrade it if it exists.

        Raises:
            CommandError: helm failed.
        """
        self._run(
            "upgrade", "--install", self.name, chart, "--create-namespace", "--values", values, "--no-hooks"
        )

    def status(self) -> str:
        """Such as ``deployed`` or ``pending-install``; empty if there is no such release.

        Raises:
            CommandError: helm failed.
        """
        listed = self._run("list", "--all", "--filter", f"^{self.name}$", "--output", "json").stdout
        return next((text(one, "status") for one in json.loads(listed or "[]")), "")

    def change(self, chart: Path, values: Mapping[str, str]) -> None:
        """Upgrade to a chart with some values changed, by their paths; the others stay.

        Raises:
            CommandError: helm failed.
        """
        sets = [f"--set={path}={value}" for path, value in values.items()]
        self._run("upgrade", self.name, chart, "--reuse-values", "--no-hooks", *sets)

    def revision(self) -> int:
        """The revision that is deployed.

        Raises:
            InfrastructureError: none is deployed.
        """
        revisions = json.loads(self._run("history", self.name, "--output", "json").stdout or "[]")
        deployed = [number(one, "revision") for one in revisions if text(one, "status") == "deployed"]
        if not deployed:
            raise InfrastructureError(
                f"helm release {self.name} is not deployed",
                last_seen=", ".join(text(one, "status") for one in revisions),
            )
        return deployed[-1]

    def restore(self, revision: int) -> None:
        """Roll back to a revision, also after `uninstall` with its history kept.

        Raises:
            CommandError: helm failed.
        """
        self._run("rollback", self.name, str(revision), "--no-hooks")

    def uninstall(self, *, keep_history: bool = False, wait: bool = False) -> None:
        """Delete all objects of the release, but no CRDs; a release that does not exist is fine.

        Args:
            keep_history: keep the revisions for `restore`.
            wait: until the objects are deleted.

        Raises:
            CommandError: helm failed.
        """
        words = ["--no-hooks"]
        words += ["--keep-history"] if keep_history else []
        words += ["--wait", "--timeout", f"{UNINSTALL_SECONDS:.0f}s"] if wait else []
        try:
            self._run("uninstall", self.name, "--ignore-not-found", *words)
        except CommandError as error:
            raise CommandError(
                f"helm release {self.name} could not be removed", completed=error.completed
            ) from error

    def _run(self, *words: str | Path) -> Completed:
        argv: list[str | Path] = [self.helm.program, *words, "--namespace", self.namespace]
        return self.helm.commands.run(
            [*argv, "--kubeconfig", self.kubeconfig], timeout=HELM_SECONDS * self.helm.slowness
        )
