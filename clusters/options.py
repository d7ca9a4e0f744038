"""Options about the cluster of a run, typed; the same for pytest and for the command."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from clusters.errors import RefusalError
from clusters.fluid_source import FluidSource
from clusters.pins import Versions, versions
from clusters.source_choice import OPTIONS as SOURCE_OPTIONS
from clusters.source_choice import SourceChoice

ImagesFrom = Literal["auto", "pull", "build"]
#: Those that the kernel's client and the harness's server both have.
NfsVersion = Literal["4.1", "4.2"]
DEFAULT_NAME: Final = "fluid-conformance"
MOST_NODES: Final = 8

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
#: Names of folders next to those of the clusters.
_RESERVED: Final = ("bin",)
#: Options without a meaning for an existing cluster.
_KIND_ONLY: Final = (
    "kubernetes",
    "nodes",
    "kind_image",
    "kind_bin",
    "fluid_source",
    "upgrade_from",
    "nfs_version",
)
_REGISTRY: Final = re.compile(r"[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?")

#: Options of pytest-kind; the harness keeps their names and meanings.
KIND_OPTIONS: Final = (
    ("--cluster-name", {"default": DEFAULT_NAME, "help": "name of the kind cluster"}),
    ("--keep-cluster", {"action": "store_true", "help": "do not delete the cluster after the run"}),
    ("--kubeconfig", {"default": None, "help": "use the cluster of this kubeconfig instead of creating one"}),
    ("--kind-image", {"default": None, "help": "node image, instead of the one for --kubernetes"}),
    ("--kind-bin", {"default": None, "help": "path of a kind program"}),
    ("--kind-kubectl-bin", {"default": None, "help": "path of a kubectl program"}),
)

#: Options of the harness.
OWN_OPTIONS: Final = (
    ("--kubernetes", {"default": None, "metavar": "VERSION", "help": "version of Kubernetes"}),
    ("--fluid", {"default": None, "metavar": "VERSION", "help": "version of Fluid"}),
    (
        "--fluid-source",
        {
            "default": None,
            "metavar": "DIR",
            "help": "build Fluid from this local checkout, at any commit, in place of a published version",
        },
    ),
    (
        "--upgrade-from",
        {
            "default": None,
            "metavar": "VERSION",
            "help": "install this version of Fluid first; row E14 upgrades it while it is in use",
        },
    ),
    ("--alluxio", {"default": None, "metavar": "VERSION", "help": "version of Alluxio"}),
    (
        "--nfs-version",
        {
            "default": None,
            "choices": get_args(NfsVersion),
            "help": "mount source claims with this version of NFS (default: the newest that both ends have)",
        },
    ),
    ("--nodes", {"type": int, "default": 1, "help": "nodes of the kind cluster (default 1)"}),
    (
        "--images",
        {
            "default": "auto",
            "choices": get_args(ImagesFrom),
            "help": "pull published images, build them, or pull where a registry answers (auto)",
        },
    ),
    ("--registry", {"default": None, "metavar": "HOST", "help": "pull published images from this mirror"}),
    (
        "--bootstrap",
        {"action": "store_true", "help": "install missing packages and start a container engine (root)"},
    ),
    (
        "--install-fluid",
        {"action": "store_true", "help": "permit to install Fluid on the cluster of --kubeconfig"},
    ),
    (
        "--bind-role",
        {
            "default": None,
            "metavar": "NAME",
            "help": "the user of --kubeconfig has few rights: bind this ClusterRole to it in each namespace "
            "that the harness creates",
        },
    ),
    *SOURCE_OPTIONS,
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run.

    Attributes:
        cluster_name: name of the kind cluster.
        keep_cluster: do not delete it after the run.
        kubeconfig: an existing cluster to use.
        kind_image: node image, instead of the pinned one.
        kind_bin: path of kind.
        kubectl_bin: path of kubectl.
        versions: of the system under test.
        nodes: of the kind cluster.
        images: origin of the images.
        registry: mirror that serves the published names.
        bootstrap: permission to install packages and to start a container engine.
        install_fluid: permission to install Fluid on an existing cluster.
        fluid_source: the checkout to build Fluid from; its version is that of ``versions``.
        upgrade_from: the version of Fluid to install first, which row E14 then upgrades.
        nfs_version: of the mounts of source claims; None: the newest that client and server have.
        bind_role: the ClusterRole that is bound to the user in each namespace that the harness creates; empty
            if the user has its rights everywhere.
        source: the existing source of the data; None for the NFS server of the harness.
    """

    cluster_name: str = DEFAULT_NAME
    keep_cluster: bool = False
    kubeconfig: Path | None = None
    kind_image: str | None = None
    kind_bin: Path | None = None
    kubectl_bin: Path | None = None
    versions: Versions = field(default_factory=versions)
    nodes: int = 1
    images: ImagesFrom = "auto"
    registry: str | None = None
    bootstrap: bool = False
    install_fluid: bool = False
    fluid_source: FluidSource | None = None
    upgrade_from: str | None = None
    nfs_version: NfsVersion | None = None
    bind_role: str = ""
    source: SourceChoice | None = None


def options_of(given: Mapping[str, Any]) -> Options:
    """Check options by their long names with underscores, as argparse and pytest store them.

    Raises:
        RefusalError: one of them is invalid.
    """
    nodes = given.get("nodes")
    nodes = 1 if nodes is None else int(nodes)
    if not 1 <= nodes <= MOST_NODES:
        raise RefusalError(
            f"--nodes {nodes}: a cluster has between 1 and {MOST_NODES}",
            advice="each node costs 1 GiB of memory",
        )
    name = given.get("cluster_name") or DEFAULT_NAME
    require_name(name)
    images: Any = given.get("images") or "auto"
    if images not in get_args(ImagesFrom):
        raise RefusalError(
            f"--images={images}: not a valid choice", advice=f"choose {', '.join(get_args(ImagesFrom))}"
        )
    nfs_version: Any = given.get("nfs_version")
    if nfs_version is not None and nfs_version not in get_args(NfsVersion):
        raise RefusalError(
            f"--nfs-version={nfs_version}: not a valid choice",
            advice=f"choose {', '.join(get_args(NfsVersion))}",
        )
    registry = given.get("registry")
    if registry is not None and _REGISTRY.fullmatch(registry) is None:
        raise RefusalError(
            f"--registry {registry!r} is not a host name", advice="give HOST or HOST:PORT, no scheme"
        )
    kubeconfig = _file(given, "kubeconfig")
    _require_sense(given, kubeconfig)
    source = _fluid_source(given)
    fluid = source.version if source is not None else given.get("fluid")
    chosen = versions(given.get("kubernetes"), fluid, given.get("alluxio"))
    return Options(
        cluster_name=name,
        keep_cluster=bool(given.get("keep_cluster")),
        kubeconfig=kubeconfig,
        kind_image=given.get("kind_image"),
        kind_bin=_program(given, "kind_bin"),
        kubectl_bin=_program(given, "kind_kubectl_bin"),
        versions=chosen,
        nodes=nodes,
        images=images,
        registry=registry,
        bootstrap=bool(given.get("bootstrap")),
        install_fluid=bool(given.get("install_fluid")),
        fluid_source=source,
        upgrade_from=_upgrade_from(given, chosen, source),
        nfs_version=nfs_version,
        bind_role=given.get("bind_role") or "",
        source=SourceChoice.of(given),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that pytest has from pytest-kind and from the harness."""
    for name, settings in (*KIND_OPTIONS, *OWN_OPTIONS):
        parser.add_argument(name, **settings)


def require_name(name: str) -> None:
    """Refuse a name that is not valid for a kind cluster and its folder."""
    if _NAME.fullmatch(name) is None or name in _RESERVED or name.endswith("-failed"):
        raise RefusalError(
            f"{name!r} cannot be a cluster's name",
            advice="use lower-case letters, digits and dashes, 41 at most, and no ending -failed",
        )


def _require_sense(given: Mapping[str, Any], kubeconfig: Path | None) -> None:
    """Refuse options that contradict each other."""
    if kubeconfig is None:
        if given.get("install_fluid"):
            raise RefusalError(
                "--install-fluid is a permission for an existing cluster, and there is no --kubeconfig",
                advice="omit it: Fluid is always installed on a kind cluster of the harness",
            )
        if given.get("bind_role"):
            raise RefusalError(
                "--bind-role is for a user with few rights on an existing cluster; there is no --kubeconfig",
                advice="omit it: on a kind cluster of the harness its user has all rights",
            )
        if given.get("source_claim") or given.get("source_server"):
            raise RefusalError(
                "an existing source is for an existing cluster, and there is no --kubeconfig",
                advice="omit it: a kind cluster of the harness has an NFS server of its own",
            )
        return
    for name in _KIND_ONLY:
        value = given.get(name)
        if value is not None and not (name == "nodes" and int(value) == 1):
            raise RefusalError(
                f"--{name.replace('_', '-')} describes a new cluster, and --kubeconfig names an existing one",
                advice="omit one of the two",
            )


def _fluid_source(given: Mapping[str, Any]) -> FluidSource | None:
    folder = given.get("fluid_source")
    if folder is None:
        return None
    if given.get("fluid") is not None:
        raise RefusalError(
            "--fluid and --fluid-source both choose the version of Fluid",
            advice="omit --fluid: the version is that of the checkout's chart",
        )
    return FluidSource.of(Path(folder).expanduser().absolute())


def _upgrade_from(given: Mapping[str, Any], chosen: Versions, source: FluidSource | None) -> str | None:
    if given.get("upgrade_from") is None:
        return None
    before = versions(fluid=given["upgrade_from"]).fluid
    if before == chosen.fluid and source is None:
        raise RefusalError(
            f"--upgrade-from {before} is the version that is to be tested, so there is nothing to upgrade",
            advice="name an older version, or the newer one with --fluid",
        )
    return before


def _program(given: Mapping[str, Any], name: str) -> Path | None:
    path = _file(given, name)
    if path is not None and not os.access(path, os.X_OK):
        raise RefusalError(
            f"--{name.replace('_', '-')} {path}: it cannot be executed", advice=f"chmod +x {path}"
        )
    return path


def _file(given: Mapping[str, Any], name: str) -> Path | None:
    value = given.get(name)
    if value is None:
        return None
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise RefusalError(
            f"--{name.replace('_', '-')} {value}: there is no such file",
            advice="check the path that you gave",
        )
    return path
