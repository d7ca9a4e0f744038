"""The Fuse as a sidecar in the application's own Pod."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.exec import ExecTimeoutError
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_versions import known_version
from clusters.waiting import is_empty, wait
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import FindingCode
from suites.diagnosis.fluid_facts import (
    SERVERLESS_LABEL,
    SIDECAR_CONTAINER,
    SIDECAR_DONE_LABEL,
)
from suites.record.defects import Defect, Leftover
from suites.steps import checks, page_cache, sidecars, webhook
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.user import DATASET, User
from workloads import pod_commands

#: The container that the webhook adds to a Pod with one Dataset.
SIDECAR: Final = f"{SIDECAR_CONTAINER}-0"
#: Seconds until a mount that no Pod needs is removed from the node.
UNMOUNTED_SECONDS: Final = 60.0
#: Seconds for one cached file: Alluxio repeats a read that cannot work for minutes.
READ_SECONDS: Final = 30.0


@scenario(
    "A30",
    Level.FULL,
    issues=(2500, 2150, 2152, 5294),
    defects=(
        sidecars.SCRIPT_STAYS,
        Defect(
            "sidecar-lacks-the-cache",
            "A sidecar on its worker's node should open cached blocks itself, but the webhook removes their "
            "folder from it: cached files cannot be read.",
            "pkg/application/inject/fuse/mutator/mutator_default.go:45,350-354, "
            "pkg/ddc/alluxio/transform.go:527-548 (1.0.8)",
        ),
    ),
    leftovers=(Leftover(sidecars.SCRIPT_STAYS.key, sidecars.SCRIPT_PATTERN),),
)
def test_fuse_as_a_sidecar_serves_its_pod_without_a_fuse_pod(dataset_owner: User) -> None:
    """A Pod that requests a sidecar reads through a Fuse in the Pod itself, and no Fuse Pod runs.

    The user labels a Pod on the worker's node with ``serverless.fluid.io/inject=true``, and later starts
    another one without the label.
    """
    webhook.needed(dataset_owner)
    webhook.knows_the_dataset(dataset_owner)
    worker = dataset_owner.observer.objects.get(
        PodSnapshot, fluid_names.worker_pod(DATASET), dataset_owner.namespace
    )
    assert worker is not None
    application = dataset_owner.application(
        "a30-sidecar",
        DATASET,
        node=worker.node,
        labels={SERVERLESS_LABEL: "true"},
        grace_seconds=sidecars.GRACE_SECONDS,
    )
    pod = dataset_owner.starts(application)
    _check_has_sidecar(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    reading = dataset_owner.with_reconcile_requests(lambda: dataset_owner.reads_right_quietly(pod))
    checks.no_fuse_over_window(dataset_owner, dataset_owner.two_reconciles, reading)
    assert_diagnosis(dataset_owner, pod.name, FindingCode.SIDECAR)
    checks.all_cached(dataset_owner)
    _check_reads_from_cache(dataset_owner, pod)
    dataset_owner.stops(pod)
    _wait_until_unmounted(dataset_owner, pod.node)
    plain = dataset_owner.starts(dataset_owner.application("a30-plain", DATASET, node=pod.node))
    checks.served_by_fluid(dataset_owner, plain)
    dataset_owner.reads_right(plain, who="application without the label")


def _check_has_sidecar(user: User, pod: PodSnapshot) -> None:
    """The Pod has a running Fuse container, and its claim was replaced by the Fuse's folder on the node."""
    sidecar, mount = pod.container(SIDECAR), user.observer.mount(pod)
    folder = fluid_names.host_mount(user.namespace, DATASET)
    # Labels that name the Dataset of each sidecar (mutator_default.go:438-467 of 1.0.8).
    version = known_version(user.system.fluid.version)
    expected = version.labels_of_sidecar(SIDECAR, user.namespace, DATASET)
    mapped = {key: value for key, value in pod.labels.items() if key.endswith(f".sidecar.fluid.io/{SIDECAR}")}
    wrong = [
        says
        for holds, says in (
            (sidecar is not None and sidecar.running, f"container {SIDECAR} is {sidecar or 'not there'}"),
            (DATASET not in pod.claim_names, f"it still uses claim {DATASET}"),
            (folder in pod.host_paths.values(), f"its folders of the node are {dict(pod.host_paths)}"),
            (pod.labels.get(SIDECAR_DONE_LABEL) == "true", f"it lacks label {SIDECAR_DONE_LABEL}"),
            (mapped == expected, f"its labels of {SIDECAR} are {mapped or 'none'}, not {expected or 'none'}"),
            (mount.serves == "fluid", f"/data is {mount}"),
        )
        if not holds
    ]
    if wrong:
        checks.fail(
            f"Pod {pod.name} does not have the sidecar that it requests: {'; '.join(wrong)}",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"container {SIDECAR}, folder {folder}, a mount of type fuse.alluxio-fuse at /data",
            seen=str(pod),
            advice="check the logs of the webhook and of the sidecar",
        )
    user.evidence.fact(
        "Pod as admitted", f"container {SIDECAR} runs next to the application", claim="replaced"
    )
    user.evidence.fact(
        "application mountinfo", f"/data is of type {mount.fs_type}", mounted_from=mount.source
    )


def _check_reads_from_cache(user: User, pod: PodSnapshot) -> None:
    """Whether the sidecar serves a cached file after its pages were dropped."""
    file = user.files.files[0]
    page_cache.drop_files(user, pod)
    try:
        done = user.observer.inside(pod, pod_commands.read_argv(f"/data/{file.path}"), timeout=READ_SECONDS)
        said = done.stderr.strip() if done.exit_code else ""
    except ExecTimeoutError:
        done, said = None, f"it does not end within {READ_SECONDS:g} s"
    if done is not None and not said and pod_commands.transfer(done).bytes != file.size:
        checks.fail(
            f"{pod.name} read less of {file.path} than its size",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=f"{file.size} bytes",
            seen=done.stderr.strip(),
        )
    user.evidence.defect(
        "sidecar-lacks-the-cache",
        seen=bool(said),
        says=f"a read of {file.path}, all of it cached: {said[-300:] or 'right'}",
    )


def _wait_until_unmounted(user: User, node: str) -> None:
    """Wait until the sidecar's mount is removed from the node."""
    with user.evidence.phase("waiting", "the sidecar's mount is removed"):
        wait(
            lambda: user.observer.host_mounts(node, user.namespace, DATASET),
            is_empty,
            subject=f"mounts of {user.namespace}/{DATASET} on {node}",
            condition="removal with the Pod that had the sidecar",
            timeout=UNMOUNTED_SECONDS,
            delay=1.0,
            describe=lambda mounts: "; ".join(mount.mount_point for mount in mounts) or "none",
        )
    user.evidence.fact("node's mounts", f"no mount of the Dataset is left on {node}")
