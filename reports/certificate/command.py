"""The command `certificate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from reports.certificate.issue import issue

COMMANDS: Final = ("certificate",)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    certificate = commands.add_parser(
        "certificate",
        help="write a folder about a run that a third party can check and share",
        description="Only of a finished run of a whole level that this version of the harness made.",
    )
    certificate.add_argument("run", type=Path, metavar="RUN_DIR", help="the folder of a run")
    certificate.add_argument("--out", type=Path, metavar="DIR", help="default: RUN_DIR/certificate")
    certificate.add_argument("--sign", type=Path, metavar="KEY", help="sign with this private SSH key")


def run(options: argparse.Namespace) -> int:
    """Run it; the exit code."""
    made = issue(options.run, options.out, key=options.sign)
    sys.stdout.write(f"certificate: {made}{'' if options.sign else ' (not signed)'}\n")
    return 0
