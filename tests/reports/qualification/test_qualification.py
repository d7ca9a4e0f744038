"""The result of a qualification, what it says changed, and the folder that a third party checks."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import RefusalError
from clusters.host import probes
from clusters.pins import versions
from reports.__main__ import main
from reports.certificate import contents
from reports.qualification import command, requirements
from reports.qualification.folder import CERTIFICATES, COMPARISON, FOLDER, PAGE, README, RESULT
from reports.qualification.judgement import Result
from reports.qualification.measurements import MEASURED, place
from reports.qualification.verification import verify
from reports.verdict.model import DefectResult, ScenarioResult
from suites.benchmark.model import results
from tests.reports.qualification.conftest import Harness, measured

Make = Callable[..., ScenarioResult]
Qualify = Callable[..., Result]


def defective(make: Make, row: str, key: str, *, seen: bool = True) -> ScenarioResult:
    """A row with a known defect, or one in which it did not show."""
    defect = DefectResult(key=key, says=f"{key} is wrong", source="pkg/x.go:1 (1.0.8)", seen=seen)
    return make(row, "known-defect" if seen else "pass", defects=(defect,), reason=f"{key} is wrong" * seen)


def test_release_in_which_all_holds_is_qualified(qualify: Qualify, out: Path) -> None:
    """With the upgrade's moments, and a certificate for each judged step."""
    result = qualify()
    assert (result.word, result.worse, result.better, result.known_defects) == ("qualified", (), (), ())
    assert [(moment.seconds, moment.says) for moment in result.upgrade] == [
        (1.2, "13 CRDs are created or replaced"),
        (48.0, "all are ready"),
        (None, "application: e14-reader read 31 times during the upgrade; the longest read took 6.2 s"),
        (None, "Fuse DaemonSet: the Fuse Pod of writable was deleted"),
        (None, "harness: scaling was not tried: it needs a second node"),
    ]
    assert sorted(path.name for path in (out / FOLDER / CERTIFICATES).iterdir()) == [
        "1.34.0-new",
        "1.34.0-old",
        "1.34.0-upgrade",
        "1.34.0-upgraded",
    ]
    assert any("DataProcess is new" in change for change in result.changes)


def test_changes_of_rows_and_defects(qualify: Qualify, harness: Harness, make: Make, out: Path) -> None:
    """Worse, better, new, mended; a defect of both versions is neither new nor mended."""
    harness.changes = {
        ("1.34.0-old", "A2"): make("A2", "fail"),
        ("1.34.0-old", "A3"): defective(make, "A3", "old-one"),
        ("1.34.0-new", "A3"): defective(make, "A3", "old-one", seen=False),
        ("1.34.0-new", "B1"): defective(make, "B1", "new-one"),
        ("1.34.0-old", "C5"): defective(make, "C5", "of-both"),
        ("1.34.0-new", "C5"): defective(make, "C5", "of-both"),
        ("1.34.0-upgraded", "E3"): make("E3", "fail"),
    }
    result = qualify()
    assert result.word == "not qualified"
    assert result.reasons == ("1.34.0-upgraded: E3: it broke",)
    assert [(one.row, one.step, one.before, one.after) for one in result.worse] == [
        ("E3", "1.34.0-upgraded", "pass", "fail")
    ]
    assert {(one.row, one.step) for one in result.better} == {("A2", "1.34.0-new"), ("A2", "1.34.0-upgraded")}
    assert [one.key for one in result.new_defects] == ["new-one"]
    assert [one.key for one in result.mended_defects] == ["old-one"]
    for name in (PAGE, README):
        text = (out / FOLDER / name).read_text()
        for words in ("new-one", "old-one", "13 CRDs are created or replaced", "not qualified", "E3"):
            assert words in text


def test_known_defects_do_not_disqualify(qualify: Qualify, harness: Harness, make: Make) -> None:
    """They are named."""
    harness.changes = {("1.34.0-new", "B1"): defective(make, "B1", "new-one")}
    result = qualify()
    assert result.word == "qualified with known defects"
    assert result.reasons[1] == "It showed known defects of Fluid: new-one."


def test_known_defects_of_the_upgrade_are_named_with_it(
    qualify: Qualify, harness: Harness, make: Make, out: Path
) -> None:
    """They are no defects that the new version shows by itself."""
    harness.changes = {
        ("1.34.0-new", "B1"): defective(make, "B1", "new-one"),
        ("1.34.0-upgrade", "E14"): defective(make, "E14", "of-the-upgrade"),
    }
    result = qualify()
    # By itself a run of known defects alone is inconclusive, and is not certified.
    assert next(one for one in result.steps if one.id == "1.34.0-upgrade").result == "known-defect"
    assert sum(arguments[:1] == ("run",) and "E14" in arguments for arguments in harness.ran) == 1
    assert result.reasons[1:] == (
        "It showed known defects of Fluid: new-one.",
        "The upgrade showed known defects of Fluid: of-the-upgrade.",
    )
    verified, text = verify(out / FOLDER)
    assert verified, text
    page = (out / FOLDER / PAGE).read_text()
    assert "of-the-upgrade" in page[page.index("Known defects that it showed") : page.index("<table")]


def test_failure_of_the_old_version_alone_does_not_count(
    qualify: Qualify, harness: Harness, make: Make
) -> None:
    """The row became better."""
    harness.changes = {("1.34.0-old", "A2"): make("A2", "fail")}
    assert qualify().word == "qualified"


def test_failed_upgrade_disqualifies(qualify: Qualify, harness: Harness, make: Make) -> None:
    """Whatever the levels say."""
    harness.changes = {("1.34.0-upgrade", "E14"): make("E14", "fail", level="full")}
    assert qualify().reasons == ("1.34.0-upgrade: E14: it broke",)


@pytest.mark.parametrize("step", ["1.34.0-old", "1.34.0-new", "1.34.0-upgraded"])
def test_step_that_says_nothing_leaves_it_inconclusive(
    qualify: Qualify, harness: Harness, make: Make, step: str
) -> None:
    """Here the cluster broke."""
    harness.changes = {(step, "A1"): make("A1", "fail", **{"class": "infrastructure"})}
    result = qualify()
    assert result.word == "inconclusive"
    assert result.reasons[0].startswith(f"{step}: it is not certified: run 20261128-100000 is invalid")


def test_upgrade_that_did_not_run_leaves_it_inconclusive(
    qualify: Qualify, harness: Harness, make: Make
) -> None:
    """A skip is no upgrade."""
    harness.changes = {
        ("1.34.0-upgrade", "E14"): make("E14", "skipped", level="full", reason="cannot run here: x")
    }
    assert qualify().word == "inconclusive"


SLOWER = ("not qualified", "Fluid 1.0.8 reads slower than 0.9.3")
NOT_COMPARED = ("inconclusive", "the measurements cannot be compared")


@pytest.mark.parametrize(
    ("change", "expected", "says"),
    [
        ({"speed": 0.5}, SLOWER, "49 % slower than in A"),
        ({"cpus": 4}, NOT_COMPARED, "another number of processors: 2 in A, 4 in B"),
        (
            {"measures": {"measure-new-2": "v0.9.3"}},
            NOT_COMPARED,
            "step measure-new-2 measured Fluid v0.9.3, not 1.0.8",
        ),
        ({"codes": {"measure-old-3": 3}}, NOT_COMPARED, "step measure-old-3 left no measurements"),
    ],
)
def test_measurements_decide_too(
    qualify: Qualify, harness: Harness, change: dict[str, Any], expected: tuple[str, str], says: str
) -> None:
    """A slower read is claimed, or nothing can be said; the folder verifies in each case."""
    for name, value in change.items():
        setattr(harness, name, value)
    result = qualify()
    word, reason = expected
    assert result.word == word
    assert reason in result.reasons[0]
    assert says in result.performance
    verified, text = verify(harness.folder / FOLDER)
    assert verified, text


def test_recorded_measurements_are_in_the_folder(qualify: Qualify, out: Path) -> None:
    """Of each run of both sides, without paths of the machine, listed in the manifest and on the page."""
    result = qualify()
    folder = out / FOLDER
    names = [step.id for step in result.steps if step.part in MEASURED]
    assert len(names) == 6
    listed = (folder / contents.MANIFEST).read_text()
    for step in result.steps:
        if step.part in MEASURED:
            file = place(folder, step.id)
            assert f"  performance/{step.id}/benchmark.json\n" in listed
            assert results.load(file).command == "pytest suites -m benchmark --out <path>"
            digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
            assert step.result == f"run {step.id}: 24 measurements in 1 case; sha256 {digest}…"
            assert digest in (folder / PAGE).read_text()
    assert "NO REGRESSION SHOWN in 1 metrics" in result.performance


def test_measurements_that_the_comparison_does_not_follow_from_are_refused(
    qualify: Qualify, harness: Harness, out: Path
) -> None:
    """Although checksums are mended, and although the result is written again to fit them."""
    harness.speed = 0.5
    folder = out / FOLDER
    comparison = folder / COMPARISON

    def refused(change: Callable[[], object], says: str) -> None:
        qualify()
        change()
        mend(folder)
        good, text = verify(folder)
        assert not good
        assert f"refused: {says}" in text, text

    def faster() -> None:
        for number in (1, 2, 3):
            step = f"measure-new-{number}"
            results.save(place(folder, step).parent, measured(step, "v1.0.8", 1.0))

    refused(faster, f"{COMPARISON} does not follow from the measurements")

    def exchanged() -> None:
        old, new = (place(folder, f"measure-{side}-1") for side in ("old", "new"))
        text = old.read_bytes()
        old.write_bytes(new.read_bytes())
        new.write_bytes(text)

    refused(exchanged, f"{COMPARISON} does not follow from the measurements")
    refused(place(folder, "measure-new-1").unlink, f"{COMPARISON} does not follow from the measurements")
    refused(lambda: place(folder, "measure-new-1").write_text("{}"), str(place(folder, "measure-new-1")))

    def no_regression() -> None:
        text = comparison.read_text().replace("REGRESSION:", "NO REGRESSION SHOWN:")
        comparison.write_text(text)
        edit(folder, lambda value: value.update(word="qualified", performance=text))

    refused(no_regression, f"{COMPARISON} does not follow from the measurements")


def test_step_that_is_left_out_is_refused(qualify: Qualify, harness: Harness, make: Make, out: Path) -> None:
    """Also with its certificate, and with a result that fits the steps that are left."""
    harness.changes = {("1.34.0-upgraded", "E3"): make("E3", "fail")}
    qualify()
    folder = out / FOLDER

    def without(value: dict[str, Any]) -> None:
        value["steps"] = [step for step in value["steps"] if step["id"] != "1.34.0-upgraded"]

    shutil.rmtree(folder / CERTIFICATES / "1.34.0-upgraded")
    edit(folder, without)
    assert (
        "refused: qualification.json has not the steps of a qualification of Fluid 0.9.3"
        in (verify(folder)[1])
    )


def test_nothing_private_is_in_the_folder(qualify: Qualify, out: Path) -> None:
    """Neither in certificates nor in the output of comparisons."""
    qualify()
    for file in (out / FOLDER).rglob("*"):
        if file.is_file() and file.name not in {contents.HARNESS, contents.PINS}:
            assert str(out) not in file.read_text(), file
            assert "builder-7" not in file.read_text(), file


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SSH key without a passphrase."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen (Debian package openssh-client)")
    file = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


def mend(folder: Path) -> None:
    """Write the manifest again, as somebody would who edits a file."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n"
        for name, path in sorted(files.items())
        if name not in {contents.MANIFEST, contents.SIGNATURE}
    ]
    (folder / contents.MANIFEST).write_text("".join(lines))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the result, and mend the checksums."""
    value = json.loads((folder / RESULT).read_text())
    change(value)
    (folder / RESULT).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    mend(folder)


def test_folder_verifies(qualify: Qualify, out: Path, key: Path) -> None:
    """Unsigned, and signed with all certificates in it."""
    qualify()
    good, text = verify(out / FOLDER)
    assert good
    assert text.endswith("VERIFIED: Fluid 1.0.8 after 0.9.3: qualified\n")
    qualify(key)
    assert verify(out / FOLDER, key.with_suffix(".pub"))[0]


def test_ten_tampered_copies_are_refused(
    qualify: Qualify, harness: Harness, make: Make, out: Path, key: Path
) -> None:
    """Each with its own sentence."""
    harness.changes = {("1.34.0-upgraded", "E3"): make("E3", "fail")}
    folder = out / FOLDER

    def refused(change: Callable[[], object], says: str, signer: Path | None = None) -> None:
        qualify()
        change()
        good, text = verify(folder, signer)
        assert not good
        assert f"refused: {says}" in text, text

    def line(name: str) -> Callable[[], object]:
        def add() -> None:
            with (folder / name).open("a") as file:
                file.write("x\n")

        return add

    refused(line(README), "README.md was changed")
    refused(line(f"{CERTIFICATES}/1.34.0-new/e2e.log"), "certificates/1.34.0-new/e2e.log was changed")

    def page() -> None:
        line(PAGE)()
        mend(folder)

    refused(page, f"{PAGE} does not follow from the certificates")
    refused((folder / PAGE).unlink, f"{PAGE} is missing")
    refused(lambda: (folder / "more.txt").write_text("x"), "more.txt is not part of the qualification")

    def added() -> None:
        (folder / "more.txt").write_text("x")
        mend(folder)

    refused(added, "more.txt is not part of the qualification")
    refused(
        lambda: edit(folder, lambda value: value.update(word="qualified")),
        "qualification.json says qualified, and its certificates give not qualified",
    )
    refused(
        lambda: edit(folder, lambda value: value.update(worse=[])),
        "qualification.json is not what its certificates give",
    )

    def without_certificate() -> None:
        place = folder / CERTIFICATES / "1.34.0-upgraded"
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
        mend(folder)

    refused(without_certificate, "step 1.34.0-upgraded says fail, and has no certificate")

    def compared() -> None:
        (folder / COMPARISON).unlink()
        mend(folder)

    refused(compared, f"{COMPARISON} is missing")
    refused(lambda: None, "MANIFEST.sha256.sig is missing", key.with_suffix(".pub"))
    refused((folder / contents.MANIFEST).unlink, "MANIFEST.sha256 is missing")


def test_changed_certificate_is_refused_by_its_own_check(qualify: Qualify, out: Path) -> None:
    """Although the checksums of the folder were mended."""
    qualify()
    file = out / FOLDER / CERTIFICATES / "1.34.0-new" / contents.LOG
    file.write_text("nothing\n")
    mend(out / FOLDER)
    assert "refused: certificate 1.34.0-new: e2e.log was changed" in verify(out / FOLDER)[1]


# The command


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with room, whose registries do not answer."""
    monkeypatch.setattr(requirements, "require_disk", lambda *_, **__: None)
    monkeypatch.setattr(requirements, "registry_answers", lambda host: False)


def test_command_prints_its_plan_and_runs_nothing(
    plans: None, capsys: pytest.CaptureFixture[str], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cluster is needed, and no folder is created."""
    monkeypatch.setattr(command, "run_harness", lambda *_: pytest.fail("something was run"))
    words = ["qualify", "--from", "0.9.3", "--to", "1.0.8", "--kubernetes", "1.34.0", "--out", str(out)]
    assert main([*words, "--plan"]) == 0
    said = capsys.readouterr().out
    assert "1.34.0-upgrade" in said
    assert "Time left: about 37 min" in said
    assert not out.exists()


def test_command_runs_and_verifies(
    plans: None,
    capsys: pytest.CaptureFixture[str],
    harness: Harness,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exit code is that of the result; an interruption has its own."""
    monkeypatch.setattr(command, "run_harness", harness)
    words = ["qualify", "--from", "0.9.3", "--to", "1.0.8", "--images", "build", "--out", str(harness.folder)]
    harness.interrupted.add("1.34.0-new")
    assert main(words) == 2
    assert "the same command continues" in capsys.readouterr().err
    harness.interrupted.clear()
    harness.changes = {("1.34.0-new", "A2"): make("A2", "fail")}
    assert main(words) == 1
    assert "NOT QUALIFIED: Fluid 1.0.8 after 0.9.3: not qualified" in capsys.readouterr().out
    assert main(["verify", str(harness.folder / FOLDER)]) == 0
    (harness.folder / FOLDER / README).write_text("fine\n")
    assert main(["verify", str(harness.folder / FOLDER)]) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--from 1.0.8 --to 1.0.8", "--from and --to are the same version, 1.0.8"),
        ("--from 1.0.8 --to 0.9.3", "Fluid 0.9.3 is older than 1.0.8, and Fluid documents no way back"),
        ("--from latest --to 1.0.8", "'latest' is not a version of Fluid"),
        (
            "--from 1.0.5 --to 1.0.8",
            "Fluid 1.0.5 on Kubernetes 1.34.0 cannot be had: docker.io does not answer",
        ),
        ("--from 1.0.5 --to 1.0.8 --images build", "Fluid 1.0.5 cannot be built here"),
        ("--from 0.9.3 --to 1.0.8 --kubernetes 1.33", "'1.33' is not a version of Kubernetes"),
        ("--from 0.9.3 --fluid-source /no/such/folder", "there is no such folder"),
        ("--from 0.9.3 --to 1.0.8 --sign /no/such/key", "--sign /no/such/key: there is no such file"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    plans: None, capsys: pytest.CaptureFixture[str], out: Path, words: str, says: str
) -> None:
    """Exit code 4, nothing is created."""
    assert main(["qualify", *words.split(), "--out", str(out)]) == 4
    said = capsys.readouterr().err.splitlines()
    assert says in said[0]
    assert all(line.startswith("  to do:") for line in said[1:])
    assert not out.exists()


def test_disk_for_two_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder does not exist yet."""
    monkeypatch.setattr(probes, "free_disk", lambda folder: 10 * 1024**3)
    with pytest.raises(
        RefusalError, match=r"10\.0 GiB of disk are free; .* with 2 versions of Fluid needs 14"
    ):
        requirements.require_disk(tmp_path, tmp_path / "a" / "b", versions_to_hold=2)
    monkeypatch.setattr(probes, "free_disk", lambda folder: 15 * 1024**3)
    requirements.require_disk(tmp_path, tmp_path / "a" / "b", versions_to_hold=2)


def test_version_that_a_registry_has_can_be_had() -> None:
    """Only where it cannot be built is the registry asked."""
    asked: list[str] = []

    def answers(host: str) -> bool:
        asked.append(host)
        return True

    requirements.require_obtainable(versions(fluid="1.0.8"), "auto", None, answers)
    assert asked == []
    requirements.require_obtainable(versions(fluid="1.0.5"), "auto", "mirror.example:5000", answers)
    requirements.require_obtainable(versions(fluid="1.0.8"), "pull", None, answers)
    assert asked == ["mirror.example:5000", "docker.io"]
