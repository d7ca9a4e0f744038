"""What a scenario is: one behaviour that a user of Fluid recognises, with its id and level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

import pytest

from clusters.disruption import Disruption
from clusters.kubernetes.kinds import Kind
from suites.record.defects import Defect, Leftover
from suites.record.versions import Since
from suites.steps.user import User

#: Creates the Dataset `suites.steps.user.DATASET`, its runtime and what they need, in the namespace of the
#: user, which has the source claim already. It does not wait for phase Bound.
DatasetCreator = Callable[[User], None]

Test = TypeVar("Test", bound=Callable[..., Any])

MARKER: Final = "scenario"


class Level(IntEnum):
    """How much is run; each level includes the ones before it."""

    SMOKE = 1
    CONFORMANCE = 2
    FULL = 3

    @classmethod
    def of(cls, name: str) -> Level:
        """The level of that (lower-case) name; ValueError when there is none."""
        try:
            return cls[name.upper()]
        except KeyError:
            names = ", ".join(level.name.lower() for level in cls)
            raise ValueError(f"no level {name!r}; there are {names}") from None

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What a scenario does to things that others on the cluster use, too.

    Attributes:
        kind: of these things.
        does: what it does to them, such as "drops the page cache of the reader's node".
    """

    kind: Disruption
    does: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.does}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario as its marker and docstring declare it.

    Attributes:
        id: row of the catalogue, such as ``B1``.
        level: the first level at which it runs.
        title: what must hold; first line of the test's docstring.
        does: what the user does; the rest of the docstring.
        issues: numbers of Fluid's issues that it guards.
        defects: suspected defects of the product that it checks.
        alone: it touches the whole host or cluster, so nothing else may run at the same time.
        nodes: how many nodes that take Pods it needs.
        since: the first version of Fluid that has what it is about; None is every one.
        leftovers: what is known to be left when its Datasets are removed; anything else is a failure.
        dataset: how its Dataset (``dataset_owner``) is created, ahead of time where there is room.
        untouched: at level full it also runs in a form in which no reconcile is requested from Fluid.
        fields: fields of Fluid's resources, such as ``Dataset.spec.accessModes``, that turn it red when they
            are ignored or wrong; only those that its checks assert.
        disturbs: what it does outside the namespaces of the harness; nothing if it is empty.
        writes: kinds of objects that it creates, changes or deletes, in addition to those of every scenario
            (`clusters.rights`).
        nfs_server: what it does with the NFS server of the harness, such as "stops the NFS server"; it does
            not run with an existing source. Empty if it only needs files on NFS.
        file: its test file, relative to the repository.
    """

    id: str
    level: Level
    title: str
    does: str = ""
    issues: tuple[int, ...] = ()
    defects: tuple[Defect, ...] = ()
    alone: bool = False
    nodes: int = 1
    since: Since | None = None
    leftovers: tuple[Leftover, ...] = ()
    dataset: DatasetCreator = User.creates_dataset
    untouched: bool = False
    fields: tuple[str, ...] = ()
    disturbs: tuple[Disturbance, ...] = ()
    writes: tuple[Kind, ...] = ()
    nfs_server: str = ""
    file: str = ""

    @property
    def disturbs_others(self) -> bool:
        """What other scenarios watch meanwhile may be affected by it."""
        return self.alone or bool(self.disturbs)


def scenario(
    id: str,  # noqa: A002 - the catalogue's own word, always passed first
    level: Level,
    *,
    issues: tuple[int, ...] = (),
    defects: tuple[Defect, ...] = (),
    alone: bool = False,
    nodes: int = 1,
    since: Since | None = None,
    leftovers: tuple[Leftover, ...] = (),
    dataset: DatasetCreator = User.creates_dataset,
    untouched: bool = False,
    fields: tuple[str, ...] = (),
    disturbs: Mapping[Disruption, str] | None = None,
    writes: tuple[Kind, ...] = (),
    nfs_server: str = "",
) -> Callable[[Test], Test]:
    """Mark a test function as the scenario ``id``; its docstring says what must hold.

    Everything that it changes outside the namespaces of the harness has to be in ``disturbs``: a change that
    is not declared is refused, and fails the scenario. ``writes`` decides its rights on a cluster where the
    run has only those of its rows. ``nfs_server`` says why an existing source does not serve.
    """

    def mark(test: Test) -> Test:
        lines = (test.__doc__ or "").strip().splitlines()
        if not lines:
            raise TypeError(f"scenario {id} ({test.__name__}) has no docstring to say what must hold")
        does = " ".join(line.strip() for line in lines[1:] if line.strip())
        if unknown := {one.defect for one in leftovers} - {defect.key for defect in defects}:
            raise TypeError(f"scenario {id} declares leftovers of defects that are not its own: {unknown}")
        declared = Scenario(
            id=id,
            level=level,
            title=lines[0].strip(),
            does=does,
            issues=issues,
            defects=defects,
            alone=alone,
            nodes=nodes,
            since=since,
            leftovers=leftovers,
            dataset=dataset,
            untouched=untouched,
            fields=fields,
            disturbs=tuple(Disturbance(kind, does) for kind, does in (disturbs or {}).items()),
            writes=writes,
            nfs_server=nfs_server,
            file=f"{test.__module__.replace('.', '/')}.py",
        )
        marked: Test = pytest.mark.scenario(declared)(test)
        return marked

    return mark


def of(item: pytest.Item) -> Scenario | None:
    """The scenario that a collected test declares, or None for an ordinary test."""
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    declared = marker.args[0]
    assert isinstance(declared, Scenario)
    return declared
