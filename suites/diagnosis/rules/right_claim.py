"""Pods that use the claim that Fluid created: whether Dataset, claim and volume are as they must be."""

from __future__ import annotations

from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import ClaimSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot, made_by_fluid
from suites.diagnosis.causes import why_not_bound
from suites.diagnosis.cluster_state import serves
from suites.diagnosis.codes import FindingCode, State
from suites.diagnosis.findings import Cause, Evidence, Finding
from suites.diagnosis.objects import VolumeInfo
from suites.diagnosis.rules.claim_use import ClaimUse, claim_evidence, key_of
from suites.diagnosis.rules.on_node import ended, on_node
from suites.diagnosis.wording import namespaced, quoted_list, shown


def right_claim(
    use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo | None, dataset: DatasetSnapshot
) -> Finding:
    """What is true of a Pod that uses the claim of a Dataset."""
    if use.pod.ended:
        return ended(use, claim, volume, dataset)
    if dataset.deleting:
        return being_deleted(use, dataset)
    if not serves(dataset):
        return not_bound(use, dataset)
    named = volume or use.state.volumes_by_name.get(fluid_names.volume_name(*use.key))
    if claim.phase != "Bound" and named is not None and named.claim_key not in (None, use.key):
        return name_taken(use, dataset, named)
    deleted = _how_deleted(claim, named)
    if deleted:
        return claim_deleted(use, dataset, deleted, named, claim)
    return on_node(use, claim, volume, dataset) if use.pod.node else _not_scheduled(use, claim, volume)


def being_deleted(use: ClaimUse, dataset: DatasetSnapshot) -> Finding:
    """B10, E1."""
    return use.finding(
        FindingCode.DATASET_BEING_DELETED,
        f"{use.subject()} of Dataset {shown(dataset.name)}, which is being deleted"
        + (" and waits until this Pod ends." if use.pod.node else "."),
        "End this Pod when you can; create the Dataset again if it is still needed.",
        Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
        *use.state.quoted("Dataset", dataset.namespace, dataset.name),
        dataset=key_of(dataset),
    )


def not_bound(use: ClaimUse, dataset: DatasetSnapshot) -> Finding:
    """The Dataset is not Bound: with the causes, or with what Fluid reported last."""
    causes = why_not_bound(use.state, *key_of(dataset))
    recent = not causes and use.state.recent(dataset.meta.created)
    verb = "mounts" if use.pod.phase == "Running" else "waits for"
    events = (
        *use.state.quoted("Dataset", dataset.namespace, dataset.name),
        *(
            event
            for runtime in use.state.runtimes_by_key.get(key_of(dataset), ())
            for event in use.state.quoted(runtime.kind, runtime.namespace, runtime.name)
        ),
    )
    why, change = _why(causes, events, dataset, recent=recent)
    return use.finding(
        FindingCode.DATASET_NOT_BOUND,
        f"{use.subject(verb)} of Dataset {shown(dataset.name)}, which is "
        f"{dataset.phase or 'not yet processed by Fluid'}{why}.",
        change,
        Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
        *(fact for cause in causes for fact in cause.evidence),
        *events,
        dataset=key_of(dataset),
        state=State.WAITING if recent else State.WRONG,
        causes=causes,
    )


def _why(
    causes: tuple[Cause, ...], events: tuple[Evidence, ...], dataset: DatasetSnapshot, *, recent: bool
) -> tuple[str, str]:
    """The reason and the change to make."""
    if causes:
        return f": {causes[0].says}", causes[0].change
    if recent:
        return "; nothing that the objects show prevents it, so wait", ""
    if events:
        return f". Its {events[-1]}", f"Correct what Fluid reports about Dataset {shown(dataset.name)}."
    return (
        "; the objects do not show why",
        (
            f"See the conditions of Dataset {shown(dataset.name)} and its runtime, and the logs of Fluid's "
            "controllers."
        ),
    )


def name_taken(use: ClaimUse, dataset: DatasetSnapshot, volume: VolumeInfo) -> Finding:
    """D01: ``a-b/c`` and ``a/b-c`` would have volumes of the same name (pkg/ddc/base/pv.go:21)."""
    owner = volume.claim_key or ("", "")
    name = volume.snapshot.name
    return use.finding(
        FindingCode.VOLUME_NAME_TAKEN,
        f"{use.subject('waits for')} of Dataset {shown(dataset.name)}, whose volume would be "
        f"{shown(name)}: that is "
        f"the volume of Dataset {shown('/'.join(owner))} already.",
        "Create this Dataset and its runtime again under another name, or in another namespace. Leave volume "
        f"{shown(name)} alone: namespace {shown(owner[0])} uses it.",
        Evidence(f"volume {name}", str(volume.snapshot)),
        Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
        dataset=key_of(dataset),
    )


def _how_deleted(claim: ClaimSnapshot, volume: VolumeInfo | None) -> str:
    """B8: whether the claim was deleted; a volume that is kept still has the uid of the claim that it had."""
    if claim.deleting:
        return "which was deleted by hand: it stays until no Pod uses it any more"
    if claim.phase == "Lost":
        return "whose volume was deleted by hand"
    if claim.phase != "Bound" and volume is not None and volume.snapshot.claim_uid not in ("", claim.uid):
        return "which was deleted by hand and created again, and its volume is still reserved for the old one"
    return ""


def claim_deleted(
    use: ClaimUse, dataset: DatasetSnapshot, says: str, volume: VolumeInfo | None, claim: ClaimSnapshot | None
) -> Finding:
    """B8. Deletion is advised only of a claim and a volume that are proved to be this Dataset's."""
    name = volume.snapshot.name if volume else fluid_names.volume_name(*use.key)
    evidence = (
        [claim_evidence(claim)] if claim else [Evidence(f"claim {'/'.join(use.key)}", "does not exist")]
    )
    if volume is not None:
        evidence.append(
            Evidence(f"volume {name}", f"{volume.snapshot}, uid of its claim {volume.snapshot.claim_uid}")
        )
    return use.finding(
        FindingCode.CLAIM_DELETED,
        f"{use.subject('mounts' if use.pod.node else 'waits for')}, {says}.",
        _repair(use, volume, claim),
        *evidence,
        Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
        dataset=key_of(dataset),
    )


def _repair(use: ClaimUse, volume: VolumeInfo | None, claim: ClaimSnapshot | None) -> str:
    proved = volume is not None and made_by_fluid(volume.snapshot) and volume.claim_key == use.key
    name = volume.snapshot.name if volume else fluid_names.volume_name(*use.key)
    if claim is not None and claim.phase == "Lost" and made_by_fluid(claim):
        return (
            f"End the Pods that use the claim, and delete claim {shown(claim.name)} as well: Fluid "
            "creates both "
            "again."
        )
    if not proved:
        return (
            f"End the Pods that use the claim. Whether volume {shown(name)} belongs to this Dataset alone "
            "could not "
            "be proved, so do not delete it before you know."
        )
    if claim is not None and claim.deleting:
        return (
            f"End the Pods that use the claim, delete volume {shown(name)} as well, and start them "
            "again: Fluid creates both again."
        )
    if claim is not None:
        return f"Delete claim {shown(claim.name)} and volume {shown(name)}: Fluid creates both again."
    return f"Delete volume {shown(name)} as well: Fluid creates both again within two minutes."


def _not_scheduled(use: ClaimUse, claim: ClaimSnapshot, volume: VolumeInfo | None) -> Finding:
    """B25: the volume may be used only on some nodes (create.go:111-135), and the Pod runs only on others."""
    mine = [node for node in use.state.nodes if use.info.placement.may_use(node)]
    terms = volume.terms if volume else None
    if terms is not None and mine and not any(terms.holds(node) for node in mine):
        name = volume.snapshot.name if volume else ""
        return use.finding(
            FindingCode.VOLUME_ELSEWHERE,
            f"{use.subject('asks for')} of Dataset {shown(use.claim_name)}, which may be used only on "
            f"nodes with {terms}, and this Pod may run only on {quoted_list([n.name for n in mine])}.",
            "Change spec.fuse.nodeSelector of the runtime, or let the Pod run on those nodes.",
            Evidence(f"volume {name}", f"is for nodes with {terms}"),
            Evidence(use.place, f"asks for {use.info.placement}"),
            *use.said(),
            dataset=use.key,
        )
    recent = use.state.recent(use.pod.created)
    words = use.pod.scheduling
    fine = "" if use.state.sees(kinds.VOLUME) else ", as far as could be seen"
    return use.finding(
        FindingCode.NOT_SCHEDULED,
        f"{use.subject('asks for')} of Dataset {shown(use.claim_name)} and has no node yet"
        + (f"; the scheduler says: {words}." if words else "."),
        ""
        if recent
        else f"Correct what the scheduler says: the Dataset and its claim are as they must be{fine}."
        if words
        else "See whether the scheduler runs: it has not reported on this Pod.",
        claim_evidence(claim),
        *use.said(),
        dataset=use.key,
        state=State.WAITING if recent else State.WRONG,
    )
