"""Manifests that differ from those that the user of a scenario meant to send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from clusters.kubernetes import kinds
from suites.record.evidence import Evidence
from suites.sabotage.model import Break, Environment, Tampering, Users
from suites.steps.user import User
from workloads.models.base import Manifest
from workloads.models.small_runtime import laptop_runtime


def fields_changed(kind: str, **paths: object) -> Break:
    """Break that sets fields in every manifest of a kind: ``spec__a__b=value`` sets ``spec.a.b``."""

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        del user
        if manifest["kind"] != kind:
            return (manifest,)
        for path, value in paths.items():
            *parents, last = path.split("__")
            target = manifest
            for parent in parents:
                target = target.setdefault(parent, {})
            target[last] = value
        return (manifest,)

    return lambda _environment, _users: nullcontext(Tampering(tamper=tamper))


def claim_replaced(meant: str, used: str) -> Break:
    """Break that lets Pods that are meant to mount one claim mount another."""

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        del user
        for volume in manifest["spec"].get("volumes", ()) if manifest["kind"] == "Pod" else ():
            if volume["persistentVolumeClaim"]["claimName"] == meant:
                volume["persistentVolumeClaim"]["claimName"] = used
        return (manifest,)

    return lambda _environment, _users: nullcontext(Tampering(tamper=tamper))


@contextmanager
def missing_claim_created(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A foreign user creates the claim that an application lacks, over the NFS server."""
    del users
    helpers: list[User] = []
    kube = environment.system.kube

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        if manifest["kind"] != "Pod":
            return (manifest,)
        helper = User(
            environment.system,
            Evidence(silent=True),
            manifest["metadata"]["namespace"],
            folder=user.folder,
            files=user.files,
        )
        helpers.append(helper)
        # The claim is Bound before the Pod is created: binding may take longer than the check watches.
        helper.creates_source(manifest["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"])
        return (manifest,)

    try:
        yield Tampering(tamper=tamper)
    finally:
        for manifest in (sent for helper in helpers for sent in reversed(helper.sent)):
            meta = manifest["metadata"]
            kube.delete(kinds.kind_of(manifest), meta["name"], meta.get("namespace"))


@contextmanager
def missing_runtime_created(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A foreign user creates the runtime that the user of the Dataset forgot."""
    del environment, users

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        if manifest["kind"] != "Dataset":
            return (manifest,)
        return (manifest, laptop_runtime(user.namespace, manifest["metadata"]["name"]).manifest())

    yield Tampering(tamper=tamper)
