"""Group A: what users do rightly, and what Fluid then has to do."""

from __future__ import annotations

from suites import checks
from suites.datasets import Birth
from suites.scenario import Level, scenario
from suites.user import DATASET, User
from workloads.models.data_load import DataLoad


@scenario("A1", Level.SMOKE, issues=(4388,))
def test_dataset_over_an_nfs_claim_gets_bound_without_a_fuse_pod(shared: User, birth: Birth) -> None:
    """A Dataset over an NFS claim gets Bound; Fluid makes claim and volume, and no Fuse Pod yet.

    The user makes a Dataset whose mount point is pvc:// and the name of an NFS claim, and an
    AlluxioRuntime of the same name. No application runs.
    """
    shared.evidence.phases.extend(birth.phases)
    shared.evidence.fact("Dataset status", f"phase {birth.dataset.phase}", ufs_total=birth.dataset.ufs_total)
    checks.claim_and_volume_of_fluid(shared)
    checks.fuse_absent(shared, birth.fuse)


@scenario("A2", Level.SMOKE, issues=(4388,))
def test_application_on_fluids_claim_reads_through_a_fuse_pod(shared: User) -> None:
    """An application on Fluid's claim reads the right data through a Fuse Pod on its own node.

    The user starts a Pod that mounts the claim which Fluid made, the one with the Dataset's name.
    """
    pod = shared.starts(shared.application("a2-right", DATASET))
    checks.served_by_fluid(shared, pod)
    shared.reads_right(pod)


@scenario("A3", Level.SMOKE)
def test_applications_on_one_node_share_one_fuse_pod(shared: User) -> None:
    """Three applications on one node share one Fuse Pod, and one of them may go without harm.

    The user starts three Pods on the same node, all on Fluid's claim, then deletes one.
    """
    first = shared.starts(shared.application("a3-first", DATASET))
    others = [shared.application(f"a3-{name}", DATASET, node=first.node) for name in ("second", "third")]
    for other in others:
        shared.applies(other.manifest())
    pods = [first, *(shared.waits_until_running(other) for other in others)]
    for pod in pods:
        checks.served_by_fluid(shared, pod)
    checks.one_fuse_pod(shared, first.node)
    shared.stops(first)
    for pod in pods[1:]:
        shared.reads_right(pod, who=f"application {pod.name}, after another one went")
    checks.one_fuse_pod(shared, first.node)


@scenario("A13", Level.SMOKE)
def test_default_access_is_read_only(shared: User) -> None:
    """A Dataset without access modes is read-only: a write is refused and the source stays as it was.

    The user's application tries to write a file into the claim that Fluid made.
    """
    pod = shared.starts(shared.application("a13-writer", DATASET))
    checks.served_by_fluid(shared, pod)
    result = shared.observer.write(pod, "/data/written-by-a13")
    if result.written or not result.refused:
        raise checks.fail(
            "a write through a read-only Dataset was not refused",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="Read-only file system",
            seen=result.message or "it was written",
        )
    shared.evidence.fact("application", f"a write is refused: {result.message.splitlines()[-1]}")
    checks.source_unchanged(shared)


@scenario("A22", Level.SMOKE)
def test_data_load_caches_everything_before_anyone_reads(fresh: User) -> None:
    """A DataLoad takes a Dataset from nothing cached to all cached, before any application runs.

    The user makes a DataLoad for the whole Dataset and waits until it is Complete.
    """
    checks.nothing_cached(fresh)
    fresh.applies(DataLoad.whole(fresh.namespace, "a22-load", DATASET).manifest())
    fresh.waits_for_load("a22-load")
    checks.all_cached(fresh, status_too=True)
    checks.fuse_absent(fresh, fresh.observer.fuse(fresh.namespace, DATASET))
