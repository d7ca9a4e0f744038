"""How many Datasets are made ahead."""

from __future__ import annotations

import pytest

from clusters.host import Host
from suites.datasets import ahead

GIBIBYTE = 1024**3


@pytest.mark.parametrize(("available", "expected"), [(5, 1), (8, 1), (11, 2), (64, 2)])
def test_a_small_host_makes_one_dataset_ahead(available: int, expected: int) -> None:
    """Datasets are made ahead as far as memory allows, one in any case."""
    host = Host(
        sys_resource=True,
        cgroup_v1=False,
        kernel_nfs=True,
        root=True,
        memory=64 * GIBIBYTE,
        memory_available=available * GIBIBYTE,
        cpus=2,
        cpu_model="",
        kernel="",
        fuse=True,
    )
    assert ahead(host) == expected
