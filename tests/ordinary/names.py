"""The registries that the stand-in serves, by their public names."""

from __future__ import annotations

from typing import Final

#: Docker's hub as images are named after it.
HUB: Final = "docker.io"
#: Registry by the name that a client connects to; Docker reaches its hub under other names than its own.
REGISTRIES: Final = {
    "registry-1.docker.io": HUB,
    "index.docker.io": HUB,
    "docker.io": HUB,
    "registry.k8s.io": "registry.k8s.io",
    "quay.io": "quay.io",
    "ghcr.io": "ghcr.io",
    "gcr.io": "gcr.io",
}
#: All of them, for certificates and name service.
DNS_NAMES: Final = tuple(REGISTRIES)
