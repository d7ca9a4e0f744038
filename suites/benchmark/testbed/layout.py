"""The files that a benchmark reads, on the NFS server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clusters.errors import InfrastructureError
from clusters.product.nfs import CONTAINER, EXPORT, NAME, NAMESPACE
from clusters.progress import Progress
from clusters.system import System
from suites.steps.observer import Observer
from workloads.data import DataFile, Files
from workloads.fio import Plan

#: Folder of the export that the Dataset of the benchmark shows.
FOLDER: Final = f"{EXPORT}/benchmark"

DATA_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Files of a workload, in several copies.

    Attributes:
        name: folder of all copies.
        files: of one copy; the name of its folder is the number of the copy.
        copies: how many.
    """

    name: str
    files: Files
    copies: int

    @classmethod
    def of(cls, plan: Plan, copies: int) -> Layout:
        """The layout that a plan reads; workloads on the same files share it."""
        one = plan.files[0]
        name = f"one-{one.size}" if len(plan.files) == 1 else f"{plan.job}-{plan.numjobs}"
        files = tuple(DataFile(str(file.path), file.size, f"bench-{file.size}") for file in plan.files)
        return cls(name, Files(files), copies)

    def folder(self, copy: int) -> str:
        """The folder of a copy, below the root of the Dataset."""
        return f"{self.name}/{copy}"


def create_data(system: System, progress: Progress, layouts: Sequence[Layout]) -> None:
    """Create all copies on the server, and compare their checksums with the known ones.

    Raises:
        InfrastructureError: the data cannot be created, or its checksum differs.
    """
    unique = tuple({layout.name: layout for layout in layouts}.values())
    total = sum(layout.files.total_bytes * layout.copies for layout in unique)
    with progress.stage(f"{total / 2**20:.0f} MiB of data on the NFS server, checksummed"):
        for layout in unique:
            for copy in range(layout.copies):
                folder = f"{FOLDER}/{layout.folder(copy)}"
                done = system.kube.exec(
                    NAMESPACE,
                    NAME,
                    CONTAINER,
                    ["bash", "-s"],
                    stdin=layout.files.shell(folder).encode(),
                    timeout=DATA_SECONDS,
                )
                if done.exit_code != 0:
                    raise InfrastructureError(
                        "the data of the benchmark could not be created",
                        last_seen=done.stderr.strip()[-500:],
                    )
                # Reading it for its checksum also puts it into the page cache of the server.
                found = Observer(system).at_the_source(folder)
                if difference := layout.files.difference(found):
                    raise InfrastructureError(f"the data of the benchmark is wrong: {difference}")
