"""Pods that ask for a claim that does not exist."""

from __future__ import annotations

from clusters.kubernetes import kinds
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.causes import why_not_bound
from suites.diagnosis.cluster_state import serves
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Evidence, Finding
from suites.diagnosis.rules.claim_use import ClaimUse, key_of, reference_advice
from suites.diagnosis.rules.right_claim import being_deleted, claim_deleted, name_taken, not_bound
from suites.diagnosis.similar_names import nearest
from suites.diagnosis.wording import namespaced, quoted_list, shown


def missing_claim(use: ClaimUse, dataset: DatasetSnapshot | None) -> Finding | None:
    """What is true of a Pod whose claim does not exist; None if it has nothing to do with Fluid."""
    if use.pod.ended or use.pod.deleting:
        return None
    if dataset is not None:
        return _not_there(use, dataset)
    if use.key in use.state.runtimes_by_key:
        causes = why_not_bound(use.state, *use.key)
        why = causes[0].says if causes else "it is being set up"
        return use.finding(
            FindingCode.DATASET_NOT_BOUND,
            f"{use.subject('waits for')}, which Fluid creates with a Dataset: {why}.",
            causes[0].change if causes else "",
            *use.said(),
            dataset=use.key,
            causes=causes,
        )
    return _other_namespace(use) or _misspelt(use) or _unknown(use)


def _other_namespace(use: ClaimUse) -> Finding | None:
    """B5: a claim can be used only in its own namespace."""
    others = use.state.datasets_by_name.get(use.claim_name, ())
    if not others:
        return None
    places = [dataset.namespace for dataset in others]
    return use.finding(
        FindingCode.OTHER_NAMESPACE,
        f"{use.subject('asks for')}, which is not in its namespace {shown(use.pod.namespace)}: "
        f"Dataset {shown(use.claim_name)} is in {quoted_list(places)}.",
        reference_advice(use.pod.namespace, key_of(others[0])),
        *(Evidence(f"Dataset {namespaced(dataset)}", str(dataset)) for dataset in others),
        *use.said(),
        dataset=key_of(others[0]),
    )


def _misspelt(use: ClaimUse) -> Finding | None:
    """B6: the most similar right name in this namespace."""
    names = use.state.names_by_namespace.get(use.pod.namespace, {})
    similar = nearest(use.claim_name, names)
    if not similar:
        return None
    dataset = names[similar]
    near = f"Dataset {shown(similar)} does"
    if similar != dataset.name:
        near = f"{shown(similar)} does, the source of Dataset {shown(dataset.name)}"
    return use.finding(
        FindingCode.MISSPELT,
        f"{use.subject('asks for')}, which does not exist; {near}.",
        f"Mount claim {shown(dataset.name)} instead.",
        Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
        *use.said(),
        dataset=key_of(dataset),
    )


def _unknown(use: ClaimUse) -> Finding | None:
    """No name of Fluid's is similar: only the Pod's own label says that it is to use a Dataset."""
    if not use.info.asks_for_fluid:
        return None
    here = [dataset.name for dataset in use.state.datasets_by_namespace.get(use.pod.namespace, ())]
    those = f"there are {quoted_list(here)}" if here else "there is none in its namespace"
    return use.finding(
        FindingCode.NO_SUCH_DATASET,
        f"{use.subject('asks for')} and by its labels for Fluid, but no Dataset has that name: {those}.",
        f"Create Dataset {shown(use.claim_name)}, or mount the claim of one that exists.",
        *use.said(),
        dataset=None,
    )


def _not_there(use: ClaimUse, dataset: DatasetSnapshot) -> Finding:
    """The Dataset exists and its claim does not."""
    if dataset.deleting:
        return being_deleted(use, dataset)
    if not serves(dataset):
        return not_bound(use, dataset)
    volume = use.state.volumes_by_name.get(fluid_names.volume_name(*use.key))
    if volume is not None and volume.claim_key not in (None, use.key):
        return name_taken(use, dataset, volume)
    if volume is not None and volume.snapshot.claim_uid:
        return claim_deleted(
            use, dataset, "which was deleted by hand: its volume still names it", volume, None
        )
    recent = use.state.recent(use.state.bound_since.get(use.key) or dataset.meta.created)
    unseen = "" if use.state.sees(kinds.VOLUME) else " (volumes were not read)"
    return use.finding(
        FindingCode.CLAIM_NOT_MADE,
        f"{use.subject('waits for')}, which Fluid has not yet created for Dataset "
        f"{shown(dataset.name)}{unseen}.",
        ""
        if recent
        else "See the logs of Fluid's alluxioruntime-controller: the Dataset is Bound and has no claim.",
        Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
        *use.said(),
        dataset=use.key,
        state=State.WAITING if recent else State.WRONG,
    )
