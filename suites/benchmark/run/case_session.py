"""A benchmark session that measures cases: metadata of many files, writes, remote reads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from suites.benchmark.analysis.series_summary import summarize_series
from suites.benchmark.model.rounds import Round
from suites.benchmark.model.series import Arm, SeriesResult, Shaping, Workload
from suites.benchmark.run import cases
from suites.benchmark.run.base_session import Session
from suites.benchmark.run.case_measure import (
    WRITTEN,
    CaseMeasurer,
    MetadataMeasurer,
    WriteMeasurer,
    metadata_layout,
)
from suites.benchmark.run.cases import Case, CaseSpec, TooFewNodesError
from suites.benchmark.run.profile import TEARDOWN_SECONDS
from suites.benchmark.run.remote_reads import RemoteMeasurer, remote_layout, remote_plan
from suites.benchmark.run.schedule import planned
from suites.benchmark.testbed.datasets import WRITE_THROUGH, Variant
from suites.benchmark.testbed.environment_probe import mounts_of, probe_environment
from suites.benchmark.testbed.layout import FOLDER
from suites.benchmark.testbed.shaping import remove_limit
from suites.benchmark.testbed.testbed import Testbed

#: The Dataset of each case; cases with equal ones share it.
VARIANTS: Final = {
    Case.LIST: Variant(),
    Case.STAT: Variant(),
    Case.OPEN: Variant(),
    Case.REMOTE: Variant(workers=cases.REMOTE_NODES),
    Case.WRITE: Variant(writable=True),
}


@dataclass
class CaseSession(Session[CaseSpec]):
    """Measures cases, each on a Dataset as it needs it; only one Dataset exists at a time."""

    _testbed: Testbed | None = field(default=None, init=False)
    _variant: Variant | None = field(default=None, init=False)

    def prepare(self) -> None:
        """Print the plan; data and Datasets are created when their first case is measured."""
        nodes = len(self.system.nodes)
        for spec in self._specs():
            try:
                cases.require_nodes(spec.case, nodes)
            except TooFewNodesError as error:
                self._failed[spec.name] = error
                self._findings.append(f"{spec.name} could not be measured: {error.message}")
                self.progress.note(f"{error.message}; {error.advice}")
        self._ends = self.clock.now() + 60 * self.settings.minutes - TEARDOWN_SECONDS
        left = [one.series for one in self._specs() if one.name not in self._failed]
        if left:
            for line in planned(left).splitlines():
                self.progress.note(line)

    def _specs(self) -> tuple[CaseSpec, ...]:
        return self.settings.case_specs()

    def _remove(self, teardown: contextlib.ExitStack, *, clean: bool) -> None:
        if self._testbed is not None and clean:
            teardown.callback(self._testbed.remove)

    def _measure(self, spec: CaseSpec) -> None:
        testbed = self._testbed_of(spec.case)
        timed = self._timed(spec)
        with self.progress.stage(f"measure {spec.name}") as stage:
            measurer = _measurer(testbed, timed, stage.says)
            measurer.prepare()
            mounts = mounts_of(testbed)
            series_arms = tuple(
                Arm(name=one.name, kind=one.kind, note=one.note, mount=mounts[one.kind.through_fluid])
                for one in (cases.ARMS[name] for name in spec.series.arms)
            )
            compared = cases.comparisons(spec.series.arms)

            def result(rounds: Sequence[Round], ending: str, seconds: float) -> SeriesResult:
                return summarize_series(
                    name=spec.name,
                    unit=spec.case.unit,
                    workload=_workload(spec.case),
                    shaping=Shaping(asked=None),
                    arms=series_arms,
                    rounds=rounds,
                    comparisons=compared,
                    started=measurer.began,
                    seconds=seconds,
                    planned=spec.series.rounds,
                    ending=ending,
                    timeline=measurer.timeline,
                )

            done = self._measure_rounds(timed, measurer, compared, spec.case.unit, result)
            if not self.stopped:
                known = len(measurer.findings)
                measurer.finish()
                self._findings += measurer.findings[known:]
                self._write(finished=False)
        self.progress.note(str(done))

    def _testbed_of(self, case: Case) -> Testbed:
        """The testbed for a case; that of the case before is removed if it does not fit.

        Raises:
            HarnessError: it could not be created.
        """
        variant, system = VARIANTS[case], self.system
        if self._testbed is not None and self._variant == variant:
            return self._testbed
        if self._testbed is not None:
            self._testbed.remove()
            self._testbed = None
        layouts = () if variant.writable else (remote_layout() if case is Case.REMOTE else metadata_layout(),)
        folder = f"{FOLDER}/{WRITTEN}"
        system.nfs_server.create_writable(folder)
        system.nfs_server.empty(folder)
        self._testbed = Testbed.create(system, self.progress, layouts, None, variant)
        self._variant = variant
        remove_limit(self._testbed.limiter)
        if self._environment is None:
            found = probe_environment(self._testbed)
            tier = found.tier.model_copy(update={"quota_bytes": variant.workers * found.tier.quota_bytes})
            self._environment = found.model_copy(update={"tier": tier})
        return self._testbed


def _measurer(testbed: Testbed, spec: CaseSpec, on_step: Callable[[str], None]) -> CaseMeasurer:
    chosen: type[CaseMeasurer] = MetadataMeasurer
    if not spec.case.metadata:
        chosen = WriteMeasurer if spec.case is Case.WRITE else RemoteMeasurer
    return chosen(testbed, spec, datetime.now(UTC), on_step)


def _workload(case: Case) -> Workload:
    files, total, parameters = cases.FILES, cases.FILES * cases.FILE_BYTES, {"program": "perl"}
    if case is Case.WRITE:
        files, total = 1, cases.WRITTEN_BYTES
        parameters = {"program": "dd", "bs": "1M", "afterwards": "open, sync", "accessModes": "ReadWriteMany"}
        parameters |= WRITE_THROUGH
    elif case is Case.REMOTE:
        plan = remote_plan()
        files, total = len(plan.files), plan.total_bytes
        parameters = plan.options | {"workers": str(cases.REMOTE_NODES)}
    return Workload(
        name=case.value,
        says=cases.SAYS[case],
        jobs=1,
        files=files,
        total_bytes=total,
        parameters=parameters,
        operation="read" if case is Case.REMOTE else case.value,
    )
