"""The master's Pod is deleted."""

from __future__ import annotations

from typing import Final

from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid_names
from clusters.waiting import WaitError, wait
from suites.catalogue.scenario import Level, scenario
from suites.steps import checks, masters, page_cache, web_mounts
from suites.steps.read_controls import run_controls
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.dataset import Dataset, Mount

#: Seconds until the application reads again after that.
READS_SECONDS: Final = 240.0


@scenario("D5", Level.FULL, alone=True, issues=(1322, 2771))
def test_deleted_master_is_replaced_and_all_mounts_are_served_again(user: User) -> None:
    """A deleted master is replaced; then the application reads all mounts again, and the cache fills again.

    The user's Dataset has an NFS claim and an http:// mount. The master's Pod is deleted while everything is
    cached and an application runs; the Dataset stays Bound.
    """
    server = web_mounts.start_server(user)
    mounts = (
        Mount(mount_point=f"pvc://{SOURCE}", name=SOURCE, path="/"),
        web_mounts.mount_of(server),
    )
    user.creates_dataset(Dataset(namespace=user.namespace, name=DATASET, mounts=mounts, placement="Shared"))
    user.waits_until_bound()
    pod = user.starts(user.application("d5-reader", DATASET))
    checks.served_by_fluid(user, pod)
    _check_reads_all(user, pod, "application")
    before = user.observer.listing(user.namespace, DATASET)
    user.evidence.fact("Alluxio listing", f"{before.percentage:.1f} % cached before the fault")
    masters.replace(user, fluid_names.master_pod(DATASET))
    after = user.observer.listing(user.namespace, DATASET)
    user.evidence.fact("Alluxio listing", f"{after.percentage:.1f} % cached with the new master")
    page_cache.drop_files(user, pod)
    _check_reads_all(user, pod, "application, master replaced")
    paths = sorted(mount.path for mount in user.observer.alluxio(user.namespace, DATASET).mounts())
    if "/web" not in paths:
        checks.fail(
            "the new master does not have the Dataset's http:// mount",
            subject=f"Dataset {user.namespace}/{DATASET}",
            expected="/web among Alluxio's mounts",
            seen=", ".join(paths),
        )
    user.evidence.fact("Alluxio mounts", ", ".join(paths))


def _check_reads_all(user: User, pod: PodSnapshot, who: str) -> None:
    """The application reads the files of both mounts, within the time that a new master may need.

    Raises:
        WaitTimeoutError: it does not, and the controls without Fluid answer; a product failure.
        InfrastructureError: a control fails or is too slow as well.
    """

    def observe() -> str:
        read = user.observer.read(pod)
        web = [path for path in read.checksums if path.startswith("web/")]
        of_claim = {path: value for path, value in read.checksums.items() if path not in web}
        difference = user.files.difference(of_claim)
        if difference.changed:
            checks.fail(
                "the application reads wrong data",
                subject=f"Pod {pod.namespace}/{pod.name}",
                expected="the files at the source, an error, or no answer",
                seen=str(difference),
            )
        wrong = [str(difference)] if difference else []
        wrong += [read.message] if read.message else []
        wrong += [] if f"web/{web_mounts.FILE}" in web else [f"no web/{web_mounts.FILE}"]
        return "; ".join(wrong)

    def reads_all(wrong: str) -> bool:
        return not wrong

    try:
        with user.evidence.phase("reading", f"{who} reads both mounts"):
            wait(
                observe,
                reads_all,
                subject=f"Pod {pod.namespace}/{pod.name}",
                condition="the right content of all files of both mounts",
                timeout=READS_SECONDS * user.timeout_factor,
                delay=3.0,
                describe=lambda wrong: wrong or "all is read",
                advice="check the master's log",
            )
    except WaitError as error:
        run_controls(user.system, pod, "does not recover", str(error), stretch=user.timeout_factor)
        raise
    user.evidence.fact(who, f"read {len(user.files.files)} files and web/{web_mounts.FILE}, checksums right")
