"""Settings of every part of a runtime, each with its own line in the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from clusters.errors import InfrastructureError
from clusters.kubernetes import kinds
from clusters.kubernetes.fields import Json, items, text
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.product import fluid, fluid_names
from suites.catalogue.scenario import Level, scenario
from suites.record.defects import Defect
from suites.record.versions import Since
from suites.scenarios.correct_use import runtime_settings_tables
from suites.scenarios.correct_use.runtime_settings import (
    CONTAINERS,
    FILE,
    FILES,
    FUSE_NETWORK_IGNORED,
    FUSE_REQUESTS_IGNORED,
    HADOOP,
    JOB_PARTS_IGNORED,
    PATHS,
    PIN_IGNORED,
    WATERMARKS_IGNORED,
    Inside,
    RuntimeSeen,
    Setting,
)
from suites.steps import checks
from suites.steps.user import DATASET, SOURCE, User
from workloads import pod_commands
from workloads.models.base import Manifest, metadata
from workloads.models.dataset import Dataset
from workloads.models.small_runtime import laptop_runtime

#: Prints environment, command lines and existing files of a container, with a line of its own between.
_BETWEEN: Final = "----"
_LOOK_INSIDE: Final = f"""
tr '\\0' '\\n' < /proc/1/environ; echo; echo {_BETWEEN}
for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < "$file" 2> /dev/null; echo; done; echo {_BETWEEN}
for path in "$@"; do [ -e "$path" ] && echo "$path"; done; true
"""
LOOK_SECONDS: Final = 30.0
#: A file of the source whose owner is read.
A_FILE: Final = "/data/train/part-0.bin"
#: The Deployment whose environment names Alluxio's image, and the variable
#: (common.AlluxioRuntimeImageEnv of Fluid 1.0.8).
CONTROLLER: Final = "alluxioruntime-controller"
IMAGE_VARIABLE: Final = "ALLUXIO_RUNTIME_IMAGE_ENV"
DOCKER_HUB: Final = "docker.io/"


def fields_of(settings: Iterable[Setting]) -> tuple[str, ...]:
    """The fields that a table covers."""
    return tuple(dict.fromkeys(setting.field for setting in settings))


NEW: Final = Since("1.0", "0.9 has no imagePullSecrets (api/v1alpha1/alluxioruntime_types.go of 0.9.3)")


@scenario(
    "A37",
    Level.FULL,
    since=NEW,
    alone=True,
    defects=(
        Defect(
            JOB_PARTS_IGNORED,
            "env, jvmOptions and properties of jobMaster and jobWorker have no effect: the values for the "
            "chart have no place for them.",
            "pkg/ddc/alluxio/types.go:129-137 (1.0.8)",
        ),
        Defect(
            WATERMARKS_IGNORED,
            "high and low of a tier have no effect: the chart does not pass them on to Alluxio.",
            "charts/alluxio/templates/config/alluxio-conf.yaml:36-51 (1.0.8)",
        ),
        Defect(
            PIN_IGNORED,
            "data.pin has no effect: no code of Fluid reads it.",
            "api/v1alpha1/alluxioruntime_types.go:164-166 (1.0.8)",
        ),
    ),
    fields=fields_of(runtime_settings_tables.host_network("alluxio", "Never")),
)
def test_settings_of_every_part_reach_its_pods(user: User) -> None:
    """Each setting of each part of a runtime reaches its Pods and processes, and the Dataset serves its data.

    The user sets env, jvmOptions, properties, ports, resources, podMetadata, imagePullSecrets, nodeSelector,
    volumes and more of master, job master, worker, job worker and Fuse, all at once.
    """
    settings = runtime_settings_tables.host_network(*_image(user))
    dataset, runtime = _with_settings(_dataset(user).manifest(), _runtime(user), settings)
    user.applies(
        _config_map(user, FILES, {FILE: "seen\n"}),
        _config_map(user, HADOOP, {"core-site.xml": "<configuration></configuration>\n"}),
    )
    _check_settings(user, dataset, runtime, settings)


@scenario(
    "A42",
    Level.FULL,
    since=NEW,
    defects=(
        Defect(
            FUSE_NETWORK_IGNORED,
            "networkMode of the Fuse has no effect: its Pods are always in the network of the node, because "
            "a false hostNetwork is left out of the chart's values, where true is the default.",
            "pkg/ddc/alluxio/types.go:195, charts/alluxio/values.yaml:388 (1.0.8)",
        ),
        Defect(
            FUSE_REQUESTS_IGNORED,
            "resources of the Fuse have no effect unless they have a memory limit.",
            "pkg/ddc/alluxio/transform_resources.go:132-142 (1.0.8)",
        ),
    ),
    fields=fields_of(runtime_settings_tables.container_network()),
)
def test_dataset_in_the_container_network_serves_its_data(user: User) -> None:
    """A Dataset whose parts are in the container network serves its data, as its owner's files.

    The user sets ``networkMode: ContainerNetwork`` for master, worker and Fuse, an owner of the Dataset,
    a pull secret for all parts, and requests of the Fuse without limits.
    """
    settings = runtime_settings_tables.container_network()
    owned = _dataset(user).evolve(owner=runtime_settings_tables.OWNER)
    _check_settings(user, *_with_settings(owned.manifest(), _runtime(user), settings), settings)


def _dataset(user: User) -> Dataset:
    return Dataset.over_claim(user.namespace, DATASET, SOURCE).evolve(placement="Shared")


def _runtime(user: User) -> Manifest:
    return laptop_runtime(user.namespace, DATASET).manifest()


def _config_map(user: User, name: str, data: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, user.namespace),
        "data": dict(data),
    }


def _with_settings(
    dataset: Manifest, runtime: Manifest, settings: Iterable[Setting]
) -> tuple[Manifest, Manifest]:
    """The two manifests with all settings merged into them."""
    for setting in settings:
        kind, *path = setting.field.split(".")
        merge(dataset if kind == dataset["kind"] else runtime, path, setting.value)
    return dataset, runtime


def merge(target: Manifest, path: list[str], value: Any) -> None:
    """Set a value at a path; maps and lists are added to what is there, ``[]`` stands for each item."""
    name, *more = path
    if name.endswith("[]"):
        for item in target[name.removesuffix("[]")]:
            merge(item, more, value)
    elif more:
        merge(target.setdefault(name, {}), more, value)
    elif isinstance(value, Mapping):
        target[name] = {**target.get(name, {}), **value}
    elif isinstance(value, list):
        target[name] = [*target.get(name, []), *value]
    else:
        target[name] = value


def _image(user: User) -> tuple[str, str]:
    """Another name of Alluxio's image, without its tag, and a pull policy that is not Fluid's default."""
    deployment = user.system.kube.get(kinds.DEPLOYMENT, CONTROLLER, fluid.NAMESPACE)
    containers = items(deployment, "spec", "template", "spec", "containers")
    named = next(
        (
            text(variable, "value")
            for container in containers
            for variable in items(container, "env")
            if text(variable, "name") == IMAGE_VARIABLE
        ),
        "",
    )
    name = named.rpartition(":")[0]
    if not name:
        raise InfrastructureError(
            f"Deployment {CONTROLLER} does not name Alluxio's image in {IMAGE_VARIABLE}", last_seen=named
        )
    other = name.removeprefix(DOCKER_HUB) if name.startswith(DOCKER_HUB) else other_name(name)
    # A cluster of the harness has the image on all nodes; on another one the nodes may have to pull it.
    return other, "Always" if user.system.cluster.provider == "existing" else "Never"


def other_name(name: str) -> str:
    """The full name of an image of Docker Hub; another registry's image has one name alone."""
    host, _, path = name.partition("/")
    return name if path and ("." in host or ":" in host) else f"{DOCKER_HUB}{name}"


def _check_settings(user: User, dataset: Manifest, runtime: Manifest, settings: Iterable[Setting]) -> None:
    """The Dataset serves its data, and each setting is seen where it must be; one line for each."""
    user.applies(dataset, runtime)
    user.waits_until_bound()
    pod = user.starts(user.application(f"{DATASET}-reader", DATASET))
    checks.served_by_fluid(user, pod)
    user.reads_right(pod)
    seen = _see(user, pod)
    missing: list[str] = []
    ignored: dict[str, list[str]] = {}
    for setting in settings:
        instead = setting.look(seen)
        if setting.ignored:
            ignored.setdefault(setting.ignored, []).extend([f"{setting.field}: {instead}"] * bool(instead))
        elif instead:
            missing.append(f"{setting.field} ({instead})")
        if not instead:
            user.evidence.fact(setting.field, f"is seen in {setting.where}")
    for defect, fields in ignored.items():
        says = "; ".join(fields) or "all of these settings are seen"
        user.evidence.defect(defect, seen=bool(fields), says=says)
    if missing:
        checks.fail(
            f"{len(missing)} settings did not reach the runtime",
            subject=f"AlluxioRuntime {user.namespace}/{DATASET}",
            expected="each setting in the Pods of its part",
            seen="; ".join(missing),
        )


def _see(user: User, reader: PodSnapshot) -> RuntimeSeen:
    """All that the settings are compared with."""
    kube = user.system.kube
    pods: dict[str, Json] = {}
    inside: dict[str, Inside] = {}
    for part, containers in CONTAINERS.items():
        found = kube.list(kinds.POD, user.namespace, labels=fluid_names.pod_labels(DATASET, part))
        if not found:
            checks.fail(
                f"the Dataset has no Pod of its {part}",
                subject=f"Dataset {user.namespace}/{DATASET}",
                expected="one Pod of each part",
                seen="none",
            )
        pods[part] = found[0]
        name = text(found[0], "metadata", "name")
        names = [text(container, "name") for container in items(found[0], "spec", "containers")]
        for container in dict.fromkeys((*containers, *names)):
            if container in names:
                inside[container] = _look_inside(user, name, container)
    stat = pod_commands.file_stat(user.observer.inside(reader, pod_commands.stat_argv(A_FILE)))
    listed = user.observer.alluxio(user.namespace, DATASET).run("alluxio", "fs", "ls", "-R", "-p", "/")
    return RuntimeSeen(
        pods=pods,
        inside=inside,
        service=kube.get(kinds.SERVICE, fluid_names.master_pod(DATASET), user.namespace) or {},
        owner=(stat.uid, stat.gid) if stat else (-1, -1),
        pinned=tuple(line for line in listed.stdout.splitlines() if line.strip()),
    )


def _look_inside(user: User, pod: str, container: str) -> Inside:
    argv = ("sh", "-c", _LOOK_INSIDE, "look", *PATHS)
    done = user.system.kube.exec(user.namespace, pod, container, argv, timeout=LOOK_SECONDS)
    return parse_inside(done.stdout)


def parse_inside(output: str) -> Inside:
    """What the script printed of a container."""
    parts: list[list[str]] = [[]]
    for line in output.splitlines():
        if line == _BETWEEN:
            parts.append([])
        else:
            parts[-1].append(line)
    environment, command_lines, files = parts
    return Inside(frozenset(environment), "\n".join(command_lines), frozenset(filter(None, files)))
