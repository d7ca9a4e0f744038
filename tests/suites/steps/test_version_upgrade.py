"""What is written and read while Fluid is upgraded to another version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusters.errors import ProductFailureError
from suites.record.evidence import Evidence
from suites.record.run import CANNOT_RUN_HERE
from suites.steps import version_upgrade
from suites.steps.user import User
from suites.steps.version_upgrade import TEXT, InUse
from workloads import pod_commands

NFS = SimpleNamespace(observed_on="NFS server's disk")
SUM = hashlib.sha256(TEXT.encode()).hexdigest()


@dataclass
class Writer:
    """A user whose writer has a volume in memory.

    Attributes:
        source: files on the NFS server.
        mounted: files that the application sees.
        through: whether a write reaches the server.
    """

    source: dict[str, str] = field(default_factory=dict)
    mounted: dict[str, str] = field(default_factory=dict)
    through: bool = True
    evidence: Evidence = field(default_factory=lambda: Evidence(silent=True))
    system: Any = field(default_factory=lambda: SimpleNamespace(upgrade=None, nfs=NFS))

    @property
    def observer(self) -> Any:
        """Observes and writes."""
        return self

    def write(self, pod: object, path: str) -> Any:
        """As `Observer.write`."""
        name = path.removeprefix("/data/")
        self.mounted[name] = SUM
        if self.through:
            self.source[name] = SUM
        return SimpleNamespace(written=True, message="")

    def at_the_source(self, folder: str) -> dict[str, str]:
        """As `Observer.at_the_source`."""
        assert folder == "/export/written"
        return self.source

    def reads(self, pod: object) -> Any:
        """As `User.reads`."""
        return SimpleNamespace(checksums=self.mounted, message="")


def in_use() -> InUse:
    """Applications that are there."""
    pod = cast("Any", SimpleNamespace(name="e14-writer", namespace="demo"))
    return InUse(pod, pod, cast("User", None), pod, "/export/written", [])


def test_text_is_what_the_application_writes() -> None:
    """The checksum of another text would never be right."""
    assert any(TEXT in word for word in pod_commands.write_argv("/data/a"))


def test_writes_are_read_back_and_on_the_server() -> None:
    """All files of before and after the upgrade."""
    writer, used = Writer(), in_use()
    user = cast("User", writer)
    used.writes(user, "before.txt")
    used.writes(user, "after.txt")
    used.reads_back(user)
    assert [fact.says for fact in writer.evidence.facts] == [
        "has before.txt, checksum right",
        "has after.txt, checksum right",
    ]


def test_lost_write_is_noticed() -> None:
    """On the server, and in the application."""
    writer, used = Writer(), in_use()
    user = cast("User", writer)
    used.writes(user, "before.txt")
    writer.mounted["before.txt"] = "0" * 64
    with pytest.raises(ProductFailureError, match="does not read back what it wrote"):
        used.reads_back(user)
    writer.through = False
    with pytest.raises(ProductFailureError, match=r"after\.txt was not written through Fluid"):
        used.writes(user, "after.txt")


def test_run_without_an_earlier_version_cannot_run_it() -> None:
    """A permitted skip, which names the option."""
    with pytest.raises(pytest.skip.Exception, match="--upgrade-from") as skipped:
        version_upgrade.target(cast("User", Writer()))
    assert str(skipped.value).startswith(CANNOT_RUN_HERE)
