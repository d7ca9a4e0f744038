"""The performance report: the page, its words, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from reports import units
from reports.__main__ import main
from reports.pages import TEMPLATES
from reports.performance.charts import ratio_chart, throughput_chart, time_chart
from reports.performance.parallel_text import says_parts
from reports.performance.report import (
    SCHEMA_PATH,
    load_results,
    performance_sections,
    render_markdown,
    render_performance_page,
    write,
)
from reports.performance.rounds_csv import render_csv
from reports.performance.text import (
    ANCHORS,
    MARKS,
    advices,
    alarms,
    arm_badges,
    says_series,
    says_spread,
)
from reports.verdict.model import Verdict
from reports.verdict.page import render_page
from suites.benchmark.analysis.series_summary import figures_of
from suites.benchmark.model import results
from suites.benchmark.model.judgement import Comparison, Figures
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Part, Unit
from suites.benchmark.model.series import MEANING, ArmKind, SeriesResult
from tests.reports.measurements import (
    ARMS,
    COMPARISONS,
    FLUID_CACHED,
    FLUID_COLD,
    FLUID_FRESH,
    FLUID_SAME,
    FREE,
    HELD,
    MIB,
    RAW,
    RAW_AGAIN,
    RAW_CACHED,
    RAW_SLOWED,
    benchmark,
    series,
)
from tests.reports.verdict.test_page import Reader, contrast

NOT_ALL = "87 % was cached, where 100 % was needed"


@pytest.fixture(scope="module")
def whole() -> Benchmark:
    """A run with both comparisons and rounds of every kind."""
    free = series(invalid={(FLUID_FRESH, 2): NOT_ALL, (FLUID_FRESH, 5): NOT_ALL})
    return benchmark(free, series("random-128k x4, NFS at 100 MiB/s", HELD, asked=100 * MIB, seed=3))


@pytest.fixture(scope="module")
def page(whole: Benchmark) -> Reader:
    """The page of that run."""
    return Reader(render_performance_page(whole))


def test_schema_is_current() -> None:
    """The committed schema is that of the model (``python -m reports schema benchmark`` prints it)."""
    assert SCHEMA_PATH.read_text() == results.schema_text()


class TestSlowClient:
    """The sentence about a client that was running while the data was cached."""

    def of(self, **speeds: tuple[float, float]) -> Benchmark:
        """A run in which the two clients are compared."""
        changed = {**FREE, FLUID_SAME: speeds["same"], FLUID_FRESH: speeds["fresh"]}
        pair = Comparison(baseline=FLUID_SAME, candidate=FLUID_FRESH)
        return benchmark(series("sequential", changed, comparisons=(*COMPARISONS, pair)))

    def test_slow_client_is_named_with_its_remedy(self) -> None:
        """Both speeds, the property that is the reason, and what to do; on the page and in Markdown."""
        run = self.of(same=(70, 0.03), fresh=(780, 0.03))
        (text,) = advices(run)
        assert re.search(r"cached reads \d\d\.\d MiB/s, and one that started afterwards 7\d\d MiB/s", text)
        assert "metadata.cache.expiration.time" in text
        assert "DataLoad before the first application" in text
        assert Reader(render_performance_page(run)).says(text)
        assert "delete the Fuse Pod" in render_markdown(run)

    def test_equal_clients_are_not_mentioned(self) -> None:
        """No difference that the judge claims, no sentence; neither for the faster one of another pair."""
        assert advices(self.of(same=(540, 0.03), fresh=(545, 0.03))) == ()
        assert advices(self.of(same=(780, 0.03), fresh=(70, 0.03))) == ()


def test_processor_time_stands_next_to_the_speed() -> None:
    """The median of the valid rounds for 1 GiB; runs of before do not know it."""
    rounds = [
        one.model_copy(update={"cpu_seconds": cpu, "read_bytes": 128 * MIB})
        for one, cpu in zip(series().of_arm(RAW)[:5], (0.1, 0.3, 0.2, 0.25, 9.0), strict=True)
    ]
    assert figures_of(rounds, RAW).cpu_per_gib == pytest.approx(2.0)
    assert figures_of(series().of_arm(RAW), RAW).cpu_per_gib is None
    text = render_markdown(benchmark(series()))
    assert "| CPU for 1 GiB |" in text
    assert "not known" in text


class TestPage:
    """What a reader sees."""

    def test_shows_everything(self, page: Reader) -> None:
        """The page has the arms, verdicts, intervals, checks, proofs and what it was measured on."""
        for expected in (
            RAW,
            FLUID_SAME,
            f"{FLUID_FRESH}: 2 rounds are not valid: {NOT_ALL}",
            "NFS was limited to 100 MiB/s by tbf; it reached 97.2 MiB/s",
            "NFS was not limited",
            "95 % interval",
            "no difference shown",
            "log-normal, 3 %",
            "AMD EPYC 7B13",
            "in user space",
            "read-ahead 128 KiB",
            "kernel_cache,ro,max_read=131072",
            "alluxio.user.metadata.cache.enabled=true",
            "(256 reads)",
            "0 % → 100 %",
            "pytest suites -m benchmark",
            "A FUSE client that was there when the data was cached",
        ):
            assert page.says(expected), expected

    def test_each_number_says_what_it_is_worth(self, page: Reader) -> None:
        """Stable, unstable, saturated, polluted and invalid are next to the numbers, and are explained."""
        for word in ("stable", "unstable", "saturated 4 of 10", "polluted 1 of 10", "invalid 2 of 10"):
            assert page.says(word), word
        assert page.says("both processors were busy to 98 %")
        assert page.says("another Pod read from the NFS server")
        for meaning in MARKS.values():
            assert page.says(meaning[1:]), meaning

    def test_is_self_contained(self, whole: Benchmark) -> None:
        """The page loads nothing, runs nothing, and every link within it has its target."""
        html = render_performance_page(whole)
        read = Reader(html)
        assert read.loads == []
        assert "<script" not in html
        assert "url(" not in html
        assert "default-src 'none'" in html
        assert len(read.ids) == len(set(read.ids))
        assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)

    def test_is_a_part_of_the_report(self, whole: Benchmark, sample: Verdict) -> None:
        """The report of a run has the measurements as a section that its contents name."""
        read = Reader(render_page(sample, performance_sections(whole)))
        assert "#performance" in read.links
        assert {"performance", "performance-1", "performance-2"} <= set(read.ids)
        assert len(read.ids) == len(set(read.ids))
        assert performance_sections(None) == ()

    def test_published_figures_are_labelled(self, whole: Benchmark) -> None:
        """Published figures of others are last, under a heading that says so, and nowhere else."""
        html = performance_sections(whole)[0].html
        heading = html.index("For reference only")
        for anchor in ANCHORS:
            assert html.count(anchor.figures) == 1
            assert html.index(anchor.figures) > heading
        assert "None of this was measured here" in html

    def test_text_cannot_become_markup(self, whole: Benchmark) -> None:
        """What a system says is shown as text, whatever is in it."""
        evil = "<script>alert(1)</script>"
        one = series(evil, invalid={(RAW, 0): evil}, parameters={evil: evil})
        hostile = benchmark(one, findings=(evil,), command=evil, stopped=evil)
        html = render_performance_page(hostile)
        assert "<script" not in html
        assert Reader(html).says(evil)
        assert "<script" not in render_markdown(hostile)

    def test_every_round_is_a_mark(self, whole: Benchmark) -> None:
        """Each round of each arm is drawn, and those that are not valid as such."""
        chart = throughput_chart(whole.series[0])
        assert [len(strip.dots) for strip in chart.strips] == [10] * len(ARMS)
        fresh = next(strip for strip in chart.strips if strip.label == FLUID_FRESH)
        assert [dot.kind for dot in fresh.dots].count("invalid") == 2
        assert fresh.interval is not None
        assert fresh.middle is not None
        assert fresh.interval.low < fresh.middle < fresh.interval.high
        assert NOT_ALL in fresh.dots[2].says

    def test_ratio_next_to_its_threshold(self, whole: Benchmark) -> None:
        """Each ratio has its interval and its threshold, and a claim is beyond both."""
        chart = ratio_chart(whole.series[0])
        assert chart is not None
        assert [strip.label for strip in chart.strips] == [one.candidate for one in COMPARISONS]
        assert chart.reference is not None
        for strip in chart.strips:
            assert strip.band is not None
            assert strip.interval is not None
            assert strip.middle is not None
            assert strip.band.low < chart.reference < strip.band.high
            claimed = {badge.word for badge in strip.badges} & {"faster", "slower"}
            touches = strip.interval.low <= chart.reference <= strip.interval.high
            inside = strip.band.low <= strip.middle <= strip.band.high
            assert bool(claimed) == (not touches and not inside), strip.label

    def test_timeline(self, whole: Benchmark) -> None:
        """The timeline shows each round's stretch, what was cached and what NFS sent."""
        chart = time_chart(whole.series[0])
        assert chart is not None
        assert len(chart.stretches) == 10 * len(ARMS)
        assert [panel.title for panel in chart.panels] == ["cached in Alluxio", "sent by the NFS server"]
        assert all(panel.paths for panel in chart.panels)

    def test_without_what_may_be_missing(self) -> None:
        """A run without samples, latencies, proofs' figures or comparisons still has a page."""
        one = series(rounds=5)
        bare = one.model_copy(
            update={
                "timeline": (),
                "judged": (),
                "rounds": tuple(
                    r.model_copy(
                        update={"latency": None, "valid": False, "reason": "no proof", "proof": None}
                    )
                    for r in one.rounds
                ),
            }
        )
        figures = tuple(figures_of(bare.rounds, arm.name) for arm in bare.arms)
        shown = Reader(
            render_performance_page(
                benchmark(bare.model_copy(update={"figures": figures}), judge=(), findings=())
            )
        )
        assert shown.says("Nothing was compared") or shown.says("nothing was compared")
        assert shown.says("invalid 5 of 5")
        assert shown.says("This run made no check of itself")

    def test_nothing_measured(self) -> None:
        """A run that was stopped before its first round says so."""
        one = series(rounds=5)
        empty = one.model_copy(
            update={
                "rounds": (),
                "judged": (),
                "timeline": (),
                "figures": tuple(figures_of((), arm.name) for arm in one.arms),
            }
        )
        shown = Reader(render_performance_page(benchmark(empty, finished=False, stopped="Ctrl-C")))
        assert shown.says("The run ended before its plan was done: Ctrl-C.")
        assert shown.says("There is nothing to draw.")

    def test_seconds(self) -> None:
        """A series measured in seconds shows seconds, says which way is faster, and judges speeds."""
        one = series("small-files x4", unit=Unit.SECONDS)
        chart = throughput_chart(one)
        assert "left is faster" in chart.says
        assert chart.strips[0].figure.endswith(" s")
        ratio = next(judged.ratio for judged in one.judged if judged.candidate == FLUID_FRESH)
        assert ratio is not None
        assert ratio > 1

    def test_contrast(self) -> None:
        """Marks contrast with the card behind them (WCAG AA, 3 to 1 for graphics) in light and in dark."""
        css = (TEMPLATES / "performance.css").read_text()
        light, dark = (
            dict(re.findall(r"--([\w-]+): (#\w{6})", part))
            for part in css.split("prefers-color-scheme: dark")
        )
        kinds = {arm.kind.value for arm in ARMS}
        for theme, card in ((light, "#ffffff"), (dark, "#1d2126")):
            assert kinds < theme.keys()
            for kind in kinds:
                assert contrast(theme[kind], card) >= 3, kind


class TestWords:
    """What is said, and what is not."""

    def test_equal_ways_that_differ_are_an_alarm(self) -> None:
        """A run whose equal arms were judged different warns of its own claims; a sound one does not."""
        sound = benchmark(series())
        assert alarms(sound) == ()
        odd = benchmark(series(speeds={**FREE, RAW_AGAIN: (520, 0.03)}))
        alarm = alarms(odd)[0]
        assert "must be equally fast" in alarm
        assert Reader(render_performance_page(odd)).says(alarm)
        assert alarm in render_markdown(odd)

    def test_slowdown_that_was_not_noticed_is_an_alarm(self) -> None:
        """A control that was slowed down on purpose and not found slower is reported."""
        odd = benchmark(series(speeds={**FREE, RAW_SLOWED: (410, 0.03)}))
        (alarm,) = alarms(odd)
        assert "was not noticed" in alarm

    def test_no_claim_beyond_the_judge(self) -> None:
        """Where the judge claims nothing, no part of the report says faster or slower of it."""
        equal = dict.fromkeys(FREE, (400.0, 0.03))
        one = series(speeds=equal, comparisons=[c for c in COMPARISONS if c.candidate == FLUID_COLD])
        assert [judged.verdict.value for judged in one.judged] == ["no difference shown"]
        text = render_markdown(benchmark(one, findings=()))
        assert "faster" not in text
        assert "slower" not in text
        html = str(performance_sections(benchmark(one, findings=()))[0].html)
        assert not re.search(r'class="badge t-(good|bad)"[^>]*>(faster|slower)', html)

    def test_badges(self) -> None:
        """The badges of an arm name all that its numbers suffer from, the worst first."""
        figures = Figures(arm=RAW, rounds=7, invalid=3, saturated=2, polluted=1, median=1.0, variation=0.2)
        words = [badge.word for badge in arm_badges(figures)]
        assert words == ["invalid 3 of 10", "unstable", "saturated 2 of 7", "polluted 1 of 7"]
        steady = figures.model_copy(update={"invalid": 0, "saturated": 0, "polluted": 0, "variation": 0.1})
        assert [badge.word for badge in arm_badges(steady)] == ["stable"]
        single = steady.model_copy(update={"rounds": 1, "variation": None})
        assert [badge.word for badge in arm_badges(single)] == ["one round only"]
        none = single.model_copy(update={"rounds": 0})
        assert [badge.word for badge in arm_badges(none)] == ["not measured"]

    def test_several_pods(self) -> None:
        """A series with several Pods says how many read at once."""
        one = series(rounds=5)
        load = one.workload.model_copy(update={"pods": 4, "jobs": 16, "files": 2048})
        text = says_series(one.model_copy(update={"workload": load, "ending": "odd"}))
        assert "16 processes in each of 4 Pods at once, each on files of its own, read 256 MiB" in text
        assert says_spread(one) == ()
        assert text.endswith("odd.")

    @pytest.mark.parametrize(("nodes", "says"), [("ab", "on 2 nodes,"), ("aa", "on one node (Pods of a")])
    def test_nodes_and_spread_of_pods(self, nodes: str, says: str) -> None:
        """Where several Pods ran is said, with what follows from it, and how evenly they fared."""
        one = series(rounds=5)
        parts = tuple(
            Part(kind="pod", name="Pod", node=node, read_bytes=1, seconds=1.0, bytes_per_second=speed * MIB)
            for node, speed in zip(nodes, (100, 80), strict=True)
        )
        rounds = tuple(each.model_copy(update={"parts": parts}) for each in one.rounds)
        load = one.workload.model_copy(update={"pods": 2})
        one = one.model_copy(update={"workload": load, "rounds": rounds})
        assert says in says_series(one)
        assert "a Pod reached 90" in says_spread(one)[0]
        assert "reached 80 % of the fastest" in says_spread(one)[0]

    @pytest.mark.parametrize("count", [4, 500])
    def test_many_pods_are_reported_by_zone_and_node_with_their_stragglers(self, count: int) -> None:
        """The page stays short: of many Pods it shows the nodes, and names the stragglers."""
        one = series(rounds=5)
        parts = tuple(
            Part(
                kind="pod",
                name=f"Pod {number + 1}, 0.00 s after the first",
                node=f"n{number % 25}",
                zone="ab"[number % 2],
                started=0.0,
                read_bytes=100 * MIB,
                seconds=5.0 if number == 2 else 1.0,
                bytes_per_second=(20 if number == 2 else 100) * MIB,
            )
            for number in range(count)
        )
        rounds = tuple(each.model_copy(update={"parts": parts}) for each in one.rounds)
        load = one.workload.model_copy(update={"pods": count})
        one = one.model_copy(update={"workload": load, "rounds": rounds})
        text = "\n".join(says_spread(one))
        assert (
            f"median round by zone: a {units.rate(count / 2 * 100 * MIB / 5)} ({count // 2} Pods on" in text
        )
        assert "stragglers in 5 of 5 rounds; in the median round Pod 3 on n2 (20 % of the median)" in text
        assert "n2 " in next(line for line in text.splitlines() if "node" in line and "zone" not in line)
        lines = says_parts(rounds[0])
        assert len(lines) == (4 if count == 4 else 18)
        assert ("and 9 more nodes" in lines) is (count == 500)
        assert Reader(render_performance_page(benchmark(one))).says(lines[0])


class TestFiles:
    """The files next to the page."""

    def test_csv(self, whole: Benchmark) -> None:
        """Each round is a row with its proof and all that it was measured on, exactly as measured."""
        rows = list(csv.DictReader(io.StringIO(render_csv(whole))))
        every = [(one, r) for one in whole.series for r in one.rounds]
        assert len(rows) == len(every)
        for row, (one, r) in zip(rows, every, strict=True):
            assert (row["series"], row["arm"], int(row["round"])) == (one.name, r.arm, r.number)
            assert float(row["value"]) == r.value
            assert row["valid"] == str(r.valid)
            assert r.proof is not None
            assert int(row["nfs_read_bytes_after"]) == r.proof.after.nfs_read_bytes
            assert row["kernel"] == "6.12.9"
            assert (row["rsize"], row["nconnect"], row["read_ahead_kb"]) == (str(MIB), "1", "128")
            assert json.loads(row["versions"])["fluid"] == "v1.0.8"
        assert any(row["reason"] == NOT_ALL for row in rows)
        assert render_csv(whole.model_copy(update={"series": ()})) == ""

    def test_markdown(self, whole: Benchmark) -> None:
        """The Markdown has a row for each comparison and each arm, and every table is well formed."""
        text = render_markdown(whole)
        tables = [block for block in re.split(r"\n\n", text) if block.startswith("|")]
        assert len(tables) == 3
        for table in tables:
            widths = {
                len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("|")
            }
            assert len(widths) == 1, table
        assert text.count(f"| {RAW_CACHED} |") == 2
        assert "**faster**" in text
        assert "saturated 4 of 10" in text

    def test_show_measurements_alone(self, whole: Benchmark, tmp_path: Path) -> None:
        """``show`` of a run that only measured writes its page, CSV and Markdown from its JSON."""
        (tmp_path / results.FILE).write_text(whole.to_json())
        assert main(["show", str(tmp_path)]) == 0
        assert (tmp_path / "report.html").read_text() == render_performance_page(whole)
        assert (tmp_path / "benchmark.csv").read_text() == render_csv(whole)
        assert (tmp_path / "benchmark.md").read_text() == render_markdown(whole)

    def test_show_both(self, whole: Benchmark, sample: Verdict, tmp_path: Path) -> None:
        """``show`` of a run that tested and measured writes one page with both."""
        verdict = sample.model_copy(update={"benchmark": whole.as_part()})
        (tmp_path / "verdict.json").write_text(verdict.to_json())
        assert main(["show", str(tmp_path)]) == 0
        read = Reader((tmp_path / "report.html").read_text())
        assert {"performance", "scenarios"} <= set(read.ids)
        assert load_results(tmp_path) == whole

    def test_schema_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        """``schema benchmark`` prints the schema of the results, ``schema`` that of the verdict."""
        assert main(["schema", "benchmark"]) == 0
        assert capsys.readouterr().out == results.schema_text()
        assert main(["schema"]) == 0
        assert '"Verdict"' in capsys.readouterr().out

    def test_no_measurements(self, sample: Verdict, tmp_path: Path) -> None:
        """A run that measured nothing is refused with what to do."""
        with pytest.raises(RefusalError, match="cannot read"):
            load_results(tmp_path)
        (tmp_path / "verdict.json").write_text(sample.to_json())
        with pytest.raises(RefusalError, match="holds no measurements"):
            load_results(tmp_path)

    def test_page_of_another_is_left(self, tmp_path: Path, whole: Benchmark) -> None:
        """The measurements alone write no page, and not the JSON of the session."""
        write(tmp_path, whole)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark.csv", "benchmark.md"]


def test_every_arm_has_a_colour() -> None:
    """Each kind of arm that may be measured has its own colour."""
    css = (TEMPLATES / "performance.css").read_text()
    for kind in ArmKind:
        assert f".a-{kind.value} {{" in css


def test_unused_fluid_arms_are_not_explained() -> None:
    """The words explain the ways of reading that were measured, not all that there may be."""
    arms = [arm for arm in ARMS if arm.name in {RAW, FLUID_COLD}]
    one: SeriesResult = series(arms=arms, comparisons=[c for c in COMPARISONS if c.candidate == FLUID_COLD])
    read = Reader(render_performance_page(benchmark(one, findings=())))
    assert read.says(MEANING[ArmKind.FLUID_COLD][1:])
    assert not read.says(FLUID_CACHED)
