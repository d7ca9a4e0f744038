"""A web server of the user, as the source of a mount that Alluxio itself mounts."""

from __future__ import annotations

from typing import Final

from clusters.errors import FailureClass
from clusters.kubernetes.predicates import is_ready
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import wait
from suites.steps.user import User
from workloads.models.dataset import Mount
from workloads.web_server import PORT, web_server

#: The only file, and what is in it.
FILE: Final = "hello.txt"
TEXT: Final = "served by a web server"
#: Name of the server and of its mount, whose path is ``/web``.
NAME: Final = "web"


def start_server(user: User, name: str = NAME) -> PodSnapshot:
    """Start a web server, and wait until it answers."""
    user.applies(web_server(user.namespace, name, user.system.toolbox, FILE, TEXT))
    pod = wait(
        lambda: user.observer.objects.get(PodSnapshot, name, user.namespace),
        is_ready,
        subject=f"Pod {user.namespace}/{name}",
        condition="condition Ready",
        timeout=60.0,
        failure_class=FailureClass.INFRASTRUCTURE,
    )
    assert pod is not None
    return pod


def mount_of(server: PodSnapshot) -> Mount:
    """The http:// mount of a server; Alluxio accepts only one of each."""
    return Mount(mount_point=f"http://{server.ip}:{PORT}/", name=server.name, path=f"/{server.name}")
