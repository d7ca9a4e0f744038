"""Starting a run in the cluster, observing it, retrieving its results, removing it."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import urllib3

from clusters.errors import FailureClass, HarnessError, RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube, Object
from clusters.kubernetes.fields import Json, at, items, text
from clusters.kubernetes.kinds import POD, Kind, kind_of
from clusters.kubernetes.requests import request_json
from clusters.product import fluid
from clusters.waiting import is_empty, is_gone, wait
from reports.job import in_pod, manifests
from reports.job.manifests import LABELS, NAME, NAMESPACE, RESULTS, RESULTS_FOLDER, RUN, SIGNALS_FOLDER

_MANAGER: Final = "fluid-conformance-job"
_APPLY: Final = "application/apply-patch+yaml"
#: Seconds until a run that is removed has ended with its teardown, and until the namespace is gone.
END_SECONDS: Final = 330.0
GONE_SECONDS: Final = 120.0
RETRIEVE_SECONDS: Final = 300.0
#: Seconds until a run in the cluster must have ended for ``--wait``; its own deadline comes first.
WAIT_SECONDS: Final = 24 * 3_600.0
_BECAUSE: Final = "it belongs to the run in the cluster that is removed"


@dataclass(frozen=True, slots=True)
class Status:
    """The newest run in the cluster.

    Attributes:
        pod: its Pod; empty before there is one.
        state: `waiting`, `running` or `ended`.
        detail: why it waits, or how it ended.
        exit_code: of the run; None before it ended.
        started: when its container started; empty before that.
        held: the results can be retrieved.
    """

    pod: str
    state: str
    detail: str = ""
    exit_code: int | None = None
    started: str = ""
    held: bool = False

    def __str__(self) -> str:
        started = f", started at {self.started}" if self.started else ""
        how = f" with exit code {self.exit_code}" if self.exit_code is not None else ""
        lines = [f"{self.state}{how}{started}" + (f": {self.detail}" if self.detail else "")]
        if self.state == "ended":
            lines.append("results: " + ("can be retrieved" if self.held else "are gone, or in their claim"))
        return "\n".join(lines)


def start(kube: Kube, objects: Sequence[manifests.Manifest]) -> None:
    """Create the objects of a run, the Job or CronJob last.

    Raises:
        RefusalError: there is one already, or the cluster has no Fluid; nothing was created.
    """
    needs_fluid = any(one["metadata"].get("namespace") == fluid.NAMESPACE for one in objects)
    if needs_fluid and kube.get(kinds.NAMESPACE, fluid.NAMESPACE) is None:
        raise RefusalError(
            f"this cluster has no Fluid: there is no namespace {fluid.NAMESPACE}",
            advice="install Fluid first; a run in the cluster does not",
        )
    name = objects[-1]["metadata"]["name"]
    for kind in (kinds.JOB, kinds.CRON_JOB):
        if kube.get(kind, name, NAMESPACE) is not None:
            raise RefusalError(
                f"there is a {kind} {NAMESPACE}/{name} already",
                advice="retrieve its results, and remove it with `fluid-conformance job delete`",
            )
    for manifest in objects:
        _apply(kube, manifest)


def _apply(kube: Kube, manifest: manifests.Manifest) -> None:
    """Apply without the labels of a run, so that `cluster down` does not remove what runs the harness."""
    kind, metadata = kind_of(manifest), manifest["metadata"]
    request_json(
        kube.connection,
        "PATCH",
        kind.path(metadata.get("namespace"), metadata["name"]),
        what=f"apply {kind} {metadata['name']}",
        query=[("fieldManager", _MANAGER), ("force", "true")],
        body=manifest,
        content_type=_APPLY,
    )


def status(kube: Kube) -> Status:
    """The newest run in the cluster.

    Raises:
        RefusalError: there is none.
    """
    pods = kube.list(POD, NAMESPACE, labels=",".join(f"{key}={value}" for key, value in LABELS.items()))
    if not pods:
        for kind in (kinds.JOB, kinds.CRON_JOB):
            for found in kube.list(kind, NAMESPACE):
                return Status("", "waiting", _why_no_pod(found))
        raise RefusalError(
            "there is no run of the harness in this cluster", advice="start one: fluid-conformance job run"
        )
    pod = max(pods, key=lambda one: text(one, "metadata", "creationTimestamp"))
    name = text(pod, "metadata", "name")
    containers = {text(one, "name"): one for one in items(pod, "status", "containerStatuses")}
    run = containers.get(RUN, {})
    held = at(containers.get(RESULTS, {}), "state", "running") is not None
    if (ended := at(run, "state", "terminated")) is not None:
        detail = text(ended, "message") or text(ended, "reason")
        return Status(
            name, "ended", detail, int(at(ended, "exitCode") or 0), text(ended, "startedAt"), held=held
        )
    if (running := at(run, "state", "running")) is not None:
        return Status(name, "running", started=text(running, "startedAt"))
    return Status(name, "waiting", _why_waiting(pod, run))


def _why_waiting(pod: Json, run: Json) -> str:
    waiting = at(run, "state", "waiting") or {}
    reason = ": ".join(filter(None, (text(waiting, "reason"), text(waiting, "message"))))
    if reason:
        return reason
    unmet = [one for one in items(pod, "status", "conditions") if text(one, "status") == "False"]
    return text(unmet[0], "message") if unmet else text(pod, "status", "phase")


def _why_no_pod(job: Object) -> str:
    schedule = text(job, "spec", "schedule")
    return f"no run yet; its schedule is {schedule}" if schedule else "its Pod is not created yet"


def wait_until_ended(kube: Kube, on_change: Callable[[str, float], None]) -> Status:
    """Wait for the end of the newest run.

    Raises:
        WaitError: it did not end.
    """
    with kube.changes(POD, NAMESPACE) as changes:
        return wait(
            partial(status, kube),
            lambda seen: seen.state == "ended",
            subject="the run in the cluster",
            condition="its end",
            timeout=WAIT_SECONDS,
            changes=changes,
            delay=2.0,
            describe=lambda seen: str(seen).splitlines()[0],
            on_change=on_change,
            failure_class=FailureClass.INFRASTRUCTURE,
        )


def log(kube: Kube, *, follow: bool) -> Iterator[str]:
    """The output of the newest run, in parts; with ``follow`` until it ends.

    Raises:
        RefusalError: there is no run, or it has not started.
    """
    found = status(kube)
    if found.state == "waiting":
        raise RefusalError(f"the run has not started: {found.detail}", advice="try again when it runs")
    if not follow:
        yield kube.logs(NAMESPACE, found.pod, RUN)
        return
    answer = kube.connection.stream(
        POD.path(NAMESPACE, found.pod) + "/log",
        what=f"follow the log of Pod {NAMESPACE}/{found.pod}",
        query=[("container", RUN), ("follow", "true")],
        timeout=WAIT_SECONDS,
    )
    try:
        for part in answer.stream(decode_content=True):
            yield part.decode(errors="replace")
    except urllib3.exceptions.HTTPError as error:
        raise HarnessError(
            f"the log of Pod {NAMESPACE}/{found.pod} broke off: {error}", advice="call it again"
        ) from error
    finally:
        answer.release_conn()


def retrieve(kube: Kube, folder: Path) -> Path:
    """Copy the results of the newest run to a folder; its Pod then ends.

    Returns:
        The folder of the run.

    Raises:
        RefusalError: the run has not ended, or its results are gone.
    """
    found = status(kube)
    if found.state != "ended":
        raise RefusalError(
            f"the run has not ended: {found}", advice="wait for it with `fluid-conformance job status --wait`"
        )
    if not found.held:
        raise RefusalError(
            f"the results of Pod {NAMESPACE}/{found.pod} are not held any more",
            advice="give them more time with --keep, or a claim with --results-claim",
        )
    script = f"tar -C {RESULTS_FOLDER} -czf - . | base64 --wrap=0"
    argv = ["sh", "-c", script]
    done = kube.exec(NAMESPACE, found.pod, RESULTS, argv, timeout=RETRIEVE_SECONDS)
    if done.exit_code != 0:
        raise HarnessError("the results cannot be read", last_seen=done.stderr.strip())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(done.stdout)), mode="r:gz") as archive:
        archive.extractall(folder, filter="data")
    mark = ["touch", f"{SIGNALS_FOLDER}/{in_pod.RETRIEVED}"]
    kube.exec(NAMESPACE, found.pod, RESULTS, mark, timeout=30.0)
    return (folder / "latest").resolve()


def delete(kube: Kube) -> bool:
    """Remove all objects of runs in the cluster; a run that still runs ends with its teardown first.

    Returns:
        Whether there was anything.

    Raises:
        RefusalError: the namespace is foreign.
        WaitError: something was not deleted in time.
    """
    namespace = kube.get(kinds.NAMESPACE, NAMESPACE)
    if namespace is not None and not _is_jobs(namespace):
        raise RefusalError(
            f"namespace {NAMESPACE} was not created by `job run`",
            advice="rename or remove it; the harness does not touch what it did not create",
        )
    there = namespace is not None
    if there:
        for kind in (kinds.CRON_JOB, kinds.JOB):
            for job in kube.list(kind, NAMESPACE):
                kube.delete(kind, text(job, "metadata", "name"), NAMESPACE, because=_BECAUSE)
        # Its account and roles stay until then: the teardown needs them.
        _wait_gone(kube, lambda: kube.list(POD, NAMESPACE), is_empty, "Pods of the run", END_SECONDS)
    for kind, name, where in (
        (kinds.ROLE_BINDING, NAME, fluid.NAMESPACE),
        (kinds.ROLE, NAME, fluid.NAMESPACE),
        (kinds.CLUSTER_ROLE_BINDING, manifests.CLUSTER_ROLE, None),
        (kinds.CLUSTER_ROLE, manifests.CLUSTER_ROLE, None),
        (kinds.CLUSTER_ROLE, manifests.OWN_ROLE, None),
        (kinds.CLUSTER_ROLE_BINDING, manifests.DOCTOR, None),
        (kinds.CLUSTER_ROLE, manifests.DOCTOR, None),
    ):
        there |= _delete_if_jobs(kube, kind, name, where)
    if namespace is not None:
        kube.delete(kinds.NAMESPACE, NAMESPACE, because=_BECAUSE)
        _wait_gone(
            kube,
            partial(kube.get, kinds.NAMESPACE, NAMESPACE),
            is_gone,
            f"namespace {NAMESPACE}",
            GONE_SECONDS,
        )
    return there


def _is_jobs(obj: Object) -> bool:
    labels = at(obj, "metadata", "labels") or {}
    return all(labels.get(key) == value for key, value in LABELS.items())


def _delete_if_jobs(kube: Kube, kind: Kind, name: str, namespace: str | None) -> bool:
    found = kube.get(kind, name, namespace)
    if found is None or not _is_jobs(found):
        return False
    kube.delete(kind, name, namespace, because=_BECAUSE)
    return True


def _wait_gone(
    kube: Kube,
    observe: Callable[[], Any],
    ready: Callable[[Any], bool],
    subject: str,
    timeout: float,
) -> None:
    with kube.changes(POD, NAMESPACE) as changes:
        wait(
            observe,
            ready,
            subject=subject,
            condition="deletion",
            timeout=timeout,
            changes=changes,
            delay=1.0,
            describe=lambda seen: "there" if seen else "gone",
            failure_class=FailureClass.INFRASTRUCTURE,
            advice=f"kubectl -n {NAMESPACE} get pods says what is left",
        )
