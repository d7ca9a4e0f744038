"""Options of mounts, also from secrets, and the size of a Dataset whose mounts change."""

from __future__ import annotations

from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items
from clusters.product.alluxio.output import UnderMount
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import WaitError, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, web_mounts
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.base import metadata
from workloads.models.dataset import Dataset, Mount
from workloads.models.small_runtime import laptop_runtime

#: Names of options that Alluxio passes to the under store as they are, and their values.
OWN: Final = "fluid.conformance.own"
SHARED: Final = "fluid.conformance.shared"
OWN_SECRET: Final = "fluid.conformance.own.secret"  # noqa: S105 - an option's name
SHARED_SECRET: Final = "fluid.conformance.shared.secret"  # noqa: S105 - an option's name
VALUES: Final = {OWN: "a43-own", SHARED: "a43-all", OWN_SECRET: "a43-hidden", SHARED_SECRET: "a43-hidden-all"}
SECRET: Final = "a43-options"  # noqa: S105 - the name of a Secret
#: Name of the server whose mount is added later; its path is ``/later``.
LATER: Final = "later"
#: Seconds until a changed mount point is in use: a ConfigMap reaches the master's Pod after up to 90 s.
UPDATE_SECONDS: Final = 300.0
#: Seconds until the count would be right after the change: Fluid starts to count in one reconcile, 15 s or
#: more after the change, and reads the result in another one (seen: 38 s with requested reconciles).
COUNT_SECONDS: Final = 120.0
STALE_COUNT: Final = "counts-stale-after-mount-change"


def _encrypted(name: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": name}}}


@scenario(
    "A43",
    Level.FULL,
    issues=(3377,),
    defects=(
        Defect(
            STALE_COUNT,
            "After a mount was added to a Bound Dataset, ufsTotal and fileNum of its status stay as they "
            "were if anything changed the Dataset while Alluxio mounted: the update that starts another "
            "count has a conflict, is not repeated, and only logged.",
            "pkg/ddc/alluxio/ufs_internal.go:163-172 (1.0.8)",
        ),
    ),
    fields=(
        "Dataset.spec.mounts[].encryptOptions[].name",
        "Dataset.spec.mounts[].encryptOptions[].valueFrom.secretKeyRef.key",
        "Dataset.spec.mounts[].encryptOptions[].valueFrom.secretKeyRef.name",
        "Dataset.spec.mounts[].options",
        "Dataset.spec.mounts[].readOnly",
        "Dataset.spec.mounts[].shared",
        "Dataset.spec.sharedEncryptOptions[].name",
        "Dataset.spec.sharedEncryptOptions[].valueFrom.secretKeyRef.key",
        "Dataset.spec.sharedEncryptOptions[].valueFrom.secretKeyRef.name",
        "Dataset.spec.sharedOptions",
        "Dataset.status.fileNum",
        "Dataset.status.mounts[].encryptOptions[].name",
        "Dataset.status.mounts[].encryptOptions[].valueFrom.secretKeyRef.key",
        "Dataset.status.mounts[].encryptOptions[].valueFrom.secretKeyRef.name",
    ),
    writes=(kinds.SECRET,),
)
def test_options_of_a_mount_reach_alluxio(user: User) -> None:
    """Options of a mount and of all mounts, plain and from secrets, reach Alluxio, and the mount serves.

    The user's Dataset has an http:// mount with options, ``readOnly`` and ``shared``. Another mount is added
    when the Dataset is Bound, and the status has to count its file.
    """
    server = web_mounts.start_server(user)
    user.applies(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(SECRET, user.namespace),
            "stringData": {name: VALUES[name] for name in (OWN_SECRET, SHARED_SECRET)},
        }
    )
    web = web_mounts.mount_of(server)
    mounts = (Mount(mount_point=f"pvc://{SOURCE}", name=SOURCE, path="/"), web)
    dataset = Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared").manifest()
    dataset["spec"]["mounts"][1] |= {
        "options": {OWN: VALUES[OWN]},
        "readOnly": True,
        "shared": True,
        "encryptOptions": [_encrypted(OWN_SECRET)],
    }
    dataset["spec"] |= {
        "sharedOptions": {SHARED: VALUES[SHARED]},
        "sharedEncryptOptions": [_encrypted(SHARED_SECRET)],
    }
    user.applies(dataset, laptop_runtime(user.namespace, DATASET).manifest())
    user.waits_until_bound()
    _check_options(user, web.path or "")
    _check_secrets_in_status(user, dataset["spec"]["mounts"][1]["encryptOptions"])
    pod = user.starts(user.application("a43-reader", DATASET))
    checks.served_by_fluid(user, pod)
    done = user.observer.inside(pod, ("cat", f"/data/{web_mounts.NAME}/{web_mounts.FILE}"))
    if done.stdout != web_mounts.TEXT:
        checks.fail(
            "the application does not read the file of the mount with options",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected=web_mounts.TEXT,
            seen=(done.stdout + done.stderr)[-500:],
        )
    user.evidence.fact("application", "reads the file of the mount with options", bytes=len(done.stdout))
    _wait_for_count(user, len(user.files.files) + 1)
    later = web_mounts.mount_of(web_mounts.start_server(user, LATER)).spec_fields()
    body = {"spec": {"mounts": [*dataset["spec"]["mounts"], later]}}
    user.system.kube.patch(kinds.DATASET, DATASET, user.namespace, body)
    user.evidence.fact("Dataset", f"the user adds a mount at /{LATER}")
    _wait_for_mount(user)
    _check_count_again(user, len(user.files.files) + 2)


def _check_options(user: User, path: str) -> None:
    """Alluxio's own list of mounts has every option of the mount."""
    found = next(
        (one for one in user.observer.alluxio(user.namespace, DATASET).mounts() if one.path == path), None
    )
    missing = missing_options(found)
    if missing:
        checks.fail(
            f"options of the mount did not reach Alluxio: {', '.join(missing)}",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=f"read-only, shared, {', '.join(f'{name}={value}' for name, value in VALUES.items())}",
            seen=str(found),
        )
    assert found is not None
    user.evidence.fact("Alluxio mounts", f"{found.path}: {found.options}")


def _check_secrets_in_status(user: User, expected: list[dict[str, Any]]) -> None:
    """The status names the secrets of the mount, and does not show what is in them."""
    found = user.system.kube.get(kinds.DATASET, DATASET, user.namespace)
    mounts = items(found, "status", "mounts")
    actual = next((one.get("encryptOptions") for one in mounts if one.get("name") == web_mounts.NAME), None)
    shown = [name for name in (OWN_SECRET, SHARED_SECRET) if VALUES[name] in str(mounts)]
    if actual != expected or shown:
        checks.fail(
            "the status does not name the secrets of the mount, or shows what is in them",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected=str(expected),
            seen=f"{actual}; values shown: {', '.join(shown) or 'none'}",
        )
    user.evidence.fact("Dataset.status.mounts[].encryptOptions", str(actual))


def missing_options(mount: UnderMount | None) -> list[str]:
    """What the user asked for and Alluxio's list does not show."""
    if mount is None:
        return ["the mount itself"]
    words = mount.options.replace("properties={", "").rstrip("}").split(", ")
    expected = ["read-only", "shared", *(f"{name}={value}" for name, value in VALUES.items())]
    return [word for word in expected if word not in words]


def _counts(user: User, number: int) -> DatasetSnapshot:
    def is_counted(dataset: DatasetSnapshot) -> bool:
        return dataset.file_num == str(number)

    return wait(
        user.with_reconcile_requests(lambda: user.observer.dataset(user.namespace, DATASET)),
        is_counted,
        subject=f"Dataset {user.namespace}/{DATASET}",
        condition=f"fileNum {number}",
        timeout=COUNT_SECONDS * user.timeout_factor,
        delay=2.0,
        describe=lambda seen: f"fileNum {seen.file_num or 'empty'}, ufsTotal {seen.ufs_total or 'empty'}",
    )


def _wait_for_count(user: User, number: int) -> None:
    with user.evidence.phase("waiting", "the status counts the files of both mounts"):
        dataset = _counts(user, number)
    user.evidence.fact("Dataset status", f"fileNum {dataset.file_num}, ufsTotal {dataset.ufs_total}")


def _wait_for_mount(user: User) -> None:
    def observe() -> tuple[str, ...]:
        return tuple(mount.path for mount in user.observer.alluxio(user.namespace, DATASET).mounts())

    def is_there(paths: tuple[str, ...]) -> bool:
        return f"/{LATER}" in paths

    with user.evidence.phase("waiting", f"/{LATER} is added"):
        wait(
            user.with_reconcile_requests(observe),
            is_there,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"mount /{LATER} in Alluxio",
            timeout=UPDATE_SECONDS,
            delay=3.0,
            describe=", ".join,
        )
    user.waits_until_bound()


def _check_count_again(user: User, number: int) -> None:
    """Record whether the status counts the file of the mount that was added."""
    try:
        with user.evidence.phase("waiting", "the status counts the file of the added mount, or does not"):
            dataset = _counts(user, number)
    except WaitError:
        dataset = user.observer.dataset(user.namespace, DATASET)
        says = f"fileNum is {dataset.file_num} {COUNT_SECONDS:g} s after the change, with {number} files"
        user.evidence.defect(STALE_COUNT, seen=True, says=says)
        return
    user.evidence.defect(STALE_COUNT, seen=False, says=f"fileNum is {dataset.file_num} after the change")
