"""The whole system in order: host, engine, images, cluster, NFS server, Fluid."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from clusters import bootstrap, engine, fluid, host, kinds, nfs
from clusters.commands import Commands, SystemCommands
from clusters.errors import InfrastructureError, RefusalError
from clusters.existing import ExistingProvider
from clusters.images import artifacts, build, definitions
from clusters.images.workshop import Workshop, cache_root
from clusters.kind import KindProvider
from clusters.kube import Kube
from clusters.options import Options
from clusters.pins import pins, require_buildable
from clusters.progress import Progress
from clusters.provider import Cluster, Provider
from clusters.snapshots import NodeSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that a second run on the same machine waits for the first.
LOCK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ImageFact:
    """An image of the system: its name, what it is by content, and where it came from."""

    name: str
    digest: str
    origin: definitions.Origin


@dataclass(frozen=True, slots=True)
class System:
    """The system under test, up and ready.

    Attributes:
        cluster: where it runs.
        provider: reaches its nodes.
        kube: reaches its API.
        nfs: its NFS server.
        fluid: what of Fluid is there.
        options: that it was made by.
        host: facts of the machine.
        images: what runs on it.
        toolbox: image of application Pods.
        nodes: names of the nodes that Pods may run on.
        nfs_client: how nodes mount NFS.
        kubernetes: version that the API server says.
        limits: of the host, worked round.
    """

    cluster: Cluster
    provider: Provider
    kube: Kube
    nfs: nfs.NfsServer
    fluid: fluid.FluidState
    options: Options
    host: host.Host
    images: tuple[ImageFact, ...]
    toolbox: str
    nodes: tuple[str, ...]
    nfs_client: str
    kubernetes: str
    limits: tuple[str, ...]


@dataclass
class Stack:
    """Brings the system up, and takes down what it made.

    Attributes:
        options: of the run.
        run: its id.
        progress: where stages are told.
        commands: runs programs.
    """

    options: Options
    run: str
    progress: Progress
    commands: Commands = field(default_factory=SystemCommands)
    _provider: Provider | None = field(default=None, init=False)
    _kube: Kube | None = field(default=None, init=False)
    _started_engine: bool = field(default=False, init=False)

    def up(self) -> System:
        """The system, ready for a Dataset.

        Raises:
            RefusalError: it cannot be had with these options on this host; nothing was made.
            InfrastructureError: something broke on the way; what was made half-way is removed.
        """
        if self.options.kubeconfig is not None:
            return self._up_existing(self.options.kubeconfig)
        return self._up_kind()

    def down(self) -> None:
        """Take down what this run made; bounded in time."""
        if self._kube is not None:
            self._kube.close()
        if self._provider is not None and not self.options.keep_cluster:
            self._provider.down()
            if self._started_engine:
                engine.stop(self.commands, self.progress)

    @property
    def provider(self) -> Provider | None:
        """The provider once it is known, also when bringing the system up failed later."""
        return self._provider

    def _up_kind(self) -> System:
        options, facts = self.options, host.probe()
        require_buildable(options.versions)
        if options.bootstrap:
            bootstrap.require_root(facts)
        host.require_memory(facts)
        cache = cache_root()
        host.require_disk(cache, host.DISK_FOR_RUN)
        for limit in facts.limits():
            self.progress.note(f"host limit worked round: {limit}")
        workshop = self._workshop(cache)
        wrapped = not facts.sys_resource
        running = self._engine(facts, workshop, wrapped=wrapped)
        images = definitions.system(options.versions, wrapped=wrapped, user_space_nfs=not facts.kernel_nfs)
        build.build_all(workshop, running, images.all)
        archive = build.pack(workshop, running, images.loaded)
        kubernetes = workshop.obtain(artifacts.kubernetes(options.versions.kubernetes))
        state = cache / "clusters" / options.cluster_name
        provider = KindProvider(
            name=options.cluster_name,
            engine=running,
            kind=options.kind_bin or workshop.obtain(artifacts.kind()) / "kind",
            kubectl=options.kubectl_bin or _named(kubernetes / "kubernetes", state.parent / "bin" / "kubectl"),
            image=options.kind_image or images.node.name,
            nodes=options.nodes,
            archive=archive,
            state=state,
            host=facts,
            progress=self.progress,
            run=self.run,
        )
        self._provider = provider
        cluster = provider.up()
        kube = self._kube = Kube.connect(cluster.kubeconfig, run=self.run)
        nodes = schedulable(kube, options.nodes)
        server = nfs.install(kube, images.nfs_server.name, _first_node(kube), self.progress)
        helm = artifacts.helm(_helm_version(options))
        references = {name: image.name for name, image in images.fluid.items()}
        installed = fluid.install(
            kube,
            helm=workshop.obtain(helm) / "helm",
            chart=workshop.obtain(artifacts.fluid(options.versions.fluid)) / "charts" / "fluid" / "fluid",
            chart_values=fluid.values(references, images.alluxio.name),
            kubeconfig=cluster.kubeconfig,
            folder=state,
            commands=self.commands,
            progress=self.progress,
        )
        return System(
            cluster=cluster,
            provider=provider,
            kube=kube,
            nfs=server,
            fluid=installed,
            options=options,
            host=facts,
            images=_image_facts(running, images.all),
            toolbox=images.toolbox.name,
            nodes=nodes,
            nfs_client="kernel" if facts.kernel_nfs else "user-space",
            kubernetes=kube.server_version().removeprefix("v"),
            limits=facts.limits(),
        )

    def _workshop(self, cache: Path) -> Workshop:
        if self.options.bootstrap:
            needed = bootstrap.missing(bootstrap.BUILD_PACKAGES)
            if engine.find(self.commands) is None:
                needed += bootstrap.missing(bootstrap.ENGINE_PACKAGES | bootstrap.CLIENT_PACKAGES)
            bootstrap.install(list(dict.fromkeys(needed)), self.commands, self.progress)
        workshop = Workshop(cache, self.commands, self.progress)
        workshop.go = bootstrap.go_program(
            self.commands, cache / "tools", self.progress, may_install=self.options.bootstrap
        )
        return workshop

    def _engine(self, facts: host.Host, workshop: Workshop, *, wrapped: bool) -> engine.Engine:
        found = engine.find(self.commands)
        if found is not None:
            return found
        if not self.options.bootstrap:
            return engine.require(self.commands)
        wrapper = (
            workshop.obtain(artifacts.own_program("runtime-wrapper")) / "runtime-wrapper" if wrapped else None
        )
        started = engine.start(facts, workshop.root, wrapper, self.commands, self.progress)
        self._started_engine = True
        return started

    def _up_existing(self, kubeconfig: Path) -> System:
        kube = self._kube = Kube.connect(kubeconfig, run=self.run)
        if not fluid.installed(kube) and not self.options.install_fluid:
            raise RefusalError(
                "this cluster has no Fluid, and the harness installs it on a cluster of yours only when told to",
                advice="install Fluid yourself, or add --install-fluid",
            )
        raise RefusalError(
            "running on an existing cluster is not finished yet",
            advice="leave --kubeconfig out to run on a kind cluster",
        )


@contextmanager
def machine_lock(cache: Path) -> Iterator[None]:
    """Keep a second run off this machine's engine and caches while one is under way.

    Raises:
        RefusalError: another run holds it.
    """
    lock = FileLock(cache / "run.lock")
    try:
        with lock.acquire(timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise RefusalError(
            "another run of the harness is under way on this machine",
            advice="wait until it ends, or end it",
        ) from None


def schedulable(kube: Kube, wanted: int) -> tuple[str, ...]:
    """Names of the nodes that Pods may run on; a single control-plane node is one of them."""
    nodes = [NodeSnapshot.of(obj) for obj in kube.list(kinds.NODE)]
    names = tuple(sorted(node.name for node in nodes if node.pods_may_run))
    if not names:
        raise InfrastructureError(
            f"none of {wanted} nodes takes Pods",
            last_seen=", ".join(str(node) for node in nodes),
            advice="see the nodes' kubelet journals in the bundle",
        )
    return names


def _first_node(kube: Kube) -> str:
    """The node for the NFS server: the control plane, which keeps it off the nodes that faults hit."""
    nodes = [NodeSnapshot.of(obj) for obj in kube.list(kinds.NODE)]
    planes = [node.name for node in nodes if "node-role.kubernetes.io/control-plane" in node.labels]
    return planes[0] if planes else sorted(node.name for node in nodes)[0]


def _named(program: Path, link: Path) -> Path:
    """The program under another name, since one program answers to all of Kubernetes' names."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    os.symlink(program, link)
    return link


def _helm_version(options: Options) -> str:
    return pins().fluid[options.versions.fluid].helm


def _image_facts(running: engine.Engine, images: Sequence[definitions.Image]) -> tuple[ImageFact, ...]:
    found: dict[str, ImageFact] = {}
    for image in images:
        told: Mapping[str, object] = running.inspect("image", image.name) or {}
        for name in image.names:
            found[name] = ImageFact(name, str(told.get("Id", "")), image.origin)
    return tuple(found.values())
