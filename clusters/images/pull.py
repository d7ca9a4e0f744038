"""Pulling published images into the engine, from their registry or from a mirror of it.

From there on a pulled image is like a built one: the nodes receive it in the same archive under its
published name, and the same manifests name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clusters.errors import InfrastructureError, RefusalError
from clusters.host.commands import CommandError
from clusters.host.engine import Engine, docker_client
from clusters.image_names import HUB, private_name, reference, repository, split_host, without_tag
from clusters.images.offline.build import KEY_LABEL
from clusters.progress import Progress

#: Seconds in which a registry must answer.
PROBE_SECONDS: Final = 10.0
#: Seconds for one image; the largest is 1 GiB.
PULL_SECONDS: Final = 1_800.0
#: Pulled to find out whether a registry answers: the repository is on Docker's hub, the tag does not exist.
PROBE_IMAGE: Final = "debian:fluid-conformance-probe"

#: Errors of engines (Docker 20.10 to 28, with and without containerd's image store) if the registry
#: answered and has no such image.
_MISSING: Final = (
    "manifest unknown",
    "name unknown",
    "repository does not exist",
    "pull access denied",
    "no matching manifest",
    ": not found",
)
#: Errors if no registry was reached; these are searched first, because they may contain the others.
_UNREACHED: Final = (
    "dial tcp",
    "lookup ",
    "i/o timeout",
    "timeout exceeded",
    "deadline exceeded",
    "connection refused",
    "connection reset",
    "no route to host",
    "proxyconnect",
    "tls: ",
    "x509: ",
    "eof",
    "gave http response to https",
)
_LIMITED: Final = ("toomanyrequests", "too many requests")


class NotPublishedError(RefusalError):
    """The registry answered and has no such image."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image that came from a registry, in the engine.

    Attributes:
        name: its published name.
        local: its name in the engine: the published one, unless a mirror served it.
        source: where it came from, by digest; the engine has this name, too.
        id: the engine's.
        digest: ``sha256:…`` in the registry.
        labels: of the image.
    """

    name: str
    local: str
    source: str
    id: str
    digest: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Registry:
    """The registries that images are published in, or one mirror that serves their names.

    Attributes:
        engine: pulls.
        mirror: ``HOST[:PORT][/PATH]``, or None for the published registries themselves.
        progress: shows stages.
    """

    engine: Engine
    mirror: str | None
    progress: Progress

    def __str__(self) -> str:
        return self.mirror or HUB

    def answers(self) -> str:
        """Empty if a registry answers within 10 s, else the error.

        The engine asks, not this process, because the engine must pass proxies.
        """
        try:
            done = self.engine.run(
                "pull", reference(PROBE_IMAGE, self.mirror), check=False, timeout=PROBE_SECONDS
            )
        except CommandError as error:
            return error.message
        said = done.stdout + done.stderr
        if done.exit_code == 0 or is_missing(said) or _limited(said):
            return ""
        return _last_line(said)

    def pull(self, name: str, digest: str = "") -> Pulled:
        """The image of that published name, pulled first if the engine does not have it.

        A published tag keeps its image; a mirror is asked each time, because it may have been filled again.

        Args:
            name: repository and tag, as published.
            digest: ``sha256:…`` that it must have; not used with a mirror, which may have the image
                as another manifest.

        Raises:
            NotPublishedError: the registry has no image of that name.
            RefusalError: no registry answers, or it limits this host at the moment.
            InfrastructureError: the download broke, or is not complete after 30 minutes.
        """
        source = reference(name, self.mirror, digest)
        # A mirror may serve images of the harness under published names.
        local = name if self.mirror is None else private_name(name)
        found = self._found(name, local, source)
        # containerd's image store gives a digest also to an image that was built here, which its label shows.
        if found is not None and self.mirror is None and KEY_LABEL not in found.labels:
            return found
        with self.progress.stage(f"pull {name}") as stage:
            try:
                done = self.engine.commands.run(
                    [docker_client(), "pull", source],
                    env=self.engine.env,
                    check=False,
                    timeout=PULL_SECONDS,
                    on_line=stage.says,
                )
            except CommandError as error:
                if error.completed is None:
                    raise
                raise InfrastructureError(
                    f"{self._registry_of(name)} did not deliver {name} within {PULL_SECONDS:g} s",
                    last_seen=_last_line(error.completed.stdout),
                    advice="run it again, since the engine keeps complete layers, or name a nearer mirror "
                    "with --registry",
                ) from error
            if done.exit_code != 0:
                raise self._failure(name, source, done.stdout + done.stderr)
            if "Image is up to date" in done.stdout:
                stage.was_cached()
            if source != local:
                self.engine.run("tag", source, local)
        found = self._found(name, local, source)
        if found is None:
            raise InfrastructureError(
                f"the engine pulled {source} and does not know it by its digest",
                subject=name,
                advice=f"docker image inspect {local}",
            )
        return found

    def _found(self, name: str, local: str, source: str) -> Pulled | None:
        """The image if the engine has it from this source."""
        image = self.engine.inspect("image", local)
        if image is None:
            return None
        labels = (image.get("Config") or {}).get("Labels") or {}
        digest = _digest(image, source)
        if not digest:
            return None
        where = f"{without_tag(source.partition('@')[0])}@{digest}"
        return Pulled(name, local, where, str(image["Id"]), digest, labels)

    def _registry_of(self, name: str) -> str:
        return self.mirror or split_host(name)[0]

    def _failure(self, name: str, source: str, said: str) -> Exception:
        shown, registry = _last_line(said), self._registry_of(name)
        if is_missing(said):
            return NotPublishedError(
                f"{registry} has no image {name}",
                last_seen=shown,
                advice="choose a version that is published, or build it with --images=build",
            )
        if _limited(said):
            return RefusalError(
                f"{registry} serves this host no more images for now",
                last_seen=shown,
                advice="docker login, or name a mirror with --registry, or build with --images=build",
            )
        if is_unreached(said):
            return RefusalError(
                f"{registry} does not answer",
                last_seen=shown,
                advice=unreached_advice(said),
            )
        return InfrastructureError(f"cannot pull {source}", subject=name, last_seen=said[-1_000:])


def unreached_advice(said: str) -> str:
    """What to do where no registry was reached, by an engine's message."""
    if "HTTP response to HTTPS" in said:
        return "a mirror without TLS must be on this host, or among the engine's insecure-registries"
    if "proxyconnect" in said:
        return "see the proxy of the container engine in `docker info`; the settings of its daemon name it"
    if "x509: " in said or "certificate" in said:
        return "let the engine's host trust the authority of the registry or proxy, then restart the engine"
    return "check the network, name a mirror with --registry, or build with --images=build"


def is_missing(said: str) -> bool:
    """Whether an engine's message means that the registry answered and has no such image."""
    lowered = said.lower()
    return not is_unreached(said) and any(phrase in lowered for phrase in _MISSING)


def is_unreached(said: str) -> bool:
    """Whether an engine's message means that it reached no registry."""
    lowered = said.lower()
    return any(phrase in lowered for phrase in _UNREACHED)


def _limited(said: str) -> bool:
    return any(phrase in said.lower() for phrase in _LIMITED)


def _digest(image: Mapping[str, Any], source: str) -> str:
    """The image's digest in the repository of ``source``; empty if it has another origin."""
    reference, _, exact = source.partition("@")
    for entry in image.get("RepoDigests") or []:
        where, _, digest = str(entry).partition("@")
        if repository(where) == repository(without_tag(reference)) and exact in ("", digest):
            return digest
    return ""


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing was said"
