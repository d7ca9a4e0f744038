"""Container engines on this host that answer: the system's, and the one that the harness manages."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from clusters.errors import RefusalError
from clusters.host import bootstrap
from clusters.host.commands import CommandError, Commands, Completed
from clusters.host.known_errors import meaning, retold

#: Socket, pid file and settings of the harness's engine; nothing in it outlives that engine.
RUN_FOLDER: Final = Path("/run/fluid-conformance")
_NOT_THERE: Final = re.compile(r"no such|not found", re.IGNORECASE)
#: How Podman names itself among the components of `docker version` (Docker's own is called Engine).
_PODMAN: Final = "Podman Engine"
_SYSTEM_SOCKET: Final = "unix:///var/run/docker.sock"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
#: Docker creates it in each container.
_CONTAINER_MARK: Final = Path("/.dockerenv")
_CLIENT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answered.

    Attributes:
        address: where its daemon listens, as DOCKER_HOST.
        version: of the daemon.
        managed: the harness started it.
        commands: runs programs.
    """

    address: str
    version: str
    managed: bool
    commands: Commands

    @property
    def env(self) -> Mapping[str, str]:
        """Environment that points docker, kind and pytest-kind at this engine."""
        return {"DOCKER_HOST": self.address, "DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"}

    def run(
        self,
        *args: str | Path,
        check: bool = True,
        timeout: float | None = 120.0,
        stdin: str | None = None,
    ) -> Completed:
        """Run the docker client; ``timeout`` in seconds.

        Raises:
            CommandError: it failed; known errors of the engine are explained.
        """
        try:
            return self.commands.run(
                [docker_client(), *args], env=self.env, check=check, timeout=timeout, stdin=stdin
            )
        except CommandError as error:
            if meaning(error.last_seen) is None:
                raise
            raise retold(error, f"docker {args[0]} failed") from error

    def exec(
        self, container: str, argv: Sequence[str], *, check: bool = True, timeout: float = 60.0
    ) -> Completed:
        """Run a program in a running container, such as a kind node."""
        return self.run("exec", container, *argv, check=check, timeout=timeout)

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """The engine's description of an image, container or network; None if there is none.

        Raises:
            CommandError: the engine did not answer.
        """
        done = self.run(kind, "inspect", name, check=False)
        if done.exit_code != 0:
            if _NOT_THERE.search(done.stderr) is not None:
                return None
            raise retold(
                CommandError(f"exit code {done.exit_code}", completed=done), f"cannot inspect {kind} {name}"
            )
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found[0] if found else None


def docker_client() -> Path:
    """The docker client program.

    Raises:
        RefusalError: none is installed.
    """
    found = bootstrap.find("docker")
    if found is None:
        raise RefusalError(
            "no docker client is installed on this host",
            advice="install one, or add --bootstrap to have Debian's docker.io installed",
        )
    return found


def answering(address: str, commands: Commands) -> str | None:
    """The version of the daemon at ``address``, or None if none answers there."""
    if bootstrap.find("docker") is None:
        return None
    try:
        done = commands.run(
            [docker_client(), "version", "--format", "{{.Server.Version}}"],
            env={"DOCKER_HOST": address},
            timeout=_CLIENT_SECONDS,
        )
    except CommandError:
        return None
    return done.stdout.strip() or None


def find(commands: Commands) -> Engine | None:
    """An engine that answers: the one that the user names, else the system's, else the harness's.

    Raises:
        RefusalError: it is not Docker, or not an engine of this host.
    """
    return _find(_named(commands), commands)


def _find(named: _Named | None, commands: Commands) -> Engine | None:
    addresses = _addresses(named)
    for address in addresses:
        _require_this_host(address)
    found = next(_answering(addresses, commands), None)
    if found is not None:
        # Podman's client answers for itself, without a daemon.
        _refuse_podmans_client(commands)
        _require_docker(found)
        _require_outside(found)
    return found


def every(commands: Commands) -> list[Engine]:
    """All engines that answer on this host and may have clusters of the harness."""
    addresses = [*_addresses(_named(commands)), _SYSTEM_SOCKET, own_address()]
    return list(_answering(dict.fromkeys(addresses), commands))


def _addresses(named: _Named | None) -> list[str]:
    """Where an engine may answer: where the user says, and nowhere else; else in the usual places."""
    return [named.address] if named is not None else [_SYSTEM_SOCKET, own_address()]


@dataclass(frozen=True, slots=True)
class _Named:
    """An engine that the user names, and how."""

    address: str
    how: str


def _named(commands: Commands) -> _Named | None:
    """The engine of DOCKER_HOST, else that of Docker's current context; None for Docker's default."""
    if host := os.environ.get("DOCKER_HOST"):
        return _Named(host, f"DOCKER_HOST={host}")
    client = bootstrap.find("docker")
    if client is None:
        return None
    done = commands.run(
        [client, "context", "inspect", "--format", "{{.Name}} {{.Endpoints.docker.Host}}"],
        check=False,
        timeout=_CLIENT_SECONDS,
    )
    name, _, address = done.stdout.strip().partition(" ")
    if done.exit_code != 0 or not address or name == "default":
        return None
    return _Named(address, f"the Docker context {name} ({address})")


def _answering(addresses: Iterable[str], commands: Commands) -> Iterator[Engine]:
    for address in addresses:
        version = answering(address, commands)
        if version is not None:
            yield Engine(address, version, managed=address == own_address(), commands=commands)


def own_address() -> str:
    """Where the harness's engine listens."""
    return f"unix://{RUN_FOLDER}/docker.sock"


def require(commands: Commands) -> Engine:
    """An engine that answers.

    Raises:
        RefusalError: none answers, or this user may not open its socket.
    """
    named = _named(commands)
    found = _find(named, commands)
    if found is None:
        _refuse_podmans_client(commands)
        for address in _addresses(named):
            if _closed(address):
                raise RefusalError(
                    f"the container engine's socket may not be opened by this user: {address}",
                    advice="run as root, or join the group that owns the socket",
                )
        where = f"at {named.how}" if named is not None else "on this host"
        raise RefusalError(
            f"no container engine answers {where}",
            advice="start Docker, or add --bootstrap to have an engine installed and started"
            if named is None
            else "start that engine, or unset DOCKER_HOST and choose the context default",
        )
    return found


def _require_this_host(address: str) -> None:
    """Refuse an engine of another host, whether it answers or not.

    kind publishes the API server at 127.0.0.1 of the engine's host, and the nodes mount folders of it.

    Raises:
        RefusalError: it is one.
    """
    parts = urlsplit(address)
    if parts.scheme == "ssh" or (parts.scheme == "tcp" and parts.hostname not in _LOOPBACK):
        raise RefusalError(
            f"the engine at {address} is on another host: neither the API server of a kind cluster nor the "
            "folders that its nodes mount can be reached from here",
            advice="run the harness on that host, or create a cluster there and use --kubeconfig",
        )


def _require_outside(running: Engine) -> None:
    """Refuse the engine of the host around this container.

    Raises:
        RefusalError: this process runs in a container of it.
    """
    if _CONTAINER_MARK.exists() and running.inspect("container", socket.gethostname()) is not None:
        raise RefusalError(
            f"this process runs in a container of the engine at {running.address}: the nodes of a kind "
            "cluster would mount folders of the host, not of this container",
            advice="run the harness on the host, or start a Docker daemon in this container",
        )


def _require_docker(running: Engine) -> None:
    """Refuse Podman behind Docker's API, on which kind's provider for Docker does not work.

    Raises:
        RefusalError: the daemon is not Docker.
    """
    done = running.run("version", "--format", "{{range .Server.Components}}{{.Name}};{{end}}", check=False)
    if _PODMAN in done.stdout.split(";"):
        raise RefusalError(
            f"the engine at {running.address} is Podman {running.version}; the harness needs Docker",
            advice="start Docker, or name a Docker daemon with DOCKER_HOST",
        )


def _refuse_podmans_client(commands: Commands) -> None:
    """Debian's podman-docker and others install Podman under the name docker."""
    if bootstrap.find("docker") is None:
        return
    done = commands.run([docker_client(), "--version"], check=False, timeout=_CLIENT_SECONDS)
    if done.stdout.lower().startswith("podman"):
        raise RefusalError(
            f"the docker command of this host is Podman's ({done.stdout.strip()}); the harness needs Docker",
            advice="install Docker's own client and start Docker",
        )


def _closed(address: str) -> bool:
    """Whether there is a socket at ``address`` that this user may not open."""
    path = address.removeprefix("unix://")
    return path != address and os.access(path, os.F_OK) and not os.access(path, os.R_OK | os.W_OK)
