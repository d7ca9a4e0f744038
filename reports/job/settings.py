"""What a run in the cluster is to do, and which rows it runs with which rights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clusters.disruption import Disruption
from clusters.errors import RefusalError
from clusters.rights import ADMINISTRATORS, Rights, rights_of_run
from clusters.source_choice import SourceChoice
from suites.catalogue import discovery
from suites.catalogue.scenario import Level, Scenario
from suites.run.disruptive import NO_NFS_SERVER

#: Seconds for which results wait to be retrieved, and after which a run is ended in any case.
KEEP_SECONDS: Final = 3_600
DEADLINE_SECONDS: Final = 6 * 3_600


@dataclass(frozen=True, slots=True)
class Settings:
    """A run in the cluster.

    Attributes:
        image: of the harness, as the nodes know it or can pull it.
        level: its rows run.
        scenario: only these rows, separated by commas; empty for all.
        permitted: what the rows may disturb.
        registry: mirror with the images of the harness; None if the nodes have them.
        schedule: of a CronJob, such as ``0 3 * * *``; empty for one run.
        keep: seconds for which the results wait to be retrieved.
        deadline: seconds after which Kubernetes ends the run.
        results_claim: claim in the namespace of the Job that keeps the results; empty: they go with the Pod.
        source: the existing source of the data; None for the NFS server of the harness.
        more: further arguments of ``fluid-conformance run``.
    """

    image: str
    level: Level = Level.SMOKE
    scenario: str = ""
    permitted: frozenset[Disruption] = frozenset()
    registry: str | None = None
    schedule: str = ""
    keep: int = KEEP_SECONDS
    deadline: int = DEADLINE_SECONDS
    results_claim: str = ""
    source: SourceChoice | None = None
    more: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Those of ``fluid-conformance run``, apart from the cluster and the folder of the results."""
        argv = ["--level", str(self.level)]
        if self.scenario:
            argv += ["--scenario", self.scenario]
        if self.permitted:
            argv += ["--allow-disruptive", ",".join(sorted(kind.option for kind in self.permitted))]
        if self.registry is not None:
            argv += ["--registry", self.registry]
        if self.source is not None:
            argv += self.source.arguments()
        return [*argv, *self.more]


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a run in the cluster.

    Attributes:
        running: that run.
        disruptive: that do not, because they disturb what is not permitted.
        administrators: that do not, because they create roles.
        nfs_server: that do not, because they need the NFS server of the harness and the source is another.
    """

    running: tuple[Scenario, ...]
    disruptive: tuple[Scenario, ...]
    administrators: tuple[Scenario, ...]
    nfs_server: tuple[Scenario, ...] = ()

    @property
    def rights(self) -> Rights:
        """What the rows that run need."""
        return rights_of_run(
            (one.kind for row in self.running for one in row.disturbs),
            (kind for row in self.running for kind in row.writes),
        )


def selection(settings: Settings) -> Selection:
    """Which rows run.

    Raises:
        RefusalError: there is no such row, or none would run.
    """
    asked = frozenset(word.strip().upper() for word in settings.scenario.split(",") if word.strip())
    rows = discovery.declared()
    if unknown := sorted(asked - {row.id for row in rows}):
        raise RefusalError(f"no scenario {', '.join(unknown)}", advice="docs/scenarios.md lists them")
    selected = [row for row in rows if (row.id in asked if asked else row.level <= settings.level)]
    left_out = {row.id: why for row in selected if (why := _why_not(row, settings))}
    found = Selection(
        running=tuple(row for row in selected if row.id not in left_out),
        disruptive=tuple(row for row in selected if left_out.get(row.id) == "disturbs"),
        administrators=tuple(row for row in selected if left_out.get(row.id) == "roles"),
        nfs_server=tuple(row for row in selected if left_out.get(row.id) == "server"),
    )
    if not found.running:
        raise RefusalError(
            f"none of the rows {', '.join(row.id for row in selected)} can run in the cluster",
            advice="see `fluid-conformance job plan`, or permit what they disturb with --allow-disruptive",
        )
    return found


def described(found: Selection) -> Iterator[str]:
    """The rows and the rights, line by line."""
    yield f"{len(found.running)} rows run: {', '.join(row.id for row in found.running)}"
    if found.disruptive:
        yield "\nnot run, disruptive (--allow-disruptive permits it):"
        yield from (
            f"  {row.id}: {' and '.join(one.does for one in row.disturbs)}" for row in found.disruptive
        )
    if found.administrators:
        names = ", ".join(row.id for row in found.administrators)
        yield f"\nnot run, because they create roles, which only an administrator may: {names}"
    if found.nfs_server:
        yield f"\nnot run, because {NO_NFS_SERVER}:"
        yield from (f"  {row.id}: it {row.nfs_server}" for row in found.nfs_server)
    places = (
        ("in the whole cluster", found.rights.cluster),
        ("in namespaces that the harness creates", found.rights.own),
        ("in Fluid's namespace", found.rights.fluid),
    )
    for where, grants in places:
        yield f"\nrights {where}:"
        by_resource: dict[str, set[str]] = {}
        for grant in grants:
            by_resource.setdefault(grant.resource, set()).update(grant.verbs)
        yield from (f"  {name}: {', '.join(sorted(verbs))}" for name, verbs in sorted(by_resource.items()))


def _why_not(row: Scenario, settings: Settings) -> str:
    """Why a row does not run: a word, or nothing."""
    if ADMINISTRATORS & set(row.writes):
        return "roles"
    if not _permitted(row, settings.permitted):
        return "disturbs"
    return "server" if settings.source is not None and row.nfs_server else ""


def _permitted(row: Scenario, permitted: frozenset[Disruption]) -> bool:
    return all(one.kind in permitted for one in row.disturbs)
