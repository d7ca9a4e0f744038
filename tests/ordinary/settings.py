"""The settings of package clients that the guest takes over from this machine.

Names of package registries are settings of the machine that runs this check, so that they are read
when it runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from clusters.host.commands import CommandError, Commands

#: The guest's own bundle contains the authorities that this machine's administrator added. Some clients
#: have a bundle of their own unless these variables name another.
BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
_BUNDLE_VARIABLES: Final = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
#: pip's settings (pip config) and uv's variables for the same.
_INDEX_VARIABLES: Final = {
    "index-url": ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
    "extra-index-url": ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
}
_GO_VARIABLES: Final = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE")
_CLIENT_SECONDS: Final = 30.0


def settings(commands: Commands, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables for the guest, by name.

    Args:
        commands: asks the package clients of this machine.
        environment: of this process.
    """
    found = dict.fromkeys(_BUNDLE_VARIABLES, BUNDLE)
    for setting, variables in _INDEX_VARIABLES.items():
        for section in ("global", ":env:"):
            value = _said(commands, "pip", "config", "get", f"{section}.{setting}")
            if value:
                found |= dict.fromkeys(variables, value)
    for variable in _GO_VARIABLES:
        value = environment.get(variable) or _said(commands, "go", "env", variable)
        if value:
            found[variable] = value
    return found


def as_file(variables: Mapping[str, str]) -> str:
    """The variables in the form of /etc/environment (pam_env(8))."""
    return "".join(f'{name}="{value}"\n' for name, value in sorted(variables.items()))


def _said(commands: Commands, *argv: str) -> str:
    try:
        done = commands.run(argv, check=False, timeout=_CLIENT_SECONDS)
    except CommandError:
        # Without that client there is no setting of it.
        return ""
    return done.stdout.strip() if done.exit_code == 0 else ""
