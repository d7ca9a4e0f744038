"""A user's application: a Pod that mounts a claim, rightly or wrongly, and then waits to be asked.

What it does with the data is run inside it afterwards; see `workloads.pod_commands`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from workloads.models.base import Manifest, Model, metadata
from workloads.models.shared import Resources

#: Name of the application's only container of its own.
CONTAINER: Final = "application"

#: Stays up at no cost. The first process of a container ignores SIGTERM unless it handles it, so the
#: shell does; ``wait`` is interrupted by a trapped signal, ``sleep`` in the foreground would not be.
STAY_UP: Final = ("bash", "-c", "trap 'kill $! 2>/dev/null; exit 0' TERM INT; sleep infinity & wait")

_DAY: Final = 86_400
#: Grace period of a Pod in seconds; with the default of 30 each teardown would take that long.
GRACE_SECONDS: Final = 2


class Application(Model):
    """An application that uses a claim.

    Attributes:
        namespace: where it runs.
        name: of the Pod.
        claim: the claim that it mounts: Fluid's (named as the Dataset), the source's, or one that
            is not there.
        image: with bash, coreutils and findutils.
        mount_path: where it sees the data.
        node: host name of the node that it must run on; None leaves it to the scheduler.
        read_only: mount the volume read-only into the container; kubelet alone sees to that.
        claim_read_only: use the claim read-only; the driver of the volume receives that.
        sub_path: mount only this folder of the volume.
        mount_propagation: such as ``HostToContainer``, which lets a recovered mount through.
        other_claims: further claims, by where they are mounted.
        labels: such as ``{"fuse.serverful.fluid.io/inject": "true"}``.
        annotations: sent as they are.
        command: what runs in it; by default nothing but a shell that waits.
        env: variables.
        resources: of the container. No memory limit by default, because the page cache counts
            against one and reads would be slowed by it.
        grace_seconds: of the Pod; more if another container must end, too.
        tolerations: of the Pod, sent as they are.
        restart_policy: what happens when its container ends, such as by a restart of its node.
    """

    namespace: str
    name: str
    claim: str
    image: str
    mount_path: str = "/data"
    node: str | None = None
    read_only: bool = False
    claim_read_only: bool = False
    sub_path: str = ""
    mount_propagation: Literal["None", "HostToContainer", "Bidirectional"] | None = None
    other_claims: Mapping[str, str] = Field(default_factory=dict)
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    command: tuple[str, ...] = STAY_UP
    env: Mapping[str, str] = Field(default_factory=dict)
    resources: Resources = Resources(requests={"cpu": "10m", "memory": "32Mi"})
    grace_seconds: int = GRACE_SECONDS
    tolerations: tuple[Mapping[str, str], ...] = ()
    restart_policy: Literal["Never", "Always"] = "Never"

    def manifest(self) -> Manifest:
        """The Pod."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(self.name, self.namespace, self.labels, self.annotations),
            "spec": self._pod_spec(),
        }

    def job(
        self,
        *command: str,
        completions: int = 1,
        deadline: int | None = None,
        spread: Sequence[str] = (),
        ready_file: str = "",
    ) -> Manifest:
        """The same application as a Job that runs ``command`` to its end, once, without a second try.

        Args:
            command: program and arguments; without any, the application's own.
            completions: number of Pods, all at the same time; each knows its place by the variable
                ``JOB_COMPLETION_INDEX``.
            deadline: seconds after which Kubernetes ends it.
            spread: labels of nodes, such as that of the zone; the Pods are spread over their values.
            ready_file: the Pods become ready when their containers have created it. Kubelet looks for it each
                second until then, and no more afterwards.
        """
        chosen = self.evolve(command=command) if command else self
        pod = chosen._pod_spec()  # noqa: SLF001 - a copy of itself
        if spread:
            pod["topologySpreadConstraints"] = [
                {
                    "maxSkew": 1,
                    "topologyKey": key,
                    # A node that accepts no Pods counts as well, so this cannot be required.
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": {"job-name": self.name}},
                }
                for key in spread
            ]
        if ready_file:
            (container,) = pod["containers"]
            container["startupProbe"] = {
                "exec": {"command": ["test", "-e", ready_file]},
                "periodSeconds": 1,
                # A program starts slowly on a node that is busy with others.
                "timeoutSeconds": 10,
                # The deadline of the Job ends it before that.
                "failureThreshold": deadline or _DAY,
            }
        spec: Manifest = {
            "backoffLimit": 0,
            "completions": completions,
            "parallelism": completions,
            "completionMode": "Indexed",
            "template": {
                # A Job names its Pods and puts them into its own namespace.
                "metadata": {"labels": dict(self.labels), "annotations": dict(self.annotations)},
                "spec": pod,
            },
        }
        if deadline is not None:
            spec["activeDeadlineSeconds"] = deadline
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata(self.name, self.namespace, self.labels),
            "spec": spec,
        }

    def _pod_spec(self) -> Manifest:
        paths = {self.mount_path: self.claim, **self.other_claims}
        # A claim that is mounted at two paths is still one volume of the Pod.
        volumes = {claim: f"claim-{number}" for number, claim in enumerate(dict.fromkeys(paths.values()))}
        mounts: list[dict[str, Any]] = []
        for path, claim in paths.items():
            mount: dict[str, Any] = {"name": volumes[claim], "mountPath": path}
            if path == self.mount_path:
                mount |= self._mount_options()
            mounts.append(mount)
        spec: Manifest = {
            "restartPolicy": self.restart_policy,
            "terminationGracePeriodSeconds": self.grace_seconds,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [
                {
                    "name": CONTAINER,
                    "image": self.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(self.command),
                    "env": [{"name": name, "value": value} for name, value in self.env.items()],
                    "resources": self.resources.spec_fields(),
                    "volumeMounts": mounts,
                }
            ],
            "volumes": [
                {
                    "name": volume,
                    "persistentVolumeClaim": {"claimName": claim}
                    | ({"readOnly": True} if claim == self.claim and self.claim_read_only else {}),
                }
                for claim, volume in volumes.items()
            ],
        }
        if self.tolerations:
            spec["tolerations"] = [dict(one) for one in self.tolerations]
        if self.node is not None:
            spec["nodeSelector"] = {"kubernetes.io/hostname": self.node}
        return spec

    def _mount_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.read_only:
            options["readOnly"] = True
        if self.sub_path:
            options["subPath"] = self.sub_path
        if self.mount_propagation is not None:
            options["mountPropagation"] = self.mount_propagation
        return options
