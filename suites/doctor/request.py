"""What the command line asks of the doctor, and the part of a diagnosis that answers it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta

from clusters.errors import RefusalError
from suites.diagnosis import ClusterState, Finding
from suites.diagnosis.similar_names import nearest
from suites.doctor.answer import CODES, Answer, without_ignored


def answer_of(
    state: ClusterState, findings: tuple[Finding, ...], options: argparse.Namespace, cluster: str
) -> Answer:
    """The doctor's answer from the findings that were asked for."""
    kept, ignored = without_ignored(state, findings, options.ignore, options.ignored_namespaces)
    gaps = state.gaps
    if options.namespace and not any(pod.key[0] == options.namespace for pod in state.pods):
        gaps += (f"there are no Pods in namespace {options.namespace}: see that it is the right one",)
    return Answer(
        cluster=cluster,
        taken=state.taken.isoformat(timespec="seconds"),
        pods=len(state.pods),
        datasets=len(state.datasets),
        looked_inside=options.exec,
        findings=kept,
        ignored=ignored,
        gaps=gaps,
    )


def exclude(options: argparse.Namespace, name: str, *others: str) -> None:
    """Refuse options that contradict another one.

    Raises:
        RefusalError: one of ``others``, names of attributes, was given next to option ``name``.
    """
    for other in others:
        if getattr(options, other):
            shown = "from" if other == "saved" else other
            raise RefusalError(f"--{shown} and {name} exclude each other", advice="leave out one of them")


def check_codes(codes: Sequence[str]) -> None:
    """Refuse a code to ignore that no finding has.

    Raises:
        RefusalError: with the most similar code.
    """
    for code in codes:
        if code not in CODES:
            similar = nearest(code, CODES)
            raise RefusalError(
                f"--ignore {code}: there is no such code",
                advice=f"write {similar}" if similar else "see the codes in docs/doctor.md",
            )


def requested(options: argparse.Namespace) -> tuple[str | None, str | None]:
    """The namespace and the Pod that the options name.

    Raises:
        RefusalError: they contradict each other.
    """
    namespace: str | None = options.namespace
    if not options.pod:
        return namespace, None
    before, slash, name = options.pod.rpartition("/")
    if not name:
        raise RefusalError(f"--pod {options.pod} names no Pod", advice="write --pod NAMESPACE/NAME")
    if slash and namespace and before != namespace:
        raise RefusalError(
            f"--pod {options.pod} is not in --namespace {namespace}", advice="name the namespace once"
        )
    return (before or namespace), name


def require_pod(state: ClusterState, namespace: str | None, pod: str | None) -> None:
    """Refuse the name of a Pod that does not exist.

    Raises:
        RefusalError: there is no such Pod.
    """
    if pod and not any(seen.key[1] == pod and namespace in (None, seen.key[0]) for seen in state.pods):
        where = f"in namespace {namespace}" if namespace else "in any namespace"
        raise RefusalError(f"there is no Pod {pod} {where}", advice="see `kubectl get pods --all-namespaces`")


def selected(
    state: ClusterState,
    findings: tuple[Finding, ...],
    namespace: str | None,
    pod: str | None,
    since: timedelta | None,
) -> tuple[Finding, ...]:
    """The findings that were asked for; other namespaces were read only for what serves from there."""
    old = {
        seen.key
        for seen in state.pods
        if since and (created := seen.snapshot.meta.created) and created < state.taken - since
    }
    return tuple(
        found
        for found in findings
        if namespace in (None, found.pod[0]) and pod in (None, found.pod[1]) and found.pod not in old
    )
