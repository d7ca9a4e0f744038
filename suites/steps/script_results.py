"""What the user's script printed in a Pod that Fluid created or changed."""

from __future__ import annotations

from typing import Final

from clusters.product import fluid_names
from suites.steps import checks
from suites.steps.user import User
from workloads.data_process_script import ScriptResult, parse_log
from workloads.pod_commands import OutputError

#: Characters of the log that an error shows.
SHOWN: Final = 500


def of_log(user: User, pod: str, log: str) -> ScriptResult:
    """The result that the log of a Pod holds, whose container has ended without an error.

    Fluid decided what runs in it: a log without the script's output means that the script did not run. A log
    that cannot be read is an error of the infrastructure, raised by who reads it.

    Args:
        user: whose Pod it is.
        pod: its name.
        log: of its container with the script.

    Raises:
        ProductFailureError: the log lacks the script's output.
    """
    try:
        return parse_log(log)
    except OutputError:
        checks.fail(
            f"Pod {pod} has ended without an error, and the user's script did not run in it",
            subject=f"Pod {user.namespace}/{pod}",
            expected="the output of the script in its log",
            seen=log.strip()[-SHOWN:] or "an empty log",
        )


def log_of_process(user: User, pod: str) -> str:
    """The log of the script of a DataProcess; its Pod has more containers where a service mesh adds them.

    Raises:
        KubeError: it cannot be read.
    """
    return user.system.kube.logs(user.namespace, pod, fluid_names.SCRIPT_CONTAINER)


def of_process(user: User, pod: str) -> ScriptResult:
    """The result of the script of a DataProcess, from its log.

    Raises:
        KubeError: the log cannot be read.
        ProductFailureError: the log lacks the script's output.
    """
    return of_log(user, pod, log_of_process(user, pod))
