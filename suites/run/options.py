"""The options of a run, added to those of pytest-kind."""

from __future__ import annotations

import argparse
import os
from typing import Final, TextIO

import pytest

from clusters.disruption import ALL, Disruption, disruptions
from clusters.errors import RefusalError
from clusters.kubernetes.write_guard import WriteGuard
from clusters.options import DEFAULT_NAME, OWN_OPTIONS, Options, options_of
from clusters.product import fluid
from suites.catalogue.scenario import Level
from suites.run.bundle_collectors import BundleScope

#: pytest-kind's own default name; the harness has another one, so that it leaves those clusters alone.
_PYTEST_KIND_NAME: Final = "pytest-kind"
#: Levels of their own, and the markers of their tests: they break, or change, the product on purpose.
SPECIAL_LEVELS: Final = ("sabotage", "mutants")
OPTIONS: Final = pytest.StashKey[Options]()
#: The kinds of disruption that are permitted on the cluster of this run.
PERMITTED: Final = pytest.StashKey[frozenset[Disruption]]()
#: What failure bundles may hold of others on the cluster.
BUNDLE_SCOPES: Final = pytest.StashKey[frozenset[BundleScope]]()
#: Refuses writes to the cluster that are not declared.
GUARD: Final = pytest.StashKey[WriteGuard]()
#: The terminal itself, on which long stages report their progress.
TERMINAL: Final = pytest.StashKey[TextIO]()
DEFAULT_WINDOW: Final = 60.0


def add_options(parser: pytest.Parser) -> None:
    """Add the harness's options."""
    group = parser.getgroup("fluid-conformance")
    for name, settings in OWN_OPTIONS:
        group.addoption(name, **settings)
    group.addoption(
        "--level",
        default="smoke",
        help="smoke, conformance or full (default smoke); sabotage and mutants break the product on purpose",
    )
    for name in SPECIAL_LEVELS:
        group.addoption(f"--{name}", default=None, metavar="IDS", help=f"only these of level {name}")
    group.addoption("--scenario", default=None, metavar="IDS", help="only these rows, such as A2,B1")
    group.addoption(
        "--window",
        type=positive_seconds,
        default=DEFAULT_WINDOW,
        help="seconds over which an absence is held",
    )
    group.addoption(
        "--shuffle", type=int, default=None, metavar="SEED", help="run scenarios in a random order"
    )
    group.addoption(
        "--untouched",
        action="store_true",
        default=False,
        help="never request a reconcile from Fluid's controllers: slower, and as users see it",
    )
    group.addoption(
        "--allow-disruptive",
        default="",
        metavar="KINDS",
        help="kinds of disruption that are permitted on the cluster of --kubeconfig, such as "
        f"{Disruption.NODE_LABELS.option},{Disruption.FLUID_COMPONENTS.option} (default none)",
    )
    group.addoption(
        "--dry-run",
        action="store_true",
        default=False,
        help="print what would be created, changed and needed; create and change nothing",
    )
    group.addoption(
        "--bundle-scope",
        default="",
        metavar="SCOPES",
        help="what failure bundles may hold of others on the cluster of --kubeconfig: fluid (logs, events, "
        "Pods of Fluid's components), nodes (Node objects, mounts), separated by commas (default nothing)",
    )
    group.addoption("--out", default=None, help="folder for the folders of runs (default out)")


def positive_seconds(text: str) -> float:
    """A positive number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return seconds


def read_options(config: pytest.Config) -> None:
    """Keep the options of the system and the terminal with the configuration.

    Raises:
        pytest.UsageError: options that cannot be right.
    """
    # Output is not captured yet, so this is the terminal.
    config.stash[TERMINAL] = os.fdopen(os.dup(2), "w", buffering=1)
    config.add_cleanup(config.stash[TERMINAL].close)
    try:
        given = dict(vars(config.option))
        if given.get("cluster_name") == _PYTEST_KIND_NAME:
            given["cluster_name"] = DEFAULT_NAME
        config.stash[OPTIONS] = options_of(given)
        config.stash[PERMITTED] = permitted(config.stash[OPTIONS], config.getoption("allow_disruptive"))
        config.stash[BUNDLE_SCOPES] = bundle_scopes(config.stash[OPTIONS], config.getoption("bundle_scope"))
        config.stash[GUARD] = WriteGuard(fluid.NAMESPACE)
        if special_level(config) is None:
            Level.of(config.getoption("level"))
    except (RefusalError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None


def selection_options(config: pytest.Config) -> dict[str, str]:
    """What decides which scenarios run and on what, by option, as the report lists it."""
    options = config.stash[OPTIONS]
    chosen = {
        "level": config.getoption("level"),
        "scenario": config.getoption("scenario"),
        "kubernetes": options.versions.kubernetes,
        "fluid": options.versions.fluid,
        "upgrade-from": options.upgrade_from,
        "alluxio": options.versions.alluxio,
        "fluid-source": options.fluid_source.digest if options.fluid_source else None,
        "nfs-version": options.nfs_version,
        "nodes": options.nodes,
        "images": options.images,
        "window": f"{config.getoption('window'):g}",
        "shuffle": config.getoption("shuffle"),
        "untouched": "yes" if config.getoption("untouched") else None,
        "allow-disruptive": config.getoption("allow_disruptive") or None,
        "source": options.source.kind if options.source else None,
    }
    if options.kubeconfig is not None:
        for name in ("kubernetes", "fluid", "alluxio", "nodes", "images"):
            del chosen[name]
    return {name: str(value) for name, value in chosen.items() if value is not None}


def permitted(options: Options, allowed: str) -> frozenset[Disruption]:
    """What a run may disturb: on a cluster that the harness created, everything.

    Raises:
        RefusalError: ``allowed`` names something else than kinds of disruption.
    """
    kinds = disruptions(allowed)
    return ALL if options.kubeconfig is None else kinds


def bundle_scopes(options: Options, given: str) -> frozenset[BundleScope]:
    """What failure bundles may hold of others: everything on a cluster that the harness created.

    Raises:
        RefusalError: ``given`` names something else than scopes.
    """
    names = [name.strip() for name in given.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(BundleScope)):
        raise RefusalError(
            f"--bundle-scope {', '.join(unknown)}: no such scope",
            advice=f"choose from {', '.join(BundleScope)}",
        )
    return frozenset(BundleScope) if options.kubeconfig is None else frozenset(map(BundleScope, names))


def special_level(config: pytest.Config) -> str | None:
    """The level, where it is one of its own; None for a level of scenarios."""
    level: str = config.getoption("level")
    return level if level in SPECIAL_LEVELS else None
