"""Fake programs: commands are recorded, and the answers are configured by a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clusters.host import bootstrap
from clusters.host.commands import CommandError, Completed
from clusters.host.engine import Engine
from clusters.host.probes import Host
from clusters.providers.kind_nodes import MARK

HOST = Host(
    name="host",
    kernel="6.1.0",
    cpus=2,
    cpu_model="any",
    memory=16 * 1024**3,
    memory_available=12 * 1024**3,
    root=True,
    cgroup_v1=False,
    sys_resource=True,
    kernel_nfs=True,
    fuse=True,
)


@dataclass(frozen=True)
class Ran:
    """A program as it was to be run; the first word is its name without the folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None
    stdin: str | None
    timeout: float | None
    on_line: Callable[[str], None]


#: Done instead of the program; what it returns counts when it is a `Completed`.
Deed = Callable[[Ran], object]


@dataclass
class FakeCommands:
    """Runs nothing. A command without a configured answer succeeds and prints nothing."""

    ran: list[Ran] = field(default_factory=list)
    deeds: list[tuple[tuple[str, ...], Callable[[Ran], Completed]]] = field(default_factory=list)

    def on(
        self,
        *words: str,
        stdout: str = "",
        stderr: str = "",
        exit_code: int = 0,
        raises: BaseException | None = None,
        does: Deed | None = None,
    ) -> None:
        """Answer commands that hold these words in this order; of several the newest counts."""

        def deed(ran: Ran) -> Completed:
            if raises is not None:
                raise raises
            done = does(ran) if does is not None else None
            return done if isinstance(done, Completed) else Completed(ran.argv, exit_code, stdout, stderr)

        self.deeds.insert(0, (words, deed))

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Answer as the real one does."""
        words = (Path(argv[0]).name, *(str(word) for word in argv[1:]))
        ran = Ran(words, env or {}, cwd, stdin, timeout, on_line or (lambda line: None))
        self.ran.append(ran)
        deed = next((deed for expected, deed in self.deeds if _holds(words, expected)), None)
        done = deed(ran) if deed is not None else Completed(words, 0, "", "")
        if check and done.exit_code != 0:
            raise CommandError(f"{' '.join(words)} failed with exit code {done.exit_code}", completed=done)
        return done

    def asked(self, *words: str) -> list[Ran]:
        """The commands so far that hold these words in this order."""
        return [ran for ran in self.ran if _holds(ran.argv, words)]


def _holds(argv: Sequence[str], expected: Sequence[str]) -> bool:
    rest = iter(argv)
    return all(word in rest for word in expected)


@dataclass
class FakeDocker:
    """An engine's containers, behind fake commands."""

    commands: FakeCommands
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commands.on("docker", "ps", does=self._ps)
        self.commands.on("docker", "inspect", does=self._inspect)
        self.commands.on("docker", "rm", does=self._rm)

    @property
    def engine(self) -> Engine:
        """The engine, as one that answers."""
        return Engine("unix:///fake.sock", "20.10.24", managed=False, commands=self.commands)

    def node(
        self,
        name: str,
        cluster: str,
        *,
        managed: bool,
        image: str = "node:1",
        state: Path = Path("/state"),
        **more: str,
    ) -> None:
        """Add a container that is a kind node; ``more`` are further mounts, target → source."""
        mounts = [{"Destination": target, "Source": source} for target, source in more.items()]
        if managed:
            mounts.append({"Destination": MARK, "Source": str(state)})
        labels = {"io.x-k8s.kind.cluster": cluster}
        self.containers[name] = {"Mounts": mounts, "Config": {"Labels": labels, "Image": image}}

    def _ps(self, ran: Ran) -> Completed:
        if "--filter" not in ran.argv:
            return Completed(ran.argv, 0, "\n".join(self.containers), "")
        asked = ran.argv[ran.argv.index("--filter") + 1].removeprefix("label=io.x-k8s.kind.cluster")
        found = [
            name
            for name, described in self.containers.items()
            if asked in {"", f"={described['Config']['Labels']['io.x-k8s.kind.cluster']}"}
        ]
        return Completed(ran.argv, 0, "\n".join(found), "")

    def _inspect(self, ran: Ran) -> Completed:
        kind, name = ran.argv[1], ran.argv[-1]
        described = {"container": self.containers, "image": self.images}.get(kind, {}).get(name)
        if described is None:
            return Completed(ran.argv, 1, "[]", f"Error: No such {kind}: {name}")
        return Completed(ran.argv, 0, json.dumps([described]), "")

    def _rm(self, ran: Ran) -> None:
        for name in ran.argv[2:]:
            self.containers.pop(name, None)


def programs(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let just these programs be on this host."""
    monkeypatch.setattr(bootstrap, "find", lambda name: Path("/usr/bin") / name if name in names else None)


def chart_values(tag: str, *, whole: bool = False) -> dict[str, Any]:
    """The values of a chart of Fluid's, as far as they name images.

    Args:
        tag: of Fluid's own images.
        whole: an image is one string, as up to Fluid 0.9, and not three.
    """

    def image(prefix: str, name: str, tag: str = tag) -> dict[str, str]:
        if whole:
            return {"image": f"{prefix}/{name}:{tag}"}
        return {"imagePrefix": prefix, "imageName": name, "imageTag": tag}

    def controller(name: str, **more: Any) -> dict[str, Any]:
        return {"controller": image("fluidcloudnative", name), **more}

    alluxio = image("alluxio", "alluxio-dev", "2.9.0")
    named: dict[str, Any] = {
        "image": {"imagePullSecrets": []},
        "dataset": controller("dataset-controller", replicas=1),
        "csi": {
            "featureGates": "FuseRecovery=false",
            "registrar": image("fluidcloudnative", "csi-node-driver-registrar", "v2"),
            "plugins": image("fluidcloudnative", "fluid-csi"),
        },
        "runtime": {
            "alluxio": controller(
                "alluxioruntime-controller", enabled=False, runtime=alluxio, fuse=dict(alluxio)
            ),
            "thin": controller("thinruntime-controller", enabled=False),
            "cache": controller("cacheruntime-controller", replicas=0),
        },
        "webhook": {"enabled": True, **image("fluidcloudnative", "fluid-webhook")},
        "fluidapp": controller("application-controller", enabled=True),
    }
    return named if whole else {"imagePrefix": "fluidcloudnative", **named}
