"""What the machine is made of, as far as it is decided without building it."""

from __future__ import annotations

import base64
import errno
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from clusters.errors import InfrastructureError, RefusalError
from clusters.host.artifact_cache import ArtifactCache
from clusters.images import pull
from tests.clusters.fakes import FakeCommands
from tests.ordinary import __main__ as command
from tests.ordinary.checkout import REPOSITORY, readme_command
from tests.ordinary.debian import mirror
from tests.ordinary.guest import Guest
from tests.ordinary.kernel import Repair, configuration, newest_source, require_options
from tests.ordinary.mappings import MAPPINGS, many_mappings
from tests.ordinary.network import Network
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


def test_the_readmes_command_is_run_as_it_is() -> None:
    """The README of this checkout is its source; --bootstrap does nothing where nothing is missing."""
    readme = (REPOSITORY / "README.md").read_text()
    command = readme_command(readme)
    assert command in readme
    assert command.startswith("python3 -m venv .venv")
    assert command.endswith("tox -e smoke -- --bootstrap")


@pytest.mark.parametrize(
    ("shown", "run"),
    [
        ("tox -e smoke", "tox -e smoke -- --scenario A1,A2"),
        ("tox -e smoke -- --bootstrap", "tox -e smoke -- --bootstrap --scenario A1,A2"),
    ],
)
def test_arguments_follow_those_of_the_readme(shown: str, run: str) -> None:
    """Those of tox end at the first --."""
    readme = f"python3 -m venv .venv && .venv/bin/{shown}\n"
    assert readme_command(readme, ["--scenario", "A1,A2"]).endswith(run)


def test_a_readme_without_the_command_is_refused() -> None:
    """It was changed, and this check would run something else."""
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


def test_the_hosts_limit_of_mappings_is_raised_and_restored(tmp_path: Path) -> None:
    """A guest needs more than the default, and nothing of the host stays changed."""
    limit = tmp_path / "max_map_count"
    limit.write_text("65530\n")
    with many_mappings(limit):
        assert int(limit.read_text()) == MAPPINGS
    assert int(limit.read_text()) == 65530


def test_a_higher_limit_of_mappings_stays(tmp_path: Path) -> None:
    """An administrator's own setting is not lowered."""
    limit = tmp_path / "max_map_count"
    limit.write_text(f"{MAPPINGS * 2}\n")
    with many_mappings(limit):
        assert int(limit.read_text()) == MAPPINGS * 2


def test_a_limit_of_mappings_that_cannot_be_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, where the file is read-only: by name, before anything is started."""
    limit = tmp_path / "max_map_count"
    limit.write_text("65530\n")

    def read_only(_: Path, __: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_text", read_only)
    with pytest.raises(RefusalError, match=r"needs vm\.max_map_count"), many_mappings(limit):
        pass


def test_the_kernels_errors_are_found_on_the_console(tmp_path: Path) -> None:
    """The harness cannot see that the kernel refused a program its memory."""
    console = tmp_path / "console.log"
    console.write_text("Booting\nUML ran out of memory on the host side!\n  OK  Started\n")
    made = Guest(Network(FakeCommands()), tmp_path / "id", console)
    assert made.kernel_errors() == ["UML ran out of memory on the host side!"]


def test_a_docker_that_does_not_use_containerds_store_is_an_error(tmp_path: Path) -> None:
    """An older Docker ignores the setting: what is observed then would be reported wrongly."""
    commands = FakeCommands()
    made = Guest(Network(commands), tmp_path / "id", tmp_path / "console")
    commands.on("ssh", stdout="[[driver-type io.containerd.snapshotter.v1]]\n")
    made.use_containerd_store()
    commands.on("ssh", stdout="[[Backing Filesystem extfs]]\n")
    with pytest.raises(InfrastructureError, match="does not keep images in containerd"):
        made.use_containerd_store()


@pytest.mark.parametrize(
    ("names", "installed"), [("", []), ("kind", ["kind"]), ("helm,kind", ["helm", "kind"])]
)
def test_tools_of_the_guest_are_chosen_by_name(tmp_path: Path, names: str, installed: list[str]) -> None:
    """By default it has none, as most machines."""
    cache = SimpleNamespace(obtain=lambda artifact: tmp_path)
    found = command._programs(cast("ArtifactCache", cache), names)
    assert found == [tmp_path / name for name in installed]
    with pytest.raises(RefusalError, match="unknown kubectl"):
        command._programs(cast("ArtifactCache", cache), "kind,kubectl")


def test_a_program_is_installed_for_all_users_of_the_guest(tmp_path: Path) -> None:
    """With its bytes unchanged, by root."""
    program = tmp_path / "helm"
    program.write_bytes(b"\x7fELF\x00")
    commands = FakeCommands()
    Guest(Network(commands), tmp_path / "id", tmp_path / "console").install(program)
    (ran,) = commands.asked("ssh")
    assert base64.b64decode(ran.stdin or "") == b"\x7fELF\x00"
    assert "root@" in " ".join(ran.argv)
    assert "/usr/local/bin/helm" in ran.argv[-1]
