"""Removes names of the machine, paths of the user and secrets from what a certificate shows."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from clusters.paths import cache_root
from reports.verdict.model import Verdict

#: Options of a run whose value names something of the user's machine, and what is shown instead.
PRIVATE_OPTIONS: Final[Mapping[str, str]] = {
    "--out": "<path>",
    "--kubeconfig": "<path>",
    "--kind-bin": "<path>",
    "--kind-kubectl-bin": "<path>",
    "--fluid-source": "<path>",
    "--basetemp": "<path>",
    "--junit-xml": "<path>",
    "--registry": "<registry>",
}

#: Fields of `verdict.json` with words and versions of the harness, which are never changed.
FIXED_FIELDS: Final = frozenset(
    {"schema", "verdict", "id", "level", "outcome", "class", "phase", "kind", "cluster", "origin", "key"}
    | {"nfs_client", "harness", "test", "issues", "fluid", "alluxio", "kubernetes", "started"}
)

#: Folders of users. What follows up to the end of the word is the path.
_HOMES: Final = re.compile(r"(?<![\w.-])/(?:home|root|Users)/[^\s\"'`,;:()\[\]<>]+")

_SECRETS: Final = (
    re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL),
    re.compile(r"(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"),
    re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"),
    re.compile(
        r"(?i)(?<![\w-])(?:[\w.-]*(?:password|passwd|secret[-_]?key|access[-_]?key|token)|"
        r"(?:certificate-authority|client-certificate|client-key)-data)[\"']?\s*[:=]\s*[\"']?[^\s\"',}<]+"
    ),
)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces what must not leave the machine.

    Attributes:
        words: what is replaced where it is a word of its own, such as the name of the machine.
        paths: what is replaced wherever it is, such as the home folder with what is below it.
    """

    words: Mapping[str, str]
    paths: Mapping[str, str]

    @classmethod
    def of(cls, verdict: Verdict, folder: Path) -> Redactor:
        """For a run in a folder: what its own facts, its command line and this process name.

        Node names of a kind cluster are those of the harness, and stay. Those of an existing cluster are
        numbered.
        """
        words: dict[str, str] = {}
        hosts = {socket.gethostname(), verdict.run.host.name if verdict.run.host else ""}
        for name in {*hosts, *(host.partition(".")[0] for host in hosts)} - {"", "localhost"}:
            words[name] = "<host>"
        if verdict.system is not None and verdict.system.cluster == "existing":
            for number, name in enumerate(verdict.system.node_names, 1):
                words[name] = f"<node-{number}>"
        paths = {
            str(path.absolute()): "<path>"
            for path in (Path.home(), Path.cwd(), Path(__file__).parents[2], cache_root(), folder)
            if path.absolute() != Path("/")
        }
        paths[str(folder.resolve())] = "<path>"
        for value, shown in _private_values(verdict.run.command):
            (paths if shown == "<path>" else words)[value] = shown
        return cls(words, paths)

    def text(self, text: str) -> str:
        """The text with everything replaced."""
        text = self.without_paths(text)
        for word in sorted(self.words, key=len, reverse=True):
            text = re.sub(rf"(?<![\w<-]){re.escape(word)}(?![\w-])", self.words[word], text)
        return text

    def without_paths(self, text: str) -> str:
        """The text with paths and secrets replaced."""
        for pattern in _SECRETS:
            text = pattern.sub("<secret>", text)
        for path in sorted(self.paths, key=len, reverse=True):
            text = re.sub(rf"{re.escape(path)}(?:/[^\s\"'`,;:()\[\]<>]*)?(?![\w-])", self.paths[path], text)
        return _HOMES.sub("<path>", text)

    def value(self, value: JsonValue) -> JsonValue:
        """A JSON value with all its texts replaced, except for `FIXED_FIELDS`."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(one) for one in value]
            case dict():
                return {
                    key: one if key in FIXED_FIELDS and not isinstance(one, dict | list) else self.value(one)
                    for key, one in value.items()
                }
            case _:
                return value


def redacted(verdict: Verdict, redactor: Redactor) -> Verdict:
    """The verdict as a certificate shows it.

    Texts are redacted. What names files that are not in the certificate (attachments, bundles), the
    measurements and the names of machine and nodes are left out.
    """
    given: dict[str, Any] = verdict.model_dump(mode="json", by_alias=True)
    given["benchmark"] = None
    for scenario in given["scenarios"]:
        scenario["attachments"] = scenario["bundles"] = []
    if given["system"] is not None:
        given["system"]["node_names"] = []
    host = given["run"]["host"]
    made: Any = redactor.value(given)
    if host is not None:
        made["run"]["host"] = host | {"name": "<host>"}
    made["run"]["command"] = redactor.text(verdict.run.command)
    return Verdict.model_validate(made)


def _private_values(command: str) -> Iterable[tuple[str, str]]:
    """Values of the options in `PRIVATE_OPTIONS`, and every absolute path on the command line."""
    words = shlex.split(command)
    for word, following in zip(words, [*words[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option in PRIVATE_OPTIONS:
            value = value if equals else following
            if not value:
                continue
            # A relative path says nothing of the machine, and may be a plain word such as `out`.
            if value.startswith(("/", "~")) or PRIVATE_OPTIONS[option] != "<path>":
                yield value, PRIVATE_OPTIONS[option]
        elif word.startswith("/"):
            yield word, "<path>"
