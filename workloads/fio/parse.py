"""Finds the JSON document in the output of fio, and parses it.

fio writes warnings, and other formats if they were requested, before and after the JSON.
"""

from __future__ import annotations

import json
import re
from typing import Final

from pydantic import ValidationError

from clusters.errors import HarnessError
from workloads.fio.model import FioReport

#: Numbers stay text: this decoder only finds the end of the document.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)


class FioOutputError(HarnessError):
    """The output of fio cannot be used.

    Attributes:
        place: such as ``line 3, column 7``, or a path such as ``$.jobs[0].read.io_bytes``.
        reason: what is wrong there.
    """

    def __init__(self, place: str, reason: str, *, last_seen: str = "") -> None:
        super().__init__(
            f"the output of fio cannot be used at {place}: {reason}",
            subject="fio",
            last_seen=last_seen,
            advice="run the job in a shell and read its output; it must be --output-format=json or json+",
        )
        self.place = place
        self.reason = reason


def parse(output: str | bytes) -> FioReport:
    """Parse the output of ``fio --output-format=json`` or ``json+``, including lines around the JSON.

    Raises:
        FioOutputError: with place and reason, if it is not the complete output of exactly one run.
    """
    text = _decoded(output)
    starts = [match.start() for match in re.finditer(r"^\{", text, re.MULTILINE)]
    if not starts:
        reason = "no line begins with '{', so there is no JSON" if text.strip() else "it is empty"
        raise FioOutputError(_place(text, len(text)), reason, last_seen=text.strip()[-400:])
    start = starts[0]
    end = _end(text, start)
    second = next((other for other in starts if other >= end), None)
    if second is not None:
        raise FioOutputError(_place(text, second), "a second JSON document begins here")
    try:
        report = FioReport.model_validate_json(text[start:end])
    except ValidationError as error:
        first = error.errors()[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise FioOutputError(f"${path}", first["msg"]) from error
    lines = (text[:start] + "\n" + text[end:]).splitlines()
    messages = tuple(line.strip() for line in lines if line.strip())
    return report.model_copy(update={"messages": messages})


def _decoded(output: str | bytes) -> str:
    if isinstance(output, str):
        text = output
    else:
        try:
            text = output.decode()
        except UnicodeDecodeError as error:
            line = output.count(b"\n", 0, error.start) + 1
            raise FioOutputError(f"line {line}, byte {error.start}", "it is not UTF-8") from error
    return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")  # a byte order mark


def _end(text: str, start: int) -> int:
    """The end of the JSON document that begins at ``start``."""
    try:
        _, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise FioOutputError(_place(text, error.pos), f"it is cut off, or not JSON ({error.msg})") from error
    except RecursionError as error:
        raise FioOutputError(_place(text, start), "it is nested too deeply") from error
    return end


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"
