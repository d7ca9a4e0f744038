"""`python -m tests.github_action`: runs action.yml as GitHub does, with act, on this machine.

It checks the outputs and the uploaded artifact. The actions of others, which act would fetch from GitHub, are
replaced by the ones in `stand_ins`, which only check and copy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from clusters.host import bootstrap
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.images.offline import artifacts
from clusters.paths import cache_root
from clusters.pins import pins
from clusters.progress import Progress
from reports.verdict import model
from tests.programs import end_with

HERE: Final = Path(__file__).parent
HOUSE: Final = HERE.parents[1]
#: Settings of this machine that the steps of the action need, too; act does not pass them on by itself.
_PASSED_ON: Final = ("PIP_", "GO", "SSL_", "DOCKER_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FLUID_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the action once; 0 if it did all that it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.github_action", description=__doc__)
    parser.add_argument("--scenario", default="A1,A2", metavar="IDS")
    parser.add_argument("--arguments", default="", help="further options of the run, separated by blanks")
    parser.add_argument("--kubeconfig", default="", type=_absolute)
    parser.add_argument("--bootstrap", action="store_true")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--out", type=Path, help="keep what was uploaded in this folder")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="github-action-") as folder:
        return _check(given, Path(folder))


def _check(given: argparse.Namespace, folder: Path) -> int:
    repository, uploaded = folder / "repository", folder / "uploaded"
    uploaded.mkdir()
    copy_repository(repository)
    code = _act(given, repository, uploaded)
    if code != 0:
        sys.stderr.write(f"act ended with exit code {code}\n")
        return 1
    verdict, exit_code = (uploaded / "outputs").read_text().split()
    found = model.load(uploaded / "results" / model.FILE)
    problems = list(_problems(uploaded / "results", found, verdict, int(exit_code), given.scenario))
    if given.out is not None:
        shutil.copytree(uploaded, given.out, symlinks=True, dirs_exist_ok=True)
    sys.stdout.write("\n".join(problems or [f"the action ended with verdict {verdict}"]) + "\n")
    return int(bool(problems))


def _problems(results: Path, found: model.Verdict, verdict: str, code: int, rows: str) -> Iterator[str]:
    if (verdict, code) != (found.verdict, {"pass": 0, "fail": 1, "invalid": 3, "inconclusive": 5}[verdict]):
        yield f"outputs {verdict} and {code} are not those of verdict {found.verdict}"
    if sorted(one.id for one in found.scenarios) != sorted(rows.split(",")):
        yield f"rows {', '.join(one.id for one in found.scenarios)} ran in place of {rows}"
    for name in ("report.html", "summary.md", "junit.xml"):
        if not (results / name).is_file():
            yield f"the artifact has no {name}"


def copy_repository(target: Path) -> None:
    """The files of this repository as a repository of its own, with the workflow of the check alone."""
    listing = ["git", "-C", str(HOUSE), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (HOUSE / name).is_file() and not name.startswith(".github/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOUSE / name, target / name)
    workflows = target / ".github" / "workflows"
    workflows.mkdir(parents=True)
    shutil.copy(HERE / "workflow.yml", workflows)
    git = ["git", "-C", str(target), "-c", "user.name=check", "-c", "user.email=check@example.invalid"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch", "main"], check=True)
    subprocess.run([*git, "add", "--all", "--force"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "The repository"], check=True)
    remote = "https://github.com/example/fluid-conformance.git"
    subprocess.run([*git, "remote", "add", "origin", remote], check=True)


def _act(given: argparse.Namespace, repository: Path, uploaded: Path) -> int:
    program = act(ArtifactCache(cache_root(), SystemCommands(), Progress()))
    argv: list[str | Path] = [program, "workflow_dispatch", "--workflows", ".github/workflows/workflow.yml"]
    argv += ["--platform", "ubuntu-latest=-self-hosted", "--no-cache-server"]
    for name, pin in pins().ci.actions.items():
        place = HERE / "stand_ins" / name
        if place.exists():
            argv += ["--local-repository", f"{name}@{pin.commit}={place}"]
    inputs = {
        "scenario": given.scenario,
        "arguments": given.arguments,
        "kubeconfig": given.kubeconfig,
        "bootstrap": "true" if given.bootstrap else "false",
        "python": given.python,
    }
    for name, value in inputs.items():
        argv += ["--input", f"{name}={value}"]
    settings = {key: value for key, value in os.environ.items() if key.upper().startswith(_PASSED_ON)}
    for key, value in {**settings, "STAND_IN_ARTIFACTS": str(uploaded)}.items():
        argv += ["--env", f"{key}={value}"]
    return subprocess.run(argv, cwd=repository, check=False).returncode


def act(cache: ArtifactCache) -> Path:
    """The program act, built if it is not there."""
    artifact = artifacts.go_program("act", "github.com/nektos/act", pins().ci.act)
    if not cache.path(artifact).exists():
        cache.go = bootstrap.go_program(cache.commands, cache.root / "tools", cache.progress)
    return cache.obtain(artifact) / "act"


def _absolute(text: str) -> str:
    return str(Path(text).expanduser().absolute()) if text else ""


if __name__ == "__main__":
    sys.exit(end_with(main))
