"""The folder of a run on an NFS export that the harness did not create, and the Pod that reaches it.

The Pod mounts the export as any application does, and is in the harness's namespace. Only the folder of the
run is written to. It has a file that marks it as the run's, and is removed only with that file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clusters.digests import digest
from clusters.errors import FailureClass, InfrastructureError, RefusalError
from clusters.kubernetes import kinds
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.ownership import HARNESS_NAMESPACE, harness_namespace
from clusters.kubernetes.predicates import is_ready
from clusters.kubernetes.snapshots.meta import shortened
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.waiting import WaitError, is_gone, wait

if TYPE_CHECKING:
    from clusters.host.commands import Completed
    from clusters.kubernetes.client import Kube

CONTAINER: Final = "source"
#: Where the Pod has the export.
MOUNT: Final = "/source"
READY_SECONDS: Final = 90.0
COMMAND_SECONDS: Final = 60.0
#: What was written is seen at once, not only after the client's attributes have expired (nfs(5)).
_FRESH: Final = "actimeo=0"
_MARK: Final = ".fluid-conformance"
_EXISTS: Final = 'test -e "$1/$2" || test -L "$1/$2"'
_CREATE: Final = f'set -eu; mkdir -- "$1/$2"; printf %s "$3" > "$1/$2/{_MARK}"'
#: The mark is deleted last, so that a removal that was interrupted can be repeated. Without the mark, only an
#: empty folder is removed, which a run has created that was killed at this moment.
_REMOVE: Final = f"""
set -eu
cd "$1"
if [ -L "$2" ] || [ ! -d "$2" ]; then exit 0; fi
if [ "$(cat "$2/{_MARK}" 2>/dev/null)" = "$3" ]; then
  find "$2" -xdev -mindepth 1 ! -path "$2/{_MARK}" -delete
  rm -f -- "$2/{_MARK}"
fi
rmdir -- "$2" || {{ echo "folder $2 stays: this run did not create it, or it is in use" >&2; exit 1; }}
"""


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A folder of a run on an export, as a step that removes it.

    Attributes:
        server: that exports.
        path: that it exports.
        options: of the mount.
        image: of the Pod, with bash, coreutils, findutils and openssl.
        folder: its name, below ``path``.
        mark: content of the file that shows that this run created it.
    """

    server: str
    path: str
    options: tuple[str, ...]
    image: str
    folder: str
    mark: str

    @property
    def name(self) -> str:
        """Of the Pod, its claim and its volume."""
        return f"nfs-source-{digest((self.server, self.path, *self.options, self.folder))}"

    def start(self, kube: Kube) -> None:
        """Start the Pod, if it does not run.

        Raises:
            RefusalError: it does not start; usually the export cannot be mounted.
        """

        def pod() -> PodSnapshot:
            return PodSnapshot.of(kube.get(kinds.POD, self.name, HARNESS_NAMESPACE) or {})

        if is_ready(pod()):
            return
        for manifest in self.manifests():
            kube.apply(manifest)
        try:
            with kube.changes(kinds.POD, HARNESS_NAMESPACE) as changes:
                wait(
                    pod,
                    is_ready,
                    subject=f"Pod {HARNESS_NAMESPACE}/{self.name}",
                    condition="condition Ready",
                    timeout=READY_SECONDS,
                    changes=changes,
                    failure_class=FailureClass.INFRASTRUCTURE,
                )
        except WaitError as error:
            events = ClusterReader(kube).events(HARNESS_NAMESPACE, self.name)
            # The kubelet ends its message with what mount printed.
            warnings = [
                event.message.rpartition("Output: ")[2] for event in events if event.type == "Warning"
            ]
            raise RefusalError(
                f"{self.server}:{self.path} cannot be mounted in a Pod within {READY_SECONDS:g} s: "
                + (shortened(warnings[-1]) if warnings else error.last_seen or "no event says why"),
                advice="check that all nodes can mount it: the host name, the export's clients, the options",
            ) from error

    def execute(
        self, kube: Kube, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = COMMAND_SECONDS
    ) -> Completed:
        """Run a program in the Pod."""
        return kube.exec(HARNESS_NAMESPACE, self.name, CONTAINER, argv, stdin=stdin, timeout=timeout)

    def require_absent(self, kube: Kube) -> None:
        """Refuse if there is something of that name, which this run has not created.

        Raises:
            RefusalError: there is.
        """
        if self._script(kube, _EXISTS).exit_code == 0:
            raise RefusalError(
                f"there is a folder {self.folder} on {self.server}:{self.path} already, of another run",
                advice="start the run again; its folder then has another name",
            )

    def create(self, kube: Kube) -> None:
        """Create the folder, and mark it.

        Raises:
            RefusalError: it cannot be created.
        """
        done = self._script(kube, _CREATE)
        if done.exit_code != 0:
            raise RefusalError(
                f"folder {self.folder} cannot be created on {self.server}:{self.path}: {done.stderr.strip()}",
                advice="root of a Pod must be permitted to write there",
            )

    def apply(self, kube: Kube, node_exec: object) -> None:
        """Remove the folder if this run has created it, then the Pod and its volume.

        Raises:
            HarnessError: it cannot be removed now.
        """
        del node_exec
        self.start(kube)
        done = self._script(kube, _REMOVE)
        if done.exit_code != 0:
            raise InfrastructureError(
                f"folder {self.folder} of {self.server}:{self.path} cannot be removed",
                last_seen=(done.stdout + done.stderr).strip()[-1_000:],
            )
        kube.delete(kinds.POD, self.name, HARNESS_NAMESPACE)
        kube.delete(kinds.CLAIM, self.name, HARNESS_NAMESPACE)
        kube.delete(kinds.VOLUME, self.name)
        wait(
            lambda: kube.get(kinds.VOLUME, self.name),
            is_gone,
            subject=f"{kinds.VOLUME} {self.name}",
            condition="deletion",
            timeout=COMMAND_SECONDS,
            describe=lambda seen: "there" if seen else "gone",
            failure_class=FailureClass.INFRASTRUCTURE,
            clock=kube.clock,
        )

    def _script(self, kube: Kube, script: str) -> Completed:
        return self.execute(kube, ("bash", "-c", script, "source", MOUNT, self.folder, self.mark))

    def manifests(self) -> tuple[Mapping[str, Any], ...]:
        """The namespace, volume, claim and Pod."""
        meta = {"name": self.name, "namespace": HARNESS_NAMESPACE}
        modes, size = ["ReadWriteMany"], {"storage": "1Gi"}
        volume: Mapping[str, Any] = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": self.name},
            "spec": {
                "capacity": size,
                "accessModes": modes,
                "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **meta},
                "mountOptions": [*self.options, _FRESH],
                "nfs": {"server": self.server, "path": self.path},
            },
        }
        claim: Mapping[str, Any] = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": meta,
            "spec": {
                "accessModes": modes,
                "storageClassName": "",
                "volumeName": self.name,
                "resources": {"requests": size},
            },
        }
        pod: Mapping[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta,
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "containers": [
                    {
                        "name": CONTAINER,
                        "image": self.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["sleep", "infinity"],
                        "volumeMounts": [{"name": "source", "mountPath": MOUNT}],
                    }
                ],
                "volumes": [{"name": "source", "persistentVolumeClaim": {"claimName": self.name}}],
            },
        }
        return harness_namespace(), volume, claim, pod
