"""Signatures of a certificate: SSH keys, made and checked by OpenSSH's `ssh-keygen -Y`."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clusters.errors import RefusalError
from clusters.host.commands import CommandError, Commands, Completed

#: What the signature is for, so that one made for another purpose is not accepted (PROTOCOL.sshsig).
NAMESPACE: Final = "fluid-conformance-certificate"
#: The name that the one trusted key has in the file of signers that ssh-keygen reads.
_SIGNER: Final = "signer"
_KEY: Final = re.compile(r"key (SHA256:\S+)")
_FIELDS: Final = 2


def sign(file: Path, key: Path, commands: Commands) -> None:
    """Sign a file; the signature is next to it, with the suffix ``.sig``.

    Raises:
        RefusalError: there is no such key, it cannot be used, or ssh-keygen is missing.
    """
    if not key.is_file():
        raise RefusalError(f"--sign {key}: there is no such file", advice="create a key with ssh-keygen")
    done = _run(commands, ["ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, file])
    if done.exit_code != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise RefusalError(
            f"--sign {key}: ssh-keygen cannot sign with it: {said}",
            advice="name a private key without a passphrase, or the public key of one in ssh-agent",
        )


def require_usable(key: Path, commands: Commands) -> None:
    """Refuse a key that cannot sign, before hours are spent on what it is to sign.

    Raises:
        RefusalError: as `sign`.
    """
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial"
        trial.write_text("a trial\n")
        sign(trial, key, commands)


def signer_of(text: str, signature: Path, commands: Commands) -> str | None:
    """Fingerprint of the key that made a signature of this text; None if the signature is not of it."""
    done = _run(
        commands, ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", signature], stdin=text
    )
    found = _KEY.search(done.stdout)
    return found[1] if done.exit_code == 0 and found else None


def is_signed_by(text: str, signature: Path, public_key: Path, commands: Commands) -> bool:
    """Whether the owner of a public key signed this text.

    Raises:
        RefusalError: the file is no public key of SSH.
    """
    with tempfile.TemporaryDirectory() as folder:
        signers = Path(folder) / "allowed_signers"
        signers.write_text(f'{_SIGNER} namespaces="{NAMESPACE}" {_public_key(public_key)}\n')
        words = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", _SIGNER]
        words += ["-f", str(signers), "-s", str(signature)]
        return _run(commands, words, stdin=text).exit_code == 0


def _public_key(file: Path) -> str:
    try:
        lines = [line for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise RefusalError(f"--signer {file}: it cannot be read", advice="name a public key file") from error
    fields = lines[0].split() if len(lines) == 1 else []
    if len(fields) < _FIELDS or not fields[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise RefusalError(
            f"--signer {file}: it is not one public key of SSH", advice="name the file that ends with .pub"
        )
    return " ".join(fields[:_FIELDS])


def _run(commands: Commands, words: Sequence[str | Path], stdin: str | None = None) -> Completed:
    try:
        return commands.run(words, check=False, timeout=60, stdin=stdin)
    except CommandError as error:
        raise RefusalError(
            f"signatures need ssh-keygen: {error.message}", advice="install Debian's openssh-client"
        ) from error
