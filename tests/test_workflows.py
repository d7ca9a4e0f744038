"""The GitHub Action and the workflows: what they use is pinned and exists, and actionlint accepts them."""

from __future__ import annotations

import argparse
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import fluid_conformance
from clusters.errors import HarnessError
from clusters.host import bootstrap
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.images.offline import artifacts
from clusters.paths import cache_root
from clusters.pins import pins
from clusters.progress import Progress

HOUSE = Path(fluid_conformance.__file__).parent
ACTION = HOUSE / "action.yml"
WORKFLOWS = sorted((HOUSE / ".github" / "workflows").glob("*.yml"))
CHECKED = HOUSE / "tests" / "github_action" / "workflow.yml"
FILES = [ACTION, CHECKED, *WORKFLOWS]
#: A step that uses an action of others, with its commit and, in a comment, its version.
USES = re.compile(r"uses: (?!\./)([^@\s]+)@(\S+)(?: # v(\S+))?")


def load(file: Path) -> dict[Any, Any]:
    """A YAML file; YAML 1.1 reads the key ``on`` as true."""
    content: dict[Any, Any] = yaml.safe_load(file.read_text())
    return content


def options_of(command: str) -> set[str]:
    """The options of a command of the harness."""
    parser = fluid_conformance.command_parser()
    commands = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return {option for one in commands.choices[command]._actions for option in one.option_strings}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_of_others_are_pinned_in_one_place(file: Path) -> None:
    """By commit, as clusters/pins.toml says, with the version that it is."""
    found = USES.findall(file.read_text())
    assert len(found) == len(re.findall(r"uses: (?!\./)", file.read_text()))
    for name, commit, version in found:
        pin = pins().ci.actions[name]
        assert (commit, version) == (pin.commit, pin.version)


def test_every_pin_is_used() -> None:
    """Another one would be a pin of nothing."""
    used = {name for file in FILES for name, *_ in USES.findall(file.read_text())}
    assert used == set(pins().ci.actions)


def test_options_that_the_action_passes_exist() -> None:
    """Of `run`, and those that both commands receive also of `benchmark`."""
    script = next(step["run"] for step in load(ACTION)["runs"]["steps"] if step.get("id") == "run")
    passed = set(re.findall(r"(--[a-z-]+)", script))
    assert {"--level", "--scenario", "--kubeconfig", "--bootstrap", "--out"} <= passed
    assert passed <= options_of("run")
    assert passed - {"--level"} <= options_of("benchmark")


def test_every_input_is_used_and_documented() -> None:
    """And every output is set by the step that it names."""
    action, text = load(ACTION), ACTION.read_text()
    document = (HOUSE / "docs" / "ci.md").read_text()
    for name in action["inputs"]:
        assert f"inputs.{name}" in text
        assert f"`{name}`" in document
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"
        assert f'echo "{name}=' in text
        assert f"`{name}`" in document


def steps_with_the_action() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each use of the action in a workflow: file, inputs, matrix of its job."""
    for file in (*WORKFLOWS, CHECKED):
        for job in load(file)["jobs"].values():
            for step in job["steps"]:
                if step.get("uses") == "./":
                    yield file.name, step["with"], (job.get("strategy") or {}).get("matrix", {})


def test_workflows_pass_inputs_that_exist() -> None:
    """And versions of Kubernetes that are published by digest, of two minors."""
    known = set(load(ACTION)["inputs"])
    seen = list(steps_with_the_action())
    assert len(seen) >= 5
    for file, given, matrix in seen:
        assert set(given) <= known, file
        versions = matrix.get("kubernetes", [])
        assert all(pins().kubernetes[version].node for version in versions)
        assert len({version.rpartition(".")[0] for version in versions}) in {0, 2}


def test_schedules_are_those_that_jobs_ask_for() -> None:
    """A job whose schedule is not in the list would never run."""
    workflow = load(HOUSE / ".github" / "workflows" / "scheduled.yml")
    planned = [one["cron"] for one in workflow[True]["schedule"]]
    asked = [re.findall(r"schedule == '([^']+)'", job["if"]) for job in workflow["jobs"].values()]
    assert asked == [[cron] for cron in planned]


def test_examples_of_the_document_are_yaml_with_commands_that_exist() -> None:
    """For GitHub and GitLab."""
    blocks = re.findall(r"```yaml\n(.*?)```", (HOUSE / "docs" / "ci.md").read_text(), re.DOTALL)
    github, gitlab = (yaml.safe_load(block) for block in blocks)
    given = next(step["with"] for step in github["jobs"]["fluid"]["steps"] if "with" in step)
    assert set(given) <= set(load(ACTION)["inputs"])
    calls = [line for job in gitlab.values() for line in job.get("script", [])]
    assert len(calls) == 2
    for call in calls:
        command = re.search(r"fluid-conformance (\w+)", call)
        assert command is not None
        assert set(re.findall(r"--[a-z-]+", call)) <= options_of(command[1])


def test_actionlint_accepts_the_workflows(tmp_path: Path) -> None:
    """With the inputs and outputs of the action."""
    cache = ArtifactCache(cache_root(), SystemCommands(), Progress(io.StringIO()))
    module = "github.com/rhysd/actionlint"
    artifact = artifacts.go_program("actionlint", module, pins().ci.actionlint, "/cmd/actionlint")
    try:
        if not cache.path(artifact).exists():
            cache.go = bootstrap.go_program(cache.commands, cache.root / "tools", cache.progress)
        program = cache.obtain(artifact) / "actionlint"
    except HarnessError as error:
        pytest.skip(f"actionlint cannot be built here: {error.message}")
    lint: list[str | Path] = [program, "-no-color", "-shellcheck=", "-pyflakes="]
    done = subprocess.run([*lint, *WORKFLOWS], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    # It does notice: an input that the action does not have.
    copy = tmp_path / ".github" / "workflows" / "broken.yml"
    copy.parent.mkdir(parents=True)
    (tmp_path / "action.yml").write_text(ACTION.read_text())
    text = (HOUSE / ".github" / "workflows" / "checks.yml").read_text()
    copy.write_text(text.replace("level: smoke", "levle: smoke"))
    (tmp_path / ".git").mkdir()
    done = subprocess.run([*lint, copy], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "levle" in done.stdout
