import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from pydantic import ValidationError

from workloads.models import (
    AlluxioRuntime,
    AlluxioVersion,
    Component,
    DataBackup,
    DataLoad,
    DataMigrate,
    DataProcess,
    Dataset,
    Fuse,
    Level,
    Model,
    Mount,
    NodeAffinity,
    Resource,
    TargetDataset,
    laptop_runtime,
)
from workloads.models.base import METADATA

# Field paths and types of `spec`, read from charts/fluid/fluid/crds/*.yaml of the two versions.
FIELDS: Mapping[str, Mapping[str, Mapping[str, object]]] = json.loads(
    (Path(__file__).parents[1] / "data" / "fluid_fields.json").read_text()
)
KINDS: tuple[type[Resource], ...] = (Dataset, AlluxioRuntime, DataLoad, DataProcess, DataBackup, DataMigrate)


def paths(model: type[Model], above: str = "") -> Iterator[tuple[str, object]]:
    """Every path that a model can write, with its annotation."""
    for name, field in model.model_fields.items():
        if issubclass(model, Resource) and name in METADATA:
            continue
        path = f"{above}{field.alias}"
        kind = field.annotation
        yield path, kind
        for part in parts(kind):
            if inspect.isclass(part) and issubclass(part, Model):
                listed = any(typing.get_origin(each) is tuple for each in (kind, *typing.get_args(kind)))
                yield from paths(part, f"{path}[]." if listed else f"{path}.")


def parts(kind: object) -> Iterator[object]:
    """An annotation and everything inside it."""
    yield kind
    for inner in typing.get_args(kind):
        yield from parts(inner)


def api_type(kind: object) -> str:
    """What a Python annotation is in an API schema."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if typing.get_origin(kind) is tuple:
        return "array"
    if typing.get_origin(kind) is typing.Literal or kind is str:
        return "string"
    if kind is bool:
        return "boolean"
    if kind is int:
        return "integer"
    return "object"


def choices(kind: object) -> set[object]:
    """The values that a Literal allows."""
    return {
        value
        for part in parts(kind)
        if typing.get_origin(part) is typing.Literal
        for value in typing.get_args(part)
    }


@pytest.mark.parametrize(
    ("version", "kind"),
    [(version, kind) for version, known in FIELDS.items() for kind in KINDS if kind.KIND in known],
)
def test_each_field_is_in_the_product_s_schema(version: str, kind: type[Resource]) -> None:
    """A model has no field that Fluid's schema lacks, other than those it declares as newer."""
    known = FIELDS[version][kind.KIND]
    absent = {path for path, _ in paths(kind) if path not in known}
    newer = {path for path, first in kind.SINCE.items() if Version(first) > Version(version)}
    assert {path.split(".")[0] for path in absent} == newer


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_has_the_schema_s_type(kind: type[Resource]) -> None:
    """A field's type, and its choices, are those of Fluid's schema."""
    known = FIELDS["1.0.8"][kind.KIND]
    for path, annotation in paths(kind):
        expected = known[path]
        if isinstance(expected, list):
            assert choices(annotation) <= set(expected), path
        else:
            assert api_type(annotation) == ("string" if expected == "int-or-string" else expected), path


def test_a_kind_that_a_version_lacks_is_known() -> None:
    """Of the kinds here, only DataProcess came after Fluid 0.9.3."""
    assert {kind.KIND for kind in KINDS if kind.KIND not in FIELDS["0.9.3"]} == {"DataProcess"}
    assert all(kind.KIND in FIELDS["1.0.8"] for kind in KINDS)


def test_only_what_was_written_is_sent() -> None:
    """A field that was not set is left to the product's default, and one set to nothing is not."""
    dataset = Dataset(namespace="demo", name="imagenet", mounts=(Mount(mount_point="pvc://nfs-src"),))
    assert dataset.manifest() == {
        "apiVersion": "data.fluid.io/v1alpha1",
        "kind": "Dataset",
        "metadata": {"name": "imagenet", "namespace": "demo"},
        "spec": {"mounts": [{"mountPoint": "pvc://nfs-src"}]},
    }
    assert dataset.evolve(mounts=()).manifest()["spec"] == {"mounts": []}
    assert dataset.evolve(placement="Shared").manifest()["spec"]["placement"] == "Shared"


def test_unknown_fields_and_changes_are_refused() -> None:
    """A misspelt field is an error, and a model never changes."""
    with pytest.raises(ValidationError, match="acessModes"):
        Dataset.model_validate({"namespace": "a", "name": "b", "acessModes": ["ReadWriteMany"]})
    with pytest.raises(ValidationError, match="placement"):
        Dataset(namespace="a", name="b").evolve(placement="Alone")
    with pytest.raises(ValidationError, match="frozen"):
        Dataset(namespace="a", name="b").name = "c"  # type: ignore[misc] # this is what must fail


def test_a_dataset_over_a_claim_has_it_as_its_root() -> None:
    """The Dataset of a claim mounts it, or a folder in it, at the root."""
    whole = Dataset.over_claim("demo", "imagenet", "nfs-src").manifest()["spec"]["mounts"]
    part = Dataset.over_claim("demo", "imagenet", "nfs-src", folder="/train/").manifest()["spec"]["mounts"]
    assert whole == [{"mountPoint": "pvc://nfs-src", "name": "nfs-src", "path": "/"}]
    assert part == [{"mountPoint": "pvc://nfs-src/train", "name": "nfs-src", "path": "/"}]


def test_node_affinity_names_hosts() -> None:
    """The nodes of a Dataset are named by their host names."""
    terms = NodeAffinity.on("worker", "worker2").spec_fields()["required"]["nodeSelectorTerms"]
    assert terms == [
        {
            "matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": ["worker", "worker2"]}
            ]
        }
    ]


def test_an_older_fluid_is_distinguished() -> None:
    """What an older Fluid would drop without a word is named."""
    load = DataLoad(
        namespace="a",
        name="b",
        dataset=TargetDataset(name="c"),
        policy="Cron",
        schedule="* * * * *",
        ttl_seconds_after_finished=5,
    )
    assert load.manifest()["spec"]["ttlSecondsAfterFinished"] == 5
    assert load.unknown_to("0.9.3") == ("policy", "schedule", "ttlSecondsAfterFinished")
    assert load.unknown_to("v1.0.8") == ()
    assert DataLoad.whole("a", "b", "c").unknown_to("0.9.3") == ()


def test_a_laptop_s_runtime_bounds_all_five_heaps() -> None:
    """Each process has the same small heap, whichever of its two places wins."""
    spec = laptop_runtime("demo", "imagenet", heap="300m", direct="400m").manifest()["spec"]
    assert spec["jvmOptions"] == ["-Xmx300m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    for process in ("master", "jobMaster", "worker", "jobWorker", "fuse"):
        assert spec[process]["jvmOptions"][0] == "-Xmx300m"
    for process in ("worker", "fuse"):
        assert spec[process]["jvmOptions"][1:] == ["-XX:MaxDirectMemorySize=400m"]
    assert spec["tieredstore"] == {"levels": [{"mediumtype": "MEM", "path": "/dev/shm", "quota": "512Mi"}]}


def test_a_laptop_s_runtime_starts_quickly_unless_speed_is_measured() -> None:
    """Quick options are common to all processes, or not there at all."""
    quick = laptop_runtime("demo", "imagenet").manifest()["spec"]
    assert quick["jvmOptions"] == ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    fast = laptop_runtime("demo", "imagenet", quick=False).manifest()["spec"]
    assert fast["jvmOptions"] == ["-Xmx512m"]
    assert quick | {"jvmOptions": ["-Xmx512m"]} == fast


def test_a_laptop_s_runtime_leaves_the_rest_to_fluid() -> None:
    """Image, properties, resources, network and clean policy are Fluid's unless they are specified."""
    plain = laptop_runtime("demo", "imagenet").manifest()["spec"]
    places = {"tieredstore", "jvmOptions", "master", "jobMaster", "worker", "jobWorker", "fuse", "replicas"}
    assert plain.keys() == places
    asked = laptop_runtime(
        "demo",
        "imagenet",
        properties={"alluxio.user.file.writetype.default": "CACHE_THROUGH"},
        alluxio_version=AlluxioVersion(image="alluxio/alluxio-dev", image_tag="2.9.6"),
    ).manifest()["spec"]
    assert asked.keys() - places == {"properties", "alluxioVersion"}
    assert asked["alluxioVersion"] == {"image": "alluxio/alluxio-dev", "imageTag": "2.9.6"}


TEXT = st.text(max_size=20)


@given(
    st.builds(
        AlluxioRuntime,
        namespace=TEXT,
        name=TEXT,
        replicas=st.integers(),
        properties=st.dictionaries(TEXT, TEXT, max_size=3),
        fuse=st.builds(Fuse, args=st.lists(TEXT, max_size=3).map(tuple), clean_policy=st.just("OnDemand")),
        worker=st.builds(Component, env=st.dictionaries(TEXT, TEXT, max_size=3)),
        tieredstore=st.just({"levels": (Level(mediumtype="MEM", quota="1Gi"),)}),
    )
)
def test_yaml_says_what_the_manifest_says(runtime: AlluxioRuntime) -> None:
    """The YAML that is kept with a run, read back, is what was sent, whatever the text in it."""
    read = yaml.safe_load(runtime.to_yaml())
    assert read == runtime.manifest()
    spec = read["spec"] | {"namespace": runtime.namespace, "name": runtime.name}
    assert AlluxioRuntime.model_validate(spec) == runtime
