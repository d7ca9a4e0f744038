"""A DataProcess over a Dataset."""

from __future__ import annotations

from clusters.host import mountinfo
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_chart import ImageRef
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import Since
from suites.steps import checks, data_operations, script_results
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User
from workloads.data_process_script import reading_script
from workloads.models.data_process import DataProcess, MountedDataset, Processor, ScriptProcessor


@scenario(
    "A24",
    Level.FULL,
    since=Since("1.0", "0.9 has no DataProcess (api/v1alpha1 of 0.9.3)"),
    fields=(
        "DataProcess.spec.dataset.name",
        "DataProcess.spec.dataset.mountPath",
        "DataProcess.spec.processor.script.image",
        "DataProcess.spec.processor.script.imageTag",
        "DataProcess.spec.processor.script.command",
        "DataProcess.spec.processor.script.source",
        "DataProcess.status.phase",
    ),
    writes=(kinds.DATA_PROCESS,),
)
def test_data_process_reads_the_dataset_through_fluid(shared_user: User) -> None:
    """A DataProcess runs the user's script, which reads the right data of the Dataset through Fluid.

    The user creates a DataProcess with a script that reads all files of the Dataset, and another one
    with nothing to run, which is refused.
    """
    image = ImageRef.of(shared_user.system.toolbox)
    script = ScriptProcessor(
        image=f"{image.prefix}/{image.name}".strip("/"),
        image_tag=image.tag,
        image_pull_policy="IfNotPresent",
        command=("bash",),
        source=reading_script("/data"),
    )
    dataset = MountedDataset(name=DATASET, namespace=shared_user.namespace, mount_path="/data")
    reads, nothing = (
        DataProcess(namespace=shared_user.namespace, name=name, dataset=dataset, processor=processor)
        for name, processor in (("a24-reads", Processor(script=script)), ("a24-nothing", Processor()))
    )
    try:
        shared_user.applies(reads.manifest(), nothing.manifest())
        ended = data_operations.ends(shared_user, kinds.DATA_PROCESS, reads.name)
        pod = _pod_of(shared_user, reads.name)
        data_operations.ended_as(shared_user, kinds.DATA_PROCESS, ended, "Complete")
        _check_read_through_fluid(shared_user, pod)
        refused = data_operations.ends(shared_user, kinds.DATA_PROCESS, nothing.name)
        data_operations.ended_as(shared_user, kinds.DATA_PROCESS, refused, "Failed")
        wait_for_event(shared_user, "DataProcess", nothing.name, says="processor is missing")
        data_operations.no_job(shared_user, fluid_names.data_process_job(nothing.name))
    finally:
        data_operations.delete(shared_user, kinds.DATA_PROCESS, reads.name, nothing.name)
    data_operations.gone(shared_user, kinds.DATA_PROCESS, reads.name, nothing.name)


def _pod_of(user: User, name: str) -> PodSnapshot:
    """The Pod in which a DataProcess ran; its log is attached."""
    release = fluid_names.data_process_release(name)
    pods = user.observer.objects.list(PodSnapshot, user.namespace, labels=f"release={release}")
    for pod in (pod for pod in pods if pod.ended):
        user.evidence.attach(f"log of {pod.name}", script_results.log_of_process(user, pod.name))
    last = next((pod for pod in pods if pod.phase == "Succeeded"), None)
    if last is None:
        checks.fail(
            f"no Pod of DataProcess {name} has succeeded",
            subject=f"DataProcess {user.namespace}/{name}",
            expected="a Pod that ran the script to its end",
            seen="; ".join(map(str, pods)) or "no Pod",
        )
    return last


def _check_read_through_fluid(user: User, pod: PodSnapshot) -> None:
    """The Pod used Fluid's claim and mount, read the right data, and its node has a Fuse Pod."""
    subject = f"Pod {pod.namespace}/{pod.name}"
    said = script_results.of_process(user, pod.name)
    mount = mountinfo.mount_at(mountinfo.parse(said.mounts), "/data")
    if DATASET not in pod.claim_names or mount.serves != "fluid":
        checks.fail(
            "the DataProcess did not read the Dataset through Fluid",
            subject=subject,
            expected=f"claim {DATASET}, and a mount of type fuse.alluxio-fuse at /data",
            seen=f"claims {', '.join(pod.claim_names) or 'none'}; {mount}",
        )
    user.evidence.fact("script's mountinfo", f"/data is of type {mount.fs_type}", mounted_from=mount.source)
    difference = user.files.difference(said.read.checksums)
    if not said.read.complete or difference:
        checks.fail(
            "the DataProcess did not read what is at the source",
            subject=subject,
            expected=f"{len(user.files.files)} files with their checksums",
            seen=f"{difference}; {said.read.message}".strip("; "),
        )
    user.evidence.fact("script", f"read {len(user.files.files)} files, checksums right", pod=pod.name)
    fuse = user.observer.fuse(user.namespace, DATASET)
    if not fuse.ready_on(pod.node):
        checks.fail(
            f"no ready Fuse Pod on {pod.node}, where the DataProcess ran",
            subject=subject,
            expected="a ready Fuse Pod, and the label of the node",
            seen=str(fuse),
        )
    user.evidence.fact("Fuse DaemonSet", f"a ready Fuse Pod on {pod.node}", desired=fuse.desired)
