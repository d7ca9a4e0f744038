"""The command `claims`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from reports.performance.report import load_results

COMMANDS: Final = ("claims",)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    claims = commands.add_parser(
        "claims",
        help="report how often comparisons of recorded runs of one system claim a difference",
        description="Compares sides that are drawn from the runs, as they are and with a slowdown. Exit code "
        "0 if few claims are false and the slowdown is found, 1 if not, 2 if the runs do not suffice.",
    )
    claims.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    claims.add_argument("--side", type=int, default=3, metavar="N", help="runs on each side (default 3)")
    claims.add_argument("--comparisons", type=int, default=50, metavar="N", help="of each kind (default 50)")
    claims.add_argument("--slowdown", type=float, default=15.0, metavar="PERCENT", help="default 15")


def run(options: argparse.Namespace) -> int:
    """Run it; the exit code."""
    from reports.performance import false_claims  # noqa: PLC0415 - the judge loads numpy

    runs = [load_results(place) for place in options.runs]
    slowdown = options.slowdown / 100
    rates = false_claims.false_claims(
        runs, side=options.side, comparisons=options.comparisons, slowdown=slowdown
    )
    sys.stdout.write(false_claims.render(rates, len(runs), slowdown))
    return 0 if all(one.holds for one in rates) else 1
