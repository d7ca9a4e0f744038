"""The pages in a real browser, at the width of a desk and of a phone.

An environment of its own runs this (``tox -e browser``): it needs Chromium, such as Debian's.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import struct
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from reports.performance.report import performance_sections, render_performance_page
from reports.runs.history import Runs, group, render_history
from reports.verdict.model import RunFacts, Verdict
from reports.verdict.page import render_page
from suites.benchmark.model.results import Benchmark
from tests.reports.conftest import scenario
from tests.reports.measurements import BEGAN, FLUID_FRESH, HELD, MIB, benchmark, series

#: What Debian, other distributions and Google call it.
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")

#: Without the flags after the first two, a browser that starts calls its maker's servers.
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=5000",
)

#: Any network at all is an error: nothing answers here.
NOWHERE: Final = "--host-resolver-rules=MAP * ~NOTFOUND"

#: Wide and narrow, in pixels.
DESK: Final = 1280
PHONE: Final = 390

#: Sees how the page was laid out.
CHECK_LAYOUT: Final = (Path(__file__).parent / "check_layout.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser."""
    named = os.environ.get("CHROMIUM")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed; CHROMIUM may name one")
    return found


@pytest.fixture(scope="module")
def measured() -> Benchmark:
    """A run with all kinds of arms and rounds, and names as long as they get."""
    free = series(invalid={(FLUID_FRESH, 2): "87 % was cached, where 100 % was needed"})
    return benchmark(free, series("random-128k x16, NFS at 100 MiB/s", HELD, asked=100 * MIB, seed=3))


@pytest.fixture(scope="module")
def pages(measured: Benchmark) -> dict[str, str]:
    """The pages by name: of measurements alone, of a whole run, and of many runs."""
    tested = Verdict(
        verdict="pass",
        reasons=("Fluid did what it must in the scenario that could be judged.",),
        run=RunFacts(id="20261122-153700", started=BEGAN, seconds=60.0, finished=True),
        system=None,
        scenarios=(scenario("A1"),),
    )
    several = [
        measured.model_copy(update={"id": f"run-{day}", "started": BEGAN + timedelta(days=day)})
        for day in range(12)
    ]
    return {
        "performance": render_performance_page(measured),
        "report": render_page(tested, performance_sections(measured)),
        "history": render_history(Runs(group(several)), "out"),
    }


def browse(chromium: str, page: str, folder: Path, *flags: str) -> str:
    """Show a page and return what the browser printed."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [chromium, *FLAGS, NOWHERE, f"--user-data-dir={folder / 'profile'}", *flags, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def check_layout(chromium: str, page: str, width: int, folder: Path) -> dict[str, Any]:
    """What a script in the page sees when the window is so wide."""
    with_script = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'", 1)
    with_script = with_script.replace("</body>", f"<script>{CHECK_LAYOUT}</script></body>")
    # A window cannot be as narrow as a phone (Chromium stops at 500 pixels); a frame can.
    style = f"border:0; width:{width}px; height:900px"
    frame = f'<iframe srcdoc="{html.escape(with_script)}" style="{style}"></iframe>'
    around = f'<!DOCTYPE html><html lang="en"><body style="margin:0">{frame}</body></html>'
    dom = browse(chromium, around, folder, f"--window-size={max(width, 500)},900", "--dump-dom")
    found = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
    assert found is not None, "the script did not run"
    seen: dict[str, Any] = json.loads(html.unescape(found[1]))
    assert seen["width"] == width, "the page is not as wide as was asked"
    return seen


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", ["performance", "report", "history"])
def test_plots_are_there(chromium: str, pages: dict[str, str], name: str, width: int, tmp_path: Path) -> None:
    """Every plot is laid out with a real size and real marks, and nothing is wider than the window."""
    seen = check_layout(chromium, pages[name], width, tmp_path)
    assert seen["wide"] == []
    assert seen["scrolls"] <= width
    kinds = {plot["kind"] for plot in seen["plots"]}
    assert kinds == ({"plot history"} if name == "history" else {"plot strips", "plot timeline"})
    assert len(seen["plots"]) >= 8
    for plot in seen["plots"]:
        title = plot["title"]
        assert plot["size"][0] > 0.6 * min(width, 1000) - 60, title
        assert all(w > 180 and h >= 14 for w, h in plot["fields"]), title
        assert plot["marks"], title
        assert all(w + h > 0.5 for w, h in plot["marks"]), title
        assert plot["outside"] == 0, title
        assert not plot["overlaps"], title


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_picture(chromium: str, pages: dict[str, str], width: int, tmp_path: Path) -> None:
    """The browser renders the page: the picture has the requested size and is not empty."""
    picture = tmp_path / "page.png"
    blank = tmp_path / "blank.png"
    size = f"--window-size={width},1600"
    browse(chromium, pages["performance"], tmp_path, size, f"--screenshot={picture}")
    browse(chromium, "<!DOCTYPE html><title>blank</title>", tmp_path, size, f"--screenshot={blank}")
    data = picture.read_bytes()
    assert struct.unpack(">II", data[16:24]) == (width, 1600)
    assert len(data) > 8 * blank.stat().st_size
