"""``python -m reports``: render the reports of a run again, compare runs, show many."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from clusters.errors import HarnessError, RefusalError
from reports import run_files
from reports.certificate import command as certificate
from reports.files import write_atomically
from reports.job import command as job
from reports.performance import claims_command as claims
from reports.performance.report import load_results
from reports.qualification import command as qualification
from reports.runs import flakiness
from reports.verdict import model
from reports.verdict.summary import terminal_lines
from suites.benchmark.model import results

#: Have commands of their own.
_MODULES: Final = (certificate, claims, qualification, job)
_RUN: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    command: module.run for module in _MODULES for command in module.COMMANDS
}
#: The schemas, by the name of their file.
SCHEMAS: Final[Mapping[str, Callable[[], str]]] = {
    "verdict": model.schema_text,
    "benchmark": results.schema_text,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 when it could be done, 2 when it could not be; of ``compare`` 1 for a claimed regression, of
        ``repeats`` 1 for a scenario that differs, of ``claims`` 1 for rates that are not reached, and of all
        three 2 when the runs cannot be compared.
    """
    parser = argparse.ArgumentParser(prog="python -m reports", description="Reports of runs that have ended.")
    add_commands(parser.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    options = parser.parse_args(argv)
    try:
        return _run(options)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cannot write the report: {error}\n")
        return 2


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands about runs that have ended."""
    show = commands.add_parser(
        "show",
        help="write the reports of a run again, and print its verdict",
        description="From its JSON alone.",
    )
    show.add_argument("dir", type=Path, metavar="DIR", help="the folder of a run, such as out/latest")
    schema = commands.add_parser("schema", help="print the JSON schema of verdict.json or benchmark.json")
    schema.add_argument("file", nargs="?", choices=list(SCHEMAS), default="verdict")
    compare = commands.add_parser(
        "compare",
        help="judge whether run B measured slower than run A, or runs B than runs A",
        usage="%(prog)s A B | %(prog)s A A A … --to B B B …",
        description="Exit code 1 for a claimed regression, 0 for none, 2 when they cannot be compared. With "
        "three or more runs on each side the run is the unit; with one, its rounds are.",
    )
    compare.add_argument("a", type=Path, metavar="A", help="the folder of the earlier run")
    compare.add_argument(
        "b",
        nargs="+",
        type=Path,
        metavar="B",
        help="that of the later run, or before --to further earlier ones",
    )
    compare.add_argument("--to", nargs="+", type=Path, metavar="B", help="the folders of the later runs")
    history = commands.add_parser("history", help="plot what many runs measured, on one page")
    history.add_argument("dir", type=Path, metavar="DIR", help="the folder of the runs, such as out")
    history.add_argument("--to", type=Path, metavar="FILE", help="the page (default: DIR/history.html)")
    again = commands.add_parser(
        "repeats",
        help="report whether scenarios ended the same way in many runs",
        description="Exit code 1 when one did not, 0 when all did, 2 when none ran twice on the same system.",
    )
    again.add_argument(
        "dirs", nargs="+", type=Path, metavar="DIR", help="folders of runs, such as out, or of one run"
    )
    overview = commands.add_parser(
        "overview", help="each row of the catalogue and each sabotage, over many runs, by version of Fluid"
    )
    overview.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="as for repeats")
    matrix = commands.add_parser(
        "matrix", help="many results by version of Fluid, Kubernetes and Alluxio, with what was never run"
    )
    matrix.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="as for repeats")
    matrix.add_argument("--to", type=Path, metavar="FILE", help="the page (default: matrix.html in DIR)")
    for module in _MODULES:
        module.add_commands(commands)


def _run(options: argparse.Namespace) -> int:
    if options.command in _RUN:
        return _RUN[options.command](options)
    match options.command:
        case "schema":
            sys.stdout.write(SCHEMAS[options.file]())
        case "show":
            _show(options.dir)
        case "compare":
            return _compare([options.a, *options.b], options.to)
        case "repeats":
            return _repeats(options.dirs)
        case "overview":
            _overview(options.dirs)
        case "matrix":
            _matrix(options.dirs, options.to)
        case _:
            _history(options.dir, options.to)
    return 0


def _show(folder: Path) -> None:
    verdict = model.load(folder / model.FILE) if (folder / model.FILE).exists() else None
    measured = None
    if (folder / results.FILE).exists() or (verdict is not None and verdict.benchmark is not None):
        measured = load_results(folder)
        if not (folder / results.FILE).exists():
            results.save(folder, measured)
    if verdict is None and measured is None:
        verdict = model.load(folder / model.FILE)  # for its error
    run_files.write(folder, verdict, measured)
    lines = [text for text, _ in terminal_lines(verdict)] if verdict is not None else []
    sys.stdout.write("\n".join([*lines, f"report: {folder / run_files.PAGE}"]) + "\n")


def _compare(runs: Sequence[Path], to: Sequence[Path] | None) -> int:
    from reports.performance import compare, compare_text  # noqa: PLC0415 - the judge loads numpy

    if to is None:
        if len(runs) != 2:  # noqa: PLR2004 - A and B
            raise RefusalError(
                f"compare needs two runs without --to, and {len(runs)} are named",
                advice="of several runs on each side, name the later ones after --to",
            )
        runs, to = runs[:1], runs[1:]
    (a, *more_a), (b, *more_b) = (tuple(map(load_results, side)) for side in (runs, to))
    outcome = compare.compare(a, b, repeats=(tuple(more_a), tuple(more_b)))
    sys.stdout.write(compare_text.render(outcome))
    return outcome.status


def _repeats(places: Sequence[Path]) -> int:
    found = flakiness.read(places)
    sys.stdout.write(flakiness.render(found))
    return found.status


def _overview(places: Sequence[Path]) -> None:
    from reports.runs import overview  # noqa: PLC0415 - it needs what the suites need

    sys.stdout.write(overview.render(overview.read(places)))


def _matrix(places: Sequence[Path], to: Path | None) -> None:
    from reports.runs import matrix  # noqa: PLC0415 - it needs what the suites need

    page = to or places[0] / matrix.FILE
    write_atomically(page, matrix.render(matrix.read(places)))
    sys.stdout.write(f"matrix: {page}\n")


def _history(folder: Path, to: Path | None) -> None:
    from reports.runs import history  # noqa: PLC0415 - the judge loads numpy

    page = to or folder / history.FILE
    write_atomically(page, history.render_history(history.read(folder), folder.resolve().name))
    sys.stdout.write(f"history: {page}\n")


if __name__ == "__main__":
    sys.exit(main())
