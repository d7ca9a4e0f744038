"""Breaks that are noticed while a Dataset is created."""

from __future__ import annotations

from typing import Final

from clusters.errors import FailureClass
from suites.sabotage.breaks import components, manifests
from suites.sabotage.cases.patterns import CRASHES, NOT_BOUND
from suites.sabotage.model import Place, Sabotage, Target

RUNTIME_CONTROLLER: Final = "alluxioruntime-controller"

CASES: Final = (
    Sabotage(
        "source-out-of-order",
        "edited by hand meanwhile",
        "the volume of the source is reserved for another claim: a fault of the environment, not of Fluid",
        manifests.fields_changed("PersistentVolume", spec__claimRef__name="other"),
        (
            Target(
                "A1",
                Place.NEW,
                reason=f"{NOT_BOUND} of PersistentVolumeClaim .*nfs-src",
                failure_class=FailureClass.INFRASTRUCTURE,
                timeout_factor=0.2,
            ),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "controller-missing",
        "component missing",
        "the alluxioruntime-controller does not run",
        components.controller_missing(RUNTIME_CONTROLLER),
        (
            Target(
                "A1",
                Place.NEW,
                reason=f"{NOT_BOUND}.*alluxioruntime-controller has no ready Pod",
                timeout_factor=0.04,
            ),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "controller-without-rights",
        "rights taken away",
        "the alluxioruntime-controller may not create ConfigMaps",
        components.rights_removed(RUNTIME_CONTROLLER, "configmaps", "create", "update"),
        (Target("A1", Place.NEW, reason=f"{NOT_BOUND}.*forbidden", timeout_factor=0.06),),
        ("A2", "B6"),
    ),
    Sabotage(
        "master-crashes",
        "component crashing or never ready",
        "the Alluxio master is started with an option that Java does not know",
        manifests.fields_changed("AlluxioRuntime", spec__master__jvmOptions=["-XX:+NoSuchOption"]),
        (Target("A1", Place.NEW, reason=f"{NOT_BOUND}.*demo-master-0.*{CRASHES}", timeout_factor=0.08),),
        ("A2", "B6"),
    ),
    Sabotage(
        "master-out-of-memory",
        "too little memory",
        "the Alluxio master may use 32 MiB of memory",
        manifests.fields_changed(
            "AlluxioRuntime",
            spec__master__resources={"requests": {"memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        ),
        (Target("A1", Place.NEW, reason=f"{NOT_BOUND}.*demo-master-0.*OOMKilled", timeout_factor=0.1),),
        ("A2", "B6"),
    ),
)
