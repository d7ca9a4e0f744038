"""The command `fluid-conformance`: what it passes on, what it refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fluid_conformance
from clusters import __main__ as clusters_command
from reports import __main__ as reports_command
from suites.doctor import __main__ as doctor_command

HOUSE = Path(fluid_conformance.__file__).parent
COMMANDS = (
    "run",
    "benchmark",
    "sabotage",
    "mutants",
    "cluster",
    "doctor",
    "show",
    "schema",
    "compare",
    "history",
    "repeats",
    "overview",
    "matrix",
    "certificate",
    "claims",
    "qualify",
    "verify",
    "job",
    "completion",
)


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the functions behind the subcommands received, in order."""
    received: list[list[str]] = []

    def take(arguments: list[str]) -> int:
        received.append(list(arguments))
        return 7

    for module in (clusters_command, reports_command, doctor_command):
        monkeypatch.setattr(module, "main", take)
    monkeypatch.setattr(fluid_conformance, "run_suites", take)
    monkeypatch.setattr(fluid_conformance, "version", lambda _: "1.2.3")
    return received


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("run --level full -x", "--level full -x"),
        ("benchmark -k small", "-m benchmark -k small"),
        ("sabotage --sabotage mount-left", "--level sabotage --sabotage mount-left"),
        ("cluster status --cluster-name demo", "status --cluster-name demo"),
        ("doctor -n demo --json", "-n demo --json"),
        ("compare out/a out/b", "compare out/a out/b"),
        ("repeats out", "repeats out"),
        ("job run --level smoke", "job run --level smoke"),
        ("job in-pod run -- --level smoke", "job in-pod run -- --level smoke"),
    ],
)
def test_subcommand_passes_its_arguments_on(passed: list[list[str]], given: str, expected: str) -> None:
    """The exit code is that of the function behind the subcommand."""
    assert fluid_conformance.main(given.split()) == 7
    assert passed == [expected.split()]


def test_an_installed_copy_has_all_plugins() -> None:
    """It has no conftest.py; without its plugin a suite cannot even be collected."""
    wired = re.search(r"pytest_plugins = \(([^)]*)\)", (HOUSE / "conftest.py").read_text())
    assert wired is not None
    assert tuple(re.findall(r'"([^"]+)"', wired[1])) == fluid_conformance.PLUGINS


@pytest.mark.parametrize("given", ["", "fly", "doctor --fly", "cluster", "cluster fly", "compare"])
def test_unknown_command_is_refused_with_the_usage(
    passed: list[list[str]], capsys: pytest.CaptureFixture[str], given: str
) -> None:
    """Nothing runs, and the exit code is 2."""
    with pytest.raises(SystemExit) as ended:
        fluid_conformance.main(given.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: fluid-conformance")
    assert passed == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_subcommand_has_help(
    passed: list[list[str]], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """``--help`` names the subcommand and every option with a purpose."""
    with pytest.raises(SystemExit) as ended:
        fluid_conformance.main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: fluid-conformance {command}")
    assert passed == []


def test_main_help_lists_all_subcommands(passed: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer sees what there is."""
    with pytest.raises(SystemExit):
        fluid_conformance.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("    ") and line[4:5].strip()]
    assert listed == list(COMMANDS)
    assert passed == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_script_names_options(
    passed: list[list[str]], capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    """The script completes subcommands and their options."""
    assert fluid_conformance.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "fluid-conformance" in script
    assert "keep-cluster" in script
    assert passed == []


def test_pytest_uses_the_settings_of_the_repository() -> None:
    """`pytest suites` in a checkout loads the plugins that conftest.py names, so that their options exist."""
    argv = [sys.executable, "-m", "pytest", "suites", "--collect-only", "-q", "--scenario", "A2"]
    # In a worker of pytest-xdist, pytest-benchmark would warn about itself.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*argv, "-p", "no:cacheprovider"], cwd=HOUSE, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1/" in done.stdout.splitlines()[-1]


def test_installed_copy_has_the_plugins_of_the_checkout() -> None:
    """conftest.py and the installed command name the same plugins."""
    namespace: dict[str, object] = {}
    exec((HOUSE / "conftest.py").read_text(), namespace)  # noqa: S102 - this project's own file
    assert namespace["pytest_plugins"] == fluid_conformance.PLUGINS
