"""An AlluxioRuntime that fits a laptop, as near to Fluid's defaults as that allows.

What differs from a runtime without any settings, and why (file and line of Fluid 1.0.8):

- ``master``, ``worker`` and ``fuse`` have a small ``-Xmx``: Fluid's are 16 GB, 12 GB and 16 GB, the
  Fuse's taken at once by ``-Xms16G`` (pkg/ddc/alluxio/transform_optimization.go:191-225).
- ``worker`` and ``fuse`` have a small ``-XX:MaxDirectMemorySize``: Fluid's is 32 GB (the same place).
- the same ``-Xmx`` is in the common ``jvmOptions``: it is the only way to the job master's
  and the job worker's heap, because the engine drops these two components' own options
  (pkg/ddc/alluxio/types.go:129-137). It bounds the command line too. The value is the same
  everywhere, because images disagree on whether common options are before or after a process's own.
- the common ``jvmOptions`` make every process use the quick compiler and the simplest collector:
  a Dataset that lives for a minute spends most of its processor time on compiling what it runs once.
  Where speed is measured, ``quick=False`` leaves them out.
- ``master.env`` does the same for the command line in any case: the master's start-up probe runs it
  twice within 15 s, next to all the other starting processes
  (charts/alluxio/templates/master/statefulset.yaml:193-198).
- ``master`` and ``worker`` request a little CPU: Fluid's do not, and such a Pod has the least weight on
  its node. Where the node is busy, the master's start-up probe then fails ten times, and the kubelet
  restarts it for ever. The Fuse's are left out: 1.0.8 cannot install a CPU request without a limit.
- one tier in ``/dev/shm``, small; Fluid has no default tier.
"""

from collections.abc import Mapping
from typing import Final

from workloads.models.alluxio_runtime import (
    AlluxioRuntime,
    AlluxioVersion,
    Component,
    Fuse,
    Level,
    TieredStore,
)
from workloads.models.shared import Resources

#: Java's options for processes that live for a short time; known to Java 8 and later.
QUICK: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
#: The same for the command line in the master. The blank at the end is for Alluxio's own scripts,
#: which add the common options without one.
QUICK_COMMAND_LINE: Final = " ".join(QUICK) + " "
#: Requests of CPU; small enough for several Datasets on a node with two CPUs.
MASTER_CPU: Final = Resources(requests={"cpu": "100m"})
WORKER_CPU: Final = Resources(requests={"cpu": "50m"})


def laptop_runtime(
    namespace: str,
    name: str,
    *,
    replicas: int = 1,
    quota: str = "512Mi",
    heap: str = "512m",
    direct: str = "512m",
    quick: bool = True,
    properties: Mapping[str, str] | None = None,
    alluxio_version: AlluxioVersion | None = None,
) -> AlluxioRuntime:
    """A small runtime for the Dataset of that name; change more of it with ``.but(…)``.

    Args:
        namespace: of the Dataset.
        name: of the Dataset.
        replicas: number of workers, at most one a node while placement is ``Exclusive``.
        quota: size of the memory tier of each worker, a Kubernetes quantity. The node's ``/dev/shm``
            must hold it, and Fluid requests as much memory for the worker.
        heap: largest heap of each of the five processes, in Java's notation.
        direct: most memory that the worker and the Fuse take outside their heaps, in Java's notation;
            each reader may hold a buffer of 32 MB.
        quick: start quickly rather than run fast in the long run; not for measuring.
        properties: of Alluxio, where a scenario needs other than Fluid's.
        alluxio_version: the image; without it Fluid's chart decides.
    """
    small = f"-Xmx{heap}"
    outside = f"-XX:MaxDirectMemorySize={direct}"
    runtime = AlluxioRuntime(
        namespace=namespace,
        name=name,
        replicas=replicas,
        tieredstore=TieredStore(levels=(Level(mediumtype="MEM", path="/dev/shm", quota=quota),)),  # noqa: S108 - the tier is memory
        jvm_options=(small, *QUICK) if quick else (small,),
        master=Component(
            jvm_options=(small,), env={"ALLUXIO_USER_JAVA_OPTS": QUICK_COMMAND_LINE}, resources=MASTER_CPU
        ),
        job_master=Component(jvm_options=(small,)),
        worker=Component(jvm_options=(small, outside), resources=WORKER_CPU),
        job_worker=Component(jvm_options=(small,)),
        fuse=Fuse(jvm_options=(small, outside)),
    )
    if properties is not None:
        runtime = runtime.evolve(properties=properties)
    if alluxio_version is not None:
        runtime = runtime.evolve(alluxio_version=alluxio_version)
    return runtime
