"""``python -m reports``: render the reports of a run again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clusters.errors import HarnessError
from reports.files import write_atomically
from reports.page import render_page
from reports.summary import render_summary, terminal_lines
from reports.verdict import load, schema_text


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it could be done, 2 when it could not be."""
    parser = argparse.ArgumentParser(prog="python -m reports", description="Reports of runs that have ended.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser(
        "show", help="write report.html and summary.md of a run again, and tell its verdict"
    )
    show.add_argument("dir", type=Path, metavar="DIR", help="the folder of a run, such as out/latest")
    commands.add_parser("schema", help="print the JSON schema of verdict.json")
    options = parser.parse_args(argv)
    try:
        if options.command == "schema":
            sys.stdout.write(schema_text())
        else:
            _show(options.dir)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cannot write the report: {error}\n")
        return 2
    return 0


def _show(folder: Path) -> None:
    verdict = load(folder / "verdict.json")
    write_atomically(folder / "report.html", render_page(verdict))
    write_atomically(folder / "summary.md", render_summary(verdict))
    lines = [text for text, _ in terminal_lines(verdict)]
    sys.stdout.write("\n".join([*lines, f"report: {folder / 'report.html'}"]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
