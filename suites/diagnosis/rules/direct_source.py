"""Pods that reach the data of a Dataset without any claim: an NFS volume, or a folder of the node."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Evidence, Finding
from suites.diagnosis.fluid_facts import SIDECAR_DONE_LABEL, fuse_folder_dataset
from suites.diagnosis.objects import Export, PodInfo, folder
from suites.diagnosis.rules.claim_use import export_name, key_of, names_of, source_evidence
from suites.diagnosis.wording import namespaced, shown


def datasets_of_export(
    state: ClusterState, pod: PodSnapshot, export: Export | None
) -> tuple[DatasetSnapshot, ...]:
    """The Datasets of the Pod's namespace whose data are on an export or in a folder of it.

    A Pod of another namespace that uses the export may have nothing to do with the Dataset.
    """
    if export is None:
        return ()
    found = {
        key_of(dataset): dataset
        for source, datasets in state.datasets_by_export.items()
        if source[0] == export[0] and _within(export[1], source[1])
        for dataset in datasets
        if dataset.namespace == pod.namespace
    }
    return tuple(found.values())


def _within(path: str, above: str) -> bool:
    """Whether a path is a folder or below it."""
    return path == above or path.startswith(above.rstrip("/") + "/")


def direct_source(state: ClusterState, pod: PodInfo) -> Iterator[Finding]:
    """B1 without a claim: the Pod mounts the export, or a folder of the node that holds the data."""
    for export in dict.fromkeys(pod.exports.values()):
        datasets = datasets_of_export(state, pod.snapshot, export)
        if datasets:
            yield _direct(pod, datasets, export_name(export), f"has an NFS volume, {export_name(export)}")
    if pod.snapshot.labels.get(SIDECAR_DONE_LABEL) == "true":
        return  # The webhook replaced its claim by such a folder.
    for path in dict.fromkeys(map(folder, pod.snapshot.host_paths.values())):
        dataset = fuse_folder_dataset(path)
        if dataset is not None and dataset in state.datasets_by_key:
            yield _fuse_folder(state, pod, path, state.datasets_by_key[dataset])
        else:
            datasets = _local_datasets(state, pod.snapshot, path)
            if datasets:
                yield _direct(pod, datasets, f"folder {path} of the node", f"has a hostPath volume, {path}")


def _local_datasets(state: ClusterState, pod: PodSnapshot, path: str) -> tuple[DatasetSnapshot, ...]:
    """Datasets of the Pod's namespace with a mount point ``local://`` at a path or above it."""
    return tuple(
        dataset
        for dataset in state.datasets_by_namespace.get(pod.namespace, ())
        if any(
            mount.mount_point.startswith("local://")
            and _within(path, folder(mount.mount_point.removeprefix("local://")))
            for mount in dataset.mounts
        )
    )


def _direct(pod: PodInfo, datasets: tuple[DatasetSnapshot, ...], what: str, observed: str) -> Finding:
    dataset = datasets[0]
    ended = pod.snapshot.ended
    says = f"Pod {shown(pod.snapshot.name)} mounts {what} itself, the source of Dataset {names_of(datasets)}"
    return Finding(
        pod.key,
        key_of(dataset),
        "",
        FindingCode.ENDED if ended else FindingCode.OTHER_CLAIM_OF_SOURCE,
        State.OK if ended else State.WRONG,
        f"{says}, and has ended." if ended else f"{says}: it reads past Fluid.",
        "" if ended else f"Mount claim {shown(dataset.name)} instead.",
        (Evidence(f"Pod {namespaced(pod.snapshot)}", observed), *source_evidence(dataset)),
    )


def _fuse_folder(state: ClusterState, pod: PodInfo, path: str, dataset: DatasetSnapshot) -> Finding:
    """The Pod mounts the folder of the node at which the Fuse mounts: nothing starts a Fuse for it."""
    ended = pod.snapshot.ended
    same = dataset.namespace == pod.snapshot.namespace
    claim = f"claim {shown(dataset.name)}" + ("" if same else f" in namespace {shown(dataset.namespace)}")
    fuse = state.fuse(*key_of(dataset))
    return Finding(
        pod.key,
        key_of(dataset),
        "",
        FindingCode.ENDED if ended else FindingCode.FUSE_FOLDER,
        State.OK if ended else State.WRONG,
        f"Pod {shown(pod.snapshot.name)} mounts the folder of the node at which the Fuse of Dataset "
        f"{shown(dataset.name)} mounts"
        + (", and has ended." if ended else ": Fluid starts no Fuse for it and does not protect its mount."),
        "" if ended else f"Use {claim} instead of the hostPath volume.",
        (
            Evidence(f"Pod {namespaced(pod.snapshot)}", f"has a hostPath volume, {path}"),
            Evidence("Fuse", str(fuse)),
        ),
    )
