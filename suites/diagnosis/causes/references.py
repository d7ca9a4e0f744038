"""Causes in a Dataset that refers to another one (mount point ``dataset://namespace/name``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clusters.kubernetes import kinds
from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.cluster_state import ClusterState, serves
from suites.diagnosis.codes import CauseCode
from suites.diagnosis.findings import Cause, Evidence, Key
from suites.diagnosis.fluid_facts import REFERENCE_SCHEME, THIN_CONTROLLER, referred_dataset
from suites.diagnosis.similar_names import nearest
from suites.diagnosis.wording import namespaced, shown


def is_reference(dataset: DatasetSnapshot) -> bool:
    """Whether it refers to another Dataset; Fluid creates the ThinRuntime of such a Dataset itself."""
    return any(mount.mount_point.startswith(f"{REFERENCE_SCHEME}://") for mount in dataset.mounts)


def reference_causes(
    state: ClusterState, dataset: DatasetSnapshot, causes_of: Callable[[Key], tuple[Cause, ...]]
) -> Iterator[Cause]:
    """Why a Dataset that refers to another one is not Bound.

    Args:
        state: the cluster.
        dataset: the Dataset that refers.
        causes_of: why the other Dataset is not Bound.
    """
    source = f"Dataset {namespaced(dataset)}"
    if len(dataset.mounts) > 1:
        # pkg/ddc/thin/referencedataset/engine.go:239-247
        yield Cause(
            CauseCode.REFERENCE_NOT_ALONE,
            f"it has {len(dataset.mounts)} mounts, and a Dataset that refers to another can have only "
            "that one",
            "Keep only the mount that refers to the other Dataset, or create one Dataset for each mount.",
            (Evidence(source, f"mounts {', '.join(mount.mount_point for mount in dataset.mounts)}"),),
        )
        return
    point = dataset.mounts[0].mount_point
    mounts = Evidence(source, f"mounts {point}")
    target = referred_dataset(point)
    if target is None:
        yield Cause(
            CauseCode.REFERENCE_MALFORMED,
            f"its mount point {shown(point)} does not name a namespace and a Dataset",
            f"Write {shown('dataset://<namespace>/<name>')}, such as "
            f"{shown(f'dataset://{dataset.namespace}/<name>')}.",
            (mounts,),
        )
    elif target not in state.datasets_by_key:
        yield (
            _missing(state, target, mounts)
            if state.sees(kinds.DATASET, target[0])
            else _not_seen(target, mounts)
        )
    else:
        yield from _not_served(state, target, mounts, causes_of)


def _missing(state: ClusterState, target: Key, mounts: Evidence) -> Cause:
    namespace, name = target
    in_namespace = [dataset.name for dataset in state.datasets_by_namespace.get(namespace, ())]
    similar = nearest(name, in_namespace)
    elsewhere = [dataset.namespace for dataset in state.datasets_by_name.get(name, ())]
    place = nearest(namespace, elsewhere) or (elsewhere[0] if elsewhere else "")
    found = (namespace, similar) if similar else (place, name) if place else None
    says = f"it refers to Dataset {shown('/'.join(target))}, which does not exist"
    if found is None:
        return Cause(
            CauseCode.REFERENCE_MISSING,
            says,
            f"Create Dataset {shown(name)} in namespace {shown(namespace)}, or refer to one that exists.",
            (mounts,),
        )
    return Cause(
        CauseCode.REFERENCE_MISSING,
        f"{says}; Dataset {shown('/'.join(found))} does",
        f"Write mountPoint {shown('dataset://' + '/'.join(found))}, if that is the one meant.",
        (mounts, Evidence(f"Dataset {'/'.join(found)}", str(state.datasets_by_key[found]))),
    )


def _not_seen(target: Key, mounts: Evidence) -> Cause:
    return Cause(
        CauseCode.REFERENCE_NOT_SEEN,
        f"it refers to Dataset {shown('/'.join(target))}, and Datasets of that namespace could not be read",
        f"See whether Dataset {shown('/'.join(target))} exists and is Bound.",
        (mounts,),
    )


def _not_served(
    state: ClusterState, target: Key, mounts: Evidence, causes_of: Callable[[Key], tuple[Cause, ...]]
) -> Iterator[Cause]:
    """The Dataset that is referred to exists: whether it serves, and whether Fluid sets up references."""
    other = state.datasets_by_key[target]
    shown_target = shown("/".join(target))
    observed = Evidence(f"Dataset {'/'.join(target)}", str(other))
    if other.deleting:
        yield Cause(
            CauseCode.REFERENCE_NOT_SERVED,
            f"it refers to Dataset {shown_target}, which is being deleted",
            "Refer to a Dataset that stays.",
            (mounts, observed),
        )
    elif not serves(other):
        causes = causes_of(target)
        why = f": {causes[0].says}" if causes else ""
        change = causes[0].change if causes else f"See the events and conditions of Dataset {shown_target}."
        yield Cause(
            CauseCode.REFERENCE_NOT_SERVED,
            f"it refers to Dataset {shown_target}, which is {other.phase or 'without phase'}{why}",
            change,
            (mounts, observed, *(fact for cause in causes for fact in cause.evidence)),
        )
    else:
        controllers = [item for item in state.deployments if item.name == THIN_CONTROLLER]
        if state.deployments and not any(item.ready for item in controllers):
            seen = str(controllers[0]) if controllers else "does not exist"
            yield Cause(
                CauseCode.CONTROLLER_MISSING,
                f"Fluid's {shown(THIN_CONTROLLER)}, which sets up Datasets that refer to another, is not "
                "running",
                "Install Fluid with runtime.thin.enabled, or see why that Deployment has no ready Pod.",
                (mounts, Evidence(f"Deployment {THIN_CONTROLLER}", seen)),
            )
