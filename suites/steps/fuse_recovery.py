"""The feature gate FuseRecovery of Fluid's CSI plugin: whether mounts are restored under applications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from clusters.errors import InfrastructureError
from suites.steps import csi_plugin
from suites.steps.user import User

GATE: Final = "FuseRecovery"
_FLAG: Final = "--feature-gates="


def feature_gates(arguments: Sequence[str]) -> Mapping[str, bool]:
    """Feature gates by name that a component is started with (``--feature-gates=A=true,B=false``)."""
    gates: dict[str, bool] = {}
    for argument in arguments:
        if not argument.startswith(_FLAG):
            continue
        for pair in argument.removeprefix(_FLAG).split(","):
            name, _, value = pair.partition("=")
            if name.strip():
                gates[name.strip()] = value.strip().lower() == "true"
    return gates


def with_gate(argument: str, *, enabled: bool) -> str:
    """The argument ``--feature-gates=…`` with FuseRecovery switched; other gates stay as they are."""
    pairs = [pair for pair in argument.removeprefix(_FLAG).split(",") if pair]
    others = [pair for pair in pairs if pair.partition("=")[0].strip() != GATE]
    return _FLAG + ",".join([*others, f"{GATE}={str(enabled).lower()}"])


def is_enabled(user: User) -> bool:
    """Whether the CSI plugin restores mounts under applications; Fluid's default is not to."""
    return feature_gates(csi_plugin.arguments(user.system.kube)).get(GATE, False)


@contextmanager
def enabled(user: User) -> Iterator[None]:
    """The CSI plugin runs with FuseRecovery while the context lasts.

    Raises:
        InfrastructureError: the plugin is not started with feature gates.
    """
    kube = user.system.kube
    if is_enabled(user):
        yield
        return
    before = next((one for one in csi_plugin.arguments(kube) if one.startswith(_FLAG)), None)
    if before is None:
        raise InfrastructureError(f"the CSI plugin is not started with {_FLAG}…, so {GATE} cannot be enabled")
    after = with_gate(before, enabled=True)
    with ExitStack() as changed:
        with user.evidence.phase("waiting", f"the CSI plugin starts with {GATE}"):
            changed.enter_context(csi_plugin.argument_replaced(user.system.journal, before, after))
        user.evidence.fact("CSI plugin", f"runs with {after}")
        yield
