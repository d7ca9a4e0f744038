"""Pods that use a claim that exists and is not the one that Fluid created for the Dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot, made_by_fluid
from suites.diagnosis.causes import why_not_bound
from suites.diagnosis.cluster_state import serves
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Evidence, Finding, Key
from suites.diagnosis.objects import VolumeInfo
from suites.diagnosis.rules.claim_use import (
    ClaimUse,
    claim_evidence,
    export_name,
    key_of,
    names_of,
    reference_advice,
    source_evidence,
)
from suites.diagnosis.rules.direct_source import datasets_of_export
from suites.diagnosis.wording import namespaced, shown

#: Other runtimes than Alluxio have other mount types: one is wrong only if Fluid's own volume has another.
_COMPARED_ATTRIBUTES: Final = ("fluid_path", "mount_type")


def created_by_fluid(use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo) -> bool:
    """Whether Fluid created the volume for a claim: by its annotation and by both names.

    The annotation alone does not prove it: a copy of the volume carries it as well.
    """
    names = (fluid_names.volume_name(*use.key), claim.name)  # the second in Fluid before 0.6 (pv.go:21)
    return made_by_fluid(volume.snapshot) and volume.snapshot.name in names


def source_claim(use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo | None) -> Finding | None:
    """B1: the source of a Dataset, also through another claim of the same export."""
    datasets = use.state.datasets_by_source.get(use.key, ())
    if datasets:
        return _original(use, claim, datasets)
    export = volume.export if volume else None
    same = datasets_of_export(use.state, use.pod, export)
    if export is None or not same:
        return None
    evidence = (
        claim_evidence(claim),
        Evidence(f"volume {claim.volume_name}", f"is {export_name(export)}"),
        *source_evidence(same[0]),
    )
    what = f"which is {export_name(export)}, the source of Dataset {names_of(same)}"
    if use.pod.ended:
        return _ended(use, what, same[0], *evidence)
    return use.finding(
        FindingCode.OTHER_CLAIM_OF_SOURCE,
        f"{use.subject()}, {what}: it reads past Fluid.",
        _mount_instead(use, same[0]),
        *evidence,
        dataset=key_of(same[0]),
    )


def _ended(use: ClaimUse, what: str, dataset: DatasetSnapshot, *evidence: Evidence) -> Finding:
    """D12: a Pod that filled the source was right to use its claim, and nothing can be changed any more."""
    return use.finding(
        FindingCode.ENDED,
        f"{use.subject('used')}, {what}, and has ended.",
        "",
        *evidence,
        dataset=key_of(dataset),
        state=State.OK,
    )


def _mount_instead(use: ClaimUse, dataset: DatasetSnapshot) -> str:
    advice = f"Mount claim {shown(dataset.name)} instead"
    if use.info.may_write(use.claim_name):
        return f"{advice}, unless this Pod is to write to the source: then leave it as it is."
    return f"{advice}."


def _original(use: ClaimUse, claim: ClaimSnapshot, datasets: tuple[DatasetSnapshot, ...]) -> Finding:
    dataset = datasets[0]
    what = f"which is the source of Dataset {names_of(datasets)}"
    evidence = [claim_evidence(claim), *source_evidence(dataset), *_no_fuse(use, dataset)]
    if use.pod.ended:
        return _ended(use, what, dataset, *evidence)
    also = next((d for d in datasets if d.name in use.pod.claim_names), None)
    if also is not None:
        return _both(use, claim, also, *evidence)
    causes = why_not_bound(use.state, *key_of(dataset))
    change = _mount_instead(use, dataset)
    if not serves(dataset):
        first = f" {causes[0].change}" if causes else ""
        change = f"{change} It is created when Dataset {shown(dataset.name)} is Bound.{first}"
    return use.finding(
        FindingCode.ORIGINAL_CLAIM,
        f"{use.subject()}, {what}: it reads past Fluid.",
        change,
        *evidence,
        dataset=key_of(dataset),
        causes=causes,
    )


def _both(use: ClaimUse, claim: ClaimSnapshot, dataset: DatasetSnapshot, *evidence: Evidence) -> Finding:
    """The Pod uses the Dataset's claim as well: right if it uses the source only to write."""
    second = Evidence(use.place, f"mounts claim {dataset.name} of the Dataset as well")
    writes = use.info.may_write(use.claim_name)
    says = (
        f"{use.subject()}, which is the source of Dataset {shown(dataset.name)}, and the Dataset's "
        "claim as well"
    )
    advice = f"Read from claim {shown(dataset.name)}, and keep {shown(claim.name)} only to write."
    return use.finding(
        FindingCode.READS_AND_WRITES if writes else FindingCode.ORIGINAL_CLAIM,
        f"{says}: right if it only writes to the source."
        if writes
        else f"{says}: it can only read from the source, and reads past Fluid there.",
        advice,
        *evidence,
        second,
        dataset=key_of(dataset),
        state=State.OK if writes else State.WRONG,
    )


def _no_fuse(use: ClaimUse, dataset: DatasetSnapshot) -> Iterator[Evidence]:
    fuse = use.state.fuse(*key_of(dataset))
    if use.pod.node and use.pod.node not in fuse.labelled and use.state.sees(kinds.NODE):
        yield Evidence(f"node {use.pod.node}", f"has no label {fuse.label}, so no Fuse was requested there")


def namesake(
    use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo | None, dataset: DatasetSnapshot
) -> Finding:
    """B2: Fluid keeps a claim of the Dataset's name that exists already (runtime_controller.go:291-296)."""
    evidence = [
        claim_evidence(claim),
        Evidence(f"claim {namespaced(claim)}", "lacks the annotation CreatedBy=fluid"),
    ]
    if volume is not None:
        kind = volume.snapshot.driver or (export_name(volume.export) if volume.export else "not a CSI volume")
        evidence.append(Evidence(f"volume {volume.snapshot.name}", f"is {kind}"))
    if use.claim_name in dataset.source_claims:
        says = "which is the Dataset's own source: both have the same name, so Fluid created no claim"
    else:
        says = f"which Fluid did not make: it existed before Dataset {shown(dataset.name)}"
    return use.finding(
        FindingCode.NAMESAKE_CLAIM,
        f"{use.subject()}, {says}. It reads past Fluid.",
        "Create the Dataset and its runtime again under another name, and mount the claim of that name. "
        f"Keep claim {shown(use.claim_name)}: what it holds need not be in the Dataset.",
        *evidence,
        dataset=key_of(dataset),
    )


def hand_made(use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo) -> Finding:
    """B3, B4: a volume of Fluid's driver that Fluid did not create."""
    target = volume.runtime
    faults = list(_faults(use, claim, volume, target))
    dataset = target if target in use.state.datasets_by_key else None
    name = volume.snapshot.name
    evidence = [
        claim_evidence(claim),
        Evidence(f"volume {name}", f"has driver {volume.snapshot.driver} and was not created by Fluid"),
        *(Evidence(f"volume {name}", fault) for fault in faults),
    ]
    if dataset is None:
        change = "Mount the claim of a Dataset in this namespace instead."
    elif dataset[0] == use.pod.namespace:
        change = f"Mount claim {shown(dataset[1])} instead."
    else:
        change = reference_advice(use.pod.namespace, dataset)
    subject = f"{use.subject()}, whose volume {shown(name)} was made by hand for Fluid's driver"
    if faults:
        says = f"{subject}, and cannot work: {faults[0]}."
    else:
        says = f"{subject}. It may work, but Fluid neither protects nor mends it."
    return use.finding(FindingCode.HAND_MADE_VOLUME, says, change, *evidence, dataset=dataset)


def _faults(use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo, target: Key | None) -> Iterator[str]:
    """Why the plugin would refuse the volume, or mount nothing (nodeserver.go:115-126 and 385-399)."""
    attributes = volume.snapshot.attributes
    if not attributes.get("fluid_path"):
        yield "its attributes have no fluid_path"
    if target is None:
        # Without them the plugin searches for the claim, which must be like Fluid's (volume/get.go:45).
        marks = (fluid_names.STORAGE_LABEL_PREFIX, "fluid.io/managed-by")
        if not any(label.startswith(marks) for label in claim.labels):
            yield "its attributes do not name the runtime (runtime_namespace, runtime_name)"
        return
    if target not in use.state.runtimes_by_key and target not in use.state.datasets_by_key:
        if use.state.sees(kinds.DATASET, target[0]):
            yield f"its attributes name runtime {'/'.join(target)}, which does not exist"
        return
    own = use.state.volumes_by_name.get(fluid_names.volume_name(*target))
    if own is not None and made_by_fluid(own.snapshot):
        for attribute in _COMPARED_ATTRIBUTES:
            right, has = own.snapshot.attributes.get(attribute), attributes.get(attribute)
            if has and right and has != right:
                yield f"its {attribute} is {has}, and that of Fluid's own volume is {right}"


def left_over(use: ClaimUse, claim: ClaimSnapshot) -> Finding:
    """A claim that Fluid created for a Dataset that does not exist any more."""
    causes = why_not_bound(use.state, *use.key)
    return use.finding(
        FindingCode.DATASET_NOT_BOUND,
        f"{use.subject()}, which Fluid created for a Dataset that does not exist any more.",
        causes[0].change if causes else f"Create Dataset {shown(use.claim_name)} and its runtime again.",
        claim_evidence(claim),
        dataset=None,
        causes=causes,
    )
