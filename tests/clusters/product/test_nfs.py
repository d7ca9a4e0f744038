"""The NFS server's manifests, and its counters as Ganesha 4.3 reports them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from clusters.errors import HarnessError
from clusters.host.commands import Completed
from clusters.kubernetes.client import Kube
from clusters.product import nfs
from clusters.product.nfs import NfsServer, ServedBytes, parse_export_io

REPLY = """\
method return time=1.2 sender=:1.0 -> destination=:1.4 serial=9 reply_serial=2
   boolean true
   string "OK"
   struct {
      uint64 1764000000
      uint64 123456789
   }
   struct {
      uint64 52428800
      uint64 52428000
      uint64 50
      uint64 1
      uint64 2000
      uint64 0
   }
   struct {
      uint64 4096
      uint64 4096
      uint64 1
      uint64 0
      uint64 90
      uint64 0
   }
"""
SILENT = """\
   boolean false
   string "Export does not have any NFSv4.1 activity"
   struct {
      uint64 0
      uint64 0
   }
"""


def test_the_bytes_that_were_sent_are_read() -> None:
    """Of READ, the bytes transferred and the operations; neither the requested ones nor the WRITEs."""
    assert parse_export_io(REPLY) == (52_428_000, 50)


def test_a_version_that_nobody_spoke_served_nothing() -> None:
    """It is an answer, and it is zero."""
    assert parse_export_io(SILENT) == (0, 0)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Error org.freedesktop.DBus.Error.ServiceUnknown",
        '   boolean false\n   string "Export id not found"\n',
        "   boolean true\n   struct {\n      uint64 1\n      uint64 2\n   }\n",
    ],
)
def test_another_answer_is_none(reply: str) -> None:
    """A refusal, a broken bus and a time stamp alone are no counters."""
    assert parse_export_io(reply) is None


@dataclass
class FakeKube:
    """Answers exec by a word of the command."""

    answers: dict[str, Completed] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def exec(
        self, namespace: str, pod: str, container: str, argv: Any, *, timeout: float, stdin: bytes | None
    ) -> Completed:
        """Answer as the server's container would."""
        assert (namespace, pod, container) == ("fluid-conformance", "nfs-server", "ganesha")
        self.asked.append(tuple(argv))
        last = next((done for word, done in self.answers.items() if any(word in part for part in argv)), None)
        return last or Completed(tuple(argv), 1, "", "no such thing")


@pytest.fixture
def kube() -> FakeKube:
    """A cluster whose server says nothing yet."""
    return FakeKube()


@pytest.fixture
def server(kube: FakeKube) -> NfsServer:
    """A server in that cluster."""
    return NfsServer(cast("Kube", kube), "10.96.0.9", "node", "image:1")


def said(text: str) -> Completed:
    """A program that printed this."""
    return Completed((), 0, text, "")


def test_what_was_served_is_the_sum_over_versions(server: NfsServer, kube: FakeKube) -> None:
    """A v3 and a v4.1 client count alike; unused versions do no harm."""
    kube.answers = {"GetNFSv3IO": said(REPLY), "GetNFSv41IO": said(REPLY), "GetNFSv4": said(SILENT)}
    assert server.served() == ServedBytes(2 * 52_428_000, "Ganesha", 100)


def test_without_counters_the_interface_is_read(server: NfsServer, kube: FakeKube) -> None:
    """The source is named, so that it is not mistaken for Ganesha's own count."""
    kube.answers = {"tx_bytes": said("12345\n")}
    assert server.served() == ServedBytes(12_345, "interface of the server's Pod")


def test_a_program_that_fails_next_to_the_server_is_an_error(server: NfsServer) -> None:
    """With the Pod and what it printed."""
    with pytest.raises(HarnessError, match="sync at the NFS source failed with exit code 1") as caught:
        server.run("sync")
    assert caught.value.last_seen == "no such thing"
    assert caught.value.subject == "Pod fluid-conformance/nfs-server"


def test_two_readings_are_subtracted() -> None:
    """Operations too, where both counted them."""
    before, after = ServedBytes(100, "Ganesha", 1), ServedBytes(350, "Ganesha", 4)
    assert after.since(before) == ServedBytes(250, "Ganesha", 3)
    assert str(after.since(before)) == "250 bytes, 3 READs (Ganesha)"
    assert ServedBytes(9, "x").since(ServedBytes(1, "x")) == ServedBytes(8, "x")


def test_readings_of_different_sources_are_not() -> None:
    """A server that restarted without its bus must not give a small or negative figure."""
    with pytest.raises(HarnessError, match="different sources"):
        ServedBytes(350, "Ganesha", 4).since(ServedBytes(100, "interface of the server's Pod"))


def test_the_server_is_a_bare_pod_with_fixed_ports() -> None:
    """It stays on its node, its ports are the same at both ends, and its data is on the node's disk."""
    namespace, config, service, pod = nfs.manifests("image:1", "node-a")
    assert namespace["metadata"]["name"] == nfs.NAMESPACE
    assert pod["spec"]["nodeName"] == "node-a"
    assert pod["spec"]["containers"][0]["image"] == "image:1"
    assert {"name": "export", "emptyDir": {}} in pod["spec"]["volumes"]
    ports = {(port["port"], port["protocol"]) for port in service["spec"]["ports"]}
    for number in (nfs.NFS_PORT, nfs.MOUNTD_PORT, 111):
        assert {(number, "TCP"), (number, "UDP")} <= ports
        assert str(number) in config["data"]["ganesha.conf"] or number == 111
    names = [port["name"] for port in service["spec"]["ports"]]
    assert len(names) == len(set(names))
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_second_export_squashes_root_and_may_be_there_already(server: NfsServer, kube: FakeKube) -> None:
    """It is given to the running server; a refusal for being there already is none."""
    refused = Completed((), 1, "", "Error …: Selected entries in /tmp/squashed.conf already active!!!")
    for answer in (said('string "1 exports added"'), refused):
        kube.answers = {"printf": said(""), "AddExport": answer}
        assert server.exports_squashed("/export/other") == nfs.SQUASHED
    written = next(argv[-1] for argv in kube.asked if "printf" in argv[2])
    for part in ("Path = /export/other;", "Squash = Root_Squash;", f"Pseudo = {nfs.SQUASHED};"):
        assert part in written
    assert "Export_Id = 1;" not in written
    assert "string:EXPORT(Export_Id=77)" in kube.asked[-1]


def test_second_export_that_the_server_refuses_is_an_error(server: NfsServer, kube: FakeKube) -> None:
    """With what the server said."""
    kube.answers = {"printf": said(""), "AddExport": Completed((), 1, "", "InvalidFileContent")}
    with pytest.raises(HarnessError, match="second export of /export/other") as caught:
        server.exports_squashed("/export/other")
    assert "InvalidFileContent" in caught.value.last_seen
