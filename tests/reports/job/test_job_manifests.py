"""The objects of a run in the cluster."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import yaml

from clusters.disruption import Disruption
from clusters.errors import RefusalError
from clusters.kubernetes.kinds import kind_of
from clusters.kubernetes.used_rights import UsedRight, granted
from clusters.product import fluid
from reports.job import manifests
from reports.job.manifests import LABELS, NAMESPACE, as_yaml
from reports.job.settings import Settings
from suites.catalogue.scenario import Level


def objects(**more: Any) -> dict[str, dict[str, Any]]:
    """The objects by kind and name."""
    made = manifests.manifests(Settings("registry/harness:1", **more))
    return {f"{one['kind']} {one['metadata']['name']}": one for one in made}


def pod_of(made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The Pod of the Job."""
    spec: dict[str, Any] = made["Job fluid-conformance"]["spec"]["template"]["spec"]
    return spec


def test_every_object_is_known_labelled_and_in_its_place() -> None:
    """`job delete` finds them by that, and `cluster down` leaves them alone."""
    made = objects()
    for one in made.values():
        kind = kind_of(one)
        assert one["metadata"]["labels"].items() >= LABELS.items()
        places = {NAMESPACE, fluid.NAMESPACE} if kind.namespaced else {None}
        assert one["metadata"].get("namespace") in places
    assert list(yaml.safe_load_all(as_yaml(list(made.values())))) == list(made.values())


def test_the_pod_is_admitted_where_pods_are_restricted() -> None:
    """PodSecurity `restricted` is enforced in its namespace."""
    made = objects()
    labels = made[f"Namespace {NAMESPACE}"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = pod_of(made)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not security["allowPrivilegeEscalation"]
        assert security["readOnlyRootFilesystem"]
    assert not any("hostPath" in volume for volume in pod["volumes"])


def test_the_run_has_its_options_and_its_account() -> None:
    """By a kubeconfig that reads the account's token from its file."""
    made = objects(
        level=Level.FULL,
        scenario="A1,B31",
        permitted=frozenset({Disruption.NODE_LABELS, Disruption.NODE}),
        registry="mirror:5000",
        more=("--window", "30"),
    )
    run = next(one for one in pod_of(made)["containers"] if one["name"] == manifests.RUN)
    words = run["args"][run["args"].index("--") + 1 :]
    assert words == [
        *("--kubeconfig", "/etc/fluid-conformance/kubeconfig"),
        *("--bind-role", manifests.OWN_ROLE),
        *("--out", "/results", "--level", "full", "--scenario", "A1,B31"),
        *("--allow-disruptive", "node,node-labels", "--registry", "mirror:5000", "--window", "30"),
    ]
    config = yaml.safe_load(made["ConfigMap fluid-conformance"]["data"]["kubeconfig"])
    assert config["users"][0]["user"] == {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}


def test_rights_are_bound_to_its_account_only() -> None:
    """In the cluster, in Fluid's namespace; its own namespaces are bound by itself, by name of one role."""
    made = objects()
    account = {"kind": "ServiceAccount", "name": "fluid-conformance", "namespace": NAMESPACE}
    bindings = [one for one in made.values() if one["kind"].endswith("Binding")]
    assert len(bindings) == 2
    assert all(one["subjects"] == [account] for one in bindings)
    rules = made[f"ClusterRole {manifests.CLUSTER_ROLE}"]["rules"]
    bind = [rule for rule in rules if "bind" in rule["verbs"]]
    assert [rule["resourceNames"] for rule in bind] == [[manifests.OWN_ROLE]]
    assert not any("*" in words for rule in rules for words in rule.values())


def test_the_doctor_has_the_rights_that_are_shipped_for_it() -> None:
    """It only reads; with --exec it may run programs in Pods, too."""
    text = manifests.DOCTORS_ROLES.read_text()
    shipped = {role["metadata"]["name"]: role["rules"] for role in yaml.safe_load_all(text)}
    more = {"--metrics": [], "--exec": ["fluid-doctor-exec"], "--events": ["fluid-doctor-events"]}
    for options, roles in (([option], ["fluid-doctor", *added]) for option, added in more.items()):
        made = {one["kind"]: one for one in manifests.doctor_manifests("image", "*/10 * * * *", options)}
        assert made["ClusterRole"]["rules"] == [rule for name in roles for rule in shipped[name]]
        pod = made["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == manifests.DOCTOR
        assert pod["containers"][0]["args"] == ["doctor", *options]


def test_a_job_of_the_doctor_does_not_watch() -> None:
    """It would never complete."""
    with pytest.raises(RefusalError, match="--watch does not end"):
        manifests.doctor_manifests("image", "", ["--watch"])


def test_a_run_may_read_what_the_doctor_reads() -> None:
    """Its rows ask the doctor about their Pods."""
    text = manifests.DOCTORS_ROLES.read_text()
    doctor = next(one for one in yaml.safe_load_all(text) if one["metadata"]["name"] == "fluid-doctor")
    mine = objects()[f"ClusterRole {manifests.CLUSTER_ROLE}"]["rules"]
    for rule in doctor["rules"]:
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
            for verb in rule["verbs"]:
                assert granted(mine, UsedRight(verb, group, resource)), resource


def test_a_schedule_makes_a_cron_job_that_runs_once_at_a_time() -> None:
    """And no Job; results may be kept in a claim."""
    made = objects(schedule="0 3 * * *", results_claim="kept", keep=0)
    assert "Job fluid-conformance" not in made
    cron = made["CronJob fluid-conformance"]["spec"]
    assert (cron["schedule"], cron["concurrencyPolicy"]) == ("0 3 * * *", "Forbid")
    pod = cron["jobTemplate"]["spec"]["template"]["spec"]
    assert {"name": "results", "persistentVolumeClaim": {"claimName": "kept"}} in pod["volumes"]
    holder = next(one for one in pod["containers"] if one["name"] == manifests.RESULTS)
    assert holder["args"][-2:] == ["--keep", "0"]
