"""A verdict as a real run might leave it, with one of everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from clusters.errors import FailureClass
from clusters.facts import Image, Origin, SystemFacts
from clusters.progress import Stage
from reports.verdict.judgement import judge_run
from reports.verdict.model import (
    AttemptResult,
    DefectResult,
    Failure,
    KeptFile,
    RunFacts,
    ScenarioResult,
    Verdict,
)
from suites.record.evidence import Fact, Phase

WRONG_CLAIM = """Pod b1/app reads through Fluid, although it mounts the original claim nfs-src
  object:    Pod b1/app
  expected:  no fuse.alluxio-fuse mount, no label fluid.io/f-b1-data, nothing cached, for 60 s
  elapsed:   14.2 s
  last seen: [14.2 s] node conformance-worker labelled fluid.io/f-b1-data=true
  to do:     see whether another Pod used claim data within the window"""


def scenario(id: str = "A1", outcome: str = "pass", **fields: Any) -> ScenarioResult:  # noqa: A002 - the field's name
    """A scenario with one attempt, if not specified otherwise."""
    failures = fields.pop("failures", ())
    seconds = fields.pop("seconds", 20.0)
    at = fields.pop("at", 100.0)
    if outcome == "fail" and not failures:
        kind = FailureClass(fields.get("class", "product"))
        failures = (Failure(failure_class=kind, reason="it broke", phase="call", at=at + 5),)
    given = {
        "id": id,
        "title": "A Dataset over an NFS claim becomes Bound",
        "level": "smoke",
        "outcome": outcome,
        "class": failures[0].failure_class if failures else None,
        "reason": failures[0].reason if failures else "",
        "seconds": seconds,
        "attempts": (
            AttemptResult(
                outcome=outcome, failures=failures, at=at, setup=1.0, call=seconds - 3, teardown=2.0
            ),
        ),
    }
    return ScenarioResult.model_validate(given | fields)


@pytest.fixture
def make() -> Callable[..., ScenarioResult]:
    """Creates a scenario with one attempt, if not specified otherwise."""
    return scenario


@pytest.fixture
def sample() -> Verdict:
    """A run with a pass, a product failure with a bundle, a known defect and two skips."""
    scenarios = (
        scenario(
            "A1",
            title="A Dataset over an NFS claim becomes Bound, and Fluid makes the claim for applications",
            does="A user has an NFS claim, makes a Dataset over it and an AlluxioRuntime of the same name.",
            seconds=48.3,
            test="suites/scenarios/correct_use/test_a1_a2_a3_first_use.py::test_dataset_becomes_bound",
            evidence=(
                Fact(source="Dataset", says="phase Bound, condition Ready", data={"phase": "Bound"}, at=31.2),
                Fact(
                    source="claim",
                    says="claim a1/data is Bound to volume a1-data, both made by Fluid",
                    data={"capacity": "100Pi", "access": "ReadOnlyMany"},
                    at=36.9,
                ),
                Fact(
                    source="DaemonSet",
                    says="no Fuse Pod is wanted yet",
                    data={"desired": 0, "ready": 0},
                    at=37.0,
                ),
            ),
            phases=(
                Phase(kind="dataset", name="make Dataset and AlluxioRuntime", seconds=0.6),
                Phase(kind="waiting", name="wait until the Dataset is Bound", seconds=30.9),
                Phase(kind="waiting", name="wait for Fluid's claim", seconds=5.6),
                Phase(kind="teardown", name="delete the namespace", seconds=9.4),
            ),
            attachments=(KeptFile(name="dataset", path="attachments/A1/01-dataset.yaml"),),
            issues=(4382,),
        ),
        scenario(
            "A2",
            title="An application on Fluid's claim reads through one Fuse Pod on its own node",
            does="The application mounts the claim that is named as the Dataset.",
            seconds=61.7,
            evidence=(
                Fact(
                    source="application mountinfo",
                    says="/data is fuse.alluxio-fuse",
                    data={"type": "fuse.alluxio-fuse", "options": "ro,nosuid,nodev"},
                    at=22.4,
                ),
                Fact(
                    source="Fuse Pod",
                    says="data-fuse-x7k2p is ready on conformance-worker",
                    data={"ready": 1},
                    at=23.0,
                ),
                Fact(source="node label", says="fluid.io/f-a2-data=true on conformance-worker", at=23.1),
                Fact(
                    source="checksums",
                    says="16 files read right",
                    data={"files": 16, "bytes": 67108864, "all_right": True},
                    at=30.8,
                ),
            ),
            phases=(
                Phase(kind="dataset", name="make Dataset", seconds=0.5),
                Phase(kind="waiting", name="wait until Bound", seconds=29.0),
                Phase(kind="reading", name="read all files", seconds=8.1),
                Phase(kind="teardown", name="delete the namespace", seconds=12.0),
            ),
            at=150.0,
        ),
        scenario(
            "B1",
            "fail",
            title="An application on the original NFS claim gets no acceleration, and nothing says so",
            does="The application mounts the NFS claim itself, as in Fluid's issue 4388.",
            seconds=74.9,
            at=215.0,
            failures=(
                Failure(
                    failure_class=FailureClass.PRODUCT,
                    reason=WRONG_CLAIM.splitlines()[0],
                    phase="call",
                    at=262.0,
                    detail=WRONG_CLAIM,
                ),
            ),
            evidence=(
                Fact(
                    source="application mountinfo",
                    says="/data is fuse.nfs from 10.96.12.4:/export",
                    data={"type": "fuse.nfs"},
                    at=18.0,
                ),
                Fact(source="node label", says="fluid.io/f-b1-data=true on conformance-worker", at=32.2),
            ),
            phases=(
                Phase(kind="dataset", name="make Dataset", seconds=0.5),
                Phase(kind="waiting", name="wait until Bound", seconds=28.0),
                Phase(kind="window", name="watch that nothing is cached", seconds=14.2),
                Phase(kind="teardown", name="delete the namespace", seconds=11.0),
            ),
            issues=(4388,),
            bundles=(KeptFile(name="collected in the body", path="bundles/B1/call/index.md"),),
            test="suites/scenarios/misuse/test_b1_b5_b6_wrong_claims.py::test_original_claim",
        ),
        scenario(
            "B2",
            "known-defect",
            title="A claim of the Dataset's name that Fluid did not make is not taken for Fluid's",
            reason="a claim of the user with the Dataset's name is accepted without a word",
            seconds=33.0,
            at=292.0,
            defects=(
                DefectResult(
                    key="same-name-claim-accepted",
                    says="a claim of the user with the Dataset's name is accepted without a word",
                    source="pkg/utils/dataset/volume/create.go:194, v1.0.8",
                    seen=True,
                ),
            ),
        ),
        scenario(
            "A4",
            "skipped",
            title="Applications on several nodes get one Fuse Pod on each",
            reason="cannot run here: the cluster has one worker node",
            seconds=0.0,
        ),
        scenario(
            "E1",
            "skipped",
            title="A deleted Dataset leaves nothing behind",
            reason="not run",
            attempts=(),
            seconds=0.0,
        ),
    )
    judgement = judge_run(scenarios)
    return Verdict(
        verdict=judgement.word,
        reasons=judgement.reasons,
        run=RunFacts(
            id="20261122-153700",
            started=datetime(2026, 11, 22, 15, 37, tzinfo=UTC),
            seconds=1384.2,
            finished=True,
            command="pytest suites --level=smoke --images=build --bootstrap",
            options={"level": "smoke", "images": "build"},
        ),
        system=SystemFacts(
            kubernetes="v1.34.2",
            fluid="v1.0.8",
            alluxio="2.9.0",
            cluster="kind",
            nodes=2,
            nfs_client="user-space",
            images=(
                Image(name="kindest/node:v1.34.2", digest="sha256:" + "4f7a" * 16, origin=Origin.BUILT),
                Image(
                    name="fluidcloudnative/dataset-controller:v1.0.8-6533239",
                    digest="sha256:" + "91c0" * 16,
                    origin=Origin.BUILT,
                ),
                Image(name="alluxio/alluxio-dev:2.9.0", digest="sha256:" + "aa3e" * 16, origin=Origin.BUILT),
                Image(
                    name="registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.14.0",
                    digest="",
                    origin=Origin.SUBSTITUTE,
                ),
            ),
            host_limits=(
                "This host has no kernel NFS client: nodes mount NFS in user space (libnfs and FUSE).",
                "cgroup v1: Kubernetes 1.34 is the newest that runs here.",
            ),
        ),
        scenarios=scenarios,
        stages=(
            Stage(name="image kindest/node", seconds=412.0),
            Stage(name="image fluidcloudnative/*", seconds=233.8, cached=False),
            Stage(name="image alluxio/alluxio-dev", seconds=1.2, cached=True),
            Stage(name="cluster up", seconds=58.4),
            Stage(name="NFS server ready", seconds=17.0),
            Stage(name="Fluid ready", seconds=28.6),
        ),
    )
