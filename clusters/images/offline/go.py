"""Building Go programs from their published modules, by name and version."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import CommandError
from clusters.images.offline import go_sums
from clusters.progress import RunningStage

#: Static programs without debug tables or data of this checkout.
_FLAGS: Final = ("-trimpath", "-buildvcs=false", "-mod=mod")
_ENV: Final = {
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "",
    "GOWORK": "off",
    # The hashes of this repository are compared instead, also where the database cannot be reached.
    "GOSUMDB": "off",
}


@dataclass(frozen=True, slots=True)
class Module:
    """A downloaded module: its read-only folder and its go.mod."""

    path: str
    version: str
    folder: Path
    go_mod: str


def download(cache: ArtifactCache, path: str, version: str) -> Module:
    """Fetch a module into Go's own module cache; ``version`` without the leading ``v``.

    Raises:
        CommandError: no proxy answers, or none has that version.
        InfrastructureError: its hash is not the one that is kept; see `clusters.images.offline.go_sums`.
    """
    argv: list[str | Path] = [cache.go, "mod", "download", "-json", f"{path}@v{version}"]
    try:
        done = cache.commands.run(argv, env=_ENV, cwd=cache.root)
    except CommandError as error:
        raise CommandError(
            f"Go module {path} v{version} cannot be fetched",
            completed=error.completed,
            advice="check the version, the network and GOPROXY, then run again; what was fetched is kept",
        ) from error
    found = json.loads(done.stdout)
    go_sums.require_kept(path, version, found["Sum"], found["GoModSum"])
    return Module(path, version, Path(found["Dir"]), Path(found["GoMod"]).read_text())


def build_wrapper(
    cache: ArtifactCache,
    out: Path,
    stage: RunningStage,
    *,
    require: Mapping[str, str],
    package: str = ".",
    main: Path | None = None,
    replace: Mapping[str, str] | None = None,
    go: str = "",
    variables: Mapping[str, str] | None = None,
) -> None:
    """Build one program in a module of the harness that requires the published ones.

    Args:
        cache: the tools.
        out: the program to write.
        stage: shows downloads and what is compiled.
        require: modules and versions.
        package: what to build: a command of a required module, or ``.`` for ``main``.
        main: a main.go of the harness.
        replace: modules whose version is forced, as the required module itself does.
        go: the ``go`` line of go.mod.
        variables: string variables set by the linker.
    """
    folder = out.parent / f".{out.name}.module"
    folder.mkdir()
    lines = ["module harness.invalid/build", f"go {go or '1.24.0'}"]
    lines += [f"require {path} v{version}" for path, version in require.items()]
    lines += [f"replace {path} => {path} v{version}" for path, version in (replace or {}).items()]
    (folder / "go.mod").write_text("\n".join(lines) + "\n")
    go_sums.write(folder, [download(cache, path, version).folder for path, version in require.items()])
    if main is not None:
        shutil.copy(main, folder / "main.go")
    build(cache, folder, out, stage, package=package, variables=variables)
    shutil.rmtree(folder)


def build(
    cache: ArtifactCache,
    folder: Path,
    out: Path,
    stage: RunningStage,
    *,
    package: str = ".",
    variables: Mapping[str, str] | None = None,
    overlay: Path | None = None,
) -> None:
    """Build a package of the module in ``folder`` into the program ``out``.

    Args:
        cache: the tools.
        folder: of the module.
        out: the program to write.
        stage: receives downloads and what is compiled.
        package: what to build.
        variables: string variables set by the linker.
        overlay: file that names other files to compile in place of some (``go help build``).

    Raises:
        CommandError: it cannot be built, or a module has another hash than in go.sum.
        InfrastructureError: it needs a module that is not in go.sum.
    """
    known = go_sums.of(folder)
    sets = " ".join(f"-X {name}={value}" for name, value in (variables or {}).items())
    argv: list[str | Path] = [cache.go, "build", "-v", *_FLAGS]
    argv += ["-overlay", overlay] if overlay is not None else []
    argv += ["-ldflags", f"-s -w {sets}".strip(), "-o", out, package]
    _run(cache, argv, folder, stage)
    try:
        go_sums.require_no_more(folder, known)
    except InfrastructureError:
        out.unlink(missing_ok=True)
        raise


def _run(cache: ArtifactCache, argv: Sequence[str | Path], folder: Path, stage: RunningStage) -> None:
    compiled = 0

    def show(line: str) -> None:
        nonlocal compiled
        if line.startswith("go: downloading"):
            stage.says(line)
        else:
            compiled += 1
            stage.says(f"{compiled} packages compiled, now {line}")

    env = {**_ENV, "GOMEMLIMIT": "6GiB"} if "GOMEMLIMIT" not in os.environ else _ENV
    cache.commands.run(argv, cwd=folder, env=env, on_line=show)


def staging_versions(go_mod: str, version: str) -> dict[str, str]:
    """The staging modules that a Kubernetes go.mod names, with the version they are published as.

    Kubernetes 1.x.y requires its staging modules at v0.0.0 and publishes them as 0.x.y.
    """
    modules = re.findall(r"^\s*(k8s\.io/[a-z-]+) v0\.0\.0$", go_mod, re.MULTILINE)
    if not modules:
        raise CommandError(f"the go.mod of Kubernetes {version} names no staging modules")
    published = "0." + version.split(".", 1)[1]
    return dict.fromkeys(modules, published)


def go_line(go_mod: str) -> str:
    """The language version that a go.mod asks for."""
    match = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    return match.group(1) if match else ""


def copy_module(module: Module, folder: Path, inside: str = "") -> None:
    """A writable copy of a downloaded module or of a folder in it; Go's own folders are read-only."""
    shutil.copytree(module.folder / inside, folder, copy_function=shutil.copyfile)
    for copied in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        copied.chmod(0o755)
