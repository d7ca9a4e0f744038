"""Files whose names are not ASCII."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from clusters.product import fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.steps import checks, source_files
from suites.steps.user import DATASET, User
from workloads.data import DataFile, Files
from workloads.models.alluxio_runtime import AlluxioRuntime, Component, Fuse
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

CLAIM: Final = "names"
SECOND: Final = "second"
FILES: Final = Files(
    (
        DataFile("plain/part.bin", 70_001, "names-plain"),
        DataFile("odd/größe-数据.bin", 8191, "names-odd"),
        DataFile("odd/neighbour.bin", 4099, "names-neighbour"),
        DataFile("folders/データ/part.bin", 5003, "names-folder"),
        DataFile("folders/plain/part.bin", 3001, "names-next-to-folder"),
    )
)
#: Folders that hold a name that is not ASCII: it may be that the whole folder cannot be listed.
ODD: Final = ("odd/", "folders/")
#: The variables that decide the locale, in the order of their weight.
VARIABLES: Final = ("LC_ALL", "LC_CTYPE", "LANG")
NO_LOCALE: Final = dict.fromkeys(VARIABLES, "")
NEED_A_LOCALE: Final = "names-beyond-ascii-need-a-locale"
_UTF8: Final = re.compile(r"^\S+\.utf-?8$", re.IGNORECASE | re.MULTILINE)


def _runtime(user: User, name: str, env: Mapping[str, str]) -> AlluxioRuntime:
    """A small runtime whose master, worker and Fuse have further variables."""
    runtime = laptop_runtime(user.namespace, name, quota="128Mi")
    master, worker = (one or Component() for one in (runtime.master, runtime.worker))
    return runtime.evolve(
        master=master.evolve(env={**(master.env or {}), **env}),
        worker=worker.evolve(env={**(worker.env or {}), **env}),
        fuse=(runtime.fuse or Fuse()).evolve(env=dict(env)),
    )


def _creates(user: User, name: str, env: Mapping[str, str]) -> None:
    dataset = Dataset.over_claim(user.namespace, name, CLAIM).evolve(placement="Shared")
    user.creates_dataset(dataset, _runtime(user, name, env))


def _without_a_locale(user: User) -> None:
    """Create the Dataset as with the published image, which sets no locale; the built one does."""
    folder = user.system.nfs.folder("names")
    source_files.ensure(user.system, FILES, folder)
    user.creates_source(CLAIM, folder=folder)
    _creates(user, DATASET, NO_LOCALE)


@scenario(
    "A50",
    Level.FULL,
    dataset=_without_a_locale,
    issues=(1232,),
    defects=(
        Defect(
            NEED_A_LOCALE,
            "Fluid starts Alluxio without a locale, and the published image sets none. A folder that holds a "
            "name that is not ASCII is then shown without its files, and without an error, unless the user "
            "sets a locale in env of master, worker and Fuse.",
            "charts/alluxio/templates/master/statefulset.yaml, worker/statefulset.yaml, fuse/daemonset.yaml: "
            "neither LC_ALL nor LANG (1.0.8)",
        ),
    ),
)
def test_files_whose_names_are_not_ascii_are_read_right(dataset_owner: User) -> None:
    """Files and folders whose names are not ASCII are read right through Fluid, as on raw NFS.

    The user's Dataset has files such as ``größe-数据.bin``. No locale is set, as in the published image of
    Alluxio. With a second Dataset the user sets ``LC_ALL`` to a locale with UTF-8.
    """
    user = dataset_owner.seeing(FILES)
    raw = user.starts(user.application("a50-raw", CLAIM))
    checks.reads_raw_nfs(user, raw, raw.name)
    user.reads_right(raw, who="application on raw NFS")
    _check_locale(user, DATASET, "")
    pod = user.starts(user.application("a50-reader", DATASET))
    checks.served_by_fluid(user, pod)
    result = user.reads(pod, may_fail=True)
    difference = FILES.difference(result.checksums)
    unread = (*difference.missing, *difference.changed)
    if not all(path.startswith(ODD) for path in unread):
        checks.fail(
            "files whose names are ASCII are not read right",
            subject=f"Pod {user.namespace}/{pod.name}",
            expected=f"all files but those in {' and '.join(ODD)}",
            seen=f"{difference}; {result.message}",
        )
    user.evidence.defect(
        NEED_A_LOCALE,
        seen=bool(difference) or not result.complete,
        says=f"without a locale: {difference}; {result.message[:500]}",
    )
    locale = _utf8_locale(user)
    _creates(dataset_owner, SECOND, {**NO_LOCALE, "LC_ALL": locale})
    user.waits_until_bound(SECOND)
    _check_locale(user, SECOND, locale)
    second = user.starts(user.application("a50-second", SECOND))
    checks.served_by_fluid(user, second, SECOND)
    user.reads_right(second, who=f"application, LC_ALL={locale}")


def _utf8_locale(user: User) -> str:
    """A locale with UTF-8 that the image of Alluxio has."""
    done = user.observer.in_worker(user.namespace, DATASET, ("locale", "-a"))
    found = _UTF8.search(done.stdout)
    if found is None:
        checks.fail(
            "the image of Alluxio has no locale with UTF-8, so that no user can set one",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="a line that ends with UTF-8 in the output of `locale -a`",
            seen=", ".join(done.stdout.split()),
        )
    return found[0]


def _check_locale(user: User, dataset: str, expected: str) -> None:
    """The worker has the locale that the user has set, or none."""
    script = f'printf %s "{"".join(f"${name}" for name in VARIABLES)}"'
    found = user.observer.in_worker(user.namespace, dataset, ("sh", "-c", script)).stdout
    if found != expected:
        checks.fail(
            "the worker does not have the locale that the user has set",
            subject=f"Pod {user.namespace}/{fluid_names.worker_pod(dataset)}",
            expected=expected or "no locale",
            seen=found or "no locale",
        )
    user.evidence.fact("worker's environment", f"{dataset} has locale {expected or '(none)'}")
