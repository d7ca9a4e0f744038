"""`benchmark.csv`: every round as a row, for spreadsheets and notebooks."""

from __future__ import annotations

import csv
import io
import json

from reports.performance.charts import SHOWN_PERCENTILES
from suites.benchmark.model.environment import Environment
from suites.benchmark.model.results import Benchmark
from suites.benchmark.model.rounds import Round, State
from suites.benchmark.model.series import SeriesResult


def render_csv(benchmark: Benchmark) -> str:
    """Every round as a row, with all that is recorded of it and of what it was measured on."""
    common = _flat_environment(benchmark.environment)
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for series in benchmark.series:
        for one in series.rounds:
            row = {"run": benchmark.id} | _flat_round(series, one) | common
            if writer is None:
                writer = csv.DictWriter(text, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
    return text.getvalue()


def _flat_round(series: SeriesResult, one: Round) -> dict[str, object]:
    arm, proof, latency = series.arm(one.arm), one.proof, one.latency
    row: dict[str, object] = {
        "series": series.name,
        "workload": series.workload.name,
        "jobs": series.workload.jobs,
        "pods": series.workload.pods,
        "total_bytes": series.workload.total_bytes,
        "parameters": json.dumps(series.workload.parameters, sort_keys=True),
        "nfs_asked_bytes_per_second": series.shaping.asked,
        "nfs_reached_bytes_per_second": series.shaping.reached,
        "arm": one.arm,
        "kind": arm.kind.value,
        "note": arm.note,
        "round": one.number,
        "started": one.started.isoformat(),
        "seconds": one.seconds,
        "value": one.value,
        "unit": series.unit.value,
        "read_bytes": one.read_bytes,
        "load_before": one.load_before,
        "cpu_seconds": one.cpu_seconds,
        "valid": one.valid,
        "reason": one.reason,
        "saturated": one.saturated,
        "polluted": one.polluted,
    }
    for percent in SHOWN_PERCENTILES:
        row[f"latency_p{percent:g}_ns"] = latency.at(percent) if latency else None
    row["latency_max_ns"] = latency.max_ns if latency else None
    for when in ("before", "after"):
        state: State | None = getattr(proof, when) if proof else None
        for name in ("cached_percent", "nfs_reads", "nfs_read_bytes", "page_cache_bytes", "fuse_pod"):
            row[f"{name}_{when}"] = getattr(state, name) if state else None
        row[f"alluxio_{when}"] = json.dumps(dict(state.alluxio), sort_keys=True) if state else None
    return row


def _flat_environment(env: Environment) -> dict[str, object]:
    return {
        "kernel": env.machine.kernel,
        "cpu_model": env.machine.cpu_model,
        "cpus": env.machine.cpus,
        "architecture": env.machine.architecture,
        "memory_bytes": env.machine.memory_bytes,
        "cluster": env.cluster,
        "nodes": env.nodes,
        "nfs_client": env.nfs.client,
        "nfs_version": env.nfs.version,
        "nfs_server": env.nfs.server,
        "nfs_storage": env.nfs.storage,
        "rsize": env.nfs.rsize,
        "nconnect": env.nfs.nconnect,
        "read_ahead_kb": env.nfs.read_ahead_kb,
        "nfs_options": ",".join(env.nfs.options),
        "fuse_options": ",".join(env.fuse.options),
        "tier": f"{env.tier.medium} {env.tier.path} {env.tier.quota_bytes}",
        "heap_bytes": json.dumps(dict(env.heap_bytes), sort_keys=True),
        "versions": json.dumps(dict(env.versions), sort_keys=True),
        "images": json.dumps({image.name: image.digest for image in env.images}, sort_keys=True),
    }
