"""The host's limit on the mappings of one process, which a guest of User-Mode Linux reaches.

The guest's kernel runs each program of the guest as a process of this machine, and maps the program's
pages one by one. Where a program has more pages than the limit allows mappings, the kernel cannot run it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError

#: Of one process: 4 GiB of scattered pages. The default of 65530 is reached at 256 MiB, which kube-apiserver
#: exceeds when it serves Fluid's CustomResourceDefinitions.
MAPPINGS: Final = 1 << 20
#: Documentation/admin-guide/sysctl/vm.rst.
LIMIT: Final = Path("/proc/sys/vm/max_map_count")


@contextmanager
def many_mappings(limit: Path = LIMIT) -> Iterator[None]:
    """Raise the host's limit while the context lasts; a higher one stays as it is.

    Raises:
        RefusalError: the limit is too low and cannot be changed here.
    """
    before = int(limit.read_text())
    if before >= MAPPINGS:
        yield
        return
    try:
        limit.write_text(f"{MAPPINGS}\n")
    except OSError as error:
        raise RefusalError(
            f"the guest needs vm.max_map_count={MAPPINGS}; this host has {before} and refuses a change",
            last_seen=str(error.strerror),
            advice=f"sysctl -w vm.max_map_count={MAPPINGS} on the machine itself",
        ) from error
    try:
        yield
    finally:
        limit.write_text(f"{before}\n")
