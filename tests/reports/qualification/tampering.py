"""`python -m tests.reports.qualification.tampering DIR`: changes copies of a qualification, one by one.

Each copy of the real folder is changed in one place, and `verify` must refuse it. Every file is changed and
removed in turn; then changed again as somebody would who also mends the checksums and removes the signatures.
The last changes are about the contents: another word, a step or a certificate left out, a row left out, other
measurements. `verdict.json` is what all else follows from; of it only the changes of its rows are tried with
mended checksums, because only a signature protects the rest.

It must run with the code that made the folder. Exit code 0 if all copies are refused, 1 if one is accepted, 2
if the folder itself does not verify.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.host.commands import SystemCommands
from reports.certificate import contents, signature
from reports.qualification import folder as shared
from reports.qualification.measurements import MEASURED, PERFORMANCE
from reports.qualification.model import Part
from reports.qualification.verification import verify
from suites.benchmark.model import results

_OWN: Final = (contents.MANIFEST, contents.SIGNATURE)
_DIGIT: Final = re.compile(r"\d(?=\D*\Z)")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a copy.

    Attributes:
        name: what is changed.
        apply: changes the copy.
        mended: the checksums are then written again, and all signatures removed.
    """

    name: str
    apply: Callable[[Path], None]
    mended: bool = False


def changes(folder: Path) -> Iterator[Change]:
    """All changes of a folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        yield Change(f"{name}: changed", _on(name, _other_byte))
        yield Change(f"{name}: removed", _on(name, Path.unlink))
    for name in names:
        if Path(name).name not in {*_OWN, contents.VERDICT}:
            yield Change(f"{name}: changed", _on(name, _other_digit), mended=True)
    yield Change("a file added", lambda copy: _write(copy / "more.txt"))
    yield Change("a file added", lambda copy: _write(copy / "more.txt"), mended=True)
    if (folder / contents.SIGNATURE).is_file():
        yield Change("signed by another key", _signed_by_another)
    yield Change("another word", _result(_other_word), mended=True)
    yield Change("another version of Kubernetes", _result(_other_kubernetes), mended=True)
    yield Change("the first step is left out", _result(_without_step), mended=True)
    yield from _measurements(folder)
    for place in sorted((folder / shared.CERTIFICATES).iterdir()):
        yield Change(f"certificate {place.name} removed", _on(_relative(folder, place), shutil.rmtree), True)
        verdict = _relative(folder, place / contents.VERDICT)
        for name, edit in (
            ("the first row is left out", _without_row),
            ("the first row fails", _failed_row),
            ("another version of Fluid", _other_fluid),
        ):
            yield Change(f"{place.name}: {name}", _on(verdict, edit), mended=True)


def refusal(real: Path, change: Change, signer: Path | None) -> str | None:
    """The first reason why a changed copy is refused; None if it is accepted."""
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work, "copy")
        shutil.copytree(real, copy)
        change.apply(copy)
        if change.mended:
            _mend(copy)
        good, text = verify(copy, None if change.mended else signer)
    reasons = [line for line in text.splitlines() if line.startswith("refused: ")]
    return None if good else (reasons or ["refused: without a reason"])[0].removeprefix("refused: ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of a qualification")
    parser.add_argument("--signer", type=Path, metavar="PUBLIC_KEY", help="of the key that signed it")
    options = parser.parse_args(arguments)
    good, text = verify(options.folder, options.signer)
    if not good:
        sys.stderr.write(f"the folder itself does not verify:\n{text}")
        return 2
    tried = accepted = 0
    for change in changes(options.folder):
        reason = refusal(options.folder, change, options.signer)
        tried += 1
        accepted += reason is None
        how = "mended" if change.mended else "as is"
        outcome = "ACCEPTED" if reason is None else "refused"
        sys.stdout.write(f"{outcome}  {how:<6}  {change.name}: {reason}\n")
    sys.stdout.write(f"{tried} changed copies, {accepted} accepted\n")
    return 1 if accepted else 0


def _measurements(folder: Path) -> Iterator[Change]:
    """Changes of the recorded measurements that fit each other."""
    if not (folder / shared.COMPARISON).is_file():
        return
    yield Change("reads of the new version are faster", _faster, mended=True)
    yield Change("old and new version are exchanged", _exchanged, mended=True)
    yield Change("a run of the new version is another one of it", _repeated, mended=True)


def _on(name: str, apply: Callable[[Path], object]) -> Callable[[Path], None]:
    def changed(copy: Path) -> None:
        apply(copy / name)

    return changed


def _relative(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _other_byte(file: Path) -> None:
    """Change the byte in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _write(file: Path) -> None:
    file.write_text("x\n")


def _other_digit(file: Path) -> None:
    """Replace the last digit of a text by another; a text without one becomes longer."""
    text = file.read_text(encoding="utf-8")
    changed = _DIGIT.sub(lambda found: str((int(found[0]) + 1) % 10), text)
    file.write_text(changed if changed != text else f"{text}1\n", encoding="utf-8")


def _edit(file: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(file.read_text(encoding="utf-8"))
    change(value)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _result(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return _on(shared.RESULT, lambda file: _edit(file, change))


def _other_word(value: dict[str, Any]) -> None:
    value["word"] = "qualified" if value["word"] != "qualified" else "not qualified"


def _other_kubernetes(value: dict[str, Any]) -> None:
    value["settings"]["kubernetes"] = ["9.9.9"]


def _without_step(value: dict[str, Any]) -> None:
    value["steps"].pop(0)


def _measured(copy: Path, part: Part) -> list[Path]:
    """The files with the measurements of one version."""
    return sorted((copy / PERFORMANCE).glob(f"{part}-*/{results.FILE}"))


def _faster(copy: Path) -> None:
    def times_two(value: dict[str, Any]) -> None:
        for series in value["series"]:
            through_fluid = {arm["name"] for arm in series["arms"] if arm["kind"].startswith("fluid")}
            for one in series["rounds"]:
                if one["arm"] in through_fluid and one["value"] is not None:
                    one["value"] *= 2

    for file in _measured(copy, Part.MEASURE_NEW):
        _edit(file, times_two)


def _exchanged(copy: Path) -> None:
    old, new = (_measured(copy, part)[0] for part in MEASURED)
    text = old.read_bytes()
    old.write_bytes(new.read_bytes())
    new.write_bytes(text)


def _repeated(copy: Path) -> None:
    first, last = _measured(copy, Part.MEASURE_NEW)[:2]
    last.write_bytes(first.read_bytes())


def _without_row(file: Path) -> None:
    _edit(file, lambda value: value["scenarios"].pop(0))


def _failed_row(file: Path) -> None:
    change = {"outcome": "fail", "class": "product", "reason": "it broke"}
    _edit(file, lambda value: value["scenarios"][0].update(change))


def _other_fluid(file: Path) -> None:
    _edit(file, lambda value: value["system"].update(fluid="v9.9.9"))


def _mend(copy: Path) -> None:
    """Write the checksums again, and remove all signatures."""
    for file in copy.rglob(contents.SIGNATURE):
        file.unlink()
    certificates = copy / shared.CERTIFICATES
    for place in (*certificates.iterdir(), copy):
        (place / contents.MANIFEST).write_text(shared.manifest_text(place))


def _signed_by_another(copy: Path) -> None:
    key = copy.parent / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (copy / contents.SIGNATURE).unlink()
    signature.sign(copy / contents.MANIFEST, key, SystemCommands())


if __name__ == "__main__":
    sys.exit(main())
