"""The sabotages: each breaks the product in one way and names the scenarios that have to notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.storage import CREATED_BY
from clusters.product import fluid_names
from clusters.waiting import is_empty, wait
from suites.record.evidence import Evidence
from suites.sabotage import breaks
from suites.sabotage.breaks import edited, run_on
from suites.sabotage.model import Break, Sabotage, Tampering, Target, Users
from suites.sabotage.runner import ScenarioRunner
from suites.steps.user import DATASET, SOURCE, User
from workloads.faults import FaultError, delete_pod
from workloads.models.base import Manifest
from workloads.models.small_runtime import laptop_runtime
from workloads.throttling import slowed

RUNTIME_CONTROLLER: Final = "alluxioruntime-controller"
DATASET_CONTROLLER: Final = "dataset-controller"
CHANGED_FILE: Final = "labels/00.txt"
WRITTEN: Final = "written-by-a13"


def tampered(kind: str, **paths: object) -> Break:
    """Fields of every manifest of a kind are changed on their way: ``spec__a__b=value``."""

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        del user
        if manifest["kind"] != kind:
            return (manifest,)
        for path, value in paths.items():
            *parents, last = path.split("__")
            place = manifest
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return (manifest,)

    return lambda _stage, _users: nullcontext(Tampering(tamper=tamper))


def other_claim(said: str, used: str) -> Break:
    """Applications that say that they mount one claim mount another."""

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        del user
        for volume in manifest["spec"].get("volumes", ()) if manifest["kind"] == "Pod" else ():
            if volume["persistentVolumeClaim"]["claimName"] == said:
                volume["persistentVolumeClaim"]["claimName"] = used
        return (manifest,)

    return lambda _stage, _users: nullcontext(Tampering(tamper=tamper))


@contextmanager
def claims_by_hand(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody makes the claim that the application lacks, over the NFS server, beside the application."""
    helpers: list[User] = []
    kube = runner.system.kube

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        if manifest["kind"] != "Pod":
            return (manifest,)
        somebody = User(
            runner.system,
            Evidence(silent=True),
            manifest["metadata"]["namespace"],
            folder=user.folder,
            files=user.files,
        )
        helpers.append(somebody)
        # Bound before the application comes: Kubernetes may take longer to bind it than the check looks.
        somebody.creates_source(manifest["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"])
        return (manifest,)

    del users
    try:
        yield Tampering(tamper=tamper)
    finally:
        for manifest in (sent for helper in helpers for sent in reversed(helper.sent)):
            meta = manifest["metadata"]
            kube.delete(kinds.kind_of(manifest), meta["name"], meta.get("namespace"))


@contextmanager
def runtime_by_hand(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody makes the runtime that the user forgot."""
    del runner, users

    def tamper(user: User, manifest: Manifest) -> tuple[Manifest, ...]:
        if manifest["kind"] != "Dataset":
            return (manifest,)
        return (manifest, laptop_runtime(user.namespace, manifest["metadata"]["name"]).manifest())

    yield Tampering(tamper=tamper)


@contextmanager
def marks_lost(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody takes Fluid's mark off the claim that it made."""
    namespace, key = users.only.namespace, CREATED_BY

    def marks(value: str | None) -> Manifest:
        return {"metadata": {"annotations": {key: value}}}

    with edited(
        runner,
        kinds.CLAIM,
        DATASET,
        namespace,
        change=marks(None),
        back=marks(fluid_names.MADE_BY_FLUID),
    ):
        yield Tampering()


@contextmanager
def fuse_never_ready(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody edits the Fuse DaemonSet: its program ends at once."""
    namespace, name = users.only.namespace, fluid_names.fuse_name(DATASET)
    with _fuse_container(runner, namespace, name, {"command": ["false"]}):
        yield Tampering()


@contextmanager
def made_writable(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody edits the volume's access modes and the Fuse's options: both now allow writing."""
    user, name = users.only, fluid_names.fuse_name(DATASET)
    namespace = user.namespace
    volume = fluid_names.volume_name(namespace, DATASET)
    modes = (runner.system.kube.get(kinds.VOLUME, volume) or {})["spec"]["accessModes"]
    found = runner.system.kube.get(kinds.DAEMON_SET, name, namespace) or {}
    args = found["spec"]["template"]["spec"]["containers"][0]["args"]
    writable = [arg.replace(",ro,", ",rw,") for arg in args]
    if writable == args:
        raise FaultError("the Fuse's options do not say that it is read-only", last_seen=" ".join(args))
    try:
        with (
            _fuse_container(runner, namespace, name, {"args": writable}),
            edited(
                runner,
                kinds.VOLUME,
                volume,
                None,
                change={"spec": {"accessModes": ["ReadWriteMany"]}},
                back={"spec": {"accessModes": modes}},
            ),
        ):
            yield Tampering()
    finally:
        runner.observer.alluxio(namespace, DATASET).run("alluxio", "fs", "rm", f"/{WRITTEN}", check=False)
        runner.system.nfs.run("rm", "-f", "--", f"{runner.folder}/{WRITTEN}")
        breaks.unchanged(runner, runner.system.nfs)


@contextmanager
def _fuse_container(runner: ScenarioRunner, namespace: str, name: str, changes: Manifest) -> Iterator[None]:
    """The Fuse DaemonSet's container is edited, and edited back with the Pods that came of it gone."""
    found = runner.system.kube.get(kinds.DAEMON_SET, name, namespace) or {}
    containers = found["spec"]["template"]["spec"]["containers"]

    def spec(first: Manifest) -> Manifest:
        return {"spec": {"template": {"spec": {"containers": [first, *containers[1:]]}}}}

    with edited(
        runner,
        kinds.DAEMON_SET,
        name,
        namespace,
        change=spec({**containers[0], **changes}),
        back=spec(containers[0]),
    ):
        yield


@contextmanager
def second_fuse_pod(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """A second Pod passes itself off as the Dataset's Fuse on the node."""
    user = users.only
    stray = user.application(
        "stray-fuse", SOURCE, labels={"role": "alluxio-fuse", "release": DATASET, "app": "alluxio"}
    )
    runner.system.kube.apply(stray.manifest())
    pod = user.waits_until_running(stray)
    try:
        yield Tampering()
    finally:
        user.stops(pod)


@contextmanager
def fuse_deleted(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody deletes the Fuse Pod under the applications that read through it."""
    del users

    def delete(user: User) -> None:
        for pod in user.observer.fuse(user.namespace, DATASET).pods.values():
            delete_pod(runner.system.kube, user.namespace, pod.name, because=breaks.BY_HAND)

    yield Tampering(when="exactly one Fuse Pod", then=delete)


@contextmanager
def cache_freed(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody frees the cache just after it was seen to be full."""
    del users

    def free(user: User) -> None:
        runner.observer.alluxio(user.namespace, DATASET).free()
        wait(
            lambda: runner.observer.blocks(user.namespace, DATASET),
            is_empty,
            subject=f"cache of {user.namespace}/{DATASET}",
            condition="removal of all blocks",
            timeout=60.0,
            failure_class=FailureClass.INFRASTRUCTURE,
        )

    yield Tampering(when="^Dataset status: ", then=free)


@contextmanager
def blocks_lost(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Block files vanish from the worker's disk once they are there; Alluxio's own list does not know."""
    folder = fluid_names.tier_folder(users.only.namespace, DATASET)
    away = f"{folder}.taken-away"
    whole = 'find . -type f -not -path "*/.tmp_blocks/*"'
    move = f'cd "$1" && mkdir -p "$2" && {whole} -exec cp --parents -pt "$2" {{}} + && {whole} -delete'

    def lose(user: User) -> None:
        del user
        for node in runner.system.nodes:
            run_on(runner, node, "bash", "-c", move, "lose", folder, away)

    try:
        yield Tampering(when="^DataLoad status: |^application: read ", then=lose)
    finally:
        for node in runner.system.nodes:
            copy = 'cd "$2" && find . -type f -exec cp --parents -pt "$1" {} +'
            back = f'if [ -d "$2" ]; then {copy} && rm -rf -- "$2"; fi'
            run_on(runner, node, "bash", "-c", back, "mend", folder, away)


@contextmanager
def loaded_by_a_stranger(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """Somebody loads a folder of the Dataset while nobody is to use it."""

    def load(user: User) -> None:
        runner.observer.alluxio(user.namespace, DATASET).run("alluxio", "fs", "load", "/labels", timeout=60.0)

    del users
    yield Tampering(when="^Fuse DaemonSet: wanted no Fuse Pod", then=load)


@contextmanager
def left_over_object(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """A ConfigMap of the runtime is still there."""
    namespace, name = users.only.namespace, f"{DATASET}-config"
    kube = runner.system.kube
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
    }
    kube.create(body)
    kube.patch(
        kinds.CONFIG_MAP, name, namespace, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    )
    try:
        yield Tampering()
    finally:
        kube.delete(kinds.CONFIG_MAP, name, namespace, because=breaks.BY_HAND)


@contextmanager
def left_over_file(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """A block file is still in memory on the node."""
    folder = fluid_names.tier_folder(users.only.namespace, DATASET)
    does = ("bash", "-c", 'mkdir -p "$1" && echo left > "$1/1"', "leave", folder)
    with breaks.on_nodes(runner, does, ("rm", "-f", f"{folder}/1")) as twist:
        yield twist


@contextmanager
def left_over_mount(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """A mount is still there under Fluid's folder on the node."""
    folder = fluid_names.host_mount(users.only.namespace, DATASET)
    does = ("bash", "-c", 'mkdir -p "$1" && mount -t tmpfs left "$1"', "leave", folder)
    with breaks.on_nodes(runner, does, ("umount", folder)) as twist:
        yield twist


def _longest_answer(runner: ScenarioRunner) -> float:
    """The longest that the API server took for one of many small questions, in seconds."""
    longest, end = 0.0, time.monotonic() + 2.0
    while time.monotonic() < end:
        start = time.monotonic()
        runner.system.kube.server_version()
        longest = max(longest, time.monotonic() - start)
    return longest


@contextmanager
def slow_api_server(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """The API server works a quarter of the time."""
    del users
    with slowed(runner.observer.on_node(runner.system.nodes[0]), "kube-apiserver", stopped=0.3, going=0.1):
        longest = _longest_answer(runner)
        if longest < 0.2:  # noqa: PLR2004 - it is stopped for 0.3 s at a time
            raise FaultError("the API server did not get slow", last_seen=f"at most {longest:.3f} s")
        yield Tampering()


@contextmanager
def slow_nfs_server(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """The NFS server works a third of the time."""
    del users
    with slowed(runner.observer.on_node(runner.system.nfs.node), "ganesha.nfsd", stopped=0.2, going=0.1):
        yield Tampering()


@contextmanager
def slow_and_other_claim(runner: ScenarioRunner, users: Users) -> Iterator[Tampering]:
    """The API server is slow, and the application is on another claim than it says."""
    with slow_api_server(runner, users), other_claim(DATASET, SOURCE)(runner, users) as twist:
        yield twist


def missing(name: str) -> Break:
    """A controller is missing."""
    return partial(breaks.without_controller, name=name)


def no_rights(role: str, resource: str, *verbs: str) -> Break:
    """A role has lost rights."""
    return partial(breaks.without_rights, role=role, resource=resource, verbs=frozenset(verbs))


NOT_SERVED: Final = r"still does not read through Fluid.*fuse\.alluxio-fuse.*nfs"
NOT_BOUND: Final = r"waiting for phase Bound"

#: In an order that needs few Datasets: those that leave the fresh one as it was come first.
CASES: Final = (
    Sabotage(
        "application-on-the-source",
        "application on another claim",
        "the application says that it mounts Fluid's claim, and mounts the source",
        other_claim(DATASET, SOURCE),
        (Target("A2", reason=NOT_SERVED), Target("A13", reason=NOT_SERVED)),
        ("B6", "A1"),
    ),
    Sabotage(
        "source-out-of-order",
        "edited by hand meanwhile",
        "the volume of the source is promised to another claim: a fault of the surroundings, not of Fluid",
        tampered("PersistentVolume", spec__claimRef__name="other"),
        (
            Target(
                "A1",
                "born",
                reason="waiting for phase Bound of PersistentVolumeClaim .*nfs-src",
                failure_class=FailureClass.INFRASTRUCTURE,
                timeout_factor=0.2,
            ),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "claims-made-by-hand",
        "edited by hand meanwhile",
        "somebody makes a claim of the name that the application lacks",
        claims_by_hand,
        (Target("B5", reason="it was scheduled to"), Target("B6", reason="it was scheduled to")),
        ("A2", "B11"),
    ),
    Sabotage(
        "runtime-made-by-hand",
        "edited by hand meanwhile",
        "somebody makes the runtime that the user forgot",
        runtime_by_hand,
        (Target("B11", "user", reason="started Pods.*demo-master-0"),),
        ("A2", "B6"),
    ),
    Sabotage(
        "dataset-controller-without-rights",
        "rights taken away",
        "the dataset-controller may not change the status of Datasets",
        no_rights(DATASET_CONTROLLER, "datasets/status", "update", "patch"),
        (Target("B11", "user", reason="waiting for any phase of ", timeout_factor=0.2),),
        ("A2", "B6"),
    ),
    Sabotage(
        "dataset-controller-missing",
        "component missing",
        "the dataset-controller is gone",
        missing(DATASET_CONTROLLER),
        (
            Target(
                "B11",
                "user",
                reason="waiting for any phase of .*dataset-controller has no ready Pod",
                timeout_factor=0.2,
            ),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "marks-taken-off",
        "edited by hand meanwhile",
        "somebody takes Fluid's annotation off the claim that Fluid made",
        marks_lost,
        (Target("A1", reason="lacks annotation CreatedBy=fluid"),),
        ("A2", "A13"),
    ),
    Sabotage(
        "second-fuse-pod",
        "edited by hand meanwhile",
        "a second Pod runs on the node as the Dataset's Fuse",
        second_fuse_pod,
        (Target("A3", reason="has 2 Fuse Pods where one is wanted"),),
        ("A1", "B6"),
    ),
    Sabotage(
        "source-changed",
        "other data at the source",
        "a file at the source gets other bytes before anyone has read it through Fluid",
        partial(breaks.changed_at_the_source, path=CHANGED_FILE),
        (
            Target("A2", "fresh", reason=f"did not read what lies at the source.*changed: {CHANGED_FILE}"),
            Target("A13", reason=f"the data at the source changed.*changed: {CHANGED_FILE}"),
        ),
        ("B6", "B11"),
    ),
    Sabotage(
        "node-labelled",
        "someone else uses the claim",
        "somebody labels the node for the Dataset's Fuse, as for warming it up",
        breaks.labelled,
        (
            Target("A1", "fresh", reason="labelled for a Fuse Pod|there is a Fuse Pod"),
            Target("B1", "fresh", reason="is labelled for a Fuse Pod after .* window"),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "stranger-in-the-window",
        "someone else uses the claim",
        "somebody else's application mounts Fluid's claim while no Fuse Pod is to come",
        partial(breaks.foreign_application, when="^application: read "),
        (Target("B1", "fresh", reason="(labelled for|there is) a Fuse Pod.*window", timeout_factor=0.5),),
        ("A13", "B6"),
    ),
    Sabotage(
        "loaded-in-the-window",
        "someone else uses the claim",
        "somebody loads files into the cache that is to stay empty",
        loaded_by_a_stranger,
        (Target("B1", "fresh", reason="something of demo is cached"),),
        ("A13", "B5"),
    ),
    Sabotage(
        "wrong-application-is-right",
        "application on another claim",
        "the application of issue 4388 mounts Fluid's claim after all",
        other_claim(SOURCE, DATASET),
        (Target("B1", "fresh", reason="does not read raw NFS.*fuse\\.alluxio-fuse"),),
        ("A13", "B6"),
    ),
    Sabotage(
        "csi-plugin-missing",
        "component missing",
        "Fluid's CSI plugin runs on no node",
        breaks.without_csi_plugin,
        (
            Target(
                "A2",
                "fresh",
                reason="condition Ready of .*fuse\\.csi\\.fluid\\.io",
                timeout_factor=0.15,
            ),
        ),
        ("B6", "B11"),
    ),
    Sabotage(
        "fuse-never-ready",
        "component crashing or never ready",
        "the Fuse's program ends as soon as it is started",
        fuse_never_ready,
        (
            Target(
                "A2",
                "fresh",
                reason="condition Ready of .*demo-fuse-.*(CrashLoopBackOff|Error|terminated)",
                timeout_factor=0.2,
            ),
        ),
        ("A13", "B6"),
    ),
    Sabotage(
        "fuse-pod-deleted",
        "component crashing or never ready",
        "somebody deletes the Fuse Pod while applications read through it",
        fuse_deleted,
        (
            Target(
                "A3", "fresh", reason="did not read what lies at the source.*(endpoint|stale|No such file)"
            ),
        ),
        ("A13", "B6"),
    ),
    Sabotage(
        "made-writable",
        "edited by hand meanwhile",
        "somebody makes the volume and the Fuse of a read-only Dataset writable",
        made_writable,
        (Target("A13", "fresh", reason="a write through a read-only Dataset was not refused"),),
        ("A2", "B6"),
    ),
    Sabotage(
        "load-of-a-wrong-path",
        "edited by hand meanwhile",
        "the DataLoad asks for a folder that there is not",
        tampered("DataLoad", spec__target=[{"path": "/no-such-folder", "replicas": 1}]),
        (Target("A22", "fresh", reason="DataLoad .*it failed", timeout_factor=0.5),),
        ("A13", "B6"),
    ),
    Sabotage(
        "blocks-lost",
        "stale or lost cache",
        "block files vanish from the worker after the load; Alluxio's list still says 100 %",
        blocks_lost,
        (Target("A22", "fresh", reason="the workers hold \\d+ bytes in blocks where the files have"),),
        ("A13", "B6"),
    ),
    Sabotage(
        "cache-freed",
        "stale or lost cache",
        "somebody frees the cache just after it was full",
        cache_freed,
        (Target("C5", reason="a read through Fluid made the NFS server send data"),),
        ("A1", "A2"),
    ),
    Sabotage(
        "controller-missing",
        "component missing",
        "the alluxioruntime-controller is gone",
        missing(RUNTIME_CONTROLLER),
        (
            Target(
                "A1",
                "born",
                reason=f"{NOT_BOUND}.*alluxioruntime-controller has no ready Pod",
                timeout_factor=0.04,
            ),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "controller-without-rights",
        "rights taken away",
        "the alluxioruntime-controller may not make ConfigMaps",
        no_rights(RUNTIME_CONTROLLER, "configmaps", "create", "update"),
        (Target("A1", "born", reason=f"{NOT_BOUND}.*forbidden", timeout_factor=0.06),),
        ("A2", "B6"),
    ),
    Sabotage(
        "master-crashes",
        "component crashing or never ready",
        "the Alluxio master is started with an option that Java does not know",
        tampered("AlluxioRuntime", spec__master__jvmOptions=["-XX:+NoSuchOption"]),
        (
            Target(
                "A1",
                "born",
                reason=f"{NOT_BOUND}.*demo-master-0.*(CrashLoopBackOff|Error|terminated|restarts)",
                timeout_factor=0.08,
            ),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "master-out-of-memory",
        "too little memory",
        "the Alluxio master gets 32 MiB of memory",
        tampered(
            "AlluxioRuntime",
            spec__master__resources={"requests": {"memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        ),
        (Target("A1", "born", reason=f"{NOT_BOUND}.*demo-master-0.*OOMKilled", timeout_factor=0.1),),
        ("A2", "B6"),
    ),
    Sabotage(
        "slow-api-server",
        "slowness",
        "the API server works a quarter of the time: no verdict may change",
        slow_api_server,
        (Target("A3"), Target("B5"), Target("A13")),
        ("A2", "B6", "B11"),
    ),
    Sabotage(
        "slow-api-server-and-wrong-claim",
        "slowness",
        "the API server is slow, and the application is on the source: the verdict stays red",
        slow_and_other_claim,
        (Target("A2", reason=NOT_SERVED),),
        ("A1", "B6"),
    ),
    Sabotage(
        "slow-nfs-server",
        "slowness",
        "the NFS server works a third of the time: no verdict may change",
        slow_nfs_server,
        (Target("B1", "fresh"), Target("A13")),
        ("A2", "B6"),
    ),
    Sabotage(
        "dataset-in-use",
        "someone else uses the claim",
        "somebody else's application still uses the Dataset that is deleted",
        breaks.foreign_application,
        (Target("E1", "spent", reason="no gone with its runtime and Pods", timeout_factor=0.3),),
        ("A13", "B6"),
    ),
    Sabotage(
        "controller-may-not-delete",
        "rights taken away",
        "the alluxioruntime-controller may not delete volumes",
        no_rights(RUNTIME_CONTROLLER, "persistentvolumes", "delete"),
        (Target("E3", "spent", reason="no gone with its runtime and Pods.*forbidden", timeout_factor=0.2),),
        ("A2", "B6"),
    ),
    Sabotage(
        "object-left",
        "stale or lost cache",
        "a ConfigMap of the deleted runtime is still there",
        left_over_object,
        (Target("E3", "gone", reason="nothing left behind.*ConfigMap demo-config", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
    Sabotage(
        "node-label-left",
        "edited by hand meanwhile",
        "a node is labelled for the Fuse of the deleted Dataset",
        breaks.labelled,
        (Target("E3", "gone", reason="nothing left behind.*fluid\\.io/f-", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
    Sabotage(
        "cached-file-left",
        "stale or lost cache",
        "a block of the deleted Dataset still takes memory on the node",
        left_over_file,
        (Target("E3", "gone", reason="nothing left behind.*alluxioworker/1", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
    Sabotage(
        "mount-left",
        "stale or lost cache",
        "a mount of the deleted Dataset is still on the node",
        left_over_mount,
        (Target("E3", "gone", reason="nothing left behind.*alluxio-fuse", timeout_factor=0.06),),
        ("A1", "A13"),
    ),
)
