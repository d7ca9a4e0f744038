"""``python -m suites.catalogue`` writes docs/scenarios.md, docs/fields.md and docs/defects.md.

With ``--check`` it writes nothing, and ends with 1 when a page is not what the code says. With ``--crds`` it
first reads the fields from the CRDs of Fluid, with Fluid's Go module, which needs Go.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.paths import cache_root
from clusters.progress import Progress
from suites.catalogue import crd_fields, defects_page, fields_page, page
from suites.catalogue.discovery import declared
from suites.catalogue.uncovered_fields import UNCOVERED_FIELDS


def pages() -> Mapping[Path, str]:
    """The text of each page that is made from the code, by its file."""
    scenarios = declared()
    return {
        page.PAGE: page.page(scenarios),
        defects_page.PAGE: defects_page.page(scenarios),
        fields_page.PAGE: fields_page.page(crd_fields.fields(), scenarios, UNCOVERED_FIELDS),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check that they are current."""
    parser = argparse.ArgumentParser(prog="python -m suites.catalogue", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a page is not current")
    parser.add_argument("--crds", action="store_true", help="read the fields from Fluid's CRDs first")
    given = parser.parse_args(arguments)
    files = {}
    if given.crds:
        cache = ArtifactCache(cache_root(), SystemCommands(), Progress(stream=sys.stderr))
        files[crd_fields.LIST] = "\n".join(crd_fields.read_crds(cache)) + "\n"
        if not given.check:
            crd_fields.LIST.write_text(files[crd_fields.LIST])
            crd_fields.fields.cache_clear()
    files |= pages()
    if not given.check:
        for file, text in files.items():
            file.write_text(text)
        return 0
    old = [file for file, text in files.items() if not file.is_file() or file.read_text() != text]
    for file in old:
        sys.stderr.write(f"{file.name} is not current: run `python -m suites.catalogue`\n")
    return int(bool(old))


if __name__ == "__main__":
    sys.exit(main())
