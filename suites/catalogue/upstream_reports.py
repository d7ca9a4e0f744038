"""Reports of known defects for Fluid's maintainers: what to do on a plain kind cluster, and what to expect.

Each is a Markdown file in ``suites/catalogue/upstream``, named by the defect's key, in Fluid's terms alone.
A line ``#include NAME`` in its commands stands for ``_NAME.sh`` next to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("upstream")
_INCLUDE: Final = re.compile(r"^#include (\w+)$", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FORM: Final = re.compile(
    r"(?P<head>(?:[a-z]+: .+\n)+)# (?P<title>.+)\n## What was done\n(?P<done>.+)"
    r"## Expected\n(?P<expected>.+)## Suggested direction\n(?P<direction>.+)",
    re.DOTALL,
)


class UpstreamReportError(ValueError):
    """A report does not have the form that all reports have."""


@dataclass(frozen=True, slots=True)
class UpstreamReport:
    """What is the same for a defect in every run.

    Attributes:
        key: of the defect.
        title: one sentence.
        issue: issue or pull request of Fluid's repository about it, or ``none``.
        shows: regular expression found in the output of the commands if the defect shows; empty if the
            commands are not checked automatically.
        done: Markdown with the manifests and commands.
        expected: what should happen.
        direction: where a correction could begin.
    """

    key: str
    title: str
    issue: str
    shows: str
    done: str
    expected: str
    direction: str

    @property
    def commands(self) -> str:
        """The commands as one shell script."""
        return "\n".join(_BLOCK.findall(self.done))


def keys() -> tuple[str, ...]:
    """Keys of all defects that have a report."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.md")))


def read(key: str) -> UpstreamReport:
    """The report of a defect.

    Raises:
        UpstreamReportError: there is none, or it has another form.
    """
    file = FOLDER / f"{key}.md"
    if not file.is_file():
        raise UpstreamReportError(f"defect {key} has no report {file.name}")
    found = _FORM.fullmatch(file.read_text(encoding="utf-8"))
    if found is None:
        raise UpstreamReportError(f"{file.name} does not have the headings of a report")
    head = dict(line.split(": ", 1) for line in found["head"].splitlines())
    return UpstreamReport(
        key=key,
        title=found["title"],
        issue=head.get("issue", "none"),
        shows=head.get("shows", ""),
        done=_expanded(found["done"]).strip(),
        expected=found["expected"].strip(),
        direction=found["direction"].strip(),
    )


def _expanded(text: str) -> str:
    def included(match: re.Match[str]) -> str:
        return _expanded((FOLDER / f"_{match[1]}.sh").read_text(encoding="utf-8")).rstrip("\n")

    return _INCLUDE.sub(included, text)
