"""The settings of two runtimes: in the host's network, which is Fluid's default, and in the containers'."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from suites.scenarios.correct_use import runtime_settings as look
from suites.scenarios.correct_use.runtime_settings import (
    COMMON_KEY,
    FILE,
    FILES,
    FOLDER,
    FUSE,
    FUSE_NETWORK_IGNORED,
    FUSE_REQUESTS_IGNORED,
    HADOOP,
    HADOOP_FILE,
    JOB_MASTER,
    JOB_PARTS_IGNORED,
    JOB_WORKER,
    KEY,
    MARK,
    MASTER,
    PIN_IGNORED,
    WATERMARKS_IGNORED,
    WORKER,
    Setting,
)
from workloads.models.shared import User

RUNTIME: Final = "AlluxioRuntime.spec"
LINUX: Final = {"kubernetes.io/os": "linux"}
#: Bytes of the tier of `workloads.models.small_runtime`, which Fluid adds to the Fuse's memory limit
#: (pkg/ddc/alluxio/transform_resources.go:160-181 of 1.0.8).
TIER: Final = 512 * 2**20
#: To whom files belong; the API requires the two names, which Fluid does not use with Alluxio.
OWNER: Final = User(uid=1234, gid=2345, user="fluid", group="fluid")
#: Host ports outside the chart's default range (20000-26000) and Kubernetes' node ports.
PORTS: Final = range(28101, 28110)


def _of_pod_part(part: str, container: str) -> Iterator[Setting]:
    """Settings that master, worker and Fuse share, each of which has a Pod of its own."""
    field = f"{RUNTIME}.{part}"
    name = f"the {part}'s Pod" if part != "fuse" else "the Fuse Pod"
    yield Setting(
        f"{field}.env",
        {MARK: part},
        f"the environment of {container}",
        look.in_environment(container, f"{MARK}={part}"),
    )
    option = f"-Dfluid.conformance.{part}=jvm"
    yield Setting(
        f"{field}.jvmOptions",
        [option],
        f"the command line of {container}",
        look.on_command_line(option, container),
    )
    yield Setting(f"{field}.nodeSelector", LINUX, name, look.in_pod((part,), ("spec", "nodeSelector"), LINUX))
    for kind in ("labels", "annotations"):
        expected = {KEY: f"{part}-{kind}"}
        yield Setting(
            f"{field}.podMetadata.{kind}", expected, name, look.in_pod((part,), ("metadata", kind), expected)
        )
    secret = f"pull-{part}"
    yield Setting(f"{field}.imagePullSecrets", [{"name": secret}], name, look.pull_secrets(part, secret))
    yield Setting(
        f"{field}.volumeMounts",
        [{"name": FILES, "mountPath": FOLDER, "readOnly": True}],
        f"{FOLDER} in {container}",
        look.has_file(f"{FOLDER}/{FILE}", container),
    )


def _properties() -> Iterator[Setting]:
    """Alluxio's properties and Java's options: their processes have them on the command line."""
    for part, container, name, value in (
        ("master", MASTER, "alluxio.master.daily.backup.files.retained", "4"),
        ("worker", WORKER, "alluxio.worker.session.timeout", "62sec"),
        ("fuse", FUSE, "alluxio.fuse.cached.paths.max", "500001"),
    ):
        yield Setting(
            f"{RUNTIME}.{part}.properties",
            {name: value},
            f"the command line of {container}",
            look.on_command_line(f"-D{name}={value}", container),
        )
    threshold = "alluxio.user.logging.threshold"
    everywhere = (MASTER, JOB_MASTER, WORKER, JOB_WORKER, FUSE)
    yield Setting(
        f"{RUNTIME}.properties",
        {threshold: "1234ms"},
        "the command lines of all processes",
        look.on_command_line(f"-D{threshold}=1234ms", *everywhere),
    )
    option = "-Dfluid.conformance.common=jvm"
    yield Setting(
        f"{RUNTIME}.jvmOptions",
        [option],
        "the command lines of all processes",
        look.on_command_line(option, *everywhere),
    )
    yield Setting(
        f"{RUNTIME}.data.replicas",
        2,
        "the command line of the Fuse",
        look.on_command_line("-Dalluxio.user.file.replication.max=2", FUSE),
    )
    yield Setting(
        f"{RUNTIME}.data.pin", True, "Alluxio's list of pinned files", look.pinned, ignored=PIN_IGNORED
    )
    tier = "-Dalluxio.worker.tieredstore.level0"
    yield Setting(
        f"{RUNTIME}.tieredstore.levels[].mediumtype",
        "MEM",
        "the command line of the worker",
        look.on_command_line(f"{tier}.dirs.mediumtype=MEM", WORKER),
    )
    for end, value in (("high", "0.91"), ("low", "0.71")):
        yield Setting(
            f"{RUNTIME}.tieredstore.levels[].{end}",
            value,
            "the command line of the worker",
            look.on_command_line(f"{tier}.watermark.{end}.ratio={value}", WORKER),
            ignored=WATERMARKS_IGNORED,
        )


def _resources() -> Iterator[Setting]:
    for number, (part, container) in enumerate(
        (
            ("master", MASTER),
            ("jobMaster", JOB_MASTER),
            ("worker", WORKER),
            ("jobWorker", JOB_WORKER),
            ("fuse", FUSE),
        ),
        start=11,
    ):
        # With a memory limit alone, the Fuse's template has a CPU limit of 0: row A47.
        limits = {"memory": "3Gi"} | ({"cpu": "2"} if part == "fuse" else {})
        requests = {"cpu": f"{number}m", "memory": "640Mi"}
        yield Setting(
            f"{RUNTIME}.{part}.resources.limits",
            limits,
            f"container {container}",
            look.resources(container, "limits", limits, more=TIER if part == "fuse" else 0.0),
        )
        yield Setting(
            f"{RUNTIME}.{part}.resources.requests",
            requests,
            f"container {container}",
            look.resources(container, "requests", requests),
        )


def _ports() -> Iterator[Setting]:
    free = iter(PORTS)
    for part, container, names in (
        ("master", MASTER, ("rpc", "web")),
        ("jobMaster", JOB_MASTER, ("rpc", "web")),
        ("worker", WORKER, ("rpc", "web")),
        ("jobWorker", JOB_WORKER, ("rpc", "web", "data")),
    ):
        chosen = {name: next(free) for name in names}
        yield Setting(
            f"{RUNTIME}.{part}.ports",
            chosen,
            f"container {container}",
            look.ports(container, *chosen.values()),
        )


def _of_container_parts() -> Iterator[Setting]:
    """Settings of containers that share a Pod with another part; Fluid ignores them."""
    for part, container in (("jobMaster", JOB_MASTER), ("jobWorker", JOB_WORKER)):
        field = f"{RUNTIME}.{part}"
        option, name = f"-Dfluid.conformance.{part}=jvm", "alluxio.job.master.finished.job.retention.time"
        yield Setting(
            f"{field}.env",
            {MARK: part},
            f"the environment of {container}",
            look.in_environment(container, f"{MARK}={part}"),
            ignored=JOB_PARTS_IGNORED,
        )
        yield Setting(
            f"{field}.jvmOptions",
            [option],
            f"the command line of {container}",
            look.on_command_line(option, container),
            ignored=JOB_PARTS_IGNORED,
        )
        yield Setting(
            f"{field}.properties",
            {name: "31sec"},
            f"the command line of {container}",
            look.on_command_line(f"-D{name}=31sec", container),
            ignored=JOB_PARTS_IGNORED,
        )


def host_network(alluxio: str, policy: str) -> tuple[Setting, ...]:
    """All settings of a runtime in the host's network.

    Args:
        alluxio: another name, without a tag, of the image that Fluid would use.
        policy: image pull policy that is not Fluid's default and finds the image.
    """
    return (
        *_of_pod_part("master", MASTER),
        *_of_pod_part("worker", WORKER),
        *_of_pod_part("fuse", FUSE),
        *_properties(),
        *_resources(),
        *_ports(),
        *_of_container_parts(),
        Setting(
            f"{RUNTIME}.volumes",
            [{"name": FILES, "configMap": {"name": FILES}}],
            f"{FOLDER} in three Pods",
            look.has_file(f"{FOLDER}/{FILE}", MASTER, WORKER, FUSE),
        ),
        Setting(
            f"{RUNTIME}.hadoopConfig",
            HADOOP,
            f"{HADOOP_FILE}, and the command lines",
            _both(
                look.has_file(HADOOP_FILE, MASTER, JOB_MASTER, WORKER, JOB_WORKER),
                look.on_command_line(f"-Dalluxio.underfs.hdfs.configuration={HADOOP_FILE}", MASTER, WORKER),
            ),
        ),
        Setting(
            f"{RUNTIME}.disablePrometheus",
            True,
            "the labels of the master's Service",
            look.monitored(expected=False),
        ),
        Setting(
            f"{RUNTIME}.fuse.args",
            ["fuse", "--fuse-opts=kernel_cache,ro,attr_timeout=61,entry_timeout=61"],
            f"container {FUSE}",
            look.argument(FUSE, "attr_timeout=61"),
        ),
        *(
            setting
            for field, container in (("alluxioVersion", MASTER), ("fuse", FUSE))
            for setting in (
                Setting(
                    f"{RUNTIME}.{field}.image",
                    alluxio,
                    f"container {container}",
                    look.image(container, alluxio),
                ),
                Setting(
                    f"{RUNTIME}.{field}.imagePullPolicy",
                    policy,
                    f"container {container}",
                    look.pull_policy(container, policy),
                ),
            )
        ),
        *(
            Setting(
                f"{RUNTIME}.podMetadata.{kind}",
                {COMMON_KEY: kind},
                "all Pods",
                look.in_pod(("master", "worker", "fuse"), ("metadata", kind), {COMMON_KEY: kind}),
            )
            for kind in ("labels", "annotations")
        ),
        Setting(
            "Dataset.spec.tolerations",
            [{"key": KEY, "operator": "Exists", "effect": "NoSchedule"}],
            "the master's and the worker's Pod",
            look.tolerates("master", "worker"),
        ),
    )


def _both(first: look.Look, second: look.Look) -> look.Look:
    def test(seen: look.RuntimeSeen) -> str:
        return "; ".join(part for part in (first(seen), second(seen)) if part)

    return test


def container_network() -> tuple[Setting, ...]:
    """Settings that exclude some of `host_network`."""
    requests = {"cpu": "14m", "memory": "600Mi"}
    return (
        *(
            Setting(
                f"{RUNTIME}.{part}.networkMode",
                "ContainerNetwork",
                "the Pod's network",
                look.in_container_network(part),
                ignored=FUSE_NETWORK_IGNORED if part == "fuse" else "",
            )
            for part in ("master", "worker", "fuse")
        ),
        Setting(
            f"{RUNTIME}.imagePullSecrets",
            [{"name": "pull-common"}],
            "the master's Pod",
            look.pull_secrets("master", "pull-common"),
        ),
        Setting(
            f"{RUNTIME}.fuse.resources.requests",
            requests,
            f"container {FUSE}",
            look.resources(FUSE, "requests", requests),
            ignored=FUSE_REQUESTS_IGNORED,
        ),
        Setting(
            f"{RUNTIME}.disablePrometheus",
            False,
            "the labels of the master's Service",
            look.monitored(expected=True),
        ),
        Setting("Dataset.spec.owner.uid", OWNER.uid, "the owner of files", look.owned_by(OWNER)),
        Setting("Dataset.spec.owner.gid", OWNER.gid, "the owner of files", look.owned_by(OWNER)),
    )
