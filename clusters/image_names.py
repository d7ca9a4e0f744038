"""Names of images: registry, repository, tag, and the same image on a mirror."""

from __future__ import annotations

from typing import Final

#: Registry of a name that has none.
HUB: Final = "docker.io"


#: Begins the names that images of the harness have in the engine of the user.
PRIVATE: Final = "fluid-conformance/"


def private_name(name: str) -> str:
    """The name of an image of the harness in the engine, which is never a published one."""
    return name if name.startswith(PRIVATE) else PRIVATE + name.rpartition("/")[2]


def reference(name: str, mirror: str | None, digest: str = "") -> str:
    """The name under which to pull a published image.

    A mirror holds images of Docker's hub under their path on the hub (``HOST/library/debian:tag``), and
    those of another registry under that registry's name (``HOST/registry.k8s.io/pause:3.10``).
    """
    if mirror is None:
        return f"{without_tag(name)}@{digest}" if digest else name
    host, path = split_host(name)
    if host == HUB:
        return f"{mirror}/{path if '/' in path else 'library/' + path}"
    return f"{mirror}/{host}/{path}"


def split_host(name: str) -> tuple[str, str]:
    """Registry and path of an image name; Docker's hub if the name has none."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return HUB, name


def repository(path: str) -> str:
    """A repository with its registry, so that two spellings of one compare equal."""
    host, rest = split_host(path)
    return f"{host}/{rest.removeprefix('library/') if host == HUB else rest}"


def without_tag(name: str) -> str:
    """The name without its tag."""
    path, colon, tag = name.rpartition(":")
    return path if colon and "/" not in tag else name
