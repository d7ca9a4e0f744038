"""What must hold, each as one check that states its evidence or fails the scenario.

A check trusts no single source. Only facts count that Fluid cannot fake: types of mounts, Pods on nodes,
labels of nodes, blocks on disk, bytes that the NFS server sent. Phases of the runtime, events and the Ready
condition of a Pod are reported, and never decide (fusePhase is always Ready in 1.0.8).
"""

from suites.steps.checks.cache import CACHED_SECONDS, all_cached, nothing_cached, why_cached
from suites.steps.checks.claims import claim_and_volume_of_fluid, claim_kept, no_such_claim
from suites.steps.checks.events import reported_events
from suites.steps.checks.failure import fail
from suites.steps.checks.fuse import (
    fuse_absent,
    no_fuse_over_window,
    one_fuse_pod,
    served_by_fluid,
    why_fuse_present,
)
from suites.steps.checks.nfs import (
    IDLE_BYTES,
    assert_nfs_sent_all,
    assert_nfs_sent_nothing,
    reads_raw_nfs,
    source_unchanged,
)
from suites.steps.checks.reads import DEAD, DEAD_SECONDS, dead_mount, reads_again, same_pod

__all__ = (
    "CACHED_SECONDS",
    "DEAD",
    "DEAD_SECONDS",
    "IDLE_BYTES",
    "all_cached",
    "assert_nfs_sent_all",
    "assert_nfs_sent_nothing",
    "claim_and_volume_of_fluid",
    "claim_kept",
    "dead_mount",
    "fail",
    "fuse_absent",
    "no_fuse_over_window",
    "no_such_claim",
    "nothing_cached",
    "one_fuse_pod",
    "reads_again",
    "reads_raw_nfs",
    "reported_events",
    "same_pod",
    "served_by_fluid",
    "source_unchanged",
    "why_cached",
    "why_fuse_present",
)
