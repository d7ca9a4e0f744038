"""The command `fluid-conformance`: one subcommand for each thing that the harness can do.

Wiring only: each subcommand calls the function that also serves `pytest suites`, `python -m clusters`,
`python -m suites.doctor` and `python -m reports`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import pytest
import shtab

import suites
from clusters import __main__ as clusters_command
from clusters.options import KIND_OPTIONS
from clusters.paths import cache_root
from reports import __main__ as reports_command
from suites.doctor import __main__ as doctor_command
from suites.run import plugin as suites_plugin

DISTRIBUTION: Final = "fluid-conformance"
#: The pytest plugins of the suites, as in conftest.py, which an installed copy does not have.
PLUGINS: Final = (
    "suites.run.plugin",
    "suites.mutants.plugin",
    "suites.soak.plugin",
    "suites.benchmark.run.plugin",
    "reports.recorder.plugin",
)
#: What the three commands that run pytest select, and what they are for.
SUITES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "run": ((), "run scenarios on a real cluster and give a verdict on Fluid"),
    "benchmark": (("-m", "benchmark"), "measure reads through Fluid next to raw NFS"),
    "sabotage": (("--level", "sabotage"), "break the product on purpose and see that the checks notice"),
    "mutants": (
        ("--level", "mutants"),
        "change Fluid's own source in one place at a time and see who notices",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        arguments: of the command line; by default those of the process.

    Returns:
        The exit code of the subcommand; see the README.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = command_parser()
    options, unknown = parser.parse_known_args(given)
    command: str = options.command
    if unknown and command not in SUITES:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    rest = given[given.index(command) + 1 :]
    if command in SUITES:
        return run_suites([*SUITES[command][0], *rest])
    match command:
        case "cluster":
            return clusters_command.main(rest)
        case "doctor":
            return doctor_command.main(rest)
        case "completion":
            sys.stdout.write(shtab.complete(parser, options.shell) + "\n")
            return 0
        case _:
            return reports_command.main([command, *rest])


def command_parser() -> argparse.ArgumentParser:
    """The whole command line, for help, completion and the refusal of what it does not know."""
    parser = argparse.ArgumentParser(
        prog="fluid-conformance", description="Conformance and performance tests of Fluid on a real cluster."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {installed_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, purpose) in SUITES.items():
        command = commands.add_parser(
            name, help=purpose, description=f"{purpose.capitalize()}. Every option of pytest works too."
        )
        for option, settings in KIND_OPTIONS:
            command.add_argument(option, **settings)
        suites_plugin.pytest_addoption(_PytestOptions(command))  # type: ignore[arg-type] # takes what it calls
    cluster = commands.add_parser("cluster", help="create, show or remove a cluster to develop on")
    clusters_command.add_commands(cluster)
    doctor = commands.add_parser(
        "doctor",
        parents=[doctor_command.command_parser(add_help=False)],
        help="say which Pods of a cluster are served by Fluid, which are not, and why",
        description=doctor_command.__doc__,
    )
    doctor.set_defaults(command="doctor")
    reports_command.add_commands(commands)
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    return parser


def installed_version() -> str:
    """The version of the package; a checkout that was not installed has none."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "(not installed)"


def run_suites(arguments: Sequence[str]) -> int:
    """Run pytest over the suites of this installation, with their plugins and settings.

    Args:
        arguments: of pytest.
    """
    folder = Path(suites.__file__).parent
    words = ["-c", str(folder / "installed.ini"), "--rootdir", str(Path.cwd()), "-p", "no:cacheprovider"]
    # By default pytest-benchmark creates a folder where the command is called.
    words += ["--benchmark-storage", f"file://{cache_root() / 'benchmarks'}"]
    for plugin in PLUGINS:
        words += ["-p", plugin]
    return int(pytest.main([*words, *arguments, str(folder)]))


class _PytestOptions:
    """Gives an argparse parser the options that a pytest plugin declares."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def getgroup(self, name: str) -> _PytestOptions:
        """All groups are one here."""
        del name
        return self

    @property
    def addoption(self) -> Callable[..., Any]:
        """As pytest's own; both follow argparse."""
        return self._parser.add_argument


def doctor() -> int:
    """The entry point `kubectl fluid-doctor`."""
    return doctor_command.main()


if __name__ == "__main__":
    sys.exit(main())
