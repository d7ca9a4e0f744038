"""Finding the one JSON document in what fio printed, and refusing it with the place and the reason.

fio writes warnings, and its other formats where they were asked for, before and after the JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from clusters.errors import HarnessError

#: Longest text that is looked at, in characters. fio's own is a few hundred KiB with 16 jobs.
LONGEST: Final = 64 * 1024 * 1024

#: How deep fio's JSON may nest; fio 3.33 needs 6.
DEEPEST: Final = 16

#: fio counts in unsigned 64-bit numbers.
LARGEST: Final = 2**64 - 1
LONGEST_NUMBER: Final = 400

TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)
SURROGATE: Final = re.compile("[\ud800-\udfff]")


class FioOutputError(HarnessError):
    """What fio printed cannot be used.

    Attributes:
        place: where, as ``line 3, column 7`` or as a path such as ``$.jobs[0].read.bw``.
        reason: what is wrong there.
    """

    def __init__(self, place: str, reason: str, *, last_seen: str = "") -> None:
        super().__init__(
            f"fio's output cannot be used at {place}: {reason}",
            subject="fio",
            last_seen=last_seen,
            advice="run the job by hand and read what fio prints; it must be --output-format=json or json+",
        )
        self.place = place
        self.reason = reason


class Repeating(dict[str, Any]):
    """A JSON object in which a key came more than once; the last value counts."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A number that JSON allows and fio never means."""

    reason: str


@dataclass(frozen=True, slots=True)
class Document:
    """The JSON of one run of fio, and the lines around it."""

    root: dict[str, Any]
    messages: tuple[str, ...]


def find(output: str | bytes) -> Document:
    """Take the JSON document out of what fio printed (stdout, or stdout and stderr together).

    Raises:
        FioOutputError: no document, more than one, or one that is cut off, malformed, nested
            too deep, or holds numbers that fio cannot mean.
    """
    text = _decoded(output)
    if len(text) > LONGEST:
        raise FioOutputError("the whole text", f"{len(text)} characters are more than {LONGEST}")
    starts = [match.start() for match in re.finditer(r"^\{", text, re.MULTILINE)]
    if not starts:
        reason = "no line begins with '{', so there is no JSON" if text.strip() else "it is empty"
        raise FioOutputError(_place(text, len(text)), reason, last_seen=text.strip()[-400:])
    start = starts[0]
    root, end = _decode(text, start)
    again = next((other for other in starts if other >= end), None)
    if again is not None:
        raise FioOutputError(_place(text, again), "a second JSON document; which one counts is unclear")
    _refuse_unusable(root)
    lines = (text[:start] + "\n" + text[end:]).splitlines()
    return Document(root, tuple(line.strip() for line in lines if line.strip()))


def _decoded(output: str | bytes) -> str:
    if isinstance(output, str):
        return output
    try:
        return output.decode()
    except UnicodeDecodeError as error:
        line = output.count(b"\n", 0, error.start) + 1
        raise FioOutputError(f"line {line}, byte {error.start}", "it is not UTF-8") from error


def _decode(text: str, start: int) -> tuple[dict[str, Any], int]:
    closes = _closes(text, start)
    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
    )
    try:
        root, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        cut = not closes and "\n" not in text[error.pos :].strip()
        reason = "it is cut off" if cut else f"it is not JSON ({error.msg})"
        raise FioOutputError(_place(text, error.pos), reason) from error
    assert isinstance(root, dict)  # noqa: S101 - it began with a brace
    return root, end


def _closes(text: str, start: int) -> bool:
    """Whether the bracket at ``start`` is closed again; refuses what is nested too deep."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        if token[0] in "{[":
            depth += 1
            if depth > DEEPEST:
                raise FioOutputError(_place(text, token.start()), f"nested more than {DEEPEST} deep")
        elif token[0] in "}]":
            depth -= 1
            if depth <= 0:
                return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Repeating(pairs)


def _integer(digits: str) -> int | Unusable:
    if len(digits) > LONGEST_NUMBER or abs(int(digits)) > LARGEST:
        return Unusable(f"the number {digits[:24]}… does not fit in 64 bits")
    return int(digits)


def _real(digits: str) -> float | Unusable:
    value = float(digits) if len(digits) <= LONGEST_NUMBER else math.inf
    return value if math.isfinite(value) else Unusable(f"the number {digits[:24]}… is too large")


def _constant(word: str) -> Unusable:
    return Unusable(f"{word} is not a number that fio can mean")


def _refuse_unusable(root: dict[str, Any]) -> None:
    for path, value in _walk("$", root):
        if isinstance(value, Unusable):
            raise FioOutputError(path, value.reason)
        if isinstance(value, str) and SURROGATE.search(value):
            raise FioOutputError(path, "half a character (a lone surrogate)")
        # fio itself repeats an option that was given twice, and only there.
        if isinstance(value, Repeating) and not path.endswith((" options", ' options"]')):
            raise FioOutputError(path, "a key comes more than once")


def _walk(path: str, value: object) -> Iterator[tuple[str, object]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            if SURROGATE.search(key):
                raise FioOutputError(path, "a key with half a character (a lone surrogate)")
            yield from _walk(f"{path}.{key[:80]}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(f"{path}[{index}]", inner)


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"
