"""Hashes of Go modules: what is built is compared with hashes of this repository, not with a service.

`go_modules.sum` has, in the form of a go.sum, the modules that the harness names, and those of the same
projects that these replace by folders of their own repository. The hash of a named module covers its own
go.sum, which has the hashes of all others that it requires. Go compares its downloads with these, and adds a
line for each module that none of them has; such a line is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError

KEPT_FILE: Final = Path(__file__).with_name("go_modules.sum")
GO_SUM: Final = "go.sum"
_NAMED: Final = 3


@cache
def kept() -> frozenset[str]:
    """The lines of `go_modules.sum`."""
    return _lines(KEPT_FILE)


def require_kept(path: str, version: str, found: str, found_mod: str) -> None:
    """Compare a module that was downloaded with its hash in `go_modules.sum`.

    Args:
        path: of the module.
        version: without the leading ``v``.
        found: hash of the module, such as ``h1:…``.
        found_mod: hash of its go.mod.

    Raises:
        InfrastructureError: it has another hash, or none is kept.
    """
    lines = {f"{path} v{version} {found}", f"{path} v{version}/go.mod {found_mod}"}
    if lines <= kept():
        return
    prefix = f"{path} v{version}"
    known = sorted(line for line in kept() if line.startswith((f"{prefix} ", f"{prefix}/go.mod ")))
    if not known:
        raise InfrastructureError(
            f"{KEPT_FILE.name} has no hash of Go module {path} v{version}",
            last_seen="; ".join(sorted(lines)),
            advice=f"compare what was seen with sum.golang.org/lookup/{path}@v{version}, and add it",
        )
    raise InfrastructureError(
        f"Go module {path} v{version} is not the one whose hash is kept",
        condition="; ".join(known),
        last_seen="; ".join(sorted(lines)),
        advice="check GOPROXY: it answers with another content",
    )


def write(folder: Path, modules: Iterable[Path]) -> None:
    """Write the go.sum of a module of the harness.

    Args:
        folder: of the module.
        modules: folders of the modules that it requires, whose hashes were compared.
    """
    lines = kept().union(*(_lines(module / GO_SUM) for module in modules))
    (folder / GO_SUM).write_text("".join(f"{line}\n" for line in sorted(lines)))


def of(folder: Path) -> frozenset[str]:
    """The lines of a module's go.sum; none without one."""
    return _lines(folder / GO_SUM)


def require_no_more(folder: Path, known: frozenset[str]) -> None:
    """Refuse what was built from modules whose hashes are not known.

    Raises:
        InfrastructureError: Go has added lines to the go.sum of the module.
    """
    more = sorted(of(folder) - known)
    if more:
        named = "; ".join(more[:_NAMED])
        raise InfrastructureError(
            f"the build needs modules without a known hash, so that nothing vouches for them ({len(more)} "
            f"line{'s' if len(more) > 1 else ''} of go.sum)",
            last_seen=named if len(more) <= _NAMED else f"{named} and {len(more) - _NAMED} more",
            advice=f"add them to {KEPT_FILE.name}, or to the go.sum of the checkout (`go mod tidy`)",
        )


def _lines(file: Path) -> frozenset[str]:
    if not file.exists():
        return frozenset()
    return frozenset(line.strip() for line in file.read_text().splitlines() if line.strip())
