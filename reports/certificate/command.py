"""The commands `certificate` and `verify`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from reports.certificate.issue import issue
from reports.certificate.verification import verify

COMMANDS: Final = ("certificate", "verify")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    certificate = commands.add_parser(
        "certificate",
        help="write a folder about a run that a third party can check and share",
        description="Only of a finished run of a whole level that this version of the harness made.",
    )
    certificate.add_argument("run", type=Path, metavar="RUN_DIR", help="the folder of a run")
    certificate.add_argument("--out", type=Path, metavar="DIR", help="default: RUN_DIR/certificate")
    certificate.add_argument("--sign", type=Path, metavar="KEY", help="sign with this private SSH key")
    check = commands.add_parser(
        "verify",
        help="check a certificate",
        description="Exit code 0 if it verifies, 1 if it is refused, 2 if it cannot be checked.",
    )
    check.add_argument("certificate", type=Path, metavar="DIR", help="the folder of the certificate")
    check.add_argument(
        "--signer", type=Path, metavar="PUBLIC_KEY", help="the public SSH key that must have signed it"
    )


def run(options: argparse.Namespace) -> int:
    """Run one of the commands; the exit code."""
    if options.command == "certificate":
        made = issue(options.run, options.out, key=options.sign)
        sys.stdout.write(f"certificate: {made}{'' if options.sign else ' (not signed)'}\n")
        return 0
    found = verify(options.certificate, options.signer)
    sys.stdout.write(found.text())
    return 0 if found.verified else 1
