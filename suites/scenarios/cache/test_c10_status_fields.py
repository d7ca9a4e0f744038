"""The status of a Dataset and of its runtime, field by field, compared with the objects that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, at, items, number, text
from clusters.product import fluid_names
from clusters.waiting import WaitError, wait
from suites.catalogue.crd_fields import KEYS
from suites.catalogue.scenario import Level, scenario
from suites.record.versions import Since
from suites.steps import checks, workers
from suites.steps.user import DATASET, SOURCE, User
from workloads.models.alluxio_runtime import Component
from workloads.models.dataset import Dataset, Mount, NodeAffinity
from workloads.models.small_runtime import laptop_runtime

#: Seconds until the status is up to date (periodic reconcile: 90 s).
STATUS_SECONDS: Final = 240.0
#: Conditions of a runtime whose parts are ready (api/v1alpha1/status.go of 1.0.8), all with status True.
CONDITIONS: Final = (
    ("MasterInitialized", "Master is initialized"),
    ("MasterReady", "Master is ready"),
    ("WorkersInitialized", "Workers are initialized"),
    ("WorkersReady", "Workers are ready"),
    ("FusesReady", "Fuses are ready"),
)


@dataclass(frozen=True, slots=True)
class Objects:
    """A Dataset and all that its status is about, read at one moment."""

    dataset: Json
    runtime: Json
    master: Json
    worker: Json
    fuse: Json
    service: Json
    values: Json
    version: str


#: For each field what its value must be, and what it is.
Expectation = Callable[[Objects], tuple[Any, Any]]


def _of_dataset(*path: str) -> Callable[[Objects], Any]:
    return lambda seen: at(seen.dataset, "status", *path)


def _same(actual: Callable[[Objects], Any], expected: Callable[[Objects], Any]) -> Expectation:
    return lambda seen: (expected(seen), actual(seen))


def _mounts(name: str) -> Expectation:
    def compare(seen: Objects) -> tuple[Any, Any]:
        expected, actual = (
            [mount.get(name) for mount in items(seen.dataset, part, "mounts")] for part in ("spec", "status")
        )
        return expected, actual

    return compare


def _binding(name: str, value: Callable[[Json], Any]) -> Expectation:
    """A field of the only entry of ``status.runtimes``."""
    return lambda seen: (
        [value(seen.runtime)],
        [one.get(name) for one in items(seen.dataset, "status", "runtimes")],
    )


def _counts(field: str, part: str, name: str) -> tuple[str, Expectation]:
    """A number in the runtime's status, and where Kubernetes has it."""

    def compare(seen: Objects) -> tuple[Any, Any]:
        controller: Json = getattr(seen, part)
        path = ("spec", "replicas") if name == "replicas of the specification" else ("status", name)
        return number(controller, *path), number(seen.runtime, "status", field)

    return f"AlluxioRuntime.status.{field}", compare


def _constant(field: str, expected: Any) -> tuple[str, Expectation]:
    kind, _, *path = field.split(".")

    def compare(seen: Objects) -> tuple[Any, Any]:
        return expected, at(seen.dataset if kind == "Dataset" else seen.runtime, "status", *path)

    return field, compare


def _conditions(field: str) -> Expectation:
    """A field of the runtime's conditions, in the order of `CONDITIONS`."""
    expected = {
        "type": [kind for kind, _ in CONDITIONS],
        "status": ["True"] * len(CONDITIONS),
        "reason": [reason for _, reason in CONDITIONS],
    }[field]

    def compare(seen: Objects) -> tuple[Any, Any]:
        found = {text(one, "type"): one for one in items(seen.runtime, "status", "conditions")}
        return expected, [text(found.get(kind), field) for kind, _ in CONDITIONS]

    return compare


def _ready_condition(field: str, expected: str) -> Expectation:
    def compare(seen: Objects) -> tuple[Any, Any]:
        found = [one for one in items(seen.dataset, "status", "conditions") if text(one, "type") == "Ready"]
        return [expected], [text(one, field) for one in found]

    return compare


def _endpoint(seen: Objects) -> tuple[Any, Any]:
    port = next(
        (number(p, "port") for p in items(seen.service, "spec", "ports") if p.get("name") == "rpc"), 0
    )
    host = f"{text(seen.service, 'metadata', 'name')}.{text(seen.service, 'metadata', 'namespace')}"
    return f"alluxio://{host}:{port}", at(seen.dataset, "status", "hcfs", "endpoint")


def _affinity(seen: Objects) -> tuple[Any, Any]:
    node = ("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    expected = at(seen.dataset, "spec", "nodeAffinity", "required", "nodeSelectorTerms")
    actual = at(seen.runtime, "status", "cacheAffinity", *node[1:])
    return expected, actual


def _values(seen: Objects) -> tuple[Any, Any]:
    return text(seen.values, "metadata", "name"), at(seen.runtime, "status", "valueFile")


EXPECTATIONS: Final[Mapping[str, Expectation]] = dict(
    (
        _constant("Dataset.status.phase", "Bound"),
        ("Dataset.status.conditions[].type", _ready_condition("type", "Ready")),
        ("Dataset.status.conditions[].status", _ready_condition("status", "True")),
        ("Dataset.status.conditions[].reason", _ready_condition("reason", "DatasetReady")),
        *(
            (f"Dataset.status.mounts[].{name}", _mounts(name))
            for name in ("mountPoint", "name", "options", "path", "readOnly", "shared")
        ),
        ("Dataset.status.runtimes[].name", _binding("name", lambda r: text(r, "metadata", "name"))),
        (
            "Dataset.status.runtimes[].namespace",
            _binding("namespace", lambda r: text(r, "metadata", "namespace")),
        ),
        ("Dataset.status.runtimes[].type", _binding("type", lambda _: "alluxio")),
        ("Dataset.status.runtimes[].category", _binding("category", lambda _: "Accelerate")),
        (
            "Dataset.status.runtimes[].masterReplicas",
            _binding("masterReplicas", lambda r: at(r, "spec", "master", "replicas")),
        ),
        ("Dataset.status.hcfs.endpoint", _endpoint),
        (
            "Dataset.status.hcfs.underlayerFileSystemVersion",
            _same(_of_dataset("hcfs", "underlayerFileSystemVersion"), lambda seen: seen.version),
        ),
        *(_constant(f"AlluxioRuntime.status.{part}Phase", "Ready") for part in ("master", "worker", "fuse")),
        ("AlluxioRuntime.status.cacheAffinity", _affinity),
        *(
            (f"AlluxioRuntime.status.conditions[].{field}", _conditions(field))
            for field in ("type", "status", "reason")
        ),
        *(
            _counts(field, part, name)
            for part, names in (
                (
                    "master",
                    {
                        "desiredMasterNumberScheduled": "replicas of the specification",
                        "currentMasterNumberScheduled": "replicas",
                        "masterNumberReady": "readyReplicas",
                    },
                ),
                (
                    "worker",
                    {
                        "desiredWorkerNumberScheduled": "replicas of the specification",
                        "currentWorkerNumberScheduled": "replicas",
                        "workerNumberReady": "readyReplicas",
                        "workerNumberAvailable": "availableReplicas",
                    },
                ),
                (
                    "fuse",
                    {
                        "desiredFuseNumberScheduled": "desiredNumberScheduled",
                        "currentFuseNumberScheduled": "currentNumberScheduled",
                        "fuseNumberReady": "numberReady",
                        "fuseNumberAvailable": "numberAvailable",
                    },
                ),
            )
            for field, name in names.items()
        ),
        _constant("AlluxioRuntime.status.workerNumberUnavailable", None),
        _constant("AlluxioRuntime.status.fuseNumberUnavailable", None),
        ("AlluxioRuntime.status.valueFile", _values),
        *(
            (
                f"AlluxioRuntime.status.cacheStates.{key}",
                _same(
                    lambda seen, key=key: at(seen.runtime, "status", "cacheStates", key),  # type: ignore[misc] # bound now
                    _of_dataset("cacheStates", key),
                ),
            )
            for key in KEYS[".cacheStates"]
        ),
    )
)


def _with_all_fields(user: User) -> None:
    mount = Mount(
        mount_point=f"pvc://{SOURCE}",
        name=SOURCE,
        path="/",
        read_only=True,
        shared=True,
        options={"fluid.conformance": "seen"},
    )
    runtime = laptop_runtime(user.namespace, DATASET)
    user.creates_dataset(
        Dataset(
            namespace=user.namespace,
            name=DATASET,
            mounts=(mount,),
            placement="Shared",
            node_affinity=NodeAffinity.on(*user.system.nodes),
        ),
        runtime.evolve(master=(runtime.master or Component()).evolve(replicas=1)),
    )


@scenario(
    "C10",
    Level.FULL,
    dataset=_with_all_fields,
    defects=(workers.SELECTOR_LOST,),
    since=Since("1.0", "what 0.9 writes into these fields was not compared with its source yet"),
    fields=tuple(EXPECTATIONS),
)
def test_status_agrees_with_what_runs_field_by_field(dataset_owner: User) -> None:
    """Each field of the status of a Dataset and its runtime agrees with the object that it is about.

    The user's application reads all files; then the user reads mounts, runtimes, conditions, endpoint,
    phases and numbers in the status, and compares them with the specification, StatefulSets, DaemonSet and
    Service.
    """
    pod = dataset_owner.starts(dataset_owner.application("c10-reader", DATASET))
    checks.served_by_fluid(dataset_owner, pod)
    dataset_owner.reads_right(pod)
    conf = dataset_owner.observer.alluxio(dataset_owner.namespace, DATASET)
    lost = workers.report_lost_selector(dataset_owner)
    version = conf.run("alluxio", "getConf", "alluxio.underfs.version").stdout.strip()

    def observe() -> Mapping[str, str]:
        return differences(_objects(dataset_owner, version), lost=lost)

    def agrees(wrong: Mapping[str, str]) -> bool:
        return not wrong

    try:
        with dataset_owner.evidence.phase("waiting", "the status agrees with what runs"):
            wait(
                dataset_owner.with_reconcile_requests(observe),
                agrees,
                subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
                condition=f"{len(EXPECTATIONS)} fields of the status as they must be",
                timeout=STATUS_SECONDS * dataset_owner.timeout_factor,
                delay=3.0,
                describe=lambda wrong: (
                    "; ".join(f"{name}: {what}" for name, what in wrong.items()) or "agrees"
                ),
            )
    except WaitError as error:
        wrong = observe()
        checks.fail(
            f"{len(wrong)} fields of the status are wrong: {', '.join(wrong)}",
            subject=f"Dataset {dataset_owner.namespace}/{DATASET}",
            expected="each field as the object that it is about",
            seen="; ".join(f"{name}: {what}" for name, what in wrong.items()) or error.last_seen,
        )
    seen = _objects(dataset_owner, version)
    for name, compare in EXPECTATIONS.items():
        dataset_owner.evidence.fact(name, f"{compare(seen)[1]}")


def differences(seen: Objects, *, lost: bool = False) -> dict[str, str]:
    """The fields that are not as they must be, with both values; not those ``lost`` in a known race."""
    found = {}
    for name, compare in EXPECTATIONS.items():
        expected, actual = compare(seen)
        if lost and name == "AlluxioRuntime.status.valueFile":
            continue
        if expected != actual:
            found[name] = f"is {actual!r}, not {expected!r}"
    return found


def _objects(user: User, version: str) -> Objects:
    kube, namespace = user.system.kube, user.namespace

    def get(kind: kinds.Kind, name: str) -> Json:
        return kube.get(kind, name, namespace) or {}

    return Objects(
        dataset=get(kinds.DATASET, DATASET),
        runtime=get(kinds.ALLUXIO_RUNTIME, DATASET),
        master=get(kinds.STATEFUL_SET, fluid_names.master_name(DATASET)),
        worker=get(kinds.STATEFUL_SET, fluid_names.worker_name(DATASET)),
        fuse=get(kinds.DAEMON_SET, fluid_names.fuse_name(DATASET)),
        service=get(kinds.SERVICE, fluid_names.master_pod(DATASET)),
        values=get(kinds.CONFIG_MAP, f"{DATASET}-alluxio-values"),
        version=version,
    )
