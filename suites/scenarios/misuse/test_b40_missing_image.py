"""Tags of images that do not exist."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import items, text
from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.diagnosis import CauseCode, FindingCode
from suites.run.unbindable import APPLICATION, FUSE_TAG, MISSING_TAG, WatchResult
from suites.scenarios.misuse import never_bound
from suites.steps import checks
from suites.steps.diagnosis_checks import assert_diagnosis
from suites.steps.events import wait_for_event
from suites.steps.user import DATASET, User


@scenario(
    "B40",
    Level.FULL,
    fields=("AlluxioRuntime.spec.alluxioVersion.imageTag", "AlluxioRuntime.spec.fuse.imageTag"),
)
def test_missing_image_keeps_the_master_from_starting(unbindable_dataset: WatchResult) -> None:
    """A Dataset whose runtime names tags that no image has does not get Bound, and an event names the image.

    The user misspells ``imageTag`` of ``alluxioVersion`` and of ``fuse``, and wants no image to be pulled.
    """
    user = unbindable_dataset.user
    never_bound.check_never_bound(unbindable_dataset)
    wait_for_event(user, "Pod", fluid_names.master_pod(DATASET), says=f":{MISSING_TAG}")
    _check_tags(user)
    never_bound.check_still_not_bound(user)
    assert_diagnosis(
        user,
        APPLICATION,
        FindingCode.DATASET_NOT_BOUND,
        cause=CauseCode.MASTER_NOT_READY,
        names=(DATASET, MISSING_TAG),
    )


def _check_tags(user: User) -> None:
    """Master and worker have the one tag, the Fuse has the other one."""
    wrong = list(_wrong_tags(user))
    if wrong:
        checks.fail(
            "the parts of the runtime do not have the tags that the user has set",
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            expected=f"tag {MISSING_TAG} for master and worker, {FUSE_TAG} for the Fuse",
            seen="; ".join(wrong),
        )
    user.evidence.fact("images", f"master and worker have tag {MISSING_TAG}, the Fuse has {FUSE_TAG}")


def _wrong_tags(user: User) -> Iterator[str]:
    for kind, name, tag in (
        (kinds.STATEFUL_SET, fluid_names.master_name(DATASET), MISSING_TAG),
        (kinds.STATEFUL_SET, fluid_names.worker_name(DATASET), MISSING_TAG),
        (kinds.DAEMON_SET, fluid_names.fuse_name(DATASET), FUSE_TAG),
    ):
        found = user.system.kube.get(kind, name, user.namespace)
        images = [text(one, "image") for one in items(found, "spec", "template", "spec", "containers")]
        if not images or any(image.rpartition(":")[2] != tag for image in images):
            yield f"{kind} {name}: {', '.join(images) or 'does not exist'}"
