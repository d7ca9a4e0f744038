"""The page of a qualification, and the same in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reports import pages, units
from reports.qualification.judgement import Result, Word
from suites.record.markdown import escape, table_row

#: What each result means, for a reader who was not there.
MEANINGS: Final[Mapping[Word, str]] = {
    "qualified": "Every row that could be judged held on the new version, in the upgrade, and after it.",
    "qualified with known defects": "Every row held, and the new version has defects that were known before.",
    "not qualified": "The new version did not do what it must. The reasons are below.",
    "inconclusive": "Something was not run, or broke for reasons that are not Fluid's. "
    "Nothing follows from it, for better or worse.",
}
#: What the comparison of measurements compares.
MEASURED: Final = (
    "Each step measured how fast applications read the same data through Fluid and from raw NFS, in turns on "
    "the same cluster. A is the old version, B the new one. What decides is how many times as fast Fluid is "
    "as raw NFS in the same round. With three or more runs on each side the run is the unit. The "
    "measurements themselves are in performance/, and verify computes this comparison from them again."
)
#: The class of the page's banner.
TONES: Final[Mapping[Word, str]] = {
    "qualified": "pass",
    "qualified with known defects": "known-defect",
    "not qualified": "fail",
    "inconclusive": "inconclusive",
}


def headline(result: Result) -> str:
    """The result in a few words."""
    settings = result.settings
    return f"Fluid {settings.new} after {settings.old}: {result.word}"


def render_page(result: Result) -> str:
    """The page as HTML."""
    body = pages.render(
        "qualification.html.j2",
        r=result,
        tone=TONES[result.word],
        meaning=MEANINGS[result.word],
        measured=MEASURED,
    )
    return str(
        pages.render(
            "plain_page.html.j2",
            title=headline(result),
            overline="Fluid release qualification",
            heading=headline(result),
            body=body,
            foot="The page needs neither a network nor any other file.",
        )
    )


def render_text(result: Result) -> str:
    """The result as Markdown."""
    lines = [f"# {escape(headline(result))}", "", MEANINGS[result.word], ""]
    lines += [f"- {escape(reason)}" for reason in result.reasons]
    lines += ["", f"Tested: {escape(str(result.settings))}; harness {result.harness}.", ""]
    lines += [f"Doubt: {escape(doubt)}." for doubt in result.doubts]
    lines += ["", "| step | what | result | rows | time |", "|---|---|---|---|---:|"]
    lines += [
        table_row(one.id, escape(one.title), escape(one.result), one.rows or "", units.duration(one.seconds))
        for one in result.steps
    ]
    lines += _changes(result)
    lines += [
        "",
        "## Check it",
        "",
        "`fluid-conformance verify . --signer PUBLIC_KEY` checks this folder and all certificates in it.",
    ]
    return "\n".join(lines) + "\n"


def _changes(result: Result) -> Iterator[str]:
    for title, rows in (("Rows that became worse", result.worse), ("Rows that became better", result.better)):
        yield from ("", f"## {title}", "")
        yield from (
            f"- {one.row} ({one.step}): {one.before} → {one.after}: {escape(one.why)}" for one in rows
        )
        if not rows:
            yield "None."
    for title, defects in (
        ("New defects", result.new_defects),
        ("Defects fixed", result.mended_defects),
        ("Known defects of the new version and of the upgrade", result.known_defects),
    ):
        yield from ("", f"## {title}", "")
        yield from (f"- `{one.key}` ({one.row}): {escape(one.says)}" for one in defects)
        if not defects:
            yield "None."
    yield from ("", "## The upgrade", "")
    for moment in result.upgrade:
        after = f"after {units.duration(moment.seconds)}: " if moment.seconds is not None else ""
        yield f"- Kubernetes {moment.kubernetes}: {after}{escape(moment.says)}"
    if not result.upgrade:
        yield "It did not come to an end."
    if result.performance:
        yield from ("", "## Read performance", "", MEASURED, "", "```", result.performance.rstrip(), "```")
    if result.changes:
        yield from ("", "## What Fluid changed between the versions", "")
        yield from (f"- {escape(change)}" for change in result.changes)
