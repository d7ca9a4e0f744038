"""What counts as touched, and that the teams are foreign to the harness."""

from __future__ import annotations

from clusters.product import nfs
from tests.tenants import workload
from tests.tenants.workload import Reads, moved, problems

BEFORE = {"team-a": Reads("uid-1", 0, 10, 1, 100)}


def after(**changes: int | str) -> dict[str, Reads]:
    """The same team later."""
    fields = {"pod": "uid-1", "restarts": 0, "good": 110, "bad": 1, "longest": 200} | changes
    return {"team-a": Reads(**fields)}  # type: ignore[arg-type] # fields by name


def test_a_team_that_read_on_was_not_touched() -> None:
    """A failed read from before the run does not count."""
    assert list(problems(BEFORE, after(), 100)) == []


def test_what_counts_as_touched() -> None:
    """Each of them alone."""
    assert list(problems(BEFORE, after(bad=2), 100)) == ["1 reads of team-a failed"]
    assert list(problems(BEFORE, after(pod="uid-2"), 100)) == ["the application of team-a was started again"]
    assert list(problems(BEFORE, after(restarts=1), 100)) == ["the application of team-a was started again"]
    assert list(problems(BEFORE, after(), 101)) == ["team-a read 100 times, which is less than 101"]


def test_their_storage_is_not_the_harness_namespace() -> None:
    """And the objects of the harness are not changed by the copy."""
    objects = nfs.manifests("image", "n1")
    places = {one["metadata"].get("namespace", one["metadata"]["name"]) for one in map(moved, objects)}
    assert places == {workload.STORAGE}
    assert nfs.NAMESPACE in {one["metadata"].get("namespace") for one in objects}
