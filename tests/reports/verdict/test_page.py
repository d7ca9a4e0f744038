"""The page, the summary and the command that render a verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup

from reports import units
from reports.__main__ import main
from reports.pages import HtmlSection
from reports.verdict import phrases
from reports.verdict.model import ScenarioResult, Verdict
from reports.verdict.page import render_page, scenario_bars
from reports.verdict.summary import render_summary, terminal_lines
from suites.record.evidence import Fact, Phase

Make = Callable[..., ScenarioResult]

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Reader(HTMLParser):
    """Reads a page: its text, its ids and links, and whether each element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element is called, links to and loads."""
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "href", "srcset", "action"}:
                self.loads.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        """See that it closes what was opened last."""
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text.append(data)

    def says(self, words: str) -> bool:
        """Whether these words are in the page, whatever the line breaks."""
        return words in " ".join(" ".join(self.text).split())


def test_shows_everything(sample: Verdict) -> None:
    """The page has the verdict, the system, each scenario with its evidence, the skips and the times."""
    page = Reader(render_page(sample))
    for expected in (
        "Fluid failed 1 of 6 scenarios",
        "v1.34.2",
        "in user space",
        "substitute",
        "cgroup v1",
        "although it mounts the original claim nfs-src",
        "last seen",
        "16 files read right",
        "bytes 67,108,864",
        "same-name-claim-accepted",
        "cannot run here: the cluster has one worker node",
        "watching that nothing happens",
        "image kindest/node",
        "6 min 52 s",
        "--bootstrap",
    ):
        assert page.says(expected), expected


def test_is_self_contained(sample: Verdict) -> None:
    """The page loads nothing: no picture, style, script or font from anywhere."""
    html = render_page(sample)
    assert Reader(html).loads == []
    assert "@import" not in html
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_links_lead_somewhere(sample: Verdict) -> None:
    """Every link within the page has its target, every id is there once, and files lie in the run."""
    page = Reader(render_page(sample))
    assert len(page.ids) == len(set(page.ids))
    within = {link[1:] for link in page.links if link.startswith("#")}
    assert within <= set(page.ids)
    assert "bundles/B1/call/index.md" in page.links


def test_text_cannot_become_markup(sample: Verdict, make: Make) -> None:
    """What a system says is shown as text, whatever is in it."""
    evil = "<script>alert(1)</script>"
    hostile = make(
        "A9",
        title=evil,
        does=evil,
        reason=evil,
        evidence=(Fact(source=evil, says=evil, data={"x": evil}, at=0),),
    )
    verdict = sample.model_copy(update={"scenarios": (hostile,), "reasons": (evil,)})
    html = render_page(verdict)
    assert "<script>alert" not in html
    assert Reader(html).says(evil)
    assert "<script>" not in render_summary(verdict)


def test_contrast() -> None:
    """Text contrasts with its background (WCAG AA, 4.5 to 1) in light and in dark."""
    css = (Path(phrases.__file__).parents[1] / "templates" / "report.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in css.split("prefers-color-scheme: dark")
    )
    dark = {name: colour for name, colour in dark.items() if name in light}
    assert len(dark) == len(light)
    for theme in (light, dark):
        pairs = [
            ("ink", "page"),
            ("ink", "card"),
            ("soft", "page"),
            ("soft", "card"),
            ("soft", "tint"),
            ("link", "card"),
        ]
        pairs += [(tone, f"{tone}-tint") for tone in ("good", "bad", "warn", "odd", "idle")]
        pairs += [(tone, "card") for tone in ("good", "bad", "warn", "odd", "idle")]
        for front, back in [*pairs, ("ink", "bad-tint"), ("ink", "odd-tint"), ("soft", "odd-tint")]:
            assert contrast(theme[front], theme[back]) >= 4.5, (front, back)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG defines it."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_unfinished(sample: Verdict) -> None:
    """A page of a run that was killed says so."""
    killed = sample.model_copy(update={"run": sample.run.model_copy(update={"finished": False})})
    assert Reader(render_page(killed)).says("not finished, or it was killed")
    assert "not finished, or it was killed" in render_summary(killed)


def test_nothing_known(sample: Verdict) -> None:
    """A run that broke at once still has a page."""
    bare = sample.model_copy(update={"system": None, "scenarios": (), "stages": (), "verdict": "invalid"})
    page = Reader(render_page(bare))
    assert page.says("This run says nothing about Fluid")
    assert page.says("The run ended before the system was known.")
    assert page.says("Nothing was timed.")


def test_stopped_scenario_keeps_its_evidence(sample: Verdict, make: Make) -> None:
    """A scenario that was stopped is listed under what was left out, and its evidence under scenarios."""
    fact = Fact(source="Dataset", says="phase NotBound", at=3.0)
    stopped = make("A3", "skipped", reason="stopped by Ctrl-C after 9 s", evidence=(fact,))
    page = Reader(render_page(sample.model_copy(update={"scenarios": (stopped,)})))
    assert page.says("phase NotBound")
    assert page.ids.count("A3") == 1


def test_further_sections(sample: Verdict) -> None:
    """A section of another module is in the page and in its table of contents."""
    page = Reader(render_page(sample, [HtmlSection("speed", "Read throughput", Markup("<p>412 MiB/s</p>"))]))
    assert page.says("412 MiB/s")
    assert "#speed" in page.links


def test_bars_add_up(make: Make) -> None:
    """A scenario's bar is as long as its time, and its last part is the time outside of all phases."""
    phases = (Phase(kind="waiting", name="a", seconds=4.0), Phase(kind="waiting", name="b", seconds=2.0))
    (bar,) = scenario_bars([make(seconds=10.0, phases=phases)])
    assert [(s.kind, s.seconds) for s in bar.slices] == [("waiting", 6.0), ("teardown", 2.0), ("other", 2.0)]
    assert sum(s.share for s in bar.slices) == pytest.approx(100)


def test_terminal(sample: Verdict) -> None:
    """A terminal shows each scenario, the reason under each failure, and the verdict last."""
    lines = [text for text, _ in terminal_lines(sample)]
    row = next(i for i, line in enumerate(lines) if line.startswith("B1"))
    assert "fail" in lines[row]
    assert "74.9 s" in lines[row]
    assert "Fluid's fault: Pod b1/app reads through Fluid" in lines[row + 1]
    assert "bundles/B1/call/index.md" in lines[row + 2]
    assert any(
        line.startswith("FAIL: Fluid failed 1 of 6 scenarios (2 passed, 1 failed, 1 known defect, 2 skipped)")
        for line in lines
    )


def test_summary_table(sample: Verdict, make: Make) -> None:
    """Each scenario is one row of the Markdown table, whatever its title holds."""
    odd = make("X1", title="a | b\nc `d` *e*")
    summary = render_summary(sample.model_copy(update={"scenarios": (*sample.scenarios, odd)}))
    rows = [line for line in summary.splitlines() if line.startswith("| ")]
    assert len(rows) == len(sample.scenarios) + 2
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 7 for row in rows)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_seconds(value: float, expected: str) -> None:
    """A length of time reads as people say it."""
    assert units.duration(value) == expected


class TestCommand:
    """``python -m reports``."""

    def test_show(self, sample: Verdict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """``show`` renders the page and the summary of a run again, from its verdict alone."""
        (tmp_path / "verdict.json").write_text(sample.to_json())
        assert main(["show", str(tmp_path)]) == 0
        assert (tmp_path / "report.html").read_text() == render_page(sample)
        assert (tmp_path / "summary.md").read_text() == render_summary(sample)
        assert "FAIL: Fluid failed 1 of 6" in capsys.readouterr().out

    def test_show_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """``show`` of a folder without a run is refused with what to do."""
        assert main(["show", str(tmp_path)]) == 2
        assert "out/latest" in capsys.readouterr().err


def test_scenarios_come_before_the_images(sample: Verdict) -> None:
    """A reader sees the verdict and the scenarios before the table of images."""
    html = render_page(sample, (HtmlSection("performance", "Read performance", Markup("measured")),))
    places = [
        html.index(f'id="{anchor}"') for anchor in ("scenarios", "performance", "skipped", "system", "time")
    ]
    assert places == sorted(places)
    assert places[3] < html.index("<h3>Images</h3>")
