"""The source of the data if it is not the NFS server of the harness: an existing claim, or a server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Self

from clusters.errors import RefusalError

#: Options of pytest and of the command.
OPTIONS: Final = (
    (
        "--source-claim",
        {
            "metavar": "NAMESPACE/NAME",
            "help": "with --kubeconfig: the data are in a folder of this claim on NFS, which the run creates "
            "and removes, in place of an NFS server of the harness",
        },
    ),
    (
        "--source-server",
        {
            "metavar": "HOST:/PATH",
            "help": "the same on an NFS server that exists",
        },
    ),
)
_NAME: Final = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
_CLAIM: Final = re.compile(rf"({_NAME})/({_NAME})")
#: A host name or an IPv4 address, or an IPv6 address in brackets, and an absolute path.
_SERVER: Final = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(?P<path>/[^\x00-\x1f\x7f]*)")


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """An existing claim, or an export of an existing server.

    Attributes:
        claim: namespace and name of the claim; None for a server.
        server: host of the server; empty for a claim.
        path: that it exports; empty for a claim.
    """

    claim: tuple[str, str] | None = None
    server: str = ""
    path: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self | None:
        """The choice in options by their long names with underscores; None without one.

        Raises:
            RefusalError: both are given, or one is not written as it must be.
        """
        claim, server = given.get("source_claim"), given.get("source_server")
        if claim and server:
            raise RefusalError(
                "--source-claim and --source-server both choose the source of the data",
                advice="omit one of the two",
            )
        if claim:
            found = _CLAIM.fullmatch(claim)
            if found is None:
                raise RefusalError(
                    f"--source-claim {claim!r} does not name a claim", advice="give NAMESPACE/NAME"
                )
            namespace, name = claim.split("/")
            return cls(claim=(namespace, name))
        if server:
            found = _SERVER.fullmatch(server)
            if found is None or ".." in PurePosixPath(found["path"]).parts:
                raise RefusalError(
                    f"--source-server {server!r} does not name an export",
                    advice="give HOST:/PATH, as for mount",
                )
            return cls(server=found["host"], path=str(PurePosixPath(found["path"])))
        return None

    @property
    def kind(self) -> str:
        """What it is, without its name."""
        return "existing claim" if self.claim else "existing NFS server"

    def arguments(self) -> list[str]:
        """The option as it was given."""
        if self.claim:
            return ["--source-claim", "/".join(self.claim)]
        return ["--source-server", f"{self.server}:{self.path}"]

    def __str__(self) -> str:
        return f"claim {'/'.join(self.claim)}" if self.claim else f"NFS server {self.server}:{self.path}"
