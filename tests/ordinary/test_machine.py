"""What the machine is made of, as far as it is decided without building it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.images import pull
from tests.clusters.fakes import FakeCommands
from tests.ordinary.checkout import REPOSITORY, readme_command
from tests.ordinary.debian import mirror
from tests.ordinary.kernel import Repair, configuration, newest_source, require_options
from tests.ordinary.settings import as_file


def test_the_configuration_leaves_debians_modules_out() -> None:
    """What is needed as a module is added again."""
    assert configuration("CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=m\n", "CONFIG_C=m\n") == "CONFIG_A=y\nCONFIG_C=m\n"


def test_an_option_that_the_kernel_dropped_is_an_error() -> None:
    """By its name, before minutes are spent on the build."""
    require_options("CONFIG_A=y\nCONFIG_B=y\n", "# text\nCONFIG_A=y\n")
    with pytest.raises(InfrastructureError, match=r"does not accept CONFIG_C=y\n"):
        require_options("CONFIG_A=y\n", "CONFIG_A=y\nCONFIG_C=y\n")


def test_a_repair_of_another_kernel_is_an_error(tmp_path: Path) -> None:
    """A kernel without the text is not built with half of the repairs."""
    (tmp_path / "file.c").write_text("\tone();\n\ttwo();\n")
    Repair("file.c", r"^\t(one\(\));$", r"\tif (x)\n\t\t\1;", "why").apply(tmp_path)
    assert (tmp_path / "file.c").read_text() == "\tif (x)\n\t\tone();\n\ttwo();\n"
    with pytest.raises(InfrastructureError, match=r"file\.c of this kernel does not contain"):
        Repair("file.c", "three", "", "why").apply(tmp_path)


def test_the_source_package_is_the_one_that_linux_source_depends_on() -> None:
    """Its name contains the version."""
    assert (
        newest_source("Package: linux-source\nDepends: linux-source-7.2 (= 7.2.13-1)\n") == "linux-source-7.2"
    )
    with pytest.raises(InfrastructureError, match="no package linux-source"):
        newest_source("")


def test_the_readme_shows_a_command_and_it_is_run_without_bootstrap() -> None:
    """The README of this checkout is the source of the command."""
    command = readme_command((REPOSITORY / "README.md").read_text())
    assert command.startswith("python3 -m venv .venv")
    assert command.endswith("tox -e smoke")
    with pytest.raises(RefusalError, match="shows no command"):
        readme_command("# Nothing\n")


def test_the_mirror_is_the_one_of_this_machines_apt() -> None:
    """The security archive is not a mirror of Debian."""
    commands = FakeCommands()
    commands.on("apt-get", stdout="Debian-Security|main|http://x/sec/\nDebian|main|http://x/debian/\n")
    assert mirror(commands) == "http://x/debian"
    commands.on("apt-get", stdout="Docker|stable|http://y/\n")
    with pytest.raises(RefusalError, match="no Debian archive"):
        mirror(commands)


def test_the_limit_of_a_download_is_a_line_that_the_guest_can_change() -> None:
    """`tests.ordinary.refusals` replaces it in the guest's checkout."""
    line = re.compile(rf"^PULL_SECONDS: Final = {pull.PULL_SECONDS:_}$", re.MULTILINE)
    assert len(line.findall(Path(pull.__file__).read_text())) == 1


def test_variables_are_written_as_pam_reads_them() -> None:
    """Each in quotes, since values may contain spaces and commas."""
    assert as_file({"B": "two words", "A": "1"}) == 'A="1"\nB="two words"\n'
