"""Reads objects that were saved to files: ``kubectl get -o json|yaml``, or ``kubectl cluster-info dump``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import yaml

from clusters.kubernetes import kinds
from clusters.kubernetes.fields import text
from clusters.kubernetes.kinds import Kind
from suites.diagnosis.cluster_state import ClusterState
from suites.diagnosis.collect import CannotDiagnoseError
from suites.diagnosis.fluid_facts import RUNTIME_KINDS

#: Standard input.
STDIN: Final = "-"
_SUFFIXES: Final = frozenset({".json", ".yaml", ".yml"})
_LIST: Final = "List"
#: Encodings by byte-order mark; PowerShell redirects in UTF-16.
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
#: Ends of the names of fields with a time, and fields whose time is in the future.
_TIME_SUFFIXES: Final = ("Time", "At", "Timestamp", "time")
_FUTURE: Final = frozenset({"deletionTimestamp", "expirationTimestamp", "nextScheduleTime"})

_READ: Final = (kinds.POD, kinds.CLAIM, kinds.DATASET, kinds.DAEMON_SET, kinds.STATEFUL_SET)
_CLUSTER_WIDE: Final = (kinds.VOLUME, kinds.NODE, kinds.CSI_NODE)
_WORDS: Final = (kinds.DEPLOYMENT, kinds.EVENT)

HOW_TO_SAVE: Final = (
    "save them with `kubectl get "
    "pods,pvc,daemonsets,statefulsets,deployments,events,datasets,alluxioruntimes "
    "--all-namespaces -o json > FILE.json` and `kubectl get pv,nodes,csinodes -o json > FILE2.json`"
)


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes means it: a time is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in resolvers if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class _Saved:
    """What the files contain.

    Attributes:
        objects: by kind, namespace and name; one that is in two files counts once.
        kinds: kinds that were saved, also those of which there is no object.
        gaps: files and objects that could not be read.
    """

    objects: dict[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    gaps: list[str] = field(default_factory=list)

    def add(self, obj: object) -> int:
        """Add an object, or those of a list; returns how many objects of Kubernetes it was."""
        if not isinstance(obj, Mapping):
            return 0
        kind = text(obj, "kind")
        if kind.endswith(_LIST) and (isinstance(obj.get("items"), list) or obj.get("items") is None):
            return self._add_list(obj, kind.removesuffix(_LIST))
        metadata = obj.get("metadata")
        if not kind or not isinstance(metadata, Mapping) or not text(metadata, "name"):
            return 0
        self.kinds.add(kind)
        self.objects[kind, text(metadata, "namespace"), text(metadata, "name")] = obj
        return 1

    def _add_list(self, obj: Mapping[str, Any], kind: str) -> int:
        if kind:
            self.kinds.add(kind)
        for item in obj.get("items") or []:
            self.add({"kind": kind, **item} if isinstance(item, Mapping) and kind else item)
        return 1


def read_saved(path: Path, stdin: BinaryIO | None = None) -> ClusterState:
    """The state of the cluster whose objects were saved.

    It is taken at the newest time that the objects contain. A kind that was not saved counts as not read; a
    kind
    whose objects are all of one namespace counts as read in that one only.

    Args:
        path: a file, a folder that is searched with its subfolders, or ``-`` for standard input.
        stdin: standard input.

    Raises:
        CannotDiagnoseError: there is no such file, or it contains no Pods and no Datasets.
    """
    saved = _Saved()
    files = 0
    for name, data in _contents(path, stdin):
        files += 1
        _read_file(saved, name, data)
    if not files:
        raise CannotDiagnoseError(f"there are no JSON or YAML files in {path}", advice=HOW_TO_SAVE)
    lacking = [kind.plural for kind in (kinds.POD, kinds.DATASET) if kind.name not in saved.kinds]
    if lacking:
        problems = f" ({'; '.join(saved.gaps)})" if saved.gaps else ""
        raise CannotDiagnoseError(
            f"no {' and no '.join(lacking)} are among the objects saved in {path}{problems}",
            advice=HOW_TO_SAVE,
        )
    usable = _usable(saved)
    taken = min(_newest(usable) or datetime.now(UTC), datetime.now(UTC))
    scope, gaps = _scope(saved)
    return ClusterState.of(usable, taken, scope=scope, gaps=[*saved.gaps, *gaps])


def _contents(path: Path, stdin: BinaryIO | None) -> Iterator[tuple[str, bytes]]:
    if str(path) == STDIN and stdin is not None:
        yield "standard input", stdin.read()
        return
    files = [path] if path.is_file() else sorted(path.rglob("*")) if path.is_dir() else []
    if not files and not path.exists():
        raise CannotDiagnoseError(f"there is no file or folder {path}", advice="see the path after --from")
    for file in files:
        if file.is_file() and (file == path or file.suffix.lower() in _SUFFIXES):
            try:
                yield str(file), file.read_bytes()
            except OSError as error:
                raise CannotDiagnoseError(
                    f"{file} cannot be read: {error.strerror}", advice="make it readable, or leave it out"
                ) from error


def _read_file(saved: _Saved, name: str, data: bytes) -> None:
    encoding = next((found for mark, found in _MARKS if data.startswith(mark)), "utf-8")
    content = data.decode(encoding, errors="replace")
    try:
        found = sum(map(saved.add, _documents(content)))
    except yaml.YAMLError as error:
        first = " ".join(str(error).split())[:120]
        saved.gaps.append(f"{name} is neither JSON nor YAML: {first}")
        return
    except RecursionError:
        saved.gaps.append(f"{name} is nested too deeply to be read")
        return
    if not found:
        saved.gaps.append(f"{name} contains no objects of Kubernetes")


def _documents(content: str) -> Iterator[object]:
    """The documents of a file: JSON, JSON between lines of logs as in a dump to a terminal, or YAML."""
    if not content.lstrip().startswith(("{", "[")) and "\n{" not in content:
        # Some bytes cannot be in YAML, such as the escapes of a terminal.
        yield from yaml.load_all(content, Loader=_Loader)
        return
    decoder = json.JSONDecoder()
    position, complete = 0, True
    while (position := _next_document(content, position)) >= 0:
        try:
            document, position = decoder.raw_decode(content, position)
        except ValueError:
            position, complete = position + 1, False
        else:
            yield from document if isinstance(document, list) else (document,)
    if not complete:
        # The end of a file that was cut off, or YAML in flow style.
        try:
            yield from yaml.load_all(content, Loader=_Loader)
        except yaml.YAMLError:
            return


def _next_document(content: str, position: int) -> int:
    """Where the next JSON document begins, at the start of a line; -1 if there is none."""
    found = [content.find("\n" + mark, max(position - 1, 0)) for mark in "{["]
    if position == 0:
        stripped = len(content) - len(content.lstrip())
        if content[stripped : stripped + 1] in ("{", "["):
            return stripped
    starts = [start + 1 for start in found if start >= 0]
    return min(starts, default=-1)


def _usable(saved: _Saved) -> list[Mapping[str, Any]]:
    """The objects that can be read as what they say they are."""
    usable = []
    for (kind, namespace, name), obj in saved.objects.items():
        try:
            ClusterState.of([obj], datetime.now(UTC))
        except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
            saved.gaps.append(f"{kind} {namespace}/{name} is malformed and was not read: {error}")
        else:
            usable.append(obj)
    return usable


def _newest(objects: Iterable[object]) -> datetime | None:
    """The newest time in any field."""
    newest: datetime | None = None
    waiting: list[object] = list(objects)
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if not isinstance(value, Mapping):
            continue
        for key, item in value.items():
            if isinstance(item, (Mapping, list)):
                waiting.append(item)
            elif isinstance(item, str) and str(key).endswith(_TIME_SUFFIXES) and key not in _FUTURE:
                when = _time(item)
                newest = when if when and (newest is None or when > newest) else newest
    return newest


def _time(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _scope(saved: _Saved) -> tuple[dict[str, frozenset[str]], list[str]]:
    """What was saved of each kind, and a sentence for each kind that was not."""
    scope: dict[str, frozenset[str]] = {}
    gaps = []
    runtimes = [kind for kind in RUNTIME_KINDS if kind.name in saved.kinds]
    needed: list[Kind] = [*_READ, *_CLUSTER_WIDE, *_WORDS, *(runtimes or RUNTIME_KINDS)]
    for kind in needed:
        namespaces = {key[1] for key in saved.objects if key[0] == kind.name}
        if kind.name not in saved.kinds:
            scope[kind.name] = frozenset()
            if kind not in RUNTIME_KINDS:
                gaps.append(f"no {kind.plural} were saved")
        elif kind.namespaced and len(namespaces) == 1:
            scope[kind.name] = frozenset(namespaces)
    if not runtimes:
        gaps.append("no runtimes were saved")
    return scope, gaps
