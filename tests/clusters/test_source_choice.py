"""The option of an existing source."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import RefusalError
from clusters.options import options_of
from clusters.source_choice import SourceChoice


@pytest.mark.parametrize(
    ("given", "choice", "shown"),
    [
        (
            {"source_claim": "team-a/photos.v1"},
            SourceChoice(claim=("team-a", "photos.v1")),
            "claim team-a/photos.v1",
        ),
        (
            {"source_server": "nfs.example:/srv/data/"},
            SourceChoice(server="nfs.example", path="/srv/data"),
            "NFS server nfs.example:/srv/data",
        ),
        (
            {"source_server": "[fd00::1]:/"},
            SourceChoice(server="[fd00::1]", path="/"),
            "NFS server [fd00::1]:/",
        ),
    ],
)
def test_a_claim_or_a_server_is_chosen(given: dict[str, str], choice: SourceChoice, shown: str) -> None:
    """The option that is passed on to a run in the cluster means the same."""
    assert SourceChoice.of(given) == choice
    assert str(choice) == shown
    option, value = choice.arguments()
    assert SourceChoice.of({option.removeprefix("--").replace("-", "_"): value}) == choice


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"source_claim": "photos"}, "does not name a claim"),
        ({"source_claim": "a/b/c"}, "does not name a claim"),
        ({"source_claim": "Team/photos"}, "does not name a claim"),
        ({"source_server": "nfs.example"}, "does not name an export"),
        ({"source_server": "nfs.example:data"}, "does not name an export"),
        ({"source_server": "nfs.example:/a/../b"}, "does not name an export"),
        ({"source_server": "a,b:/c"}, "does not name an export"),
        ({"source_claim": "a/b", "source_server": "h:/p"}, "both choose the source"),
    ],
)
def test_what_names_no_source_is_refused(given: dict[str, str], says: str) -> None:
    """In one sentence, before anything is created."""
    with pytest.raises(RefusalError, match=says):
        SourceChoice.of(given)


def test_it_is_for_existing_clusters_only(tmp_path: Path) -> None:
    """A kind cluster of the harness has an NFS server of its own."""
    with pytest.raises(RefusalError, match="no --kubeconfig"):
        options_of({"source_claim": "a/b"})
    config = tmp_path / "config"
    config.touch()
    found = options_of({"source_claim": "a/b", "kubeconfig": str(config)}).source
    assert found == SourceChoice(claim=("a", "b"))
