"""Fluid's own helm release on a cluster: changed, uninstalled, and brought back from its history.

Helm keeps chart and values of each revision, so a release that was uninstalled with its history
comes back as it was, without the chart at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters.errors import InfrastructureError
from clusters.host.commands import Commands
from clusters.images import charts
from clusters.images.offline import artifacts
from clusters.images.offline.tools import Tools
from clusters.kubernetes.fields import number, text
from clusters.product.fluid import HELM_SECONDS, NAMESPACE, RELEASE


@dataclass(frozen=True, slots=True)
class FluidRelease:
    """The release of Fluid.

    Attributes:
        helm: program.
        kubeconfig: reaches the cluster.
        commands: runs programs.
    """

    helm: Path
    kubeconfig: Path
    commands: Commands

    def revision(self) -> int:
        """The revision that is deployed.

        Raises:
            InfrastructureError: none is.
        """
        told = json.loads(self._run("history", RELEASE, "--output", "json") or "[]")
        deployed = [number(one, "revision") for one in told if text(one, "status") == "deployed"]
        if not deployed:
            raise InfrastructureError(
                "Fluid's helm release is not deployed", last_seen=", ".join(text(o, "status") for o in told)
            )
        return deployed[-1]

    def change(self, chart: Path, values: Mapping[str, str]) -> None:
        """Upgrade to a chart with some values set anew, by their paths; the others stay."""
        sets = [f"--set={path}={value}" for path, value in values.items()]
        self._run("upgrade", RELEASE, chart, "--reuse-values", "--no-hooks", *sets)

    def uninstall(self) -> None:
        """Remove all that the release made; its history and Fluid's CRDs stay."""
        self._run("uninstall", RELEASE, "--keep-history", "--no-hooks")

    def restore(self, revision: int) -> None:
        """Bring a revision back, also after the release was uninstalled."""
        self._run("rollback", RELEASE, str(revision), "--no-hooks")

    def _run(self, *words: str | Path) -> str:
        argv: list[str | Path] = [self.helm, *words, "--namespace", NAMESPACE]
        return self.commands.run([*argv, "--kubeconfig", self.kubeconfig], timeout=HELM_SECONDS).stdout


def chart_of(tools: Tools, helm: Path) -> Path:
    """The folder of Fluid's chart at the version of the options: from a build that is there, else fetched."""
    version = tools.options.versions.fluid
    built = tools.cache.path(artifacts.fluid(version))
    if built.exists():
        return built / "charts" / "fluid" / "fluid"
    return tools.obtain(charts.fluid_chart(version, helm)) / "fluid"
