"""Objects that Fluid created or relies on, edited by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.kubernetes.snapshots.storage import CREATED_BY
from clusters.product import fluid_names
from suites.sabotage.breaks.source import check_source_unchanged
from suites.sabotage.model import Environment, Tampering, Users
from suites.steps.user import DATASET
from workloads.faults import FaultError
from workloads.models.base import Manifest

#: The file that A13 tries to write; it is written where the break makes the Dataset writable.
WRITTEN_FILE: Final = "written-by-a13"


@contextmanager
def edited(
    environment: Environment,
    kind: Kind,
    name: str,
    namespace: str | None,
    *,
    change: Manifest,
    restore: Manifest,
) -> Iterator[None]:
    """An object is edited (JSON merge patch), and restored by a second patch if it still exists."""
    kube = environment.system.kube
    try:
        kube.patch(kind, name, namespace, change)
        yield
    finally:
        if kube.get(kind, name, namespace) is not None:
            kube.patch(kind, name, namespace, restore)


@contextmanager
def created_by_annotation_removed(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The claim that Fluid made lacks Fluid's annotation."""

    def annotated(value: str | None) -> Manifest:
        return {"metadata": {"annotations": {CREATED_BY: value}}}

    with edited(
        environment,
        kinds.CLAIM,
        DATASET,
        users.only.namespace,
        change=annotated(None),
        restore=annotated(fluid_names.MADE_BY_FLUID),
    ):
        yield Tampering()


@contextmanager
def nodes_labelled_for_fuse(environment: Environment, users: Users) -> Iterator[Tampering]:
    """Every node carries the label of the Dataset's Fuse, as if a user had asked for Fuse Pods ahead."""
    journal, key = environment.system.journal, fluid_names.fuse_label(users.only.namespace, DATASET)
    with ExitStack() as labels:
        for node in environment.system.nodes:
            change = {"metadata": {"labels": {key: "true"}}}
            labels.enter_context(journal.patched(kinds.NODE, node, None, change))
        yield Tampering()


@contextmanager
def fuse_never_ready(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The Fuse DaemonSet is edited so that its program ends at once."""
    namespace, name = users.only.namespace, fluid_names.fuse_name(DATASET)
    with _fuse_container_edited(environment, namespace, name, {"command": ["false"]}):
        yield Tampering()


@contextmanager
def dataset_writable(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The volume's access modes and the Fuse's options are edited so that both allow writes.

    Raises:
        FaultError: the Fuse's options do not say that it is read-only.
    """
    user, name = users.only, fluid_names.fuse_name(DATASET)
    namespace = user.namespace
    volume = fluid_names.volume_name(namespace, DATASET)
    modes = (environment.system.kube.get(kinds.VOLUME, volume) or {})["spec"]["accessModes"]
    found = environment.system.kube.get(kinds.DAEMON_SET, name, namespace) or {}
    args = found["spec"]["template"]["spec"]["containers"][0]["args"]
    writable = [arg.replace(",ro,", ",rw,") for arg in args]
    if writable == args:
        raise FaultError("the Fuse's options do not say that it is read-only", last_seen=" ".join(args))
    try:
        with (
            _fuse_container_edited(environment, namespace, name, {"args": writable}),
            edited(
                environment,
                kinds.VOLUME,
                volume,
                None,
                change={"spec": {"accessModes": ["ReadWriteMany"]}},
                restore={"spec": {"accessModes": modes}},
            ),
        ):
            yield Tampering()
    finally:
        alluxio = environment.observer.alluxio(namespace, DATASET)
        alluxio.run("alluxio", "fs", "rm", f"/{WRITTEN_FILE}", check=False)
        environment.system.nfs_server.run("rm", "-f", "--", f"{environment.folder}/{WRITTEN_FILE}")
        check_source_unchanged(environment)


@contextmanager
def _fuse_container_edited(
    environment: Environment, namespace: str, name: str, changes: Manifest
) -> Iterator[None]:
    """The first container of the Fuse DaemonSet has other fields."""
    found = environment.system.kube.get(kinds.DAEMON_SET, name, namespace) or {}
    containers = found["spec"]["template"]["spec"]["containers"]

    def spec(first: Manifest) -> Manifest:
        return {"spec": {"template": {"spec": {"containers": [first, *containers[1:]]}}}}

    with edited(
        environment,
        kinds.DAEMON_SET,
        name,
        namespace,
        change=spec({**containers[0], **changes}),
        restore=spec(containers[0]),
    ):
        yield
