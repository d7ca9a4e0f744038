"""Failure bundles: what is needed to understand a failure, collected before the teardown.

A bundle is a folder with an ``index.md`` that describes the failure and lists the files. Collecting never
raises and has a time limit: a collector that fails or hangs leaves a note. Credentials are removed from every
file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clusters.clock import SYSTEM_CLOCK, Clock
from reports.files import clipped, safe_path, write_atomically
from reports.verdict.model import Failure
from suites.record.evidence import Fact
from suites.record.redaction import redacted
from suites.record.run import BundleCollector, FailureContext

MEBIBYTE: Final = 1024 * 1024

#: What one file, and one bundle, may hold.
FILE_LIMIT: Final = 2 * MEBIBYTE
BUNDLE_LIMIT: Final = 20 * MEBIBYTE

INDEX: Final = "index.md"


@dataclass(frozen=True, slots=True)
class Story:
    """A failure, as the index describes it.

    Attributes:
        context: the scenario, the part that failed, its namespaces and when it began.
        title: of the scenario.
        failures: what went wrong.
        seconds: how long the part ran until it failed.
        trace: the whole error as pytest shows it.
        facts: what the scenario had seen by then.
        texts: texts that are at hand already, by file name (YAML sent, captured output).
    """

    context: FailureContext
    title: str
    failures: Sequence[Failure]
    seconds: float
    trace: str
    facts: Sequence[Fact] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Collected:
    """The files of one collector, or why there are none."""

    collector: BundleCollector
    files: dict[str, bytes] = field(default_factory=dict)
    note: str = ""


def write_bundle(
    folder: Path,
    story: Story,
    collectors: Iterable[BundleCollector],
    *,
    file_limit: int = FILE_LIMIT,
    bundle_limit: int = BUNDLE_LIMIT,
    clock: Clock = SYSTEM_CLOCK,
) -> Path | None:
    """Fill ``folder`` with a bundle and return the path of its index.

    All collectors run in parallel, so the bundle needs at most as long as the slowest of them may need.
    Files that exceed the limit of the bundle are left out, and the index lists them.

    Returns:
        The index, or None when nothing could be written (a full disk).
    """
    collected = _collect(list(collectors), story.context, clock)
    own = {"error.txt": story.trace.encode("utf-8", errors="replace")}
    own |= {f"test/{name}": text.encode("utf-8", errors="replace") for name, text in story.texts.items()}
    notes = [f"{c.collector.name}: {c.note}" for c in collected if c.note]
    written: list[tuple[str, int, int]] = []
    left = bundle_limit
    try:
        for owner, files in [("", own), *((c.collector.name, c.files) for c in collected)]:
            for name, data in files.items():
                kept = clipped(_redacted(data), file_limit)
                if len(kept) > left:
                    notes.append(f"{owner or 'test'}: {name} was left out, the bundle is full")
                    continue
                path = _unused(folder, str(safe_path(f"{owner}/{name}" if owner else name)))
                write_atomically(folder / path, kept)
                left -= len(kept)
                written.append((path, len(kept), len(data)))
        write_atomically(folder / INDEX, redacted(_index(story, written, notes)))
    except OSError:
        return None
    return folder / INDEX


def _redacted(data: bytes) -> bytes:
    """A file without credentials; bytes that are no text stay as they are."""
    return redacted(data.decode("utf-8", errors="surrogateescape")).encode("utf-8", errors="surrogateescape")


def _collect(collectors: list[BundleCollector], context: FailureContext, clock: Clock) -> list[Collected]:
    """Run every collector in a thread of its own, none longer than it may take."""
    results = [Collected(collector) for collector in collectors]
    done = [threading.Event() for _ in collectors]

    def work(result: Collected, finished: threading.Event) -> None:
        try:
            texts = result.collector.collect(context)
            result.files = {
                name: text.encode("utf-8", errors="replace") if isinstance(text, str) else text
                for name, text in texts.items()
            }
            if not result.files:
                result.note = "found nothing"
        except BaseException as error:  # noqa: BLE001 - whatever it is, the bundle continues without it
            result.note = f"failed: {type(error).__name__}: {error}".strip()
        finally:
            finished.set()

    start = clock.now()
    for result, finished in zip(results, done, strict=True):
        # A collector that hangs cannot be ended, so it must not keep the process alive.
        threading.Thread(target=work, args=(result, finished), daemon=True).start()
    settled: list[Collected] = []
    for result, finished in zip(results, done, strict=True):
        left = start + result.collector.seconds - clock.now()
        if clock.wait(finished, max(left, 0.0)) or finished.is_set():
            settled.append(result)
        else:
            settled.append(
                Collected(result.collector, note=f"gave nothing within {result.collector.seconds:g} s")
            )
    return settled


def _unused(folder: Path, path: str) -> str:
    """``path``, or with a number where the folder has it already."""
    requested, number = path, 1
    while (folder / path).exists() or path == INDEX:
        number += 1
        stem, dot, suffix = requested.rpartition(".")
        path = f"{stem}-{number}{dot}{suffix}" if dot else f"{requested}-{number}"
    return path


def _index(story: Story, written: Sequence[tuple[str, int, int]], notes: Sequence[str]) -> str:
    context = story.context
    part = {"setup": "while it was set up", "call": "in its body", "teardown": "while it was cleaned up"}
    lines = [
        f"# {context.scenario} failed {part[context.phase]}",
        "",
        f"- What should hold: {story.title}",
        f"- Test began: {context.since:%Y-%m-%d %H:%M:%S} UTC; this part failed after {story.seconds:.1f} s",
        f"- Namespaces: {', '.join(context.namespaces) or 'none noted'}",
    ]
    for failure in story.failures:
        lines += [
            "",
            f"## {failure.failure_class.value} failure",
            "",
            *_block(failure.detail or failure.reason),
        ]
    lines += ["", "## What the scenario had seen", ""]
    lines += [f"- {fact.at:.1f} s, {fact.source}: {fact.says}" for fact in story.facts] or ["Nothing yet."]
    lines += ["", "## Files", "", "| file | bytes |", "|---|---|"]
    for path, size, whole in written:
        cut = f" (of {whole:,}; middle left out)" if whole > size else ""
        lines.append(f"| [{path}]({path}) | {size:,}{cut} |")
    if notes:
        lines += ["", "## Not in this bundle", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def _block(text: str) -> list[str]:
    """Text as a code block; fences in it do no harm."""
    return [f"    {line}" for line in text.splitlines()]
