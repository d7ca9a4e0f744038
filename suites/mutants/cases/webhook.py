"""Mutants of the webhook: placement near the cache, sidecars, and refusals."""

from __future__ import annotations

from typing import Final

from suites.mutants.model import NOTHING, Edit, Mutant, Part, Program

AFFINITY: Final = "pkg/webhook/plugins/nodeaffinitywithcache/node_affinity_with_cache.go"
HANDLER: Final = "pkg/webhook/handler/mutating/mutating_handler.go"
SIDECAR: Final = "pkg/webhook/plugins/fusesidecar/fuse_sidecar.go"


def _mutant(id_: str, says: str, rows: tuple[str, ...], *edits: Edit) -> Mutant:
    return Mutant(id_, says, Part.WEBHOOK, rows, edits, program=Program.WEBHOOK)


WEBHOOK: Final = (
    _mutant(
        "M107",
        "a labelled Pod does not prefer nodes with the cache",
        ("A29",),
        Edit(AFFINITY, 131, "utils.InjectPreferredSchedulingTerms(", NOTHING),
    ),
    _mutant(
        "M108",
        "a Pod that has to run where the cache is only prefers it",
        ("A29",),
        Edit(AFFINITY, 210, '"required"', '"must"'),
    ),
    _mutant(
        "M109",
        "a recovered mount does not reach a labelled Pod",
        ("A29",),
        Edit(
            "pkg/webhook/plugins/mountpropagationinjector/mount_propagation_injector.go",
            69,
            "(datasetNames,",
            "(datasetNames[:0],",
        ),
    ),
    _mutant(
        "M110",
        "a labelled Pod does not name the Datasets that it uses",
        ("A29",),
        Edit(
            "pkg/webhook/plugins/datasetusageinjector/dataset_usage_injector.go",
            65,
            "= annotationValue",
            '= ""',
        ),
    ),
    _mutant(
        "M111",
        "a Pod that opted out is changed all the same",
        ("A29",),
        Edit(HANDLER, 90, "if common", "if false && common"),
    ),
    _mutant(
        "M112",
        "a Pod with a sidecar is not marked as such",
        ("A30",),
        Edit(SIDECAR, 93, "common.True", "common.False"),
    ),
    _mutant(
        "M113",
        "a Pod with a sidecar keeps the claim, and has a Fuse Pod as well",
        ("A30",),
        Edit(
            "pkg/application/inject/fuse/mutator/mutator_default.go",
            172,
            "ClaimName == helper.pvcName",
            'ClaimName == ""',
        ),
    ),
    _mutant(
        "M114",
        "a labelled Pod whose claim does not exist is admitted as it is",
        ("B37",),
        Edit(HANDLER, 110, "return admission.Errored(http.StatusInternalServerError, err)", "_ = err"),
    ),
)
