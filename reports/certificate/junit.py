"""The rows of a verdict in JUnit's format."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET  # it only writes here

from reports.verdict import phrases
from reports.verdict.model import ScenarioResult, Verdict

#: Characters that XML 1.0 cannot hold.
_INVALID: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(verdict: Verdict) -> str:
    """One test case for each row, with its evidence as its output."""
    scenarios = verdict.scenarios
    counts = {
        "tests": str(len(scenarios)),
        "failures": str(sum(one.outcome == "fail" for one in scenarios)),
        "errors": str(len(verdict.problems)),
        "skipped": str(sum(one.outcome == "skipped" for one in scenarios)),
        "time": f"{verdict.run.seconds:.3f}",
    }
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        {"name": "fluid-conformance", **counts, "timestamp": verdict.run.started.isoformat()},
    )
    for one in scenarios:
        _case(suite, one)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, one: ScenarioResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": one.test.partition("::")[0].removesuffix(".py").replace("/", "."),
            "name": _valid(f"{one.anchor} {one.title}"),
            "time": f"{one.seconds:.3f}",
        },
    )
    properties = ET.SubElement(case, "properties")
    for name, value in (("scenario", one.id), ("level", one.level), ("outcome", one.outcome)):
        ET.SubElement(properties, "property", {"name": name, "value": value})
    if one.outcome == "fail":
        failed = ET.SubElement(
            case, "failure", {"message": _valid(one.reason), "type": _valid(phrases.blame(one))}
        )
        failed.text = _valid(
            "\n\n".join(failure.detail for attempt in one.attempts for failure in attempt.failures)
        )
    elif one.outcome == "skipped":
        ET.SubElement(case, "skipped", {"message": _valid(one.reason)})
    ET.SubElement(case, "system-out").text = _valid(
        "\n".join(f"{fact.source}: {fact.says}" for fact in one.evidence)
    )


def _valid(text: str) -> str:
    return _INVALID.sub("?", text)
