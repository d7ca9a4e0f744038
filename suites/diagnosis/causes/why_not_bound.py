"""All causes for which a Dataset is not Bound, the first one to be corrected first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from clusters.product.fluid_snapshots import DatasetSnapshot
from suites.diagnosis.causes.mounts import mount_causes, source_causes
from suites.diagnosis.causes.references import is_reference, reference_causes
from suites.diagnosis.causes.runtime_objects import no_dataset, quota_causes, runtime_causes
from suites.diagnosis.causes.runtime_parts import first_fault
from suites.diagnosis.cluster_state import ClusterState, serves
from suites.diagnosis.codes import CauseCode
from suites.diagnosis.findings import Cause, Evidence, Key
from suites.diagnosis.wording import namespaced, shown

#: k8s.io/apimachinery, validation of a DNS-1035 label (dataset_controller.go:126)
_DATASET_NAME: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_LENGTH: Final = 63
#: A chain of references that is longer is a circle, or no use to anyone.
_LONGEST_CHAIN: Final = 5


def why_not_bound(state: ClusterState, namespace: str, name: str) -> tuple[Cause, ...]:
    """Why the Dataset of that name is not Bound, the first cause to be corrected first.

    Empty if it is Bound, and also if nothing that the objects show prevents it.
    """
    return _causes(state, (namespace, name), _LONGEST_CHAIN)


def _causes(state: ClusterState, key: Key, depth: int) -> tuple[Cause, ...]:
    dataset = state.datasets_by_key.get(key)
    runtimes = state.runtimes_by_key.get(key, ())
    if dataset is None:
        return no_dataset(state, key, runtimes)
    if serves(dataset) or depth == 0:
        return ()
    if is_reference(dataset):
        found = [*_name_causes(dataset)]
        found += reference_causes(state, dataset, lambda other: _causes(state, other, depth - 1))
        return tuple(found)
    found = [*_name_causes(dataset), *runtime_causes(state, dataset, runtimes)]
    found += source_causes(state, dataset)
    if any(runtime.alluxio for runtime in runtimes):
        found += mount_causes(dataset)
    for runtime in runtimes:
        found += quota_causes(runtime)
    if runtimes and not found:
        fault = first_fault(state, dataset, runtimes[0])
        found += [fault.cause] if fault else []
    return tuple(found)


def _name_causes(dataset: DatasetSnapshot) -> Iterator[Cause]:
    name = dataset.name
    if not _DATASET_NAME.fullmatch(name) or len(name) > _LABEL_LENGTH:
        yield Cause(
            CauseCode.INVALID_NAME,
            f"Fluid does not accept the name {shown(name)}: it must begin with a letter and may contain only "
            f"lower-case letters, digits and hyphens, at most {_LABEL_LENGTH}",
            "Create the Dataset and its runtime again under another name.",
            (Evidence(f"Dataset {namespaced(dataset)}", f"is called {name}"),),
        )
