"""The files of a certificate, and how each of them follows from the verdict and the harness.

All files but `verdict.json`, `harness.json` and `pins.toml` are computed from these by `derived_files`, so
that `reports.certificate.verification` can compute them again and compare.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final

import yaml

from clusters.pins import PINS_FILE
from reports.certificate.harness import HarnessFacts
from reports.certificate.junit import junit_xml
from reports.certificate.log import run_log
from reports.certificate.rows import RowList, list_rows
from reports.verdict import model, phrases
from reports.verdict.model import Verdict
from suites.catalogue.scenario import Level
from suites.mutants.cases import MUTANTS
from suites.mutants.page import RECORDED, recorded
from suites.mutants.result import scores
from suites.record.versions import release

PRODUCT: Final = "PRODUCT.yaml"
README: Final = "README.md"
VERDICT: Final = model.FILE
JUNIT: Final = "junit_01.xml"
LOG: Final = "e2e.log"
IMAGES: Final = "images.json"
HOST: Final = "host.json"
ROWS: Final = "rows.json"
MUTATION: Final = "mutation.json"
PINS: Final = "pins.toml"
HARNESS: Final = "harness.json"
MANIFEST: Final = "MANIFEST.sha256"
SIGNATURE: Final = f"{MANIFEST}.sig"

#: What a certificate holds, in the order in which README.md lists it.
PURPOSES: Final[Mapping[str, str]] = {
    PRODUCT: "the product and its version",
    README: "this text",
    VERDICT: "the system, every row with its evidence, and the verdict",
    ROWS: "all rows of the catalogue: what each came to, and why a row was not run",
    JUNIT: "the rows in JUnit's format",
    LOG: "the run in the order of time",
    IMAGES: "every image with its digest and origin, and the images that ran",
    HOST: "the machine, without its name, and what it could not do",
    MUTATION: "the mutation score of this version of the harness",
    PINS: "every version that the harness knows",
    HARNESS: "version, commit and SHA-256 of every file of the harness",
    MANIFEST: "SHA-256 of every other file; `sha256sum --check MANIFEST.sha256` reads it",
}
FILES: Final = tuple(PURPOSES)

#: Options of a run that its repetition needs, in their order on the command line.
_REPEATED: Final = (
    *("level", "scenario", "fluid", "upgrade-from", "kubernetes", "alluxio", "nodes", "images", "window"),
    "shuffle",
)


def derived_files(verdict: Verdict, harness: HarnessFacts) -> dict[str, str]:
    """The text of every file that follows from the (redacted) verdict and the harness, by name."""
    rows = list_rows(verdict)
    return {
        PRODUCT: _product(verdict),
        README: _readme(verdict, rows, harness),
        JUNIT: junit_xml(verdict),
        LOG: run_log(verdict),
        IMAGES: _json(_images(verdict)),
        HOST: _json(_host(verdict)),
        ROWS: rows.model_dump_json(indent=2) + "\n",
        MUTATION: _json(mutation_score()),
    }


def all_files(verdict: Verdict, harness: HarnessFacts) -> dict[str, str]:
    """The text of every file except manifest and signature."""
    return {
        **derived_files(verdict, harness),
        VERDICT: verdict.to_json(),
        PINS: PINS_FILE.read_text(),
        HARNESS: harness.model_dump_json(indent=2) + "\n",
    }


def mutation_score() -> dict[str, Any]:
    """How many mutants the rows of this version of the harness noticed, and each result."""
    results = recorded()
    total = scores(results.values())["all"]
    return {
        "recorded_in": RECORDED.name,
        "mutants": len(MUTANTS),
        "tried": total.tried,
        "killed": total.killed,
        "survived": total.survived,
        "misblamed": total.misblamed,
        "score": str(total),
        "results": [
            {"id": row["id"], "part": row["part"], "outcome": row["outcome"]} for row in results.values()
        ],
    }


def repeat_command(verdict: Verdict) -> str:
    """The one command that runs the same level on the same versions again."""
    options = verdict.run.options
    words = ["fluid-conformance", "run"]
    if verdict.system is not None and verdict.system.cluster == "existing":
        words += ["--kubeconfig", "KUBECONFIG"]
    for name in _REPEATED:
        if name in options and not (name == "fluid" and "fluid-source" in options):
            words += [f"--{name}", options[name]]
    if "fluid-source" in options:
        words += ["--fluid-source", "CHECKOUT"]
    if "untouched" in options:
        words.append("--untouched")
    return shlex.join(words)


def _what(rows: RowList) -> str:
    if not rows.selected:
        return f"Level `{rows.level}`"
    *before, last = rows.selected
    return f"Rows {', '.join(before)} and {last}" if before else f"Row {last}"


def _source(verdict: Verdict) -> list[str]:
    """What CHECKOUT in the command is, where Fluid was built from a local one."""
    source = verdict.system.fluid_source if verdict.system is not None else None
    if source is None:
        return []
    commit = f"commit {source.commit} of Fluid" if source.commit else "source of Fluid without a commit"
    changed = ", changed by hand, so that nobody else can have it" if source.changed else ""
    return [f"CHECKOUT is {commit}{changed}; the digest of what was built is {source.digest}.", ""]


def _product(verdict: Verdict) -> str:
    system = verdict.system
    version = f"v{release(system.fluid)}" if system else ""
    if system is not None and system.fluid_source is not None:
        # Not the release, whatever its chart says.
        version = system.fluid
    facts = {
        "vendor": "Fluid project",
        "name": "Fluid",
        "version": version,
        "website_url": "https://fluid-cloudnative.github.io",
        "repo_url": "https://github.com/fluid-cloudnative/fluid",
        "documentation_url": "https://github.com/fluid-cloudnative/fluid/tree/master/docs",
        "type": "Kubernetes operator and CSI driver",
        "description": "Orchestrates datasets and the distributed caches that accelerate them.",
        "kubernetes": system.kubernetes if system else "",
        "alluxio": system.alluxio if system else "",
        "level": verdict.run.options.get("level", ""),
        "verdict": verdict.verdict,
    }
    return yaml.safe_dump(facts, sort_keys=False, width=1000, allow_unicode=True)


def _readme(verdict: Verdict, rows: RowList, harness: HarnessFacts) -> str:
    system = verdict.system
    versions = (
        f"Fluid {system.fluid} with Alluxio {system.alluxio} on Kubernetes {system.kubernetes} "
        f"({system.nodes} node{'' if system.nodes == 1 else 's'}, {system.cluster} cluster)"
        if system
        else "an unknown system"
    )
    was = "were" if len(rows.selected) > 1 else "was"
    made_by = f"version {harness.version or 'unknown'}, code {verdict.run.harness}"
    if harness.commit:
        made_by += f", commit {harness.commit}{' with changes that are not committed' * harness.changed}"
    lines = [
        f"# {phrases.headline(verdict)}",
        "",
        f"{_what(rows)} of the Fluid conformance harness {was} run on {versions}.",
        f"The verdict is **{verdict.verdict}**: {phrases.counts(verdict)}.",
        "",
        *[f"- {reason}" for reason in verdict.reasons],
        "",
        "## Repeat it",
        "",
        f"With the same harness ({made_by}):",
        "",
        "```sh",
        repeat_command(verdict),
        "```",
        "",
        *_source(verdict),
        "On a machine without a container engine or a registry, add `--bootstrap`.",
        "",
        "## Check it",
        "",
        "```sh",
        "fluid-conformance verify . --signer PUBLIC_KEY",
        "```",
        "",
        "`--signer` names the public key of whoever you trust; without it, anybody can have signed.",
        "",
        "## Files",
        "",
        *[f"- `{name}`: {purpose}" for name, purpose in PURPOSES.items()],
        "",
        "## Rows that were not run",
        "",
        *_not_run(rows),
        "",
        "Names of the machine, paths of the user and secrets are replaced by words in angle brackets.",
    ]
    return "\n".join(lines) + "\n"


def _not_run(rows: RowList) -> list[str]:
    """The rows that were not run, those above the level of the run in one line."""
    not_run = [row for row in rows.rows if row.outcome == "not run"]
    if rows.selected:
        return [f"- all but {', '.join(rows.selected)}"]
    above = [row.id for row in not_run if row.level and Level.of(row.level) > Level.of(rows.level)]
    lines = [f"- {row.id}: {row.why}" for row in not_run if row.id not in above]
    if above:
        lines.append(f"- {len(above)} rows of a higher level: {', '.join(above)}")
    return lines or ["- none"]


def _images(verdict: Verdict) -> dict[str, Any]:
    system = verdict.system
    return {
        "images": [one.model_dump(mode="json") for one in system.images] if system else [],
        "running": [one.model_dump(mode="json") for one in system.running] if system else [],
    }


def _host(verdict: Verdict) -> dict[str, Any]:
    host = verdict.run.host
    return {
        "machine": host.model_dump(mode="json") if host else None,
        "limits": list(verdict.system.host_limits) if verdict.system else [],
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
