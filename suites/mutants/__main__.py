"""``python -m suites.mutants`` writes docs/mutants.md; ``--record FILE`` reads the results of a run first.

With ``--check`` it writes nothing, and ends with 1 when the page is not what code and results say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clusters.errors import RefusalError
from suites.mutants import keeping
from suites.mutants.cases import MUTANTS
from suites.mutants.page import PAGE, page, record, recorded


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check that it is current."""
    parser = argparse.ArgumentParser(prog="python -m suites.mutants", description=__doc__)
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="results to take, such as out/mutants.json"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when the page is not current")
    given = parser.parse_args(arguments)
    if given.record is not None:
        try:
            record(keeping.read(given.record)["results"], MUTANTS)
        except RefusalError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    expected = page(MUTANTS, recorded())
    if given.check:
        current = PAGE.is_file() and PAGE.read_text() == expected
        if not current:
            sys.stderr.write("docs/mutants.md is not current: run `python -m suites.mutants`\n")
        return int(not current)
    PAGE.write_text(expected)
    return 0


if __name__ == "__main__":
    sys.exit(main())
