"""`python -m suites.doctor`: which Pods go through Fluid, which do not, why, and the one change to make.

It reads and changes nothing. Exit code 0: nothing is wrong; 1: something is; 2: it could not look.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from clusters.errors import HarnessError, RefusalError
from clusters.kubernetes.client import Kube
from suites.diagnosis import CannotLookError, ClusterState, Finding, collect, diagnose, look_inside
from suites.doctor.rendering import Answer, as_json, print_answer, refusal_json

CANNOT_LOOK = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, stream: TextIO | None = None) -> int:
    """Look at a cluster and tell; returns the exit code.

    Args:
        arguments: of the command line; by default the process's own.
        stream: where the answer goes; by default standard output.
    """
    out = stream or sys.stdout
    given = command_parser().parse_args(arguments)
    try:
        answer = examine(given)
    except HarnessError as error:
        if given.json:
            out.write(json.dumps(refusal_json(error), indent=2) + "\n")
        sys.stderr.write(f"{error}\n")
        return CANNOT_LOOK
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing was changed\n")
        return _INTERRUPTED
    if given.json:
        out.write(json.dumps(as_json(answer), indent=2) + "\n")
    else:
        print_answer(answer, out)
    return answer.exit_code


def command_parser(*, add_help: bool = True) -> argparse.ArgumentParser:
    """The options of the doctor."""
    parser = argparse.ArgumentParser(prog="fluid-conformance doctor", description=__doc__, add_help=add_help)
    parser.add_argument("--kubeconfig", type=Path, help="instead of $KUBECONFIG or ~/.kube/config")
    parser.add_argument("--context", help="of the kubeconfig, instead of its current one")
    parser.add_argument("-n", "--namespace", help="look only at the Pods of this namespace")
    parser.add_argument("--pod", metavar="[NAMESPACE/]NAME", help="tell only of this Pod")
    parser.add_argument(
        "--exec",
        action="store_true",
        help="look into running Pods too: mounts, a short read (needs pods/exec)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def examine(given: argparse.Namespace) -> Answer:
    """Look as the options say.

    Raises:
        CannotLookError: rights are missing, or Fluid is not there.
        RefusalError: the kubeconfig is of no use, or there is no such Pod.
        KubeError: the cluster broke off meanwhile.
    """
    namespace, pod = _wanted(given)
    kube = Kube.connect(given.kubeconfig, given.context, run="doctor")
    try:
        picture = collect(kube, namespace)
        findings = _chosen(picture, diagnose(picture), namespace, pod)
        if given.exec:
            findings, missing = look_inside(kube.exec, picture, findings)
            if missing:
                raise CannotLookError(
                    f"this user may not {', nor '.join(missing)}",
                    missing=missing,
                    advice="grant the rights of fluid-doctor-exec in suites/doctor/cluster-role.yaml, "
                    "or leave out --exec",
                )
        return Answer(
            cluster=kube.connection.url,
            taken=picture.taken.isoformat(timespec="seconds"),
            pods=len(picture.pods),
            datasets=len(picture.datasets),
            looked_inside=given.exec,
            findings=findings,
            gaps=picture.gaps,
        )
    finally:
        kube.close()


def _wanted(given: argparse.Namespace) -> tuple[str | None, str | None]:
    """Namespace and Pod asked for."""
    namespace: str | None = given.namespace
    if not given.pod:
        return namespace, None
    before, slash, name = given.pod.rpartition("/")
    if slash and namespace and before != namespace:
        raise RefusalError(
            f"--pod {given.pod} is not in --namespace {namespace}", advice="name the namespace once"
        )
    return (before or namespace), name


def _chosen(
    picture: ClusterState, findings: tuple[Finding, ...], namespace: str | None, pod: str | None
) -> tuple[Finding, ...]:
    """The findings about what was asked for; other namespaces were seen only for what serves from there."""
    if pod and not any(seen.key[1] == pod and namespace in (None, seen.key[0]) for seen in picture.pods):
        where = f"in namespace {namespace}" if namespace else "in any namespace"
        raise RefusalError(f"there is no Pod {pod} {where}", advice="see `kubectl get pods --all-namespaces`")
    return tuple(f for f in findings if namespace in (None, f.pod[0]) and pod in (None, f.pod[1]))


if __name__ == "__main__":
    sys.exit(main())
