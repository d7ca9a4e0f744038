"""What the options of a run require of the host."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.errors import RefusalError
from clusters.host import probes, requirements
from clusters.options import Options


def test_version_of_nfs_needs_the_kernels_client() -> None:
    """The client in user space speaks NFSv3 alone."""
    with_client = replace(probes.probe(), kernel_nfs=True)
    without = replace(with_client, kernel_nfs=False)
    assert "NFS version" not in [one.name for one in requirements.of_versions(Options(), without)]
    by_name = {one.name: one for one in requirements.of_versions(Options(nfs_version="4.1"), with_client)}
    by_name["NFS version"].require()
    by_name = {one.name: one for one in requirements.of_versions(Options(nfs_version="4.1"), without)}
    with pytest.raises(RefusalError, match=r"--nfs-version 4\.1 needs the kernel's NFS client"):
        by_name["NFS version"].require()
