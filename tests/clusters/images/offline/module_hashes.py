"""A Go that downloads modules with the hashes that are kept of them."""

from __future__ import annotations

import json
from pathlib import Path

from clusters.host.commands import Completed
from clusters.images.offline import go_sums
from tests.clusters.fakes import FakeCommands, Ran


def hashes(path: str, version: str) -> dict[str, str]:
    """What ``go mod download -json`` reports of a module; a hash that is not kept is another one."""
    known = dict(line.rsplit(" ", 1) for line in go_sums.kept())
    of_module, of_file = f"{path} v{version}", f"{path} v{version}/go.mod"
    return {"Sum": known.get(of_module, "h1:other="), "GoModSum": known.get(of_file, "h1:other=")}


def downloads(commands: FakeCommands, folder: Path) -> None:
    """Let Go have fetched whatever module is asked for, into this folder, which has a go.mod."""

    def answer(ran: Ran) -> Completed:
        path, version = ran.argv[-1].split("@v")
        found = {"Dir": str(folder), "GoMod": str(folder / "go.mod"), **hashes(path, version)}
        return Completed(ran.argv, 0, json.dumps(found), "")

    commands.on("go", "download", does=answer)
