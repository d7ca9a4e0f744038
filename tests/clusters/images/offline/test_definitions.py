"""Images under their published names, and what a change in one of them rebuilds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clusters.facts import Origin
from clusters.images.offline import artifacts, definitions
from clusters.images.offline.artifacts import RECIPES
from clusters.images.offline.definitions import ImageDefinition
from clusters.pins import kubernetes_parts, versions


@pytest.fixture
def images() -> definitions.SystemImages:
    """The images of the default system."""
    return definitions.system(versions(), wrapped=True, user_space_nfs=True)


def test_products_have_their_published_names(images: definitions.SystemImages) -> None:
    """The tag says the version that is really inside."""
    expected = versions()
    assert images.node.name == f"kindest/node:v{expected.kubernetes}"
    assert images.alluxio.name == f"alluxio/alluxio-dev:{expected.alluxio}"
    assert images.fluid["dataset-controller"].name == f"fluidcloudnative/dataset-controller:v{expected.fluid}"
    names = {name for image in images.control_plane for name in image.names}
    assert {
        f"registry.k8s.io/kube-apiserver:v{expected.kubernetes}",
        f"registry.k8s.io/etcd:{kubernetes_parts(expected.kubernetes).etcd_tag}",
        f"registry.k8s.io/pause:{kubernetes_parts(expected.kubernetes).pause}",
    } <= names


def test_no_product_is_a_substitute(images: definitions.SystemImages) -> None:
    """Fluid, Alluxio and Kubernetes are their own code; a substitute is marked in its origin."""
    substitutes = {image.name.partition(":")[0] for image in images.all if image.origin is Origin.SUBSTITUTE}
    assert substitutes == {"registry.k8s.io/pause", "fluidcloudnative/csi-node-driver-registrar"}
    registrar = images.fluid["csi-node-driver-registrar"]
    assert ":substitute-" in registrar.name


@pytest.mark.parametrize(("fluid", "tools"), [("1.0.8", {"ddc-helm"}), ("0.9.3", {"ddc-helm", "kubectl"})])
def test_a_fluid_that_calls_kubectl_has_it(fluid: str, tools: set[str]) -> None:
    """The controllers of 0.9 end each set-up with an error without it."""
    made = definitions.system(
        versions().model_copy(update={"fluid": fluid}), wrapped=False, user_space_nfs=False
    )
    parts = made.fluid["alluxioruntime-controller"].parts
    assert {part.to.removeprefix("tools/") for part in parts if part.to.startswith("tools/")} == tools


def test_no_name_is_given_twice(images: definitions.SystemImages) -> None:
    """One image under two definitions would be built for ever, each undoing the other."""
    names = [name for image in images.all for name in image.names]
    assert len(names) == len(set(names))
    assert images.node not in images.loaded


@pytest.mark.parametrize("setting", ["wrapped", "user_space_nfs"])
def test_a_hosts_limits_change_the_node_alone(setting: str) -> None:
    """A host without limits has another node image and the same products."""
    chosen = versions()
    settings = {"wrapped": True, "user_space_nfs": True}
    one = definitions.system(chosen, **settings)
    other = definitions.system(chosen, **(settings | {setting: False}))
    assert one.node.key != other.node.key
    assert [image.key for image in one.loaded] == [image.key for image in other.loaded]


def test_another_alluxio_changes_alluxio_alone() -> None:
    """Nothing else is built again."""
    one = definitions.system(versions(), wrapped=False, user_space_nfs=False)
    other = definitions.system(versions(alluxio="2.9.4"), wrapped=False, user_space_nfs=False)
    changed = [a.name for a, b in zip(one.all, other.all, strict=True) if a.key != b.key]
    assert changed == [one.alluxio.name]


def test_a_changed_base_changes_the_images_on_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Programs on nothing stay, images on Debian are built again."""
    one = definitions.system(versions(), wrapped=False, user_space_nfs=False)
    recipes = tmp_path / "recipes"
    shutil.copytree(RECIPES, recipes)
    for module in (definitions, artifacts):
        monkeypatch.setattr(module, "RECIPES", recipes)
    other = definitions.system(versions(), wrapped=False, user_space_nfs=False)
    assert [image.key for image in other.all] == [image.key for image in one.all]
    with (recipes / "base" / "Dockerfile").open("a") as file:
        file.write("# changed\n")
    other = definitions.system(versions(), wrapped=False, user_space_nfs=False)
    kept = [b.base for a, b in zip(one.all, other.all, strict=True) if a.key == b.key]
    changed = [b.base for a, b in zip(one.all, other.all, strict=True) if a.key != b.key]
    assert kept
    assert set(kept) == {None}
    assert changed
    assert None not in changed


def test_an_image_knows_all_that_decides_it(tmp_path: Path) -> None:
    """Names, arguments, recipe and further folders change its key."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    also = tmp_path / "also"
    also.mkdir()
    (also / "main.c").write_text("")

    def image(*names: str, args: tuple[tuple[str, str], ...] = (), link: str = "") -> ImageDefinition:
        return ImageDefinition(names, tmp_path, Origin.BUILT, also=(also,), args=args, link=link)

    keys = {image("a:1").key, image("a:1", "b:1").key, image("a:1", args=(("X", "1"),)).key}
    keys.add(image("a:1", link="x").key)
    (also / "main.c").write_text("changed")
    keys.add(image("a:1").key)
    assert len(keys) == 5


def test_every_recipe_is_there(images: definitions.SystemImages) -> None:
    """Each image has a Dockerfile, or a Debian that is imported."""
    for image in (*images.all, definitions.base(), definitions.debian()):
        assert (image.recipe / "Dockerfile").is_file(), image.name
        assert all(folder.is_dir() for folder in image.also)
