"""The guest's disk: an ordinary Debian server with Docker, Python, the NFS client tools and git.

In addition to the distribution's packages it contains a user in group docker, SSH keys, and the certificate
authorities that the guest trusts: those that this machine's administrator installed, and one made
here, which signs the certificate of the stand-in registries.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from clusters.digests import file_digest
from clusters.host.artifact_cache import Artifact, ArtifactCache
from clusters.host.commands import Commands
from clusters.progress import RunningStage
from tests.ordinary.debian import debootstrap
from tests.ordinary.kernel import DATA, RELEASE, kernel
from tests.ordinary.names import DNS_NAMES
from tests.ordinary.network import GUEST, HOST, PREFIX

#: The user who runs the harness in the guest.
USER: Final = "user"
#: Bytes of the disk; the file is sparse.
SIZE: Final = 24 * 1024**3
#: Where administrators put certificate authorities (update-ca-certificates(8)).
TRUSTED: Final = Path("/usr/local/share/ca-certificates")
GUEST_FILES: Final = DATA / "guest"
_TOOL_SECONDS: Final = 600.0
_PACKAGES: Final = (
    # An operating system that boots and that one can log in to.
    *("systemd", "systemd-sysv", "udev", "dbus", "libpam-systemd", "kmod", "e2fsprogs", "mount"),
    *("iproute2", "iputils-ping", "procps", "openssh-server", "ca-certificates", "util-linux-extra"),
    # What the README asks of a user's machine.
    *("docker.io", "docker-cli", "iptables", "python3", "python3-venv", "git"),
    # The kernel's NFS client.
    "nfs-common",
)
#: Units that an idle server runs now and then, which would disturb a measurement, and those that wait
#: for devices which the guest does not have.
_MASKED: Final = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "fstrim.timer", "systemd-timesyncd.service"),
    *("getty@tty1.service", "systemd-networkd-wait-online.service"),
)


def server() -> Artifact:
    """The packages of the guest, installed in `root`, without any settings."""

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        root = folder / "root"
        debootstrap(cache.commands, RELEASE, root, _PACKAGES, stage)
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / waste)
            (root / waste / "partial").mkdir(parents=True)

    return Artifact(f"guest-{RELEASE}", (RELEASE, *_PACKAGES), make)


def disk() -> Artifact:
    """The root file system ``disk.ext4``, the SSH key ``id`` and the registries' ``server.pem``."""
    packages, linux = server(), kernel()

    def make(cache: ArtifactCache, folder: Path, stage: RunningStage) -> None:
        root = folder / "root"
        cache.commands.run(["cp", "-a", cache.obtain(packages) / "root", root], timeout=_TOOL_SECONDS)
        stage.says("settings of the guest")
        _keys(cache.commands, folder)
        _configure(cache.commands, root, folder)
        shutil.copytree(cache.obtain(linux) / "lib/modules", root / "lib/modules", dirs_exist_ok=True)
        stage.says("file system")
        image = folder / "disk.ext4"
        with image.open("wb") as file:
            file.truncate(SIZE)
        cache.commands.run(
            ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", root, image],
            timeout=_TOOL_SECONDS,
        )
        shutil.rmtree(root)

    trusted = file_digest(TRUSTED) if TRUSTED.is_dir() else ""
    inputs = (*_MASKED, str(SIZE), HOST, GUEST, USER, *DNS_NAMES, trusted)
    return Artifact("guest-disk", inputs, make, recipe=(GUEST_FILES,), needs=(packages, linux))


def _keys(commands: Commands, folder: Path) -> None:
    """The SSH key of both accounts, a certificate authority, and the registries' certificate."""

    def openssl(*argv: str | Path) -> None:
        commands.run(["openssl", *argv], cwd=folder, timeout=_TOOL_SECONDS)

    commands.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], timeout=_TOOL_SECONDS)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "3650")
    openssl(
        *("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt"),
        *("-subj", "/CN=authority of the ordinary machine"),
        *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
    )
    openssl(
        *("req", "-x509", *key, "-keyout", "server.key", "-out", "server.crt", "-CA", "ca.crt"),
        *("-CAkey", "ca.key", "-subj", "/CN=stand-in registries"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in DNS_NAMES)),
    )
    (folder / "server.pem").write_text(
        (folder / "server.key").read_text() + (folder / "server.crt").read_text()
    )
    (folder / "server.key").unlink()
    # Nothing else is ever signed.
    (folder / "ca.key").unlink()


def _configure(commands: Commands, root: Path, folder: Path) -> None:
    def chroot(*argv: str) -> None:
        commands.run(["chroot", root, *argv], timeout=_TOOL_SECONDS)

    for file in sorted(path for path in GUEST_FILES.rglob("*") if path.is_file()):
        target = root / file.relative_to(GUEST_FILES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text())
    (root / "etc/hostname").write_text("ordinary\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 ordinary\n")
    (root / "etc/resolv.conf").write_text(f"nameserver {HOST}\n")
    (root / "etc/machine-id").write_text("")
    (root / "etc/systemd/network/10-guest.network").write_text(
        f"[Match]\nName=vec0\n\n[Network]\nAddress={GUEST}/{PREFIX}\nGateway={HOST}\nIPv6AcceptRA=no\n"
    )
    chroot("useradd", "--create-home", "--shell", "/bin/bash", "--groups", "docker", USER)
    public = (folder / "id.pub").read_text()
    for home, account in ((root / "root", "root"), (root / "home" / USER, USER)):
        keys = home / ".ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        (keys / "authorized_keys").write_text(public)
        chroot("chown", "-R", f"{account}:", f"/{keys.relative_to(root)}")
    authorities = root / TRUSTED.relative_to("/")
    authorities.mkdir(parents=True, exist_ok=True)
    for file in TRUSTED.glob("*.crt"):
        shutil.copy(file, authorities)
    shutil.copy(folder / "ca.crt", authorities / "ordinary-machine.crt")
    chroot("update-ca-certificates")
    chroot("systemctl", "enable", "--quiet", "systemd-networkd", "ssh", "docker")
    chroot("systemctl", "mask", "--quiet", *_MASKED)
