"""The conditions of all waits read as sentences."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: First words of a text that reads badly after "waiting for".
WRONG_STARTS = {
    *(
        "all",
        "be",
        "being",
        "both",
        "done",
        "ended",
        "gone",
        "looked",
        "made",
        "neither",
        "no",
        "none",
        "not",
    ),
    *("not", "nothing", "on", "ready", "started", "that", "until", "what", "when", "while", "without"),
    *("Bound", "Complete", "Failed", "NotBound", "Pending", "Ready", "Running"),
}


def conditions() -> list[tuple[str, str]]:
    """Place and text of the literal beginning of each ``condition`` passed to `wait` or `hold`."""
    found = []
    for top in ("clusters", "workloads", "suites"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("wait", "hold"):
                    for word in node.keywords:
                        if word.arg == "condition":
                            place = f"{path.relative_to(ROOT)}:{word.value.lineno}"
                            found += [(place, text) for text in beginnings(word.value)]
    return found


def beginnings(node: ast.expr) -> list[str]:
    """The literal beginnings of a string expression; none where it begins with a variable."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=[first, *_]):
            return beginnings(first)
        case ast.FormattedValue(value=value):
            return beginnings(value)
        case ast.BinOp(left=left):
            return beginnings(left)
        case ast.IfExp(body=body, orelse=other):
            return beginnings(body) + beginnings(other)
    return []


def test_conditions_are_noun_phrases() -> None:
    """Each follows "waiting for" as a noun phrase."""
    found = conditions()
    assert len(found) > 100
    assert not [(place, text) for place, text in found if text.split()[0] in WRONG_STARTS]
