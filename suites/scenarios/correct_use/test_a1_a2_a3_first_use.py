"""A Dataset over an NFS claim, and applications that read through it."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.meta import is_true
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.catalogue.scenario import Level, scenario
from suites.run.dataset_pool import ReadyDataset
from suites.steps import checks
from suites.steps.user import DATASET, User

#: A user other than root.
ANOTHER: Final = 1000
AS_ANOTHER: Final = ("setpriv", f"--reuid={ANOTHER}", f"--regid={ANOTHER}", "--clear-groups")


@scenario("A1", Level.SMOKE, issues=(4388,), untouched=True, fields=("Dataset.status.phase",))
def test_dataset_over_an_nfs_claim_is_bound_without_a_fuse_pod(
    shared_user: User, ready_dataset: ReadyDataset
) -> None:
    """A Dataset over an NFS claim is Bound, with a claim and a volume of Fluid, and without a Fuse Pod.

    The user creates a Dataset whose mount point is pvc:// and the name of an NFS claim, and an
    AlluxioRuntime of the same name. No application runs.
    """
    shared_user.evidence.phases.extend(ready_dataset.phases)
    shared_user.evidence.fact(
        "Dataset status", f"phase {ready_dataset.dataset.phase}", ufs_total=ready_dataset.dataset.ufs_total
    )
    _check_ready(shared_user, ready_dataset.dataset)
    checks.claim_and_volume_of_fluid(shared_user)
    checks.fuse_absent(shared_user, ready_dataset.fuse)


def _check_ready(user: User, dataset: DatasetSnapshot) -> None:
    """A Bound Dataset has the condition Ready (pkg/ddc/alluxio/dataset.go:111-115 of 1.0.8)."""
    if not is_true(dataset.conditions, "Ready"):
        checks.fail(
            "the Dataset is Bound, and its condition Ready is not true",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="Ready=True",
            seen=", ".join(map(str, dataset.conditions)) or "no condition",
        )
    user.evidence.fact("Dataset status", "condition Ready=True")


@scenario("A2", Level.SMOKE, issues=(4388,), fields=("Dataset.spec.mounts[].mountPoint",))
def test_application_on_fluids_claim_reads_through_a_fuse_pod(shared_user: User) -> None:
    """An application on Fluid's claim reads the right data through a Fuse Pod on its own node.

    The user starts a Pod that mounts the claim that Fluid created, which has the Dataset's name.
    """
    pod = shared_user.starts(shared_user.application("a2-right", DATASET))
    checks.served_by_fluid(shared_user, pod)
    shared_user.reads_right(pod)
    _check_another_user_reads(shared_user, pod)


def _check_another_user_reads(user: User, pod: PodSnapshot) -> None:
    """Another user than root reads a file that all users may read.

    Fluid mounts the Fuse with ``allow_other`` (pkg/ddc/alluxio/transform_fuse.go:93-96 of 1.0.8).
    """
    path, expected = next(iter(user.files.checksums().items()))
    done = user.observer.inside(pod, (*AS_ANOTHER, "sha256sum", f"/data/{path}"))
    if done.exit_code != 0 or done.stdout.split()[:1] != [expected]:
        checks.fail(
            f"user {ANOTHER} does not read what root reads through the Fuse",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{path} with checksum {expected}",
            seen=(done.stdout + done.stderr).strip()[-500:],
        )
    user.evidence.fact("application", f"reads {path} also as user {ANOTHER}")


@scenario("A3", Level.SMOKE)
def test_applications_on_one_node_share_one_fuse_pod(shared_user: User) -> None:
    """Three applications on one node share one Fuse Pod, and the others still read after one is deleted.

    The user starts three Pods on the same node that mount Fluid's claim, then deletes one.
    """
    warm = shared_user.observer.fuse(shared_user.namespace, DATASET).pods.keys()
    first = shared_user.starts(shared_user.application("a3-first", DATASET))
    others = [shared_user.application(f"a3-{name}", DATASET, node=first.node) for name in ("second", "third")]
    for other in others:
        shared_user.applies(other.manifest())
    pods = [first, *(shared_user.waits_until_running(other) for other in others)]
    for pod in pods:
        checks.served_by_fluid(shared_user, pod)
    checks.one_fuse_pod(shared_user, first.node, warm=warm)
    shared_user.stops(first)
    for pod in pods[1:]:
        shared_user.reads_right(pod, who=f"application {pod.name}, after another one was deleted")
    checks.one_fuse_pod(shared_user, first.node, warm=warm)
