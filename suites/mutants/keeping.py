"""The results of a run of mutants, kept in a file, so that a run that was interrupted can be continued."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from clusters.errors import RefusalError

#: Name of the file below the folder of all runs.
FILE: Final = "mutants.json"


@dataclass
class Kept:
    """Which mutants a run tries, and what came of those that it has tried.

    Attributes:
        path: the file.
        selection: ids, in their order.
        results: rows of `suites.mutants.result.Result.as_json` by id.
    """

    path: Path
    selection: tuple[str, ...]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def continued(cls, path: Path, selection: Sequence[str]) -> Self:
        """The results of the last run of the same mutants where it was interrupted, else none.

        Raises:
            RefusalError: the file is there and cannot be read.
        """
        chosen = tuple(selection)
        if path.exists():
            saved = read(path)
            done = {row["id"]: row for row in saved["results"]}
            if tuple(saved["selection"]) == chosen and set(chosen) - done.keys():
                return cls(path, chosen, done)
        return cls(path, chosen)

    def note(self, id_: str, *, repaired: str) -> None:
        """Add what was repaired at the source after a mutant to its result, if there is one."""
        row = self.results.get(id_)
        if row is not None:
            row["repaired"] = "; ".join(text for text in (row["repaired"], repaired) if text)
            self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        """Keep what came of one more mutant."""
        self.results[row["id"]] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        saved = {"selection": self.selection, "results": list(self.results.values())}
        new.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n")
        new.replace(self.path)


def read(path: Path) -> Mapping[str, Any]:
    """The content of a file of results.

    Raises:
        RefusalError: it is not one.
    """
    try:
        saved: dict[str, Any] = json.loads(path.read_text())
        saved = {
            "selection": list(saved["selection"]),
            "results": [{"id": row["id"], **row} for row in saved["results"]],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusalError(
            f"{path} is no file of results of mutants", advice="delete it, and run the mutants again"
        ) from error
    return saved


def drawn(ids: Sequence[str], sample: int | None, seed: int) -> tuple[str, ...]:
    """So many of the ids, drawn by lot, in their order; all where ``sample`` is None or no smaller number."""
    if sample is None or sample >= len(ids):
        return tuple(ids)
    numbers = random.Random(seed).sample(range(len(ids)), max(0, sample))  # noqa: S311 - an order, not a secret
    return tuple(ids[number] for number in sorted(numbers))
