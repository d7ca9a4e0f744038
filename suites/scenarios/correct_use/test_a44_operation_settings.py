"""Settings of DataLoads and DataProcesses: they reach the Pods that do the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, at, items, table, text
from clusters.kubernetes.kinds import Kind
from clusters.product import fluid_names
from clusters.product.fluid_chart import ImageRef
from clusters.product.fluid_snapshots import DatasetSnapshot
from clusters.waiting import WaitError, is_empty, wait
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.record.versions import Affected, Since
from suites.steps import checks, data_loads, data_operations, script_results
from suites.steps.user import DATASET, PHASE_SECONDS, User
from workloads.data_process_script import reading_script
from workloads.models.base import Manifest, metadata
from workloads.models.data_load import DataLoad

KEY: Final = "fluid-conformance/operation"
LINUX: Final = {"kubernetes.io/os": "linux"}
TOLERATION: Final = {"key": KEY, "operator": "Exists", "effect": "NoSchedule"}
AFFINITY: Final = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 7,
                "preference": {"matchExpressions": [{"key": KEY, "operator": "DoesNotExist"}]},
            }
        ]
    }
}
ACCOUNT: Final = "a44-account"
MARK: Final = "FLUID_CONFORMANCE"
#: Folder of the Dataset that the DataProcess sees, and a folder of its own.
FOLDER: Final = "labels"
OWN_FOLDER: Final = "/own"
FIRST_CONDITION: Final = "data-process-has-the-jobs-first-condition"
OUTLIVES_TTL: Final = "data-process-outlives-its-ttl"
NO_SCHEDULER: Final = "fluid-conformance-nobody"
#: Types of the condition of an operation that has ended (pkg/utils/dataoperation.go:122 of 1.0.8).
FINISHED: Final = ("Complete", "Failed")
#: Seconds after its end for which an operation stays, and until it must be gone.
TTL: Final = 30
TTL_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class PodSetting:
    """A field of a data operation.

    Attributes:
        field: below ``spec``, as docs/fields.md names it.
        value: of the field.
        find: reads it in the Pod's template.
        expected: what must be found; the value itself without it.
    """

    field: str
    value: Any
    find: Callable[[Json], Any]
    expected: Any = None


def _container(template: Json) -> Json:
    return next(iter(items(template, "spec", "containers")), {})


def _in(*path: str) -> Callable[[Json], Any]:
    return lambda template: at(template, *path)


def _in_container(*path: str) -> Callable[[Json], Any]:
    return lambda template: at(_container(template), *path)


def _variable(name: str) -> Callable[[Json], Any]:
    return lambda template: next(
        (text(one, "value") for one in items(_container(template), "env") if text(one, "name") == name), None
    )


def _label(kind: str) -> Callable[[Json], Any]:
    return lambda template: {KEY: table(template, "metadata", kind).get(KEY)}


LOAD: Final = (
    PodSetting("nodeSelector", LINUX, _in("spec", "nodeSelector")),
    PodSetting("tolerations", [TOLERATION], _in("spec", "tolerations")),
    PodSetting("affinity", AFFINITY, _in("spec", "affinity")),
    PodSetting("podMetadata.labels", {KEY: "load"}, _label("labels")),
    PodSetting("podMetadata.annotations", {KEY: "load"}, _label("annotations")),
    PodSetting("resources.limits", {"memory": "2Gi"}, _in_container("resources", "limits")),
    PodSetting("resources.requests", {"cpu": "15m"}, _in_container("resources", "requests")),
)
#: Settings with which a DataLoad would not complete here: they are read in its Job, and it is deleted.
UNSCHEDULED_LOAD: Final = (
    PodSetting("schedulerName", NO_SCHEDULER, _in("spec", "schedulerName")),
    PodSetting("loadMetadata", True, _variable("NEED_LOAD_METADATA"), "true"),
    PodSetting("target", [{"path": f"/{FOLDER}", "replicas": 3}], _variable("PATH_REPLICAS"), "3"),
)
PROCESS: Final = (
    PodSetting("processor.podMetadata.labels", {KEY: "process"}, _label("labels")),
    PodSetting("processor.podMetadata.annotations", {KEY: "process"}, _label("annotations")),
    PodSetting("processor.serviceAccountName", ACCOUNT, _in("spec", "serviceAccountName")),
    PodSetting("processor.script.env", [{"name": MARK, "value": "a44"}], _variable(MARK), "a44"),
    PodSetting("processor.script.restartPolicy", "OnFailure", _in("spec", "restartPolicy")),
    PodSetting(
        "processor.script.resources.limits", {"memory": "256Mi"}, _in_container("resources", "limits")
    ),
    PodSetting("processor.script.resources.requests", {"cpu": "16m"}, _in_container("resources", "requests")),
    PodSetting(
        "processor.script.volumes",
        [{"name": "own", "emptyDir": {}}],
        lambda template: [one for one in items(template, "spec", "volumes") if one.get("name") == "own"],
    ),
    PodSetting(
        "processor.script.volumeMounts",
        [{"name": "own", "mountPath": OWN_FOLDER}],
        lambda template: [m for m in items(_container(template), "volumeMounts") if m.get("name") == "own"],
    ),
)


def _fields(kind: str, settings: Iterable[PodSetting]) -> tuple[str, ...]:
    return tuple(f"{kind}.spec.{one.field}" for one in settings if one.field != "target")


@scenario(
    "A44",
    Level.FULL,
    since=Since("1.0", "0.9 has no DataProcess, and a DataLoad without resources and time to live"),
    defects=(
        Defect(
            FIRST_CONDITION,
            "The condition of a DataProcess that has ended is the first one of its Job, not the one with "
            "which the Job ended: since Kubernetes 1.31 it is SuccessCriteriaMet, so that nothing can wait "
            "for condition Complete.",
            "pkg/controllers/v1alpha1/dataprocess/status_handler.go:81 (1.0.8)",
            Affected(first="1.0"),
        ),
        Defect(
            OUTLIVES_TTL,
            "A DataProcess with ttlSecondsAfterFinished is never deleted: Fluid deletes operations whose "
            "first condition is Complete or Failed, and since Kubernetes 1.31 that of a DataProcess is "
            "SuccessCriteriaMet.",
            "pkg/utils/dataoperation.go:122, "
            "pkg/controllers/v1alpha1/dataprocess/status_handler.go:81 (1.0.8)",
            Affected(first="1.0"),
        ),
    ),
    fields=(
        *_fields("DataLoad", (*LOAD, *UNSCHEDULED_LOAD)),
        "DataLoad.spec.target[].replicas",
        "DataLoad.spec.ttlSecondsAfterFinished",
        "DataLoad.status.conditions[].reason",
        "DataLoad.status.conditions[].status",
        "DataLoad.status.conditions[].type",
        "Dataset.status.operationRef",
        *_fields("DataProcess", PROCESS),
        "DataProcess.spec.processor.script.imagePullPolicy",
        "DataProcess.spec.dataset.subPath",
        "DataProcess.spec.processor.job.podSpec",
        "DataProcess.spec.ttlSecondsAfterFinished",
        "DataProcess.status.conditions[].reason",
        "DataProcess.status.conditions[].status",
        "DataProcess.status.conditions[].type",
    ),
    writes=(kinds.DATA_PROCESS, kinds.SERVICE_ACCOUNT),
)
def test_settings_of_data_operations_reach_their_pods(dataset_owner: User) -> None:
    """Each setting of a DataLoad and a DataProcess reaches the Pod that does the work, which completes.

    The user sets nodeSelector, tolerations, affinity, resources, labels, annotations and a time to live of a
    DataLoad, and a script's environment, volumes, resources, account and folder of a DataProcess; another
    DataProcess brings a whole Pod.
    """
    _check_load(dataset_owner)
    _check_unscheduled_load(dataset_owner)
    _check_process(dataset_owner)
    _check_own_pod(dataset_owner)


def _with(manifest: Manifest, settings: Iterable[PodSetting]) -> Manifest:
    for setting in settings:
        target = manifest["spec"]
        *path, last = setting.field.split(".")
        for name in path:
            target = target.setdefault(name, {})
        target[last] = setting.value
    return manifest


def _check_load(user: User) -> None:
    name = "a44-load"
    load = DataLoad.whole(user.namespace, name, DATASET).evolve(ttl_seconds_after_finished=TTL)
    user.applies(_with(load.manifest(), LOAD))
    _wait_until_held(user, name)
    data_loads.completes(user, name)
    _check_template(user, kinds.DATA_LOAD, fluid_names.data_load_job(name), LOAD)
    _check_condition(user, kinds.DATA_LOAD, name, fluid_names.data_load_job(name))
    checks.all_cached(user)
    data_operations.usable_again(user)
    _wait_until_expired(user, kinds.DATA_LOAD, name)


def _wait_until_expired(user: User, kind: Kind, name: str) -> None:
    with user.evidence.phase("waiting", f"the {kind}'s time to live passes"):
        wait(
            lambda: [one for one in [user.system.kube.get(kind, name, user.namespace)] if one],
            is_empty,
            subject=f"{kind} {user.namespace}/{name}",
            condition=f"deletion {TTL} s after its end",
            timeout=TTL_SECONDS * user.timeout_factor,
            describe=lambda left: "deleted" if not left else "still exists",
        )
    user.evidence.fact(f"{kind}.spec.ttlSecondsAfterFinished", f"{name} was deleted by Fluid")


def _wait_until_held(user: User, name: str) -> None:
    """Wait until the Dataset's status names the DataLoad that works on it."""

    def names_it(dataset: DatasetSnapshot) -> bool:
        return name in dataset.operations.get("DataLoad", "").split(",")

    with user.system.kube.changes(kinds.DATASET, user.namespace) as changed:
        dataset = wait(
            lambda: user.observer.dataset(user.namespace, DATASET),
            names_it,
            subject=f"Dataset {user.namespace}/{DATASET}",
            condition=f"{name} in status.operationRef",
            timeout=PHASE_SECONDS * user.timeout_factor,
            changes=changed,
            describe=lambda seen: f"operations {dict(seen.operations) or 'none'}",
        )
    user.evidence.fact("Dataset.status.operationRef", f"{dict(dataset.operations)}")


def _check_unscheduled_load(user: User) -> None:
    name = "a44-waits"
    load = DataLoad.whole(user.namespace, name, DATASET).manifest()
    user.applies(_with(load, UNSCHEDULED_LOAD))
    try:
        _check_template(user, kinds.DATA_LOAD, fluid_names.data_load_job(name), UNSCHEDULED_LOAD)
    finally:
        data_operations.delete(user, kinds.DATA_LOAD, name)
    data_operations.gone(user, kinds.DATA_LOAD, name)


def _process(user: User, name: str, processor: Mapping[str, Any], **dataset: str) -> Manifest:
    return {
        "apiVersion": "data.fluid.io/v1alpha1",
        "kind": "DataProcess",
        "metadata": metadata(name, user.namespace),
        "spec": {
            "dataset": {"name": DATASET, "namespace": user.namespace, "mountPath": "/data", **dataset},
            "processor": dict(processor),
        },
    }


def _check_process(user: User) -> None:
    name, image = "a44-process", ImageRef.of(user.system.toolbox)
    script = {
        "image": f"{image.prefix}/{image.name}".strip("/"),
        "imageTag": image.tag,
        "command": ["bash"],
        "source": reading_script("/data"),
    }
    # A cluster of the harness has the image on all nodes; on another one the nodes may have to pull it.
    policy = "Always" if user.system.cluster.provider == "existing" else "Never"
    settings = (
        *PROCESS,
        PodSetting("processor.script.imagePullPolicy", policy, _in_container("imagePullPolicy")),
    )
    user.applies(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(ACCOUNT, user.namespace),
        },
        _with(_process(user, name, {"script": script}, subPath=FOLDER), settings),
    )
    ended = data_operations.ends(user, kinds.DATA_PROCESS, name)
    data_operations.ended_as(user, kinds.DATA_PROCESS, ended, "Complete")
    _check_template(user, kinds.DATA_PROCESS, fluid_names.data_process_job(name), settings)
    _check_condition(user, kinds.DATA_PROCESS, name, fluid_names.data_process_job(name))
    labels = f"release={fluid_names.data_process_release(name)}"
    pods = user.system.kube.list(kinds.POD, user.namespace, labels=labels)
    pod = text(pods[0], "metadata", "name")
    read = script_results.of_process(user, pod).read
    reader = user.seeing(user.files.below(FOLDER))
    difference = reader.files.difference(read.checksums)
    if difference or read.message:
        checks.fail(
            "the DataProcess did not read the folder that it names, and only that",
            subject=f"DataProcess {user.namespace}/{name}",
            expected=f"the files of {FOLDER}, with their checksums",
            seen=f"{difference}; {read.message}".strip("; "),
        )
    user.evidence.fact("DataProcess.spec.dataset.subPath", f"the script read the files of {FOLDER} alone")
    data_operations.delete(user, kinds.DATA_PROCESS, name)
    data_operations.gone(user, kinds.DATA_PROCESS, name)


def _check_own_pod(user: User) -> None:
    """A DataProcess with a whole Pod: its container has the Dataset's claim, and it completes."""
    name = "a44-pod"
    pod = {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "own",
                "image": user.system.toolbox,
                "imagePullPolicy": "IfNotPresent",
                "command": ["bash", "-c", f"test -s /data/{FOLDER}/$(ls /data/{FOLDER} | head -n 1)"],
            }
        ],
    }
    process = _process(user, name, {"job": {"podSpec": pod}})
    process["spec"]["ttlSecondsAfterFinished"] = TTL
    user.applies(process)
    ended = data_operations.ends(user, kinds.DATA_PROCESS, name)
    data_operations.ended_as(user, kinds.DATA_PROCESS, ended, "Complete")
    own = PodSetting("processor.job.podSpec", pod, _in_container("name"), "own")
    _check_template(user, kinds.DATA_PROCESS, fluid_names.data_process_job(name), (own,))
    _check_expiry(user, name)


def _check_expiry(user: User, name: str) -> None:
    """A DataProcess is deleted after its time to live; record whether it stays because of its condition."""
    try:
        _wait_until_expired(user, kinds.DATA_PROCESS, name)
    except WaitError:
        found = user.system.kube.get(kinds.DATA_PROCESS, name, user.namespace)
        types = [text(one, "type") for one in items(found, "status", "conditions")]
        if not types or types[0] in FINISHED:
            raise
        says = f"DataProcess {name} stays {TTL_SECONDS:g} s after its end; conditions: {', '.join(types)}"
        user.evidence.defect(OUTLIVES_TTL, seen=True, says=says)
    else:
        user.evidence.defect(OUTLIVES_TTL, seen=False, says=f"DataProcess {name} was deleted by Fluid")


def _check_condition(user: User, kind: Kind, name: str, job: str) -> None:
    """The only condition of a data operation that is Complete is the one with which its Job ended."""
    found, finished = (
        [
            {field: text(one, field) for field in ("type", "status", "reason")}
            for one in items(user.system.kube.get(part, called, user.namespace), "status", "conditions")
        ]
        for part, called in ((kind, name), (kinds.JOB, job))
    )
    expected = [one for one in finished if one["type"] == "Complete"]
    first = kind == kinds.DATA_PROCESS and found == finished[:1] and found != expected
    if kind == kinds.DATA_PROCESS:
        says = f"conditions of DataProcess {name}: {found}; of its Job: {finished}"
        user.evidence.defect(FIRST_CONDITION, seen=first, says=says)
    if (found != expected and not first) or not expected:
        checks.fail(
            f"the conditions of {kind} {name} are not those of its Job",
            subject=f"{kind} {user.namespace}/{name}",
            expected=str(expected or "condition Complete of a complete Job"),
            seen=str(found or "no conditions"),
        )
    user.evidence.fact(f"{kind}.status.conditions[]", str(found))


def _check_template(user: User, kind: Kind, job: str, settings: Iterable[PodSetting]) -> None:
    """Wait for the Job of a data operation, and compare the template of its Pods with the settings."""

    def observe() -> Json | None:
        return user.system.kube.get(kinds.JOB, job, user.namespace)

    with user.system.kube.changes(kinds.JOB, user.namespace) as changed:
        found = wait(
            observe,
            lambda seen: seen is not None,
            subject=f"Job {user.namespace}/{job}",
            condition="creation by Fluid",
            timeout=PHASE_SECONDS * user.timeout_factor,
            changes=changed,
            describe=lambda seen: "exists" if seen else "does not exist",
        )
    template = at(found, "spec", "template") or {}
    wrong = []
    for setting in settings:
        expected, actual = setting.expected or setting.value, setting.find(template)
        if actual != expected:
            wrong.append(f"{kind}.spec.{setting.field} (is {actual!r}, not {expected!r})")
        else:
            user.evidence.fact(f"{kind}.spec.{setting.field}", f"is seen in Job {job}")
    if wrong:
        checks.fail(
            f"{len(wrong)} settings did not reach the Pod of {kind} {job}",
            subject=f"Job {user.namespace}/{job}",
            expected="each setting in the template of its Pods",
            seen="; ".join(wrong),
        )
