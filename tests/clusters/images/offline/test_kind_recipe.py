"""kind's Dockerfile for Docker's classic builder."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.images.offline import kind_recipe

KIND = """# a comment
ARG BASE_IMAGE=some:image
FROM $BASE_IMAGE AS base
COPY --chmod=0755 files/bin/* /usr/local/bin/
COPY --chmod=0644 files/kind/ /kind/
COPY --chmod=0755 files/kind/bin/ /kind/bin/
RUN install this && \\
    that

FROM --platform=x $BASE_IMAGE AS compiled
COPY --chmod=0755 files/bin/* /usr/local/bin/
RUN make it

FROM base AS build
COPY --from=compiled /it /usr/local/bin/
RUN ctr oci spec \\
        | jq 'a' \\
        > /etc/spec.json
COPY --from=compiled /more /

FROM scratch
COPY --from=build / /
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT [ "/usr/local/bin/entrypoint", "/sbin/init" ]
"""


def test_first_stage_with_own_programs() -> None:
    """Kind's first stage, the harness's programs, kind's OCI specification and its metadata."""
    text = kind_recipe.dockerfile(KIND, "RUN install programs\n")
    assert [line for line in text.splitlines() if line.strip()] == [
        "ARG BASE",
        "FROM ${BASE}",
        "COPY files/bin/* /usr/local/bin/",
        "COPY files/kind/ /kind/",
        "COPY files/kind/bin/ /kind/bin/",
        "RUN install this && \\",
        "    that",
        "RUN install programs",
        "RUN ctr oci spec \\",
        "        | jq 'a' \\",
        "        > /etc/spec.json",
        "ENV container=docker",
        "STOPSIGNAL SIGRTMIN+3",
        'ENTRYPOINT [ "/usr/local/bin/entrypoint", "/sbin/init" ]',
    ]


@pytest.mark.parametrize("missing", ["ARG BASE_IMAGE=some:image\n", "RUN ctr oci spec", "ENTRYPOINT"])
def test_other_structure_is_refused(missing: str) -> None:
    """A node without one of these parts would fail later, and without a sentence."""
    with pytest.raises(InfrastructureError, match="structure that the harness does not know"):
        kind_recipe.dockerfile(KIND.replace(missing, "RUN other"), "")


def test_files_have_the_modes_of_the_instructions(tmp_path: Path) -> None:
    """The archive of a Go module has no modes; later instructions win, as in the image."""
    for name in ("bin/entrypoint", "kind/README", "kind/bin/script"):
        file = tmp_path / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    kind_recipe.set_modes(KIND, tmp_path)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.rglob("*") if file.is_file()}
    assert modes == {"entrypoint": 0o755, "README": 0o644, "script": 0o755}
