"""Which runs are certified, and what the certificate holds."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from clusters.errors import RefusalError
from clusters.facts import FluidSourceFacts
from reports.certificate import contents
from reports.certificate.harness import FOLDERS, HOUSE, harness_facts
from reports.certificate.issue import issue
from reports.certificate.verification import verify
from reports.verdict.model import ScenarioResult, Verdict, load
from suites.catalogue.unwritten import rows
from suites.record.run import CANNOT_RUN_HERE, own_digest
from tests.reports.certificate.conftest import DIGEST, verdict_of


def test_certificate_has_every_file_and_nothing_else(certificate: Path) -> None:
    """A signature is there only if a key was given."""
    assert sorted(path.name for path in certificate.iterdir()) == sorted(contents.FILES)


def test_nothing_private_is_in_any_file(certificate: Path, tmp_path: Path) -> None:
    """Neither the machine, nor paths of the user, nor a mirror, nor a secret."""
    text = "\n".join(path.read_text() for path in certificate.iterdir())
    for private in ("builder-7", "alice", "/srv/runs", "mirror.example", "abcdef123456", str(tmp_path)):
        assert private not in text
    first = load(certificate / contents.VERDICT).scenarios[0].evidence[0]
    assert first.says == "kubeconfig <path> of <host> has <secret>"
    assert first.source == "mount on <host>"


def test_node_names_of_a_foreign_cluster_are_numbered(
    certifiable: Verdict, smoke_rows: list[ScenarioResult], tmp_path: Path
) -> None:
    """Those of a kind cluster are the harness's own words."""
    assert certifiable.system is not None
    foreign = certifiable.system.model_copy(
        update={"cluster": "existing", "node_names": ("rack-4", "rack-5"), "host_limits": ("rack-5 is slow",)}
    )
    (tmp_path / "verdict.json").write_text(certifiable.model_copy(update={"system": foreign}).to_json())
    made = load(issue(tmp_path) / contents.VERDICT).system
    assert made is not None
    assert (made.node_names, made.host_limits) == ((), ("<node-2> is slow",))


def test_contents_say_what_was_tested(certificate: Path) -> None:
    """Product, images with digests, host, all rows of the catalogue, pins, mutation score."""
    product = yaml.safe_load((certificate / contents.PRODUCT).read_text())
    assert (product["name"], product["version"], product["verdict"]) == ("Fluid", "v1.0.8", "pass")
    images = json.loads((certificate / contents.IMAGES).read_text())
    assert images["images"][0]["digest"] == DIGEST
    host = json.loads((certificate / contents.HOST).read_text())["machine"]
    assert (host["name"], host["cpus"]) == ("<host>", 2)
    listed = json.loads((certificate / contents.ROWS).read_text())["rows"]
    assert [row["id"] for row in listed] == list(rows())
    assert {row["why"] for row in listed if row["id"] in {"A5", "A8"}} == {
        "shown by another scenario: A6 does so",
        "belongs to level full",
    }
    score = json.loads((certificate / contents.MUTATION).read_text())
    assert score["tried"] == len(score["results"]) > 0
    assert "[default]" in (certificate / contents.PINS).read_text()
    readme = (certificate / contents.README).read_text()
    assert (
        "\nfluid-conformance run --level smoke --fluid 1.0.8 --nodes 1 --images auto --window 60\n" in readme
    )


def test_junit_and_log_tell_the_same_as_the_verdict(certificate: Path, certifiable: Verdict) -> None:
    """Each row is a test case, and has its lines in the log."""
    cases = ET.parse(certificate / contents.JUNIT).findall(".//testcase")  # noqa: S314 - written by the test
    assert len(cases) == len(certifiable.scenarios)
    log = (certificate / contents.LOG).read_text()
    for one in certifiable.scenarios:
        assert f" {one.id:<8} begins: {one.title}" in log
    # The clock of the first scenario starts when the system is there: 100 + 60 + 1 s.
    assert "2026-11-28T10:02:41.000Z A1       mount on <host>: kubeconfig" in log


def test_failed_run_is_certified_as_failed(
    make: Callable[..., ScenarioResult], smoke_rows: list[ScenarioResult], tmp_path: Path
) -> None:
    """A certificate says what was found, not only what is good."""
    smoke_rows[3] = make(smoke_rows[3].id, "fail")
    (tmp_path / "verdict.json").write_text(verdict_of(smoke_rows).to_json())
    product = yaml.safe_load((issue(tmp_path) / contents.PRODUCT).read_text())
    assert product["verdict"] == "fail"
    assert '<failure message="it broke"' in (tmp_path / "certificate" / contents.JUNIT).read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"harness": "0123456789ab"}, "was made by another version of the harness (0123456789ab)"),
        ({"finished": False}, "has not finished"),
        ({"options": {}}, "is not a run of a level"),
        ({"options": {"level": "sabotage"}}, "is not a run of a level"),
        ({"options": {"level": "conformance"}}, "has not all rows of level conformance: A4, "),
    ],
)
def test_run_that_proves_no_level_is_refused(
    certifiable: Verdict, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    """Nothing is written."""
    run = certifiable.run.model_copy(update=change)
    (tmp_path / "verdict.json").write_text(certifiable.model_copy(update={"run": run}).to_json())
    with pytest.raises(RefusalError) as refused:
        issue(tmp_path)
    assert says in refused.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["verdict.json"]


def test_skips_need_a_permitted_reason(
    make: Callable[..., ScenarioResult], smoke_rows: list[ScenarioResult], tmp_path: Path
) -> None:
    """A row that cannot run on this cluster is listed with its reason; any other skip is refused."""
    smoke_rows[1] = make(smoke_rows[1].id, "skipped", reason=f"{CANNOT_RUN_HERE}it needs two nodes")
    (tmp_path / "verdict.json").write_text(verdict_of(smoke_rows).to_json())
    readme = (issue(tmp_path) / contents.README).read_text()
    assert f"- {smoke_rows[1].id}: cannot run here: it needs two nodes\n" in readme
    smoke_rows[1] = make(smoke_rows[1].id, "skipped", reason="no time")
    (tmp_path / "verdict.json").write_text(verdict_of(smoke_rows).to_json())
    with pytest.raises(RefusalError, match=f"without a permitted reason: {smoke_rows[1].id}: no time"):
        issue(tmp_path, tmp_path / "other")


def test_verdict_that_its_rows_do_not_give_is_refused(
    make: Callable[..., ScenarioResult], smoke_rows: list[ScenarioResult], tmp_path: Path
) -> None:
    """No certificate of a verdict.json that was edited."""
    smoke_rows[0] = make(smoke_rows[0].id, "fail")
    edited = verdict_of(smoke_rows).model_copy(update={"verdict": "pass"})
    (tmp_path / "verdict.json").write_text(edited.to_json())
    with pytest.raises(RefusalError, match="says pass, and its rows give fail"):
        issue(tmp_path)


def test_existing_folder_is_left_alone(certificate: Path, run_folder: Path) -> None:
    """A certificate is not overwritten."""
    with pytest.raises(RefusalError, match="exists"):
        issue(run_folder)


def test_harness_facts_have_the_code_of_a_run() -> None:
    """The digest that a run records can be computed from the list of files."""
    assert harness_facts().code == own_digest()
    assert "suites/mutants/recorded.json" in harness_facts().files
    assert all((HOUSE / name).is_file() and name.startswith(FOLDERS) for name in harness_facts().files)


def test_installed_copy_has_every_file_of_the_harness() -> None:
    """Otherwise an installed copy could not check what a checkout certified, and the other way round."""
    settings = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["setuptools"]
    packaged = {
        path.relative_to(HOUSE).as_posix()
        for folder, patterns in settings["package-data"].items()
        for pattern in patterns
        for path in (HOUSE / folder).glob(pattern)
    }
    assert {name for name in harness_facts().files if not name.endswith(".py")} <= packaged


def test_run_of_some_rows_is_certified_as_a_part_only(
    certifiable: Verdict, smoke_rows: list[ScenarioResult], tmp_path: Path
) -> None:
    """What it is a part of names the rows; by itself it would look like a whole level."""
    made = verdict_of(smoke_rows[:1])
    run = made.run.model_copy(update={"options": made.run.options | {"scenario": "A1"}})
    (tmp_path / "verdict.json").write_text(made.model_copy(update={"run": run}).to_json())
    with pytest.raises(RefusalError, match="is one of some rows: A1"):
        issue(tmp_path)
    folder = issue(tmp_path, selection=True)
    assert "Row A1 of the Fluid conformance harness was run" in (folder / contents.README).read_text()
    assert verify(folder).problems == ("it is about rows A1 alone, and not about a level",)
    assert verify(folder, selection=True).problems == ()


def test_several_rows_are_listed(smoke_rows: list[ScenarioResult], tmp_path: Path) -> None:
    """The text reads as a sentence whatever the number of rows."""
    made = verdict_of(smoke_rows[:3])
    rows = ",".join(one.id for one in smoke_rows[:3])
    run = made.run.model_copy(update={"options": made.run.options | {"scenario": rows}})
    (tmp_path / "verdict.json").write_text(made.model_copy(update={"run": run}).to_json())
    first, second, third = rows.split(",")
    text = (issue(tmp_path, selection=True) / contents.README).read_text()
    assert f"Rows {first}, {second} and {third} of the Fluid conformance harness were run on Fluid" in text


def test_local_checkout_is_named_by_its_commit(certifiable: Verdict, tmp_path: Path) -> None:
    """The command that repeats the run needs the checkout, and the reader its commit and state."""
    assert certifiable.system is not None
    source = FluidSourceFacts(commit="4f1c" * 10, changed=True, digest="0123456789ab")
    system = certifiable.system.model_copy(
        update={"fluid_source": source, "fluid": "v1.0.8-src-0123456789ab"}
    )
    options = certifiable.run.options | {"fluid-source": "0123456789ab"}
    run = certifiable.run.model_copy(update={"options": options})
    made = certifiable.model_copy(update={"system": system, "run": run})
    (tmp_path / "verdict.json").write_text(made.to_json())
    folder = issue(tmp_path)
    assert yaml.safe_load((folder / contents.PRODUCT).read_text())["version"] == "v1.0.8-src-0123456789ab"
    readme = (folder / contents.README).read_text()
    assert "--images auto --window 60 --fluid-source CHECKOUT\n" in readme
    assert "--fluid 1.0.8" not in readme
    assert f"CHECKOUT is commit {'4f1c' * 10} of Fluid, changed by hand" in readme
