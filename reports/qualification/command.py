"""The commands `qualify` and `verify`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final, get_args

from clusters.errors import RefusalError
from clusters.fluid_source import FluidSource
from clusters.host.commands import SystemCommands
from clusters.options import OWN_OPTIONS
from clusters.paths import cache_root
from clusters.pins import pins
from reports.certificate import signature
from reports.certificate.harness import harness_facts
from reports.certificate.verification import verify as verify_certificate
from reports.qualification import folder as shared
from reports.qualification import requirements
from reports.qualification.judgement import EXIT_CODES
from reports.qualification.model import LevelName, Settings, State, Step, begin
from reports.qualification.page import headline
from reports.qualification.plan import MEASURE_MINUTES, Machine, describe, steps
from reports.qualification.runner import (
    INTERRUPTED,
    REFUSED,
    Runner,
    StepInterruptedError,
    StepRefusedError,
    run_harness,
)
from reports.qualification.verification import verify as verify_qualification

COMMANDS: Final = ("qualify", "verify")
#: Nodes of a cluster if none are given: what the rows of a level need.
_NODES: Final = {"smoke": 1, "conformance": 3, "full": 3}
_SHARED_OPTIONS: Final = ("--images", "--registry", "--bootstrap", "--alluxio")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    qualify = commands.add_parser(
        "qualify",
        help="judge a release: the old and the new version, the upgrade between them, what changed",
        description="Prints its plan with times, then runs it; the same command continues after an "
        "interruption. Exit code 0 qualified (also with known defects), 1 not qualified, 2 interrupted, "
        "4 refused, 5 inconclusive.",
    )
    qualify.add_argument("--from", dest="old", required=True, metavar="VERSION", help="the old release")
    new = qualify.add_mutually_exclusive_group(required=True)
    new.add_argument("--to", dest="new", metavar="VERSION", help="the release to qualify")
    new.add_argument(
        "--fluid-source", dest="source", type=Path, metavar="DIR", help="a local checkout to qualify"
    )
    qualify.add_argument(
        "--kubernetes",
        metavar="VERSIONS",
        help="one or more, such as 1.33.13,1.34.0 (default: as for run)",
    )
    qualify.add_argument("--level", choices=get_args(LevelName), default="smoke")
    qualify.add_argument("--nodes", type=int, help="of each cluster (default 1 for smoke, else 3)")
    qualify.add_argument("--performance", action="store_true", help="measure reads of both versions, too")
    qualify.add_argument(
        "--benchmark-profile",
        dest="profile",
        choices=list(MEASURE_MINUTES),
        default="default",
        help="of the measurements: quick takes a quarter of the time and finds only large differences",
    )
    qualify.add_argument("--out", type=Path, metavar="DIR", help="default: out/qualify-OLD-NEW")
    qualify.add_argument("--sign", type=Path, metavar="KEY", help="sign the result with this private SSH key")
    qualify.add_argument("--plan", action="store_true", help="print the plan, and run nothing")
    for name, settings in OWN_OPTIONS:
        if name in _SHARED_OPTIONS:
            qualify.add_argument(name, **settings)
    check = commands.add_parser(
        "verify",
        help="check a certificate, or the folder of a qualification",
        description="Exit code 0 if it verifies, 1 if it is refused, 2 if it cannot be checked.",
    )
    check.add_argument("certificate", type=Path, metavar="DIR", help="the folder")
    check.add_argument(
        "--signer", type=Path, metavar="PUBLIC_KEY", help="the public SSH key that must have signed it"
    )


def run(options: argparse.Namespace) -> int:
    """Run one of the commands; the exit code."""
    if options.command == "verify":
        return _verify(options.certificate, options.signer)
    try:
        return _qualify(options)
    except RefusalError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED


def _verify(folder: Path, signer: Path | None) -> int:
    if (folder / shared.RESULT).exists():
        verified, text = verify_qualification(folder, signer)
    else:
        found = verify_certificate(folder, signer)
        verified, text = found.verified, found.text()
    sys.stdout.write(text)
    return 0 if verified else 1


def _qualify(options: argparse.Namespace) -> int:
    settings, source = _settings(options)
    out: Path = options.out or Path("out") / f"qualify-{settings.old}-{settings.new}"
    more = ["--bootstrap"] if options.bootstrap else []
    more += ["--registry", options.registry] if options.registry else []
    machine = Machine(out.absolute(), source.folder if source else None, tuple(more))
    state = begin(out, settings, harness_facts().code)
    planned = steps(settings, machine)
    if options.sign is not None:
        signature.require_usable(options.sign, SystemCommands())
    requirements.require_disk(cache_root(), out, versions_to_hold=2)
    sys.stdout.write(
        describe(settings, planned, state, requirements.doubts(settings.old, settings.new)) + "\n"
    )
    sys.stdout.flush()
    if options.plan:
        return 0
    return _run(Runner(machine.folder, run_harness, _say), planned, state, options.sign)


def _run(runner: Runner, planned: tuple[Step, ...], state: State, key: Path | None) -> int:
    try:
        state = runner.run(planned, state)
    except (StepInterruptedError, StepRefusedError) as error:
        sys.stderr.write(f"{error}\n")
        return INTERRUPTED if isinstance(error, StepInterruptedError) else REFUSED
    result = shared.write(runner.folder, state, planned, key=key)
    _say("")
    _say(f"{result.word.upper()}: {headline(result)}")
    for reason in result.reasons:
        _say(f"  {reason}")
    _say(f"page: {runner.folder / shared.FOLDER / shared.PAGE}")
    return EXIT_CODES[result.word]


def _settings(options: argparse.Namespace) -> tuple[Settings, FluidSource | None]:
    """What is asked for, checked.

    Raises:
        RefusalError: it cannot be done.
    """
    source = FluidSource.of(options.source.expanduser().absolute()) if options.source else None
    new = source.version if source else options.new
    known = [text.strip() for text in (options.kubernetes or pins().default.kubernetes).split(",")]
    sides = [
        requirements.chosen_versions(fluid, kubernetes, options.alluxio)
        for kubernetes in known
        for fluid in (options.old, new)
    ]
    old, last = sides[0].fluid, sides[1].fluid
    requirements.require_upgrade(old, last, source)
    for chosen in sides:
        if source is None or chosen.fluid != last:
            requirements.require_obtainable(
                chosen, options.images, options.registry, requirements.registry_answers
            )
    return (
        Settings(
            old=old,
            new=last,
            source=source.digest if source else "",
            kubernetes=tuple(dict.fromkeys(chosen.kubernetes for chosen in sides)),
            alluxio=sides[0].alluxio,
            level=options.level,
            nodes=options.nodes or _NODES[options.level],
            images=options.images,
            performance=options.performance,
            profile=options.profile,
        ),
        source,
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
