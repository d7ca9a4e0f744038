"""The guest as a running machine: started, reached by SSH, powered off, and removed when it was killed."""

from __future__ import annotations

import base64
import contextlib
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import FailureClass, InfrastructureError
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import CommandError, Completed
from clusters.waiting import wait
from tests.ordinary import kernel
from tests.ordinary.disk import USER, disk
from tests.ordinary.network import GUEST, TAP, Network

#: Memory of the guest. The kernel maps it as a file of this folder, which grows as memory is used.
MEMORY: Final = "8G"
MEMORY_FOLDER: Final = "/dev/shm"
BOOT_SECONDS: Final = 180.0
#: States of Docker and of the system in which a user can work; degraded means that some unit failed.
BOOTED: Final = ("active running", "active degraded")
STOP_SECONDS: Final = 40.0
#: How the guest is scheduled. Each of its page faults and system calls is two switches between processes of
#: this machine. At an ordinary priority each waits for the machine's other work: next to a load of 10, eight
#: Java programs took 20 s in a guest with two CPUs at nice -10, and 8.5 s so (chrt(1)).
SHARED: Final = ("nice", "-n", "5")
FIRST: Final = ("chrt", "--rr", "10")
#: Messages of User-Mode Linux, with the panic of any kernel.
_KERNEL_ERRORS: Final = (
    "UML ran out of memory",
    "Error flushing stub syscalls",
    "failed to wait for stub",
    "Kernel panic",
)
#: Of /etc/docker/daemon.json; from Docker 24 on.
_CONTAINERD_STORE: Final = '{"features": {"containerd-snapshotter": true}}'
_CONNECT_SECONDS: Final = 10
_COMMAND_SECONDS: Final = 120.0
_COPY_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest that was started.

    Attributes:
        network: its namespace.
        key: of both accounts.
        console: file with what its kernel and its init print.
    """

    network: Network
    key: Path
    console: Path

    def run(
        self,
        command: str,
        *,
        user: str = USER,
        check: bool = True,
        timeout: float = _COMMAND_SECONDS,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command line of a login shell in the guest.

        Raises:
            CommandError: the guest does not answer, or (with ``check``) the command failed.
        """
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": str(_CONNECT_SECONDS),
            "ServerAliveInterval": "30",
            "ServerAliveCountMax": "10",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        shell = f"exec bash -lc {shlex.quote(command)}"
        argv = self.network.inside(["ssh", "-i", self.key, *words, f"{user}@{GUEST}", shell])
        return self.network.commands.run(argv, check=check, timeout=timeout, stdin=stdin, on_line=on_line)

    def copy_out(self, folder: str, target: Path) -> None:
        """Copy a folder of the guest into an existing folder of this machine."""
        done = self.run(f"tar -C {shlex.quote(folder)} -cf - . | base64", timeout=_COPY_SECONDS)
        self.network.commands.run(
            ["sh", "-c", 'base64 -d | tar -C "$1" -xf -', "copy", target],
            stdin=done.stdout,
            timeout=_COPY_SECONDS,
        )

    def install(self, program: Path) -> None:
        """Copy a static program of this machine into the guest's /usr/local/bin."""
        target = shlex.quote(f"/usr/local/bin/{program.name}")
        content = base64.b64encode(program.read_bytes()).decode()
        self.run(
            f"base64 -d > {target} && chmod 755 {target}", user="root", stdin=content, timeout=_COPY_SECONDS
        )

    def use_containerd_store(self) -> None:
        """Let Docker keep images in containerd, as new installations do from Docker 29 on.

        Raises:
            InfrastructureError: this Docker cannot.
        """
        self.run(
            f"mkdir -p /etc/docker && echo {shlex.quote(_CONTAINERD_STORE)} > /etc/docker/daemon.json "
            "&& systemctl restart docker",
            user="root",
        )
        status = self.run("docker info --format '{{.DriverStatus}}'").stdout.strip()
        if "io.containerd.snapshotter" not in status:
            raise InfrastructureError("Docker does not keep images in containerd", last_seen=status)

    def kernel_errors(self) -> list[str]:
        """Lines of the console by which the guest's kernel says that it could not run a program."""
        lines = self.console.read_text(errors="replace").splitlines()
        return [line.strip() for line in lines if any(error in line for error in _KERNEL_ERRORS)]

    def answers(self) -> str:
        """The states of Docker and of the system as systemd reports them; empty while there is no answer."""
        try:
            done = self.run(
                "systemctl is-active docker; systemctl is-system-running", user="root", check=False
            )
        except CommandError:
            return ""
        return " ".join(done.stdout.split())


@contextmanager
def guest(
    cache: ArtifactCache,
    network: Network,
    folder: Path,
    *,
    cpus: int = 1,
    memory: str = MEMORY,
    priority: Sequence[str] = SHARED,
) -> Iterator[Guest]:
    """A guest on a fresh disk while the context lasts, booted until Docker is active.

    Args:
        cache: builds kernel and disk, or has them.
        network: an existing namespace.
        folder: existing; for the disk and the console's output.
        cpus: of the guest.
        memory: of the guest, such as ``8G``.
        priority: `SHARED`, or `FIRST` for a guest that runs before this machine's other work.

    Raises:
        InfrastructureError: it did not boot.
    """
    parts = cache.obtain(disk())
    with cache.progress.stage("boot the guest") as stage:
        drive, console = folder / "disk.ext4", folder / "console.log"
        cache.commands.run(["cp", "--sparse=always", parts / "disk.ext4", drive], timeout=_COPY_SECONDS)
        made = Guest(network, parts / "id", console)
        process = _start(cache, network, drive, console, cpus=cpus, memory=memory, priority=priority)
        try:
            wait(
                made.answers,
                lambda seen: seen in BOOTED,
                failed=lambda _: None if process.poll() is None else f"ended with exit code {process.poll()}",
                subject="guest",
                condition="a finished boot with Docker active",
                timeout=BOOT_SECONDS,
                on_change=lambda text, _: stage.says(text),
                failure_class=FailureClass.INFRASTRUCTURE,
                advice=f"read {console}",
            )
        except BaseException:
            network.end_processes()
            process.wait()
            raise
    try:
        yield made
    finally:
        with cache.progress.stage("power the guest off"):
            _stop(made, process)
            drive.unlink(missing_ok=True)


def _start(
    cache: ArtifactCache,
    network: Network,
    drive: Path,
    console: Path,
    *,
    cpus: int,
    memory: str,
    priority: Sequence[str],
) -> subprocess.Popen[bytes]:
    """Start the kernel, a program of this machine, in the namespace."""
    root = cache.obtain(kernel.compiler()) / "root"
    words: list[str | Path] = [*priority, cache.obtain(kernel.kernel()) / "linux"]
    words += ["seccomp=on", f"mem={memory}", *([f"ncpus={cpus}"] if cpus > 1 else [])]
    words += [f"ubd0={drive}", "root=/dev/ubda", "rw", "rootfstype=ext4"]
    words += [f"vec0:transport=tap,ifname={TAP},depth=256,gro=1"]
    words += ["con=null", "con0=null,fd:1", "con1=null,fd:1", "ssl=null", "console=tty0"]
    with console.open("wb") as out:
        return subprocess.Popen(
            network.inside(kernel.inside(root, cache.root, words)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": MEMORY_FOLDER},
            start_new_session=True,
        )


def _stop(running: Guest, process: subprocess.Popen[bytes]) -> None:
    """Power off, and kill what has not ended in time."""
    with contextlib.suppress(CommandError):
        running.run("systemctl poweroff", user="root", check=False, timeout=_CONNECT_SECONDS * 2)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        running.network.end_processes()
        process.wait()
