"""Causes in the runtime object of a Dataset: none, two, deleted, or a cache without a valid size."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.codes import CauseCode
from suites.diagnosis.findings import Cause, Evidence, Key
from suites.diagnosis.objects import RuntimeInfo
from suites.diagnosis.similar_names import nearest
from suites.diagnosis.wording import mebibytes, namespaced, quoted_list, shown


def no_dataset(state: ClusterState, key: Key, runtimes: tuple[RuntimeInfo, ...]) -> tuple[Cause, ...]:
    """B12: a runtime without a Dataset of its name (pkg/controllers/runtime_controller.go:173-178)."""
    if not runtimes:
        return ()
    namespace, name = key
    names = [dataset.name for dataset in state.datasets_by_namespace.get(namespace, ())]
    similar = nearest(name, names)
    hint = f", or give the {runtimes[0].kind} the name of Dataset {shown(similar)}" if similar else ""
    return (
        Cause(
            CauseCode.NO_DATASET,
            f"{runtimes[0]} has no Dataset of its name",
            f"Create a Dataset {shown(name)} in namespace {shown(namespace)}{hint}.",
            (Evidence(f"{runtimes[0].kind} {namespace}/{name}", "exists, and no Dataset of that name does"),),
        ),
    )


def runtime_causes(
    state: ClusterState, dataset: DatasetSnapshot, runtimes: tuple[RuntimeInfo, ...]
) -> Iterator[Cause]:
    """No runtime, more than one, or one that is being deleted."""
    if len(runtimes) > 1:
        yield Cause(
            CauseCode.TWO_RUNTIMES,
            f"{quoted_list([str(runtime) for runtime in runtimes])} both have its name",
            "Delete all but one of them.",
            tuple(Evidence(f"{r.kind} {r.namespace}/{r.name}", "exists") for r in runtimes),
        )
    for runtime in runtimes:
        if runtime.deleting:
            yield Cause(
                CauseCode.RUNTIME_BEING_DELETED,
                f"its {runtime} is being deleted",
                f"Wait until it is deleted, then create the {runtime.kind} again.",
                (Evidence(f"{runtime.kind} {namespaced(dataset)}", "has a deletion timestamp"),),
            )
    # The status names the runtime that was bound, whatever its kind: one that the doctor does not know
    # counts.
    if not runtimes and not dataset.runtimes and state.sees_runtimes(dataset.namespace):
        yield _no_runtime(state, dataset)


def _no_runtime(state: ClusterState, dataset: DatasetSnapshot) -> Cause:
    """B11."""
    source = f"Dataset {namespaced(dataset)}"
    near = [runtime for runtime in state.runtimes if runtime.namespace == dataset.namespace]
    free = [r for r in near if (r.namespace, r.name) not in state.datasets_by_key]
    # A runtime elsewhere that has a Dataset there does not point to a wrong namespace: many are called
    # `demo`.
    elsewhere = [
        r
        for r in state.runtimes
        if r.name == dataset.name
        and r.namespace != dataset.namespace
        and (r.namespace, r.name) not in state.datasets_by_key
    ]
    similar = nearest(dataset.name, [runtime.name for runtime in free])
    change = (
        f"Create an AlluxioRuntime {shown(dataset.name)} in namespace {shown(dataset.namespace)} "
        "(or a runtime of another kind)."
    )
    evidence = [Evidence(source, "no runtime of its name is in its namespace")]
    if similar:
        runtime = next(r for r in free if r.name == similar)
        change = (
            f"Give {shown(str(runtime))} the name of the Dataset, {shown(dataset.name)}: the names "
            "must be equal."
        )
        evidence.append(
            Evidence(f"{runtime.kind} {runtime.namespace}/{similar}", "has no Dataset of its name")
        )
    elif elsewhere:
        place = elsewhere[0].namespace
        change = (
            f"Create the {elsewhere[0].kind} in namespace {shown(dataset.namespace)}: "
            f"the one in {shown(place)} cannot serve it."
        )
        evidence.append(Evidence(f"{elsewhere[0].kind} {place}/{dataset.name}", "is in another namespace"))
    return Cause(CauseCode.NO_RUNTIME, "it has no runtime", change, tuple(evidence))


def quota_causes(runtime: RuntimeInfo) -> Iterator[Cause]:
    """B20, B22: pkg/ddc/base/runtime.go:392-430 and, for Alluxio, transform_resources.go:94-112."""
    source = f"{runtime.kind} {runtime.namespace}/{runtime.name}"
    if not runtime.alluxio:
        return
    for number, tier in enumerate(runtime.tiers):
        where = f"spec.tieredstore.levels[{number}]"
        if not tier.quota and not tier.quota_list:
            yield Cause(
                CauseCode.NO_QUOTA,
                f"its {runtime} does not set the size of its cache on {tier.medium or 'a level'}",
                f"Set quota in {where} of the {runtime.kind}.",
                (Evidence(source, f"{where} has neither quota nor quotaList"),),
            )
        elif tier.quota_list and len(tier.quota_list.split(",")) != len(tier.paths):
            yield Cause(
                CauseCode.QUOTAS_UNLIKE_PATHS,
                f"the number of quotas in its {runtime} differs from the number of folders",
                f"Set one size for each folder in quotaList of {where}.",
                (Evidence(source, f"path {tier.path!r}, quotaList {tier.quota_list!r}"),),
            )
    # Every medium other than SSD and HDD counts as memory (pkg/utils/tieredstore/tiered_store.go:64-67).
    memory = sum(tier.bytes for tier in runtime.tiers if tier.medium not in ("SSD", "HDD"))
    if runtime.memory_limit and memory > runtime.memory_limit:
        yield Cause(
            CauseCode.QUOTA_OVER_LIMIT,
            f"its cache in memory ({mebibytes(memory)}) is larger than its workers may use "
            f"({mebibytes(runtime.memory_limit)})",
            f"Lower the quota of the {runtime.kind}, or raise spec.worker.resources.limits.memory.",
            (Evidence(source, f"quota {memory:.0f} bytes, limit {runtime.memory_limit:.0f} bytes"),),
        )
