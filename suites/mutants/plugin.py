"""pytest plugin of the level ``mutants``: draws a sample, and continues a run that was interrupted."""

from __future__ import annotations

from typing import Any, Final

import pytest

from suites.mutants.keeping import FILE, Kept, drawn
from suites.record.run import run_of

#: The level, and the marker of its tests; see `suites.run.options.SPECIAL_LEVELS`.
LEVEL: Final = "mutants"
KEPT: Final = pytest.StashKey[Kept]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a sample."""
    group = parser.getgroup("fluid-conformance")
    group.addoption(
        "--sample", type=int, default=None, metavar="N", help="only N of the mutants, drawn by lot"
    )
    group.addoption("--sample-seed", type=int, default=1, metavar="SEED", help="of that lot (default 1)")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the mutants that are drawn and were not tried yet by the run that this one continues."""
    if config.getoption("level") != LEVEL or not items:
        return
    found: list[Any] = items  # each has a callspec, which the type does not show
    by_id: dict[str, pytest.Item] = {item.callspec.id: item for item in found}
    chosen = drawn(list(by_id), config.getoption("sample"), config.getoption("sample_seed"))
    run = run_of(config)
    kept = config.stash[KEPT] = Kept.continued(run.out.parent / FILE, chosen)
    run.mutants.extend(kept.results.values())
    # Not at the top: the modules of the suites that they import are rewritten by pytest once it has started.
    from suites.mutants.cases import MUTANTS  # noqa: PLC0415 - see above
    from suites.mutants.trial import in_order  # noqa: PLC0415 - see above

    mutants = {one.id: one for one in MUTANTS}
    untried = [mutants[id_] for id_ in chosen if id_ not in kept.results]
    items[:] = [by_id[one.id] for one in in_order(untried)]
    left = [item for item in by_id.values() if item not in items]
    if left:
        config.hook.pytest_deselected(items=left)
