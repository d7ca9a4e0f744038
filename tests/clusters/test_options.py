"""Options as users give them, and those that cannot be right."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.options import DEFAULT_NAME, Options, add_arguments, options_of
from clusters.pins import versions


def test_nothing_given_gives_the_defaults() -> None:
    """Without options, there is one node with the pinned versions."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert options_of(vars(parser.parse_args([]))) == Options()
    assert options_of({}) == Options(cluster_name=DEFAULT_NAME, versions=versions())


def test_what_is_given_arrives(tmp_path: Path) -> None:
    """Each option of the command ends in its own field."""
    program = tmp_path / "kind"
    program.write_text("")
    program.chmod(0o755)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    argv = ["--cluster-name", "demo", "--keep-cluster", "--kind-image", "i:1", "--kind-bin", str(program)]
    argv += ["--kind-kubectl-bin", str(program), "--fluid", "v0.9.3", "--nodes", "3", "--images", "pull"]
    argv += ["--registry", "mirror.example:5000/x", "--bootstrap"]
    assert options_of(vars(parser.parse_args(argv))) == Options(
        cluster_name="demo",
        keep_cluster=True,
        kind_image="i:1",
        kind_bin=program,
        kubectl_bin=program,
        versions=versions(fluid="0.9.3"),
        nodes=3,
        images="pull",
        registry="mirror.example:5000/x",
        bootstrap=True,
    )


@pytest.mark.parametrize("nodes", [0, -1, 9])
def test_a_senseless_number_of_nodes_is_refused(nodes: int) -> None:
    """Zero nodes and too many nodes are refused."""
    with pytest.raises(RefusalError, match=f"--nodes {nodes}: a cluster has between 1 and 8"):
        options_of({"nodes": nodes})


@pytest.mark.parametrize("name", ["Demo", "a_b", "-a", "a" * 42, "../x", "a b", "bin", "demo-failed"])
def test_a_name_that_no_cluster_can_have_is_refused(name: str) -> None:
    """It is refused before anything is created, and so are reserved names of folders."""
    with pytest.raises(RefusalError, match="cannot be a cluster's name") as caught:
        options_of({"cluster_name": name})
    assert repr(name) in caught.value.message


@pytest.mark.parametrize("registry", ["https://mirror.example", "", "mirror example", "mirror:port"])
def test_a_registry_that_is_no_host_is_refused(registry: str) -> None:
    """A scheme is the usual mistake, so the advice names it."""
    with pytest.raises(RefusalError, match="is not a host name") as caught:
        options_of({"registry": registry})
    assert "no scheme" in caught.value.advice


def test_an_unknown_way_to_images_is_refused() -> None:
    """The ways that there are get listed."""
    with pytest.raises(RefusalError, match="--images=borrow") as caught:
        options_of({"images": "borrow"})
    assert caught.value.advice == "choose auto, pull, build"


@pytest.mark.parametrize("name", ["kubeconfig", "kind_bin", "kind_kubectl_bin"])
def test_a_file_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    """The option and the path as given are named."""
    path = tmp_path / "nowhere"
    with pytest.raises(RefusalError, match="there is no such file") as caught:
        options_of({name: str(path)})
    assert caught.value.message.startswith(f"--{name.replace('_', '-')} {path}")


def test_a_program_that_cannot_be_executed_is_refused(tmp_path: Path) -> None:
    """The error names the missing executable bit; it is not a crash of kind."""
    program = tmp_path / "kind"
    program.write_text("")
    program.chmod(0o644)
    with pytest.raises(RefusalError, match="cannot be executed") as caught:
        options_of({"kind_bin": program})
    assert caught.value.advice == f"chmod +x {program}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nodes", 3),
        ("kind_image", "i:1"),
        ("kubernetes", "1.33.13"),
        ("kind_bin", "k"),
        ("nfs_version", "4.1"),
    ],
)
def test_options_that_contradict_a_kubeconfig_are_refused(name: str, value: object, tmp_path: Path) -> None:
    """An existing cluster is what it is: no option is left out of account in silence."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("")
    with pytest.raises(RefusalError, match=f"^--{name.replace('_', '-')} .*--kubeconfig"):
        options_of({"kubeconfig": kubeconfig, name: value})
    assert options_of({"kubeconfig": kubeconfig, "nodes": 1}).kubeconfig == kubeconfig


def test_version_of_nfs_is_one_that_client_and_server_have() -> None:
    """Other versions are refused by name."""
    assert options_of({"nfs_version": "4.1"}).nfs_version == "4.1"
    with pytest.raises(RefusalError, match=r"--nfs-version=4\.0: not a valid choice") as caught:
        options_of({"nfs_version": "4.0"})
    assert caught.value.advice == "choose 4.1, 4.2"


def test_leave_to_install_needs_a_cluster_to_install_on() -> None:
    """--install-fluid without --kubeconfig is a misunderstanding, so it is refused."""
    with pytest.raises(RefusalError, match="there is no --kubeconfig"):
        options_of({"install_fluid": True})


def test_a_wrong_version_among_options_is_refused() -> None:
    """Versions are checked with the other options."""
    with pytest.raises(RefusalError, match="'latest' is not a version of Fluid"):
        options_of({"fluid": "latest"})


def test_upgrade_needs_two_versions() -> None:
    """The version under test is the later one; the same twice is refused."""
    options = options_of({"upgrade_from": "v0.9.3"})
    assert (options.upgrade_from, options.versions.fluid) == ("0.9.3", versions().fluid)
    with pytest.raises(RefusalError, match=r"--upgrade-from 1\.0\.8 is the version that is to be tested"):
        options_of({"upgrade_from": "1.0.8", "fluid": "1.0.8"})
    with pytest.raises(RefusalError, match="'latest' is not a version of Fluid"):
        options_of({"upgrade_from": "latest"})
