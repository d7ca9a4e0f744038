"""Hashes of Go modules: those that are kept, and what is refused because of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clusters.errors import InfrastructureError
from clusters.images.offline import go_sums
from clusters.images.offline.artifacts import RECIPES
from clusters.pins import pins

LINE = re.compile(r"(\S+) (v[^/\s]+)(/go\.mod)? h1:[A-Za-z0-9+/]{43}=")


def test_each_line_is_one_of_a_go_sum() -> None:
    """Sorted, each once, and each module with the hash of its go.mod."""
    lines = go_sums.KEPT_FILE.read_text().splitlines()
    assert lines == sorted(set(lines))
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found)
    modules = {(one[1], one[2]) for one in found if one and not one[3]}
    assert modules == {(one[1], one[2]) for one in found if one and one[3]}


def test_each_module_that_the_pins_name_has_a_hash() -> None:
    """A changed pin without a hash would be refused on the machine of a user only."""
    known = pins()
    named = {("sigs.k8s.io/kind", known.build.kind)}
    named |= {("github.com/google/go-containerregistry", known.build.crane)}
    named |= {("github.com/Shopify/toxiproxy/v2", known.build.toxiproxy)}
    named |= {("github.com/rhysd/actionlint", known.ci.actionlint), ("github.com/nektos/act", known.ci.act)}
    named |= {("helm.sh/helm/v3", pin.helm) for pin in known.fluid.values()}
    named |= {("github.com/fluid-cloudnative/fluid", one) for one, pin in known.fluid.items() if pin.module}
    for version, pin in known.kubernetes.items():
        if pin.build is not None:
            staging = version.split(".", 1)[1]
            named |= {("k8s.io/kubernetes", version), ("k8s.io/api", f"0.{staging}")}
            named |= {
                ("go.etcd.io/etcd/server/v3", pin.build.etcd),
                ("go.etcd.io/etcd/api/v3", pin.build.etcd),
            }
            named |= {("github.com/coredns/coredns", pin.build.coredns)}
    kept = {line.rsplit(" ", 1)[0] for line in go_sums.kept()}
    assert {f"{path} v{version}{end}" for path, version in named for end in ("", "/go.mod")} <= kept


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """One module is kept."""
    lines = frozenset({"a.example/b v1.2.3 h1:right=", "a.example/b v1.2.3/go.mod h1:mod="})
    monkeypatch.setattr(go_sums, "kept", lambda: lines)


@pytest.mark.usefixtures("kept")
def test_a_module_with_another_hash_is_refused() -> None:
    """With both hashes; its go.mod counts as well, because it decides about versions."""
    go_sums.require_kept("a.example/b", "1.2.3", "h1:right=", "h1:mod=")
    for found in (("h1:wrong=", "h1:mod="), ("h1:right=", "h1:wrong=")):
        with pytest.raises(InfrastructureError, match="is not the one whose hash is kept") as caught:
            go_sums.require_kept("a.example/b", "1.2.3", *found)
        assert "h1:right=" in caught.value.condition
        assert "h1:wrong=" in caught.value.last_seen


@pytest.mark.usefixtures("kept")
def test_a_module_without_a_hash_is_refused() -> None:
    """With the line to add, and where to compare it."""
    with pytest.raises(
        InfrastructureError, match=r"has no hash of Go module a\.example/b v1\.2\.4"
    ) as caught:
        go_sums.require_kept("a.example/b", "1.2.4", "h1:new=", "h1:mod=")
    assert "a.example/b v1.2.4 h1:new=" in caught.value.last_seen
    assert "sum.golang.org/lookup/a.example/b@v1.2.4" in caught.value.advice


@pytest.mark.usefixtures("kept")
def test_a_module_of_the_harness_knows_the_hashes_of_what_it_requires(tmp_path: Path) -> None:
    """Its own, and those in the go.sum of the required module; one more is refused."""
    required, own = tmp_path / "required", tmp_path / "own"
    required.mkdir()
    own.mkdir()
    (required / "go.sum").write_text("c.example/d v0.1.0 h1:d=\n\n")
    go_sums.write(own, [required, tmp_path / "without"])
    known = go_sums.of(own)
    assert known == go_sums.kept() | {"c.example/d v0.1.0 h1:d="}
    go_sums.require_no_more(own, known)
    with (own / "go.sum").open("a") as file:
        file.write("e.example/f v9.9.9 h1:f=\n")
    with pytest.raises(InfrastructureError, match=r"1 line of go\.sum") as caught:
        go_sums.require_no_more(own, known)
    assert caught.value.last_seen == "e.example/f v9.9.9 h1:f="


def test_programs_of_the_harness_have_a_go_sum_if_they_require_something() -> None:
    """A line that Go adds would be refused at each build."""
    for go_mod in RECIPES.glob("*/go.mod"):
        requires = "require" in go_mod.read_text()
        assert (go_mod.with_name("go.sum")).exists() is requires
