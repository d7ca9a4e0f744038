"""Breaks that are noticed on the Dataset that all scenarios share, or in a namespace without a Dataset."""

from __future__ import annotations

from functools import partial
from typing import Final

from clusters.errors import FailureClass
from clusters.product.fluid import DATASET_CONTROLLER
from suites.sabotage.breaks import applications, components, manifests, objects, source
from suites.sabotage.cases.patterns import NOT_SERVED, timed_out_waiting_for
from suites.sabotage.model import Place, Sabotage, Target
from suites.steps.user import DATASET, SOURCE

CHANGED_FILE: Final = "labels/00.txt"

CASES: Final = (
    Sabotage(
        "application-on-the-source",
        "application on another claim",
        "the application is meant to mount Fluid's claim, and mounts the source",
        manifests.claim_replaced(DATASET, SOURCE),
        (Target("A2", reason=NOT_SERVED), Target("A13", reason=NOT_SERVED)),
        ("B6", "A1"),
    ),
    Sabotage(
        "claims-made-by-hand",
        "edited by hand meanwhile",
        "a foreign user creates a claim with the name that the application lacks",
        manifests.missing_claim_created,
        (Target("B5", reason="it was scheduled to"), Target("B6", reason="it was scheduled to")),
        ("A2", "B11"),
    ),
    Sabotage(
        "runtime-made-by-hand",
        "edited by hand meanwhile",
        "a foreign user creates the runtime that the user forgot",
        manifests.missing_runtime_created,
        (Target("B11", Place.NO_DATASET, reason="started Pods.*demo-master-0"),),
        ("A2", "B6"),
    ),
    Sabotage(
        "dataset-controller-without-rights",
        "rights taken away",
        "the dataset-controller may not change the status of Datasets",
        components.rights_removed(DATASET_CONTROLLER, "datasets/status", "update", "patch"),
        (Target("B11", Place.NO_DATASET, reason=timed_out_waiting_for("any phase"), timeout_factor=0.2),),
        ("A2", "B6"),
    ),
    Sabotage(
        "dataset-controller-missing",
        "component missing",
        "the dataset-controller does not run",
        components.controller_missing(DATASET_CONTROLLER),
        (
            Target(
                "B11",
                Place.NO_DATASET,
                reason=f"{timed_out_waiting_for('any phase')}.*dataset-controller has no ready Pod",
                timeout_factor=0.2,
            ),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "marks-taken-off",
        "edited by hand meanwhile",
        "Fluid's annotation is removed from the claim that Fluid made",
        objects.created_by_annotation_removed,
        (Target("A1", reason="lacks annotation CreatedBy=fluid"),),
        ("A2", "A13"),
    ),
    Sabotage(
        "second-fuse-pod",
        "edited by hand meanwhile",
        "a second Pod on the node has the labels of the Dataset's Fuse",
        applications.second_fuse_pod,
        (Target("A3", reason="has 2 Fuse Pods"),),
        ("A1", "B6"),
    ),
    Sabotage(
        "source-changed",
        "other data at the source",
        "a file at the source has other bytes before an application reads it through Fluid",
        partial(source.source_file_changed, path=CHANGED_FILE),
        (
            Target(
                "A2",
                Place.UNUSED,
                reason=f"the files at the source are not those.*changed: {CHANGED_FILE}",
                failure_class=FailureClass.INFRASTRUCTURE,
            ),
        ),
        ("B6", "B11"),
    ),
    # On its own: A13 repairs the files at the source when it ends. It starts a Fuse Pod, which B6 forbids.
    Sabotage(
        "source-changed-by-a-write",
        "other data at the source",
        "a file at the source has other bytes after an application was refused to write through Fluid",
        partial(source.source_file_changed, path=CHANGED_FILE),
        (Target("A13", reason=f"the data at the source changed.*changed: {CHANGED_FILE}"),),
        ("A1", "B11"),
    ),
)
