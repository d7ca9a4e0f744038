"""`fluid-conformance doctor`: which Pods go through Fluid, which do not, why, and the one change to make.

It only reads, but for `--events`. Exit code 0: nothing is wrong; 1: something is; 2: the cluster could not
be read; 3: nothing is known to be wrong, but something could not be determined. With `--watch` it keeps
answering, and ends with the code of its last answer.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import traceback
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, TextIO

from clusters.errors import HarnessError
from clusters.kubernetes.client import Kube
from suites.diagnosis import CannotDiagnoseError, collect, diagnose, prove_in_pods
from suites.diagnosis.saved import read_saved
from suites.doctor import pod_events
from suites.doctor.answer import Answer
from suites.doctor.metrics import as_metrics
from suites.doctor.rendering import CANNOT_DIAGNOSE, as_json, drop_output, print_answer, refusal_json
from suites.doctor.request import answer_of, check_codes, exclude, requested, require_pod, selected
from suites.doctor.watching import watch

_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None, stream: TextIO | None = None) -> int:
    """Diagnose a cluster and print the answer.

    Args:
        arguments: of the command line; by default those of the process.
        stream: receives the answer; by default standard output.

    Returns:
        The exit code.
    """
    if stream is None and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal need not know every character of the answer
    out = stream or sys.stdout
    options = command_parser().parse_args(arguments)
    try:
        if options.watch:
            return watch(options, out)
        answer = examine(options)
    except HarnessError as error:
        return _refuse(error, out, as_json_=options.json)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing was changed\n")
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever a cluster or a file contains, a user sees no traceback
        if options.debug:
            traceback.print_exc()
        defect = HarnessError(
            f"the doctor failed on what it read: {type(error).__name__}: {error}",
            advice="run it again with --debug and report what it prints: this is a defect of the doctor",
        )
        return _refuse(defect, out, as_json_=options.json)
    try:
        _print(answer, options, out)
        out.flush()
    except BrokenPipeError:
        drop_output()
    return answer.exit_code


def _print(answer: Answer, options: argparse.Namespace, out: TextIO) -> None:
    if options.json:
        out.write(json.dumps(as_json(answer), indent=2) + "\n")
    elif options.metrics:
        out.write(as_metrics(answer))
    else:
        print_answer(answer, out)


def _refuse(error: HarnessError, out: TextIO, *, as_json_: bool) -> int:
    if as_json_:
        out.write(json.dumps(refusal_json(error), indent=2) + "\n")
    sys.stderr.write(f"{error}\n")
    return CANNOT_DIAGNOSE


def command_parser(*, add_help: bool = True) -> argparse.ArgumentParser:
    """The options of the doctor."""
    parser = argparse.ArgumentParser(prog="fluid-conformance doctor", description=__doc__, add_help=add_help)
    parser.add_argument("--kubeconfig", type=Path, help="instead of $KUBECONFIG or ~/.kube/config")
    parser.add_argument("--context", help="context of the kubeconfig, instead of the current one")
    parser.add_argument(
        "--from",
        dest="saved",
        metavar="PATH",
        type=Path,
        help="diagnose objects saved with `kubectl get -o json|yaml` or `kubectl cluster-info dump`, "
        "in a file or folder; - is standard input",
    )
    parser.add_argument("-n", "--namespace", help="diagnose only the Pods of this namespace")
    parser.add_argument("--pod", metavar="[NAMESPACE/]NAME", help="report only on this Pod")
    parser.add_argument(
        "--ignore",
        metavar="CODE",
        action="append",
        default=[],
        help="do not report findings of this code; may be repeated",
    )
    parser.add_argument(
        "--ignore-namespace",
        dest="ignored_namespaces",
        metavar="NAME",
        action="append",
        default=[],
        help="do not report on Pods of this namespace; may be repeated",
    )
    parser.add_argument(
        "--since",
        metavar="AGE",
        type=_age,
        help="report only on Pods that were created within this time, such as 90s, 30m, 12h or 7d",
    )
    parser.add_argument(
        "--exec",
        action="store_true",
        help="run commands in Pods too: mounts, a short read (needs pods/exec)",
    )
    parser.add_argument(
        "--events",
        action="store_true",
        help="create an Event on each Pod with which something is wrong (needs events; all else only reads)",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="keep answering until it is interrupted: list each kind once, watch it, and print what changes",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument(
        "--metrics", action="store_true", help="print Prometheus metrics instead of a table: findings by code"
    )
    parser.add_argument("--debug", action="store_true", help="print the traceback of a defect of the doctor")
    return parser


def _age(given: str) -> timedelta:
    """A time such as 30m."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", given)
    if found is None:
        raise argparse.ArgumentTypeError(f"{given!r} is no time such as 90s, 30m, 12h or 7d")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[found[2]]
    return timedelta(**{unit: int(found[1])})


def examine(options: argparse.Namespace) -> Answer:
    """Diagnose what the options name.

    Raises:
        CannotDiagnoseError: rights are missing, Fluid is not installed, or the saved objects are not enough.
        RefusalError: the options contradict each other, the kubeconfig is unusable, or there is no such Pod.
        KubeError: the connection broke.
    """
    check_codes(options.ignore)
    if options.saved is None:
        return _examine_cluster(options)
    exclude(options, "--from", "exec", "events", "kubeconfig", "context")
    state = read_saved(options.saved, sys.stdin.buffer)
    namespace, pod = requested(options)
    require_pod(state, namespace, pod)
    findings = selected(state, diagnose(state), namespace, pod, options.since)
    return answer_of(state, findings, options, f"saved in {options.saved}")


def _examine_cluster(options: argparse.Namespace) -> Answer:
    namespace, pod = requested(options)
    kube = Kube.connect(options.kubeconfig, options.context, run="doctor")
    try:
        state = collect(kube, namespace)
        require_pod(state, namespace, pod)
        findings = selected(state, diagnose(state), namespace, pod, options.since)
        if options.exec:
            findings, missing = prove_in_pods(kube.exec, state, findings)
            if missing:
                raise CannotDiagnoseError(
                    f"this user may not {', nor '.join(missing)}",
                    missing=missing,
                    advice="grant the rights of fluid-doctor-exec in suites/doctor/cluster-role.yaml, "
                    "or leave out --exec",
                )
        answer = answer_of(state, findings, options, kube.connection.url)
        if options.events:
            pod_events.report(kube, state, answer.findings)
        return answer
    finally:
        kube.close()


if __name__ == "__main__":
    sys.exit(main())
