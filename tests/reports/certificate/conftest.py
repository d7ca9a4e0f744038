"""A run of level smoke that can be certified, and its certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clusters.facts import Image, Origin, SystemFacts
from clusters.progress import Stage
from reports.certificate.harness import harness_facts
from reports.certificate.issue import issue
from reports.verdict.judgement import judge_run
from reports.verdict.model import FILE, Host, RunFacts, ScenarioResult, Verdict
from suites.catalogue.discovery import declared
from suites.catalogue.scenario import Level
from suites.record.evidence import Fact

DIGEST = "sha256:" + "1" * 64


@pytest.fixture
def smoke_rows(make: Callable[..., ScenarioResult]) -> list[ScenarioResult]:
    """Every row of level smoke passed; texts name the machine, a path and a secret."""
    private = Fact(
        source="mount on builder-7",
        says="kubeconfig /home/alice/kube/config of builder-7.example has token: abcdef123456",
        data={"file": "/srv/runs/today/verdict.json"},
        at=1.0,
    )
    return [
        make(
            one.id,
            title=one.title,
            test=f"{one.file}::test",
            at=100.0 + number,
            evidence=(private,) if number == 0 else (),
        )
        for number, one in enumerate(row for row in declared() if row.level is Level.SMOKE)
    ]


@pytest.fixture
def certifiable(smoke_rows: list[ScenarioResult]) -> Verdict:
    """A finished run of level smoke, made by the harness as it is now."""
    return verdict_of(smoke_rows)


def verdict_of(rows: list[ScenarioResult]) -> Verdict:
    """The verdict of these rows."""
    judged = judge_run(rows)
    return Verdict(
        verdict=judged.word,
        reasons=judged.reasons,
        run=RunFacts(
            id="20261128-100000",
            started=datetime(2026, 11, 28, 10, tzinfo=UTC),
            seconds=600.0,
            finished=True,
            command="pytest suites --out /srv/runs --registry mirror.example:5000 --kubeconfig=/home/alice/k",
            options={"level": "smoke", "fluid": "1.0.8", "nodes": "1", "images": "auto", "window": "60"},
            host=Host(name="builder-7.example", kernel="6.1", cpus=2, cpu_model="EPYC", memory=2**34),
            harness=harness_facts().code,
        ),
        system=SystemFacts(
            kubernetes="1.34.0",
            fluid="v1.0.8-6533239",
            alluxio="2.9.0",
            cluster="kind",
            nodes=1,
            node_names=("fluid-conformance-control-plane",),
            nfs_client="kernel",
            images=(Image(name="fluidcloudnative/fluid-csi:v1.0.8", digest=DIGEST, origin=Origin.PULLED),),
            host_limits=("pulled through mirror.example:5000",),
        ),
        scenarios=tuple(rows),
        stages=(Stage(name="create cluster", seconds=60.0),),
    )


@pytest.fixture
def run_folder(tmp_path: Path, certifiable: Verdict) -> Path:
    """The folder of that run."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / FILE).write_text(certifiable.to_json())
    return folder


@pytest.fixture
def certificate(run_folder: Path) -> Path:
    """Its certificate, not signed."""
    return issue(run_folder)
