"""Running real, tiny programs."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from clusters.host.commands import SHOWN_OUTPUT, CommandError, SystemCommands, end_running, shown

run = SystemCommands().run


def test_output_and_exit_code_are_returned() -> None:
    """A program's two outputs and its exit code are kept apart."""
    done = run(["sh", "-c", "echo out; echo err >&2"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_a_failure_shows_both_outputs() -> None:
    """A non-zero exit is an error that carries what the program wrote."""
    with pytest.raises(CommandError, match="exit code 3") as caught:
        run(["sh", "-c", "echo out; echo why >&2; exit 3"])
    assert caught.value.completed is not None
    assert caught.value.last_seen == "out\nwhy"


def test_a_long_output_shows_its_begin_and_its_end() -> None:
    """A program that crashes says why first, and prints its stacks then."""
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo fatal error: bad; seq 5000; exit 2"])
    seen = caught.value.last_seen
    assert seen.startswith("fatal error: bad\n1\n")
    assert seen.endswith("\n4999\n5000")
    assert len(seen) < SHOWN_OUTPUT + 50


def test_a_failure_can_be_returned_instead() -> None:
    """Without check a non-zero exit is only returned."""
    assert run(["false"], check=False).exit_code == 1


def test_a_missing_program_is_named() -> None:
    """What cannot be started is one sentence with advice, not a traceback of the system."""
    with pytest.raises(CommandError, match="cannot start no-such-program") as caught:
        run(["no-such-program"])
    assert "install no-such-program" in caught.value.advice


def test_nothing_goes_through_a_shell() -> None:
    """Arguments reach the program as they are."""
    assert run(["printf", "%s", "$HOME;*"]).stdout == "$HOME;*"


def test_standard_input_folder_and_variables_are_given(tmp_path: Path) -> None:
    """A program receives its input, folder and variables, in addition to the environment of the harness."""
    done = run(
        ["sh", "-c", 'cat; pwd; echo $WORD; test -n "$PATH"'], stdin="in\n", cwd=tmp_path, env={"WORD": "w"}
    )
    assert done.stdout == f"in\n{tmp_path}\nw\n"


def test_lines_are_reported_as_they_are_written() -> None:
    """Each line is reported, stderr included, and all of them are returned."""
    lines: list[str] = []
    done = run(["sh", "-c", "echo a; echo b >&2; echo c"], on_line=lines.append)
    assert lines == ["a", "b", "c"]
    assert done.stdout == "a\nb\nc\n"


@pytest.mark.parametrize("streamed", [True, False])
def test_a_program_that_hangs_is_ended_with_its_children(streamed: bool, tmp_path: Path) -> None:
    """After the timeout neither the program nor its child is left, and what it wrote is shown."""
    child = tmp_path / "child"
    script = f"sleep 60 & echo $! > {child}; echo begun; wait"
    start = time.monotonic()
    with pytest.raises(CommandError, match=r"did not end within 0\.3 s") as caught:
        run(["sh", "-c", script], timeout=0.3, on_line=(lambda line: None) if streamed else None)
    assert time.monotonic() - start < 5
    if not streamed:
        assert caught.value.last_seen == "begun"
    pid = int(child.read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            break
        time.sleep(0.02)
    else:
        pytest.fail(f"the child {pid} is still there")


def test_output_that_is_no_text_does_no_harm() -> None:
    """Bytes that are no UTF-8 are replaced, not raised."""
    code = "import sys; sys.stdout.buffer.write(b'a\\xffb')"
    assert run([sys.executable, "-c", code]).stdout == "a�b"


def test_a_command_line_is_shown_as_typed_and_cut() -> None:
    """Words with spaces are quoted, and long lines end in an ellipsis."""
    assert shown(["a", "b c"]) == "a 'b c'"
    assert len(shown(["x" * 500], limit=20)) == 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_programs_on_other_threads_can_be_ended(number: signal.Signals, tmp_path: Path) -> None:
    """An interrupted run ends what its threads wait for, children among it, and they see a failure."""
    ready, failures = tmp_path / "ready", []

    def lane() -> None:
        try:
            run(["sh", "-c", f"sleep 60 & touch {ready}; wait"], on_line=lambda line: None)
        except CommandError as error:
            failures.append(error)

    thread = threading.Thread(target=lane)
    thread.start()
    while not ready.exists():
        time.sleep(0.01)
    end_running(number)
    thread.join(5)
    assert not thread.is_alive()
    assert len(failures) == 1


def test_ending_when_nothing_runs_is_nothing() -> None:
    """Programs that came to their end are not signalled."""
    run(["true"])
    end_running()
