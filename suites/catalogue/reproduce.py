"""``python -m suites.catalogue.reproduce KEY …``: run the commands of reports; say whether they show it.

The commands run against the cluster of the current kubeconfig, which needs Fluid. They use the namespaces
``demo`` and ``other``, which must not exist before, and are deleted afterwards. Exit code 1 if a defect does
not show.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from suites.catalogue import upstream_reports
from suites.catalogue.upstream_reports import UpstreamReport, UpstreamReportError

#: Seconds for the commands of one report.
COMMANDS_SECONDS: Final = 900.0
CLEAN_SECONDS: Final = 300.0
NAMESPACES: Final = ("demo", "other")
#: Deletes what the commands created, Datasets first, so that Fluid's finalizers are removed.
CLEAN: Final = """
for namespace in demo other; do
  kubectl -n $namespace delete pod app --ignore-not-found --wait=false
  kubectl -n $namespace delete dataset,alluxioruntime --all --ignore-not-found --timeout=180s
  kubectl delete namespace $namespace --ignore-not-found --timeout=120s
done
kubectl delete pv demo-source other-source demo-other mine copy --ignore-not-found
"""


def shows(report: UpstreamReport, output: str) -> bool:
    """Whether the output of the commands shows the defect."""
    return bool(report.shows) and re.search(report.shows, output, re.MULTILINE) is not None


def run(script: str, timeout: float) -> str:
    """Run a shell script to its end, whatever its commands return, and return all that it printed."""
    done = subprocess.run(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.stdout


def is_free(namespaces: Sequence[str] = NAMESPACES) -> bool:
    """Whether none of the namespaces that the commands use exists."""
    return not run(f"kubectl get namespace {' '.join(namespaces)} --ignore-not-found -o name", 60.0).strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the commands of each report that is named; 1 if a defect does not show, 2 if nothing was run."""
    parser = argparse.ArgumentParser(prog="python -m suites.catalogue.reproduce", description=__doc__)
    parser.add_argument("keys", nargs="+", metavar="KEY", help="of a defect, as in docs/defects.md")
    given = parser.parse_args(arguments)
    try:
        reports = [upstream_reports.read(key) for key in given.keys]
    except UpstreamReportError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if unchecked := [report.key for report in reports if not report.shows]:
        sys.stderr.write(f"nothing says how these show in the output: {', '.join(unchecked)}\n")
        return 2
    missing = 0
    for report in reports:
        if not is_free():
            sys.stderr.write(f"a namespace of {', '.join(NAMESPACES)} exists: delete it first\n")
            return 2
        try:
            output = run(report.commands, COMMANDS_SECONDS)
        finally:
            cleaned = run(CLEAN, CLEAN_SECONDS)
        seen = shows(report, output)
        missing += not seen
        sys.stdout.write(f"{'shows' if seen else 'DOES NOT SHOW'}: {report.key}: {report.title}\n")
        if not seen:
            sys.stdout.write(f"{output}\n{cleaned}\n")
    return int(missing > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # what the commands created was removed
        sys.exit("interrupted")
