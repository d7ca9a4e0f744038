"""The whole system in order: host, engine, images, cluster, NFS server, Fluid."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clusters import disruption
from clusters.disruption import Disruption
from clusters.errors import HarnessError, InfrastructureError, RefusalError
from clusters.facts import FluidSourceFacts, Image, NfsClient
from clusters.host import bootstrap, engine, own_engine, probes, requirements, speed
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import Commands, SystemCommands
from clusters.images import node_disk, on_nodes
from clusters.images.fluid_images import FluidRelease
from clusters.images.offline import artifacts, definitions
from clusters.images.offline.checkout import source_facts
from clusters.images.resolver import ImageResolver
from clusters.images.tools import Tools
from clusters.kubernetes import bound_namespaces, run_lease
from clusters.kubernetes.client import Kube
from clusters.kubernetes.cluster_use import ClusterUse
from clusters.kubernetes.journal import Journal
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.nodes import node_for_servers, require_schedulable, schedulable, used_nodes
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.kubernetes.write_guard import WriteGuard
from clusters.options import Options
from clusters.paths import cache_root
from clusters.product import existing_export, fluid, fluid_versions, nfs
from clusters.product.nfs import NfsServer, own_server
from clusters.product.nfs_export import NfsExport
from clusters.progress import Progress
from clusters.providers import admission, default_limits, existing, existing_fluid, memory_tier, reaper
from clusters.providers.base import Cluster, Provider
from clusters.providers.kind import KindProvider
from clusters.providers.kind_nodes import managed_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEFT_BEHIND: Final = "not all could be taken down"


@dataclass(frozen=True, slots=True)
class System:
    """The system under test, up and ready.

    Attributes:
        cluster: where it runs.
        provider: reaches its nodes.
        kube: reaches its API.
        nfs: the NFS export with the data, of the harness's own server or of an existing one.
        fluid: what of Fluid is there.
        options: that it was created with.
        host: facts of the machine.
        images: what runs on it.
        toolbox: image of application Pods.
        nodes: names of the nodes that Pods may run on.
        nfs_client: how nodes mount NFS; None if that is unknown before the first mount.
        kubernetes: version that the API server says.
        limits: of the host, worked round.
        fluid_source: the local checkout that Fluid was built from; None for a published version.
        upgrade: the version of Fluid under test while an earlier one is installed (--upgrade-from); None if
            the version under test is installed.
    """

    cluster: Cluster
    provider: Provider
    kube: Kube
    nfs: NfsExport
    fluid: fluid.FluidState
    options: Options
    host: probes.Host
    images: tuple[Image, ...]
    toolbox: str
    nodes: tuple[str, ...]
    nfs_client: NfsClient | None
    kubernetes: str
    limits: tuple[str, ...]
    fluid_source: FluidSourceFacts | None = None
    upgrade: FluidRelease | None = None

    @property
    def nfs_server(self) -> NfsServer:
        """The NFS server of the harness; see `clusters.product.nfs.own_server`."""
        return own_server(self.nfs)

    @property
    def journal(self) -> Journal:
        """For changes outside the harness's namespaces."""
        return Journal(self.kube, self.provider.node_exec)


@dataclass
class SystemBuilder:
    """Starts the system, and removes what it created.

    Attributes:
        options: of the run.
        run: its id.
        progress: shows stages.
        commands: runs programs.
        guard: permits writes to the cluster.
    """

    options: Options
    run: str
    progress: Progress
    commands: Commands = field(default_factory=SystemCommands)
    guard: WriteGuard = field(default_factory=lambda: WriteGuard(fluid.NAMESPACE))
    _provider: Provider | None = field(default=None, init=False)
    _kube: Kube | None = field(default=None, init=False)
    _use: ClusterUse | None = field(default=None, init=False)
    _changed: bool = field(default=False, init=False)
    _started: engine.Engine | None = field(default=None, init=False)
    _found: engine.Engine | None = field(default=None, init=False)

    def up(self) -> System:
        """The system, ready for a Dataset.

        Raises:
            RefusalError: it cannot be created with these options on this host; nothing was created.
            InfrastructureError: a step failed; what was created before it is removed.
        """
        if self.options.kubeconfig is not None:
            return self._up_existing(self.options.kubeconfig)
        with self.guard.permitting(disruption.ALL):  # the whole cluster is the harness's
            return self._up_kind()

    def leave(self) -> None:
        """End the use of a cluster that stays up.

        Raises:
            HarnessError: the cluster could not be left as it was found.
        """
        if self._use is not None:
            self._use.restore(late=True)
            self._use.end()

    def down(self) -> tuple[str, ...]:
        """Take down what this run made, also when `up` failed half-way; bounded in time.

        Each step is tried even if others failed, and none raises: that would hide the
        failure which led here.

        Returns:
            What could not be taken down, a sentence each.
        """
        errors = []
        for step in (self._restore, self._remove_cluster, self._end_use, self._disconnect, self._stop_engine):
            try:
                step()
            except (HarnessError, OSError) as error:
                errors.append(error.message if isinstance(error, HarnessError) else str(error))
                self.progress.note(f"not taken down: {errors[-1]}; `python -m clusters reap` tries again")
        return tuple(errors)

    @contextmanager
    def running(self) -> Iterator[System]:
        """The system for as long as the block lasts; then what this run created is removed.

        Raises:
            InfrastructureError: not all could be taken down. A failure of `up` or of the block comes
                before it, and then only carries a note of that.
        """
        try:
            yield self.up()
        except BaseException as error:
            for left in self.down():
                error.add_note(f"{_LEFT_BEHIND}: {left}")
            raise
        if errors := self.down():
            raise InfrastructureError(
                f"{_LEFT_BEHIND}: {'; '.join(errors)}", advice="run `python -m clusters reap`"
            )

    @property
    def _cluster_stays(self) -> bool:
        return self.options.keep_cluster or self.options.kubeconfig is not None

    def _restore(self) -> None:
        """Undo what this run changed outside the harness's namespaces, and could not undo before."""
        if self._use is not None and self._cluster_stays:
            self._changed = True
            self._use.restore(late=True)
        self._changed = False

    def _end_use(self) -> None:
        if self._use is not None and self._cluster_stays:
            self._use.end()

    def _disconnect(self) -> None:
        if self._kube is not None:
            self._kube.close()

    def _remove_cluster(self) -> None:
        if self._provider is None or self.options.keep_cluster:
            return
        if self._changed:
            self.progress.note("the harness's namespace stays, because its journal is still needed")
            return
        if self._use is not None:
            self._use.stop_renewing()
        self._provider.down()

    def _stop_engine(self) -> None:
        """End our engine with the last cluster in it.

        One that this run started is kept only for a cluster that is to be kept. One that was
        there already may have been left by a killed run; it ends unless something else uses it, or
        may do so unseen because it works in another cache than the one that this run has locked.
        """
        if self._started is not None:
            running = self._started
            kept = any(node.kept for node in managed_nodes(running))
        elif self._found is not None and self._found.managed and own_engine.works_for(cache_root()):
            running = self._found
            kept = reaper.in_use(running)
        else:
            return
        if not kept:
            reaper.end_engine(running, self.commands, self.progress)

    @property
    def provider(self) -> Provider | None:
        """The provider once it is known, also when bringing the system up failed later."""
        return self._provider

    def _up_kind(self) -> System:
        options, facts = self.options, probes.probe()
        requirements.require(requirements.of_versions(options, facts))
        found = engine.find(self.commands)
        if options.bootstrap and found is None:
            bootstrap.require_root(facts)
        if found is not None:
            reaper.remove_orphans(found, self.progress)
            facts = probes.probe()  # they held memory
        new = found is None or not managed_nodes(found, options.cluster_name)
        if new:
            requirements.require(requirements.of_cluster(options, facts))
        cache = cache_root()
        requirements.of_disk(cache, probes.DISK_FOR_RUN).require()
        running = self._engine(facts, self._tools(facts, cache), found)
        facts = replace(facts, slowness=speed.slowness(self.commands))
        for limit in facts.limits():
            self.progress.note(f"host limit worked round: {limit}")
        tools = self._tools(facts, cache)
        resolved = ImageResolver(tools, running).resolved()
        if new:
            node_disk.of_nodes(running, resolved.archive, options.nodes).require()
        state = cache / "clusters" / options.cluster_name
        provider = KindProvider(
            name=options.cluster_name,
            engine=running,
            kind=tools.kind(),
            kubectl=tools.kubectl(running, resolved.node, state.parent / "bin"),
            image=resolved.node,
            nodes=options.nodes,
            archive=resolved.archive,
            state=state,
            host=facts,
            progress=self.progress,
            run=self.run,
            keep=options.keep_cluster,
            own_network=resolved.own_network,
            guard=self.guard,
        )
        self._provider = provider
        cluster = provider.up()
        kube = self._kube = Kube.connect(cluster.kubeconfig, run=self.run, guard=self.guard)
        self._begin_use(kube, provider)
        nodes = schedulable(kube)
        server = nfs.install(
            kube, resolved.nfs_server, node_for_servers(kube), self.progress, slowness=facts.slowness
        )
        release = resolved.fluid
        # A cluster that was kept may be upgraded already.
        if resolved.earlier is not None and fluid.state(kube).version != release.version:
            release = resolved.earlier
        installed = fluid.install(
            kube,
            helm=tools.helm(),
            chart=release.chart,
            chart_values=release.values,
            kubeconfig=cluster.kubeconfig,
            folder=state,
            progress=self.progress,
            replace_unfinished=True,
            slowness=facts.slowness,
        )
        return System(
            cluster=cluster,
            provider=provider,
            kube=kube,
            nfs=replace(server, version=options.nfs_version),
            fluid=installed,
            options=options,
            host=facts,
            images=resolved.facts,
            toolbox=resolved.toolbox,
            nodes=nodes,
            nfs_client=resolved.nfs_client,
            kubernetes=kube.server_version().removeprefix("v"),
            limits=(*facts.limits(), *resolved.limits, *_doubts(installed)),
            fluid_source=source_facts(options.fluid_source, self.commands) if options.fluid_source else None,
            upgrade=resolved.fluid if release is not resolved.fluid else None,
        )

    def _tools(self, facts: probes.Host, cache: Path) -> Tools:
        return Tools(self.options, facts, ArtifactCache(cache, self.commands, self.progress))

    def _engine(self, facts: probes.Host, tools: Tools, found: engine.Engine | None) -> engine.Engine:
        """The engine that was found, or one of our own."""
        if found is not None:
            self._found = found
            return found
        if not self.options.bootstrap:
            return engine.require(self.commands)
        needed = bootstrap.missing(bootstrap.ENGINE_PACKAGES | bootstrap.CLIENT_PACKAGES)
        bootstrap.install(needed, self.commands, self.progress)
        wrapper = None
        if not facts.sys_resource:
            wrapper = tools.obtain(artifacts.own_program("runtime-wrapper")) / "runtime-wrapper"
        started = own_engine.start(facts, tools.cache.root, wrapper, self.commands, self.progress)
        self._started = started
        reaper.remove_orphans(started, self.progress)
        return started

    def _up_existing(self, kubeconfig: Path) -> System:
        options = self.options
        kube = bound_namespaces.connect(kubeconfig, options.bind_role, run=self.run, guard=self.guard)
        self._kube = kube
        run_lease.require_free(kube)
        found = existing_fluid.has_fluid(kube)
        if not found and not options.install_fluid:
            raise RefusalError(
                "this cluster has no Fluid, and the harness installs it there only with --install-fluid",
                advice="install Fluid yourself, or add --install-fluid",
            )
        source = existing_export.resolve(kube, options.source)
        every = ClusterReader(kube).list(NodeSnapshot)
        require_schedulable(every)
        seen, nodes = used_nodes(every), schedulable(kube)
        toolbox = on_nodes.harness_image(definitions.toolbox(), seen, options.registry)
        server = definitions.toolbox() if source else definitions.nfs_server()
        server_image = on_nodes.harness_image(server, seen, options.registry)
        admission.require_namespaces(kube)
        added = (*admission.limits(kube, toolbox), *default_limits.require(kube, toolbox))
        for limit in added:
            self.progress.note(limit)
        provider = existing.ExistingProvider(kubeconfig, kube, toolbox, self.progress)
        self._provider = provider
        self._begin_use(kube, provider)
        facts = provider.host(next(node for node in seen if node.name == nodes[0]))
        memory_tier.require(provider.node_exec, nodes)
        export: NfsExport
        if source:
            journal = Journal(kube, provider.node_exec)
            export = existing_export.use(kube, journal, source, server_image, self.progress)
        else:
            export = nfs.install(kube, server_image, node_for_servers(kube), self.progress)
        default_limits.require(kube, toolbox)  # a policy may have seen the first namespace only now
        if not found:
            with self.guard.permitting(frozenset({Disruption.FLUID_COMPONENTS})):
                tools = self._tools(facts, cache_root())
                existing_fluid.install(provider, tools, options, seen, self.progress)
        state = existing_fluid.wait_for_fluid(kube, self.progress)
        versions = existing_fluid.versions_there(kube, state)
        return System(
            cluster=provider.up(),
            provider=provider,
            kube=kube,
            nfs=export,
            fluid=state,
            options=replace(options, versions=versions),
            host=facts,
            images=on_nodes.image_facts(kube, versions),
            toolbox=toolbox,
            nodes=nodes,
            nfs_client=None,
            kubernetes=versions.kubernetes,
            limits=(*_doubts(state), *added),
        )

    def _begin_use(self, kube: Kube, provider: Provider) -> None:
        use = ClusterUse(kube, provider.node_exec, self.progress)
        use.begin()
        self._use = use  # a refused run has nothing to end


def _doubts(installed: fluid.FluidState) -> tuple[str, ...]:
    """Why the scenarios may judge the version of Fluid wrongly, if they may."""
    return tuple(filter(None, [fluid_versions.doubt(installed.version)]))
