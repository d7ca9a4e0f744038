"""The layout of the repository: imports have one direction, modules are short, tests mirror the packages.

What is still wrong is in the tables `WRONG_IMPORTS`, `CIRCLES`, `LONG_MODULES` and `MISPLACED_TESTS`, each
with the work that removes it. An entry that is not wrong any more fails the test.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Folders in the order of their imports: each may import the ones before it.
FOLDERS = ("clusters", "workloads", "suites", "reports")

#: Units of each folder in the order of their imports. A unit is a package or a module at the root of its
#: folder; units of one line are independent of each other.
UNITS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "clusters": (
        ("clock", "errors", "digests", "facts", "image_names"),
        ("disruption", "paths", "pins", "progress", "waiting", "fluid_source", "source_choice"),
        ("options",),
        ("host",),
        ("kubernetes",),
        ("product",),
        ("images.offline",),
        ("images",),
        ("providers",),
        ("system", "host_check", "cleanup", "rights"),
        ("cluster_check",),
        ("registry", "__main__"),
    ),
    "workloads": (
        ("models", "faults", "pod_commands", "data", "fio"),
        (
            "application",
            "volumes",
            "web_server",
            "node_setup",
            "throttling",
            "data_process_script",
            "page_cache",
        ),
        ("nfs_source", "recording_reader"),
    ),
    "suites": (
        ("record",),
        ("diagnosis",),
        ("doctor",),
        ("steps",),
        ("catalogue",),
        ("run",),
        ("scenarios", "sabotage", "benchmark", "benchmark.model"),
        ("benchmark.analysis",),
        ("benchmark.testbed",),
        ("benchmark.run",),
        ("mutants", "soak"),
    ),
    "reports": (
        ("files", "units"),
        ("axes", "pages"),
        ("svg",),
        ("verdict",),
        ("performance",),
        ("run_files",),
        ("recorder", "runs", "certificate", "job"),
        ("qualification",),
        ("__main__",),
    ),
}

#: Imports against the order, "from unit" and "to unit", and what removes them.
WRONG_IMPORTS: Mapping[tuple[str, str], str] = {}

#: Circles of modules, and what opens them.
CIRCLES: Mapping[tuple[str, ...], str] = {}

MOST_LINES = 400

#: Longer on purpose: tables of data.
TABLES = ("suites/mutants/cases/",)

#: Modules that are too long, and what shortens them.
LONG_MODULES: Mapping[str, str] = {}

#: Test files in a folder whose package they do not import, and what moves them.
MISPLACED_TESTS: Mapping[str, str] = {}


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the library by its dotted name; a package by its own."""
    found = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """The modules of this repository that a file imports, by dotted name."""
    known = modules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@cache
def edges() -> frozenset[tuple[str, str]]:
    """Which module of the library imports which."""
    return frozenset(
        (name, target)
        for name, path in modules().items()
        for target in imported(path)
        if target.partition(".")[0] in (*FOLDERS, "tests")
    )


def unit(module: str) -> str:
    """The unit of a module, without its folder; empty for a folder itself."""
    folder, _, rest = module.partition(".")
    known = sorted((name for layer in UNITS[folder] for name in layer), key=len, reverse=True)
    return next((name for name in known if rest == name or rest.startswith(f"{name}.")), rest)


def place(module: str) -> int:
    """The line of `UNITS` on which a module's unit is."""
    layers = UNITS[module.partition(".")[0]]
    return next(number for number, layer in enumerate(layers) if unit(module) in layer)


def test_every_unit_has_its_place() -> None:
    """Each module belongs to a unit of the table, and each unit exists."""
    named = {f"{folder}.{name}" for folder, layers in UNITS.items() for layer in layers for name in layer}
    real = {f"{name.partition('.')[0]}.{unit(name)}" for name in modules() if "." in name}
    assert real == named


def test_folders_import_only_the_ones_before_them() -> None:
    """Clusters knows nothing of workloads, workloads nothing of suites, suites nothing of reports."""
    against = [
        (name, target)
        for name, target in edges()
        if target.startswith("tests")
        or FOLDERS.index(target.partition(".")[0]) > FOLDERS.index(name.partition(".")[0])
    ]
    assert sorted(against) == []


def test_packages_import_only_the_ones_before_them() -> None:
    """Inside a folder, imports follow the order of its units."""
    against: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, target in edges():
        folder = name.partition(".")[0]
        if "." not in name or not target.startswith(f"{folder}.") or unit(name) == unit(target):
            continue
        if place(target) >= place(name):
            against[f"{folder}.{unit(name)}", f"{folder}.{unit(target)}"].append(f"{name} → {target}")
    new = {pair: sorted(names) for pair, names in against.items() if pair not in WRONG_IMPORTS}
    assert new == {}
    assert sorted(WRONG_IMPORTS.keys() - against.keys()) == [], "remove these entries"


def circles() -> set[tuple[str, ...]]:
    """Groups of modules that import each other in a circle (strongly connected components), sorted."""
    targets: dict[str, set[str]] = defaultdict(set)
    for name, target in edges():
        if target in modules() and target != name:
            targets[name].add(target)

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            for target in targets[waiting.pop()] - found:
                found.add(target)
                waiting.append(target)
        return found

    below = {name: reached(name) for name in modules()}
    return {
        tuple(sorted(other for other in below[name] if name in below[other]))
        for name in modules()
        if name in below[name]
    }


def test_no_module_imports_itself_in_a_circle() -> None:
    """Modules of one package do not depend on each other in a circle either."""
    found = circles()
    assert sorted(found - CIRCLES.keys()) == []
    assert sorted(CIRCLES.keys() - found) == [], "remove these entries"


def test_no_module_is_long() -> None:
    """More than 400 lines hold more than one idea; scenarios and tables of data apart."""
    long = {
        shown: lines
        for path in modules().values()
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
        and not (shown := str(path.relative_to(ROOT))).startswith(("suites/scenarios/", *TABLES))
    }
    assert {shown: lines for shown, lines in long.items() if shown not in LONG_MODULES} == {}
    assert sorted(LONG_MODULES.keys() - long.keys()) == [], "remove these entries"


def test_tests_mirror_the_packages() -> None:
    """A test file is in the folder of a package, and imports or patches a module of just that package."""
    known = modules()
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        parts = path.relative_to(ROOT / "tests").parts[:-1]
        if not parts or parts[0] not in FOLDERS:
            continue
        package = ".".join(parts)
        inside = [name for name in known if name == package or name.rpartition(".")[0] == package]
        used = {*imported(path)}
        if package not in known or not any(name in used for name in inside):
            wrong.append(str(path.relative_to(ROOT)))
    assert [name for name in wrong if name not in MISPLACED_TESTS] == []
    assert sorted(MISPLACED_TESTS.keys() - set(wrong)) == [], "remove these entries"


def test_test_files_have_unique_names() -> None:
    """The folders of tests are no packages, so pytest needs a name of its own for each file."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_order_is_ambiguous(folder: str) -> None:
    """A unit has exactly one place."""
    names = [name for layer in UNITS[folder] for name in layer]
    assert len(names) == len(set(names))
