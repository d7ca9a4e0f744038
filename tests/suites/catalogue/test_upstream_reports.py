"""Reports for Fluid's maintainers: one for each defect, in Fluid's terms, with commands for a shell."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from suites.catalogue import defects_page, reproduce, upstream_reports
from suites.catalogue.discovery import declared

KEYS = sorted({defect.key for row in declared() for defect in row.defects})
#: Words of the harness that mean nothing to a maintainer of Fluid.
OWN_WORDS = re.compile(
    r"\b(harness|scenarios?|rows?|sabotages?|mutants?|fluid-conformance|known defect|leftover)\b"
)
MANIFESTS = re.compile(r"kubectl apply -f - <<'?EOF'?\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)


def test_each_known_defect_has_a_report_and_no_report_is_left_over() -> None:
    """The reports are those of the rows' defects."""
    assert list(upstream_reports.keys()) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_report_is_in_fluids_terms_and_its_commands_can_be_run(key: str) -> None:
    """No word of the harness, valid manifests, and a script without syntax errors."""
    report = upstream_reports.read(key)
    text = f"{report.title} {report.done} {report.expected} {report.direction}"
    assert not OWN_WORDS.search(text)
    assert "#include" not in report.done
    assert report.commands.startswith("kubectl")
    checked = subprocess.run(
        ["bash", "-n"], input=report.commands, text=True, capture_output=True, check=False
    )
    assert checked.stderr == ""
    for manifests in MANIFESTS.findall(report.commands):
        for manifest in yaml.safe_load_all(manifests):
            assert manifest["kind"]
            assert manifest["metadata"]["name"]
    re.compile(report.shows)


def test_report_of_another_form_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing report, and one without its headings, are named."""
    monkeypatch.setattr(upstream_reports, "FOLDER", tmp_path)
    with pytest.raises(upstream_reports.UpstreamReportError, match=r"pin has no report pin\.md"):
        upstream_reports.read("pin")
    (tmp_path / "pin.md").write_text("issue: none\n# Title\n")
    with pytest.raises(upstream_reports.UpstreamReportError, match="headings"):
        upstream_reports.read("pin")


def test_page_lists_every_defect_with_its_rows() -> None:
    """docs/defects.md has a line for each."""
    text = defects_page.page(declared())
    assert all(f"`{key}`" in text for key in KEYS)
    assert "[#998](https://github.com/fluid-cloudnative/fluid/issues/998)" in text


def test_output_shows_a_defect_only_by_its_pattern() -> None:
    """A report without a pattern is never called shown."""
    report = upstream_reports.read("negative-workers-accepted")
    assert reproduce.shows(report, "patched\naccepted\n1s Normal Succeed Runtime scaled in\n")
    assert not reproduce.shows(report, "The AlluxioRuntime is invalid: spec.replicas\n")
    assert not reproduce.shows(upstream_reports.read("pin-ignored"), "anything")


def test_reproduction_needs_known_reports_that_can_be_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is run for a key without a report or without a pattern."""
    monkeypatch.setattr(reproduce, "run", lambda *_: pytest.fail("it ran"))
    assert reproduce.main(["no-such-defect"]) == 2
    assert reproduce.main(["pin-ignored"]) == 2
    assert "pin-ignored" in capsys.readouterr().err


def test_reproduction_says_what_does_not_show_and_cleans_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 names the defect; what the commands created is deleted in any case."""
    scripts = []

    def run(script: str, timeout: float) -> str:
        scripts.append(script)
        return "refused\n" if "scaled in" in script else ""

    monkeypatch.setattr(reproduce, "run", run)
    assert reproduce.main(["negative-workers-accepted"]) == 1
    assert "DOES NOT SHOW: negative-workers-accepted" in capsys.readouterr().out
    assert scripts[-1] == reproduce.CLEAN
    monkeypatch.setattr(reproduce, "run", lambda *_: "namespace/demo")
    assert reproduce.main(["negative-workers-accepted"]) == 2
