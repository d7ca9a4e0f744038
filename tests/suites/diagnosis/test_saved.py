"""Objects that were saved to files, in each form in which users save them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.kubernetes import kinds
from suites.diagnosis import CannotDiagnoseError, ClusterState, FindingCode, diagnose
from suites.diagnosis.saved import read_saved
from tests.suites.doctor.doctor_cluster import NOW, Cluster, Object, application, make, stamp


def wrong_and_right() -> list[Object]:
    """A cluster with an application on the right claim and one on the source, and the time of its reading."""
    event = make(kinds.EVENT, "demo", "e", type="Normal", reason="Pulled", lastTimestamp=stamp(NOW))
    return Cluster.right().add(application(), application("train-1", "demo-src"), event).objects


def items(objects: Iterable[Object]) -> Object:
    """As ``kubectl get -o json`` prints them."""
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def verdicts(state: ClusterState) -> list[FindingCode]:
    """The findings."""
    return [finding.code for finding in diagnose(state)]


BOTH = [FindingCode.SERVED, FindingCode.ORIGINAL_CLAIM]


def test_list_of_kubectl(tmp_path: Path) -> None:
    """One JSON file with a list of several kinds; the time is the newest in it, and there are no gaps."""
    (tmp_path / "all.json").write_text(json.dumps(items(wrong_and_right())))
    state = read_saved(tmp_path / "all.json")
    assert verdicts(state) == BOTH
    assert (state.taken, state.gaps) == (NOW, ())


def test_folder_of_yaml_and_json(tmp_path: Path) -> None:
    """Files of a folder and its subfolders: one object, several documents, or lists."""
    objects = wrong_and_right()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.yaml").write_text(yaml.safe_dump(objects[0]))
    (tmp_path / "a" / "docs.yml").write_text(yaml.safe_dump_all(objects[1:5]))
    (tmp_path / "rest.json").write_text(json.dumps(items(objects[5:])))
    (tmp_path / "logs.txt").write_text("not an object")
    assert verdicts(read_saved(tmp_path)) == BOTH


def test_typed_lists_without_kinds(tmp_path: Path) -> None:
    """Lists as the API returns them name the kind once; a list without items says that there are none."""
    for kind in {obj["kind"] for obj in wrong_and_right()}:
        bare = [
            {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
            for obj in wrong_and_right()
            if obj["kind"] == kind
        ]
        (tmp_path / f"{kind}.json").write_text(json.dumps({"kind": f"{kind}List", "items": bare}))
    assert verdicts(read_saved(tmp_path)) == BOTH
    for kind in ("PersistentVolumeClaim", "PersistentVolume"):
        (tmp_path / f"{kind}.json").write_text(json.dumps({"kind": f"{kind}List", "items": None}))
    assert FindingCode.CLAIM_NOT_MADE in verdicts(read_saved(tmp_path))


def test_dump_to_a_terminal(tmp_path: Path) -> None:
    """`kubectl cluster-info dump` without a folder: JSON documents between the lines of logs."""
    logs = (
        '==== START logs for container a of pod demo/x ====\n{"level": "info"}\n{broken\n==== END logs ====\n'
    )
    text = logs.join(json.dumps(items([obj]), indent=2) + "\n" for obj in wrong_and_right())
    (tmp_path / "dump").write_text(text)
    assert verdicts(read_saved(tmp_path / "dump")) == BOTH


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    """PowerShell writes such files."""
    (tmp_path / "all.json").write_text(json.dumps(items(wrong_and_right())), encoding=encoding)
    assert verdicts(read_saved(tmp_path)) == BOTH


def test_standard_input() -> None:
    """From a pipe."""
    stream = io.BytesIO(json.dumps(items(wrong_and_right())).encode())
    assert verdicts(read_saved(Path("-"), stream)) == BOTH


def test_times_of_yaml_without_quotes(tmp_path: Path) -> None:
    """A time that YAML would turn into an object of Python stays a text."""
    text = yaml.safe_dump_all(wrong_and_right()).replace(f"'{stamp(NOW)}'", stamp(NOW))
    assert f": {stamp(NOW)}\n" in text
    (tmp_path / "all.yaml").write_text(text)
    assert read_saved(tmp_path).taken == NOW


def test_kinds_that_were_not_saved(tmp_path: Path) -> None:
    """What is not in the files is a gap, and no finding is based on it."""
    kept = ("Pod", "PersistentVolumeClaim", "Dataset")
    objects = [obj for obj in wrong_and_right() if obj["kind"] in kept]
    (tmp_path / "all.json").write_text(json.dumps(items(objects)))
    state = read_saved(tmp_path)
    assert verdicts(state) == BOTH
    assert {"no nodes were saved", "no persistentvolumes were saved", "no runtimes were saved"} <= set(
        state.gaps
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no pods and no datasets"),
        ("hello: [", "is neither JSON nor YAML"),
        ("just text", "contains no objects of Kubernetes"),
        ('{"kind": "List", "items": [', "no pods"),
        ("[1, 2, null]", "contains no objects"),
        ('{"kind": 5, "metadata": []}', "contains no objects"),
        ('{"kind": "Pod", "metadata": {"name": "x"}}', "no datasets"),
        ('{"kind": "List", "items": 7}', "contains no objects"),
        ("\x00\x01\x02", "no pods"),
        ("[" * 20_000, "no pods"),
    ],
)
def test_files_of_no_use(tmp_path: Path, content: str, says: str) -> None:
    """Each is refused in a sentence that says how to save the objects."""
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(CannotDiagnoseError) as caught:
        read_saved(tmp_path)
    assert says in caught.value.message
    assert "kubectl get pods" in caught.value.advice


def test_no_such_path(tmp_path: Path) -> None:
    """A path that does not exist, and a folder without files."""
    with pytest.raises(CannotDiagnoseError, match="there is no file or folder"):
        read_saved(tmp_path / "none")
    with pytest.raises(CannotDiagnoseError, match="there are no JSON or YAML files"):
        read_saved(tmp_path)


def _twist(value: Any) -> Iterable[Any]:
    """Values of other types than a field has."""
    yield from (None, 7, "text", [], {}, [None, 3, "x"], {"a": None})
    if isinstance(value, list):
        yield [value, *value]


def test_malformed_objects_are_left_out_or_read(tmp_path: Path) -> None:
    """Whatever is in a field of an object, there is an answer, and no exception."""
    objects = wrong_and_right()
    seen: set[str] = set()
    for index, obj in enumerate(objects):
        if obj["kind"] in seen:
            continue
        seen.add(obj["kind"])
        for part in ("metadata", "spec", "status"):
            for field in [*obj.get(part, {})]:
                for value in _twist(obj[part][field]):
                    if (part, field) == ("metadata", "name"):
                        continue
                    twisted = {**obj, part: {**obj[part], field: value}}
                    (tmp_path / "all.json").write_text(
                        json.dumps(items([*objects[:index], twisted, *objects[index + 1 :]]))
                    )
                    state = read_saved(tmp_path)
                    diagnose(state)


def test_quantity_that_is_none(tmp_path: Path) -> None:
    """An object that cannot be read is named, and the others count."""
    objects = wrong_and_right()
    node = next(obj for obj in objects if obj["kind"] == "Node")
    node["status"]["allocatable"]["memory"] = "a lot"
    (tmp_path / "all.json").write_text(json.dumps(items(objects)))
    state = read_saved(tmp_path)
    assert [gap for gap in state.gaps if "Node /n1 is malformed and was not read" in gap]
