"""The objects of a run in the cluster: Job or CronJob, and the least rights for its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

import suites
from clusters.errors import RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from clusters.product import fluid
from clusters.rights import Rights, rules
from reports.job.settings import Settings, selection

#: Namespace of the Job. It is another one than the harness's, which each run deletes at its end.
NAMESPACE: Final = "fluid-conformance-job"
#: Name of the Job, of the CronJob, and of what belongs to them.
NAME: Final = "fluid-conformance"
#: The ClusterRole that the run binds to itself in each namespace that it creates.
OWN_ROLE: Final = "fluid-conformance-own-namespaces"
CLUSTER_ROLE: Final = "fluid-conformance-cluster"
LABELS: Final[Mapping[str, str]] = {"app.kubernetes.io/managed-by": "fluid-conformance-job"}
#: Name of the doctor's Job or CronJob, and of its account and role.
DOCTOR: Final = "fluid-doctor"
#: Seconds after which Kubernetes ends the doctor.
DOCTOR_SECONDS: Final = 600
DOCTORS_ROLES: Final = Path(suites.__file__).parent / "doctor" / "cluster-role.yaml"
#: Containers of its Pod: one runs the suite; the other keeps the results until they are retrieved.
RUN: Final = "run"
RESULTS: Final = "results"
RESULTS_FOLDER: Final = "/results"
SIGNALS_FOLDER: Final = "/signals"
_KUBECONFIG_FOLDER: Final = "/etc/fluid-conformance"
_ACCOUNT_FOLDER: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
#: Seconds for the teardown of a run that is ended.
_GRACE_SECONDS: Final = 300
#: Of the image (recipes/harness).
_USER: Final = 65_532
_RBAC: Final = "rbac.authorization.k8s.io"

Manifest = dict[str, Any]


def manifests(settings: Settings) -> list[Manifest]:
    """All objects of a run in the order in which they are to be applied.

    Raises:
        RefusalError: none of its rows can run in the cluster.
    """
    rights = selection(settings).rights
    job = _job(NAME, settings.schedule, settings.deadline, _pod(settings))
    return [*_account(NAME), *_roles(rights), _kubeconfig(), job]


def doctor_manifests(image: str, schedule: str, options: Sequence[str]) -> list[Manifest]:
    """All objects with which the doctor runs in the cluster, with the rights that are shipped for it.

    Args:
        image: of the harness.
        schedule: of a CronJob; empty for one run.
        options: of ``fluid-conformance doctor``. ``--exec`` adds the right to run programs in Pods, and
            ``--events`` that to create Events.

    Raises:
        RefusalError: with ``--watch`` the Job would never complete.
    """
    if "--watch" in options:
        raise RefusalError(
            "a Job of the doctor completes with its answer, and --watch does not end",
            advice="leave out --watch, or add --schedule",
        )
    shipped = {
        role["metadata"]["name"]: role["rules"] for role in yaml.safe_load_all(DOCTORS_ROLES.read_text())
    }
    granted = list(shipped["fluid-doctor"])
    for option in ("exec", "events"):
        if f"--{option}" in options:
            granted += shipped[f"fluid-doctor-{option}"]
    run = _container(RUN, image, ["doctor", *options], "tmp", memory="128Mi")
    return [
        *_account(DOCTOR),
        _object(kinds.CLUSTER_ROLE, DOCTOR, rules=granted),
        _object(kinds.CLUSTER_ROLE_BINDING, DOCTOR, **_binds(kinds.CLUSTER_ROLE, DOCTOR, DOCTOR)),
        _job(DOCTOR, schedule, DOCTOR_SECONDS, _pod_of(DOCTOR, [run], [{"name": "tmp", "emptyDir": {}}])),
    ]


def as_yaml(objects: list[Manifest]) -> str:
    """The objects as one YAML text, for ``kubectl apply -f -``."""
    return str(yaml.safe_dump_all(objects, sort_keys=False))


def _object(kind: Kind, name: str, namespace: str | None = NAMESPACE, **content: Any) -> Manifest:
    metadata: Manifest = {"name": name, "labels": dict(LABELS)}
    if kind.namespaced:
        metadata["namespace"] = namespace
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **content}


def _account(name: str) -> Iterator[Manifest]:
    namespace = _object(kinds.NAMESPACE, NAMESPACE)
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    yield namespace
    yield _object(kinds.SERVICE_ACCOUNT, name)


def _roles(rights: Rights) -> Iterator[Manifest]:
    may_bind = [
        {
            "apiGroups": [_RBAC],
            "resources": ["rolebindings"],
            "verbs": ["create", "get", "list", "patch", "watch"],
        },
        {"apiGroups": [_RBAC], "resources": ["clusterroles"], "resourceNames": [OWN_ROLE], "verbs": ["bind"]},
    ]
    yield _object(kinds.CLUSTER_ROLE, OWN_ROLE, rules=rules(rights.own))
    yield _object(kinds.CLUSTER_ROLE, CLUSTER_ROLE, rules=[*rules(rights.cluster), *may_bind])
    yield _object(kinds.CLUSTER_ROLE_BINDING, CLUSTER_ROLE, **_binds(kinds.CLUSTER_ROLE, CLUSTER_ROLE, NAME))
    yield _object(kinds.ROLE, NAME, fluid.NAMESPACE, rules=rules(rights.fluid))
    yield _object(kinds.ROLE_BINDING, NAME, fluid.NAMESPACE, **_binds(kinds.ROLE, NAME, NAME))


def _binds(kind: Kind, role: str, account: str) -> Manifest:
    return {
        "roleRef": {"apiGroup": _RBAC, "kind": kind.name, "name": role},
        "subjects": [{"kind": kinds.SERVICE_ACCOUNT.name, "name": account, "namespace": NAMESPACE}],
    }


def _kubeconfig() -> Manifest:
    """The service account of the Pod as a kubeconfig, so that a run in the cluster is as any other."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "in-cluster",
        "clusters": [
            {
                "name": "in-cluster",
                "cluster": {
                    "server": "https://kubernetes.default.svc",
                    "certificate-authority": f"{_ACCOUNT_FOLDER}/ca.crt",
                },
            }
        ],
        "users": [{"name": "in-cluster", "user": {"tokenFile": f"{_ACCOUNT_FOLDER}/token"}}],
        "contexts": [{"name": "in-cluster", "context": {"cluster": "in-cluster", "user": "in-cluster"}}],
    }
    return _object(kinds.CONFIG_MAP, NAME, data={"kubeconfig": yaml.safe_dump(config)})


def _job(name: str, schedule: str, deadline: int, pod: Manifest) -> Manifest:
    """A Job; with a schedule a CronJob that creates it."""
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": deadline,
        "template": {"metadata": {"labels": dict(LABELS)}, "spec": pod},
    }
    if not schedule:
        return _object(kinds.JOB, name, spec=spec)
    cron = {
        "schedule": schedule,
        # One run at a time uses a cluster.
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"spec": spec},
    }
    return _object(kinds.CRON_JOB, name, spec=cron)


def _pod(settings: Settings) -> Manifest:
    kept = {"persistentVolumeClaim": {"claimName": settings.results_claim}}
    volumes = [
        {"name": "results", **(kept if settings.results_claim else {"emptyDir": {}})},
        {"name": "tmp", "emptyDir": {}},
        {"name": "signals", "emptyDir": {}},
        {"name": "kubeconfig", "configMap": {"name": NAME}},
    ]
    run = ["job", "in-pod", "run", "--"]
    run += ["--kubeconfig", f"{_KUBECONFIG_FOLDER}/kubeconfig", "--bind-role", OWN_ROLE]
    run += ["--out", RESULTS_FOLDER, *settings.arguments()]
    hold = ["job", "in-pod", "hold", "--keep", str(settings.keep)]
    containers = [
        _container(RUN, settings.image, run, "tmp", "results", "signals", "kubeconfig", memory="256Mi"),
        _container(RESULTS, settings.image, hold, "results", "signals", memory="64Mi"),
    ]
    return _pod_of(NAME, containers, volumes)


def _pod_of(account: str, containers: list[Manifest], volumes: list[Manifest]) -> Manifest:
    return {
        "serviceAccountName": account,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": volumes,
    }


def _container(name: str, image: str, arguments: list[str], *volumes: str, memory: str) -> Manifest:
    places = {
        "tmp": "/tmp",  # noqa: S108 - a volume of the Pod
        "results": RESULTS_FOLDER,
        "signals": SIGNALS_FOLDER,
        "kubeconfig": _KUBECONFIG_FOLDER,
    }
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "resources": {"requests": {"cpu": "50m", "memory": memory}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": volume, "mountPath": places[volume]} for volume in volumes],
    }
