"""A helm release of Fluid that a run of the harness installed on a cluster that the harness did not create.

It is recognized by a chart value that no chart reads, and that helm keeps in its record of the release. Helm
writes this record before the first object of the release, so that a run that was killed at any moment of the
installation left nothing without it.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Mapping
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube, Object
from clusters.kubernetes.fields import at, text
from clusters.kubernetes.ownership import MANAGED_SELECTOR, is_managed
from clusters.product.fluid import NAMESPACE, RELEASE
from clusters.product.helm import HelmRelease
from clusters.progress import Progress

#: The chart value with the id of the run.
RUN_VALUE: Final = "fluidConformanceRun"
#: Label of helm's record with its revision.
_FIRST_REVISION: Final = ("version", "1")
#: What Fluid must delete, because it has a finalizer of Fluid.
_NEEDS_FLUID: Final = (kinds.DATASET, kinds.ALLUXIO_RUNTIME, kinds.THIN_RUNTIME)
_NAMED: Final = 5


def marked(chart_values: Mapping[str, Any], run: str) -> dict[str, Any]:
    """Chart values with the mark of the run that installs the release."""
    return {**chart_values, RUN_VALUE: run}


def installed_by(kube: Kube) -> str:
    """The run that installed the release of Fluid.

    Empty if there is no release, if no run of the harness installed it, or if it was upgraded since: then it
    belongs to who did that.

    Raises:
        KubeError: the Secrets of Fluid's namespace cannot be listed.
    """
    found = [
        obj
        for obj in kube.list(kinds.SECRET, NAMESPACE, labels="owner=helm")
        if text(obj, "metadata", "labels", "name") == RELEASE
    ]
    if len(found) != 1 or text(found[0], "metadata", "labels", _FIRST_REVISION[0]) != _FIRST_REVISION[1]:
        return ""
    return text(_values(found[0]), RUN_VALUE)


def uninstall(kube: Kube, release: HelmRelease, progress: Progress) -> bool:
    """Uninstall a release that the harness installed, unless somebody else uses it.

    Without Fluid nothing removes the finalizers of its objects.

    Returns:
        Whether it was uninstalled.

    Raises:
        KubeError: it cannot be seen who uses it.
        CommandError: helm failed.
    """
    if users := _foreign_users(kube):
        more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
        progress.note(
            f"Fluid stays, although the harness installed it, because foreign objects need it: "
            f"{', '.join(users[:_NAMED])}{more}; "
            f"`helm uninstall {release.name} --namespace {release.namespace}` removes it"
        )
        return False
    with progress.stage("remove Fluid"):
        release.uninstall(wait=True)
    progress.note("Fluid's kinds (CRDs) and its namespace stay, as helm leaves them")
    return True


def _foreign_users(kube: Kube) -> list[str]:
    """Objects that need Fluid in namespaces of others; Fluid itself creates some without a label."""
    found = [
        (kind, text(obj, "metadata", "namespace"), text(obj, "metadata", "name"))
        for kind in _NEEDS_FLUID
        for obj in kube.list_if_known(kind)
        if not is_managed(obj)
    ]
    if not found:
        return []
    own = {text(obj, "metadata", "name") for obj in kube.list(kinds.NAMESPACE, labels=MANAGED_SELECTOR)}
    return [f"{kind} {namespace}/{name}" for kind, namespace, name in found if namespace not in own]


def _values(record: Object) -> Mapping[str, Any]:
    """The values that were given to helm; empty if the record cannot be read.

    Helm 3 and 4 encode a release as JSON, gzip and base64 (pkg/storage/driver/util.go), and a Secret encodes
    it by base64 again.
    """
    try:
        packed = base64.b64decode(base64.b64decode(text(record, "data", "release")))
        found = at(json.loads(gzip.decompress(packed)), "config")
    except (ValueError, OSError, EOFError, binascii.Error):
        return {}
    return found if isinstance(found, Mapping) else {}
