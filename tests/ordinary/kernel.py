"""The guest's kernel: User-Mode Linux from Debian's `linux-source`, with what Docker and NFS need.

Debian's packaged `user-mode-linux` boots, and has one CPU, no cpuset controller and no packet filter
that Docker could use. Its configuration is the base here; `data/kernel.config` is added to it.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.errors import InfrastructureError
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.progress import RunningStage
from tests.ordinary.debian import debootstrap, mirror

DATA: Final = Path(__file__).with_name("data")
ENTER: Final = DATA / "enter.sh"
CONFIG: Final = DATA / "kernel.config"
#: Debian's releases: the guest and the compiler are of the first, the kernel's source of the second.
RELEASE: Final = "trixie"
SOURCE_RELEASE: Final = "sid"
_COMPILER: Final = ("gcc", "make", "flex", "bison", "bc", "libelf-dev", "kmod", "xz-utils", "python3")
_PACKAGE_SECONDS: Final = 900.0
_BUILD_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Repair:
    """A change of one file of the kernel's source.

    Attributes:
        file: path in the source.
        pattern: regular expression of the text that is replaced, applied line by line.
        replacement: in the syntax of `re.sub`.
        reason: why the guest needs it.
    """

    file: str
    pattern: str
    replacement: str
    reason: str

    def apply(self, source: Path) -> None:
        """Change the file.

        Raises:
            InfrastructureError: this kernel does not contain the text.
        """
        path = source / self.file
        text, count = re.subn(self.pattern, self.replacement, path.read_text(), flags=re.MULTILINE)
        if count == 0:
            raise InfrastructureError(
                f"{self.file} of this kernel does not contain the text that the guest needs changed",
                condition=self.reason,
                last_seen=self.pattern,
                advice="compare the repairs in tests/ordinary/kernel.py with the kernel's source",
            )
        path.write_text(text)


#: Seen with Linux 7.2.
REPAIRS: Final = (
    Repair(
        "arch/um/drivers/vector_kern.c",
        r"^\t(spin_(?:un)?lock)\(&vp->([rt]x_queue)->head_lock\);$",
        r"\tif (vp->\2)\n\t\t\1(&vp->\2->head_lock);",
        "a tap has no transmit queue, and its lock is used all the same: a panic with SMP",
    ),
    Repair(
        "kernel/cgroup/cgroup.c",
        r"^(\t\tss->name = cgroup_subsys_name\[i\];)$",
        r'\1\n\t\tif (i == misc_cgrp_id)\n\t\t\tss->name = "hugetlb";',
        "an ordinary kernel has a controller hugetlb, which systemd does not delegate; this one has no "
        "huge pages, so that the equally undelegated controller misc appears under that name",
    ),
    Repair(
        "arch/um/kernel/um_arch.c",
        r'^(\tseq_printf\(m, "mode\\t\\t: skas\\n"\);)$',
        r'\1\n\tseq_printf(m, "cpu MHz\\t\\t: 2000.000\\nphysical id\\t: 0\\ncore id\\t\\t: %d\\n", i);',
        "kubelet ends where /proc/cpuinfo has no clock speed",
    ),
    Repair(
        "arch/um/os-Linux/skas/process.c",
        r"^(\t\t\tif \(sig == )SIGTRAP( && proc_data->err != 0\) \{)$",
        r"\1SIGSYS\2\n\t\t\t\texit_turnstile(mm_id);",
        "the stub reports mappings that the host refused by SIGSYS: taken for a system call of the program, "
        "it ran any call and overwrote a register, seen as SIGSEGV at -EBADF in kube-apiserver; the mutex "
        "would stay locked, so that the other threads could not end",
    ),
    Repair(
        "arch/um/os-Linux/skas/process.c",
        r"^(\t\t\t/\* Mark pending syscalls for flushing \*/)$",
        r"\t\t\tif (mm_id->syscall_data_len < 0) {\n\t\t\t\texit_turnstile(mm_id);\n"
        r"\t\t\t\tfatal_sigsegv();\n\t\t\t}\n\n\1",
        "an earlier refusal was forgotten here, and the program ran into the same page fault for ever",
    ),
    Repair(
        "kernel/Kconfig.locks",
        r"^(config (?:MUTEX|RWSEM)_SPIN_ON_OWNER\n\s+def_bool y\n\s+depends on SMP)",
        r"\1 && !UML",
        "the threads of a process run one at a time under a mutex, which is held for a whole slice of time: "
        "a CPU that spins until another thread's slice ends is lost to the other processes, a quarter of "
        "the samples with two CPUs",
    ),
)


def compiler() -> Artifact:
    """A Debian root with the compiler; its C library also runs the kernel, which is a program."""

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        debootstrap(cache.commands, RELEASE, folder / "root", _COMPILER, stage)

    return Artifact(f"compiler-{RELEASE}", (RELEASE, *_COMPILER), make)


def source() -> Artifact:
    """The kernel's unpacked and repaired source in `linux`, and Debian's configuration in `config`."""

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        archive = folder / "archive"
        archive.mkdir()
        packages = _download(cache, archive, stage)
        for package in packages:
            cache.commands.run(["dpkg-deb", "--extract", package, archive], timeout=_PACKAGE_SECONDS)
        config = archive / "usr/share/doc/user-mode-linux/config.gz"
        (folder / "config").write_bytes(gzip.decompress(config.read_bytes()))
        (tar,) = (archive / "usr/src").glob("linux-source-*.tar.xz")
        (folder / "linux").mkdir()
        cache.commands.run(
            ["tar", "-C", folder / "linux", "--strip-components=1", "-xf", tar], timeout=_PACKAGE_SECONDS
        )
        shutil.rmtree(archive)
        for repair in REPAIRS:
            repair.apply(folder / "linux")

    return Artifact("linux-source", (SOURCE_RELEASE, repr(REPAIRS)), make)


def kernel() -> Artifact:
    """The kernel as the program `linux`, its modules in `lib/modules`, its configuration in `config`."""
    root, tree = compiler(), source()

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        build = folder / "build"
        build.mkdir()
        base = (cache.obtain(tree) / "config").read_text()
        (build / ".config").write_text(configuration(base, CONFIG.read_text()))

        def run(*argv: str | Path, cwd: Path) -> None:
            cache.commands.run(
                inside(cache.obtain(root) / "root", cache.root, ["make", "-C", cwd, "ARCH=um", *argv]),
                timeout=_BUILD_SECONDS,
                on_line=stage.says,
            )

        run(f"O={build}", "olddefconfig", cwd=cache.obtain(tree) / "linux")
        require_options((build / ".config").read_text(), CONFIG.read_text())
        run(f"-j{len(os.sched_getaffinity(0))}", "linux", "modules", cwd=build)
        run(f"INSTALL_MOD_PATH={folder}", "modules_install", cwd=build)
        shutil.copy(build / "linux", folder / "linux")
        shutil.copy(build / ".config", folder / "config")
        shutil.rmtree(build)
        # Its target is removed; before Python 3.13 glob does not find such a link.
        for modules in (folder / "lib/modules").iterdir():
            (modules / "build").unlink(missing_ok=True)

    return Artifact("linux", (), make, recipe=(CONFIG,), needs=(root, tree))


def inside(root: Path, cache: Path, argv: Sequence[str | Path]) -> list[str | Path]:
    """The command line that runs ``argv`` in a Debian root folder; ``cache`` keeps its path there."""
    return ["unshare", "--mount", ENTER, root, cache, *argv]


def configuration(base: str, added: str) -> str:
    """Debian's configuration without its modules, followed by the lines that are added."""
    return re.sub(r"^CONFIG_\w+=m\n", "", base, flags=re.MULTILINE) + added


def require_options(made: str, added: str) -> None:
    """Refuse a configuration that lost an option which was added, such as one that was renamed.

    Raises:
        InfrastructureError: with the names of the options.
    """
    present = set(made.splitlines())
    missing = [line for line in added.splitlines() if line.startswith("CONFIG_") and line not in present]
    if missing:
        raise InfrastructureError(
            f"the kernel's configuration does not accept {', '.join(missing)}",
            advice="see what the options are called in this kernel, and change data/kernel.config",
        )


def _download(cache: ArtifactCache, folder: Path, stage: RunningStage) -> list[Path]:
    """The newest kernel source package of the source release, and the one with the configuration."""
    state = folder / "apt"
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "sources.list").write_text(f"deb {mirror(cache.commands)} {SOURCE_RELEASE} main\n")
    (state / "status").touch()
    options = [
        f"Dir::State::lists={state / 'lists'}",
        f"Dir::State::status={state / 'status'}",
        f"Dir::Cache={state}",
        f"Dir::Etc::sourcelist={state / 'sources.list'}",
        "Dir::Etc::sourceparts=-",
        # apt's own user may not write into a folder of root's.
        "APT::Sandbox::User=root",
    ]
    settings = [word for option in options for word in ("-o", option)]

    def apt(program: str, *argv: str) -> str:
        done = cache.commands.run([program, *settings, *argv], cwd=folder, timeout=_PACKAGE_SECONDS)
        return done.stdout

    stage.says(f"package lists of {SOURCE_RELEASE}")
    apt("apt-get", "update")
    newest = newest_source(apt("apt-cache", "show", "linux-source"))
    stage.says(f"download {newest}")
    apt("apt-get", "download", newest, "user-mode-linux")
    return sorted(folder.glob("*.deb"))


def newest_source(shown: str) -> str:
    """The package with the kernel's source that the package `linux-source` depends on.

    Args:
        shown: what `apt-cache show linux-source` prints.

    Raises:
        InfrastructureError: it names none.
    """
    match = re.search(r"^Depends:.*?(linux-source-[\d.]+)", shown, re.MULTILINE)
    if match is None:
        raise InfrastructureError(
            f"Debian {SOURCE_RELEASE} has no package linux-source", last_seen=shown[:500]
        )
    return match.group(1)
