"""Faults put on the running system; what can be undone is undone, also after an error.

Each fault says what it touches. One that reaches beyond its own Pod belongs to a scenario that
runs alone. A fault is verified: one that did not take is an infrastructure failure, never a finding.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Protocol

from clusters.clock import SYSTEM_CLOCK, Clock
from clusters.errors import FailureClass, HarnessError, InfrastructureError, RefusalError
from clusters.host.commands import Completed
from clusters.kubernetes.kinds import NODE, POD, Kind
from clusters.waiting import wait

log = logging.getLogger(__name__)

#: Seconds that one command inside a Pod or node may take.
COMMAND_SECONDS: Final = 30.0

#: Seconds until a fault must show, or be gone again.
EFFECT_SECONDS: Final = 20.0

#: Seconds between two looks at processes: each is a command in a container.
LOOK: Final = 0.2

#: Page cache that may be left after it was dropped, beyond what running programs have mapped: files
#: being written, and what was read since. A share of what was there, but at least so many bytes.
LEFT_SHARE: Final = 0.10
LEFT_BYTES: Final = 64 * 1024 * 1024


class Run(Protocol):
    """Runs a program in a Pod or on a node; a non-zero exit is returned, not raised.

    `functools.partial(kube.exec, namespace, pod, container)` is one.
    """

    def __call__(self, argv: Sequence[str], /, *, timeout: float) -> Completed:
        """Run ``argv`` to its end within ``timeout`` seconds."""
        ...


class Objects(Protocol):
    """The part of `clusters.kubernetes.client.Kube` that faults need."""

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object, or None."""
        ...

    def patch(self, kind: Kind, name: str, namespace: str | None, body: object) -> dict[str, Any]:
        """Change parts of an object (JSON merge patch)."""
        ...

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        because: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        """Ask for an object's deletion."""
        ...


class FaultError(InfrastructureError):
    """A fault did not take, or could not be undone."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as the evidence shows it.

    Attributes:
        says: what was done, in a user's words.
        touches: how far it reaches. ``host`` means all nodes of a kind cluster and the machine
            itself, because they share a kernel.
        undone_by: who puts it right.
    """

    says: str
    touches: Literal["pod", "node", "host", "cluster"]
    undone_by: Literal["harness", "kubernetes", "nobody"]

    @property
    def alone(self) -> bool:
        """No other scenario may run beside it."""
        return self.touches != "pod"


@dataclass(frozen=True, slots=True)
class Process:
    """A process as its ``/proc`` shows it.

    Attributes:
        pid: in the process namespace of where it was looked for.
        started: ticks since boot; with the pid it names a process for good.
        state: one letter; ``T`` is stopped, ``Z`` is dead and not yet reaped.
    """

    pid: int
    started: int
    state: str

    @property
    def key(self) -> tuple[int, int]:
        """The same for two looks at one process only."""
        return self.pid, self.started


# The word searched for comes by the environment and by a pipe, so that neither the shell's nor
# grep's own arguments ever match. A process matches by its name or by a whole argument, such as a Java class.
_FIND: Final = r"""
command -v grep > /dev/null || { echo "there is no grep" >&2; exit 127; }
for file in $(printf %s "$WANTED" | grep -lzxF -f - /proc/[0-9]*/cmdline 2>/dev/null) \
            $(printf %s "$WANTED" | grep -lxF -f - /proc/[0-9]*/comm 2>/dev/null)
do
  cat "${file%/*}/stat" 2>/dev/null || true
done
"""
_STAT: Final = re.compile(r"^(?P<pid>\d+) \(.*\) (?P<state>\S)(?: \S+){18} (?P<started>\d+) ", re.MULTILINE)

# The shell's own kill: an image need not have procps. It tries all, also when one is gone.
_KILL: Final = 's=$1; shift; for p in "$@"; do kill -s "$s" "$p" || f=1; done; exit ${f:-0}'

_AS_FIRST: Final = (
    "a container's first process ignores this signal when it comes from inside; "
    "run the command on the node instead, or start the program under an init"
)


def processes(run: Run, name: str) -> tuple[Process, ...]:
    """The living processes with that name, or with that word among their arguments.

    Args:
        run: where to look.
        name: such as ``ganesha.nfsd`` or ``alluxio.fuse.AlluxioFuse``.

    Raises:
        FaultError: it could not be looked for.
    """
    done = run(("env", f"WANTED={name}", "sh", "-c", _FIND), timeout=COMMAND_SECONDS)
    if done.exit_code != 0:
        raise FaultError(f"cannot look for processes {name}", last_seen=done.stderr.strip())
    seen: dict[int, Process] = {}  # one that matches twice is shown twice
    for match in _STAT.finditer(done.stdout):
        pid = int(match["pid"])
        seen[pid] = Process(pid, int(match["started"]), match["state"])
    return tuple(process for process in seen.values() if process.state not in "ZX")


@contextmanager
def stopped(
    run: Run,
    name: str = "ganesha.nfsd",
    *,
    touches: Literal["pod", "cluster"] = "cluster",
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Fault]:
    """Stop every process of that name (SIGSTOP) while the context lasts, and let them go on after it.

    It touches whoever needs the program: a stopped NFS server hangs each mount of its exports, and
    deleting a Pod with such a mount hangs too, so let it go on before tearing down.

    Args:
        run: runs commands where the processes are to be seen.
        name: name of the program, or a word of its arguments.
        touches: ``pod`` when nobody outside the Pod uses the program.
        clock: replaced by tests.

    Raises:
        FaultError: no such process.
        WaitTimeoutError: it did not stop, or could not be made to go on; an infrastructure failure.
    """
    before = processes(run, name)
    if not before:
        raise FaultError(f"no process {name} is running", advice="look whether the Pod is the right one")
    keys = {process.key for process in before}
    try:
        _signal(run, name, before, "STOP")
        _await(
            run,
            name,
            partial(_all_stopped, keys),
            condition="state T (stopped)",
            advice=_AS_FIRST,
            clock=clock,
        )
        yield Fault(f"{name} is stopped", touches, "harness")
    finally:
        _go_on(run, name, before, clock)


def _go_on(run: Run, name: str, before: Sequence[Process], clock: Clock) -> None:
    """Let processes go on, however often it takes, and see that none is left stopped."""

    def look() -> tuple[Process, ...] | None:
        try:
            now = processes(run, name)
            # Those from before as well: a process that could not be seen just now must not stay stopped.
            targets = {p.key: p for p in (*before, *now)}
            if any(p.state == "T" for p in now) or not now:
                _signal(run, name, tuple(targets.values()), "CONT", check=False)
                now = processes(run, name)
        except HarnessError as error:
            log.warning("%s: cannot be let go on yet: %s", name, error.message)
            return None
        return now

    wait(
        look,
        # None at all is right as well: whoever stopped for good is not ours to start.
        partial(_seen, none_stopped),
        subject=f"process {name}",
        condition="resumption",
        timeout=3 * EFFECT_SECONDS,
        delay=LOOK,
        describe=_shown,
        failure_class=FailureClass.INFRASTRUCTURE,
        advice=f"send SIGCONT to {name} by hand: it is stopped, and whoever uses it hangs",
        clock=clock,
    )


def kill_process(run: Run, name: str, *, signal: str = "KILL", clock: Clock = SYSTEM_CLOCK) -> Fault:
    """Kill every process of that name and see that those are gone; Kubernetes starts the container anew.

    Args:
        run: runs commands where the processes are to be seen.
        name: name of the program, or a word of its arguments such as a Java class.
        signal: without ``SIG``.
        clock: replaced by tests.

    Raises:
        FaultError: no such process.
        WaitTimeoutError: it lives on.
    """
    before = processes(run, name)
    if not before:
        raise FaultError(f"no process {name} is running", advice="look whether the Pod is the right one")
    keys = {process.key for process in before}
    try:
        _signal(run, name, before, signal)
    except HarnessError as error:
        # Whoever kills a container's first process loses the shell that did it: the look below decides.
        log.info("%s: the command that killed it ended with it: %s", name, error.message)
    _await(
        run,
        name,
        lambda now: not keys & {p.key for p in now},
        condition="the end",
        advice=_AS_FIRST,
        clock=clock,
    )
    return Fault(f"{name} was killed", "pod", "kubernetes")


def delete_pod(
    objects: Objects,
    namespace: str,
    name: str,
    *,
    because: str,
    grace_seconds: int | None = None,
    timeout: float = 120.0,
    clock: Clock = SYSTEM_CLOCK,
) -> Fault:
    """Delete a Pod and wait until that very Pod is gone; its owner makes another.

    Args:
        objects: access to the cluster.
        namespace: of the Pod.
        name: of the Pod.
        because: why a Pod that may not be ours is deleted.
        grace_seconds: overrides the Pod's own.
        timeout: seconds until it must be gone.
        clock: replaced by tests.

    Raises:
        FaultError: there is no such Pod.
        WaitTimeoutError: it is still there.
    """
    pod = objects.get(POD, name, namespace)
    if pod is None:
        raise FaultError(f"there is no Pod {namespace}/{name} to delete")
    uid = pod["metadata"]["uid"]
    objects.delete(POD, name, namespace, because=because, grace_seconds=grace_seconds)
    wait(
        lambda: objects.get(POD, name, namespace),
        lambda now: now is None or now["metadata"]["uid"] != uid,
        subject=f"Pod {namespace}/{name}",
        condition="deletion",
        timeout=timeout,
        describe=lambda now: "gone" if now is None else f"there, UID {now['metadata']['uid']}",
        failure_class=FailureClass.INFRASTRUCTURE,
        clock=clock,
    )
    return Fault(f"Pod {namespace}/{name} was deleted", "pod", "kubernetes")


@contextmanager
def without_node_label(objects: Objects, node: str, key: str) -> Iterator[Fault]:
    """Take a label off a node while the context lasts, and put it back unless someone else did.

    Raises:
        RefusalError: the node has no such label.
        FaultError: it could not be taken off or put back.
    """
    value = _label(objects, node, key)
    if value is None:
        raise RefusalError(f"node {node} has no label {key} to take off")
    try:
        objects.patch(NODE, node, None, {"metadata": {"labels": {key: None}}})
        if _label(objects, node, key) is not None:
            raise FaultError(f"label {key} of node {node} came back at once", subject=f"Node {node}")
        yield Fault(f"node {node} lost its label {key}", "node", "harness")
    finally:
        if _label(objects, node, key) is None:
            objects.patch(NODE, node, None, {"metadata": {"labels": {key: value}}})
            if _label(objects, node, key) is None:
                raise FaultError(f"label {key}={value} could not be put back on node {node}")


@dataclass(frozen=True, slots=True)
class PageCache:
    """File pages in memory by ``/proc/meminfo``, in bytes.

    Attributes:
        file: pages of files, without those that are memory only (tmpfs, shared memory).
        mapped: pages that running programs have mapped, which dropping leaves.
    """

    file: int
    mapped: int

    @property
    def droppable(self) -> int:
        """Bytes that dropping ought to free; those being written are among them."""
        return max(0, self.file - self.mapped)


@dataclass(frozen=True, slots=True)
class Dropped:
    """The page cache was dropped; ``fault`` tells it, the other two are its state before and after."""

    fault: Fault
    before: PageCache
    after: PageCache


def page_cache(meminfo: str) -> PageCache:
    """The page cache as ``/proc/meminfo`` tells it.

    Raises:
        FaultError: a line is missing.
    """
    kib: Mapping[str, int] = {
        match[1]: int(match[2]) for match in re.finditer(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)
    }
    try:
        file = kib["Cached"] + kib["Buffers"] - kib["Shmem"]
        return PageCache(1024 * max(0, file), 1024 * kib["Mapped"])
    except KeyError as error:
        raise FaultError(f"/proc/meminfo has no line {error.args[0]}", last_seen=meminfo[:500]) from error


def drop_page_cache(run: Run) -> Dropped:
    """Write out and drop all clean file pages of the machine. It touches every node and the host itself.

    Nobody has to undo it: files are read again when they are needed. It says nothing about one
    file's pages, and a FUSE or NFS server elsewhere keeps its own.

    Args:
        run: runs commands as root where ``/proc/sys`` can be written, such as on a node of kind.

    Raises:
        FaultError: it was refused, or the pages are still there.
    """
    # One command, so that nothing is read in between; sync first, because only clean pages go.
    script = "cat /proc/meminfo; sync; echo 3 > /proc/sys/vm/drop_caches; echo; cat /proc/meminfo"
    done = run(("sh", "-ec", script), timeout=4 * COMMAND_SECONDS)
    before, blank, after = done.stdout.partition("\n\n")
    if done.exit_code != 0 or not blank:
        raise FaultError(
            "the page cache could not be dropped",
            last_seen=done.stderr.strip(),
            advice="run it as root on a node; a Pod must be privileged",
        )
    dropped = Dropped(
        Fault("the page cache was dropped", "host", "nobody"), page_cache(before), page_cache(after)
    )
    allowed = max(LEFT_BYTES, int(LEFT_SHARE * dropped.before.droppable))
    if dropped.after.droppable > allowed:
        raise FaultError(
            "the page cache was not dropped",
            condition=f"at most {allowed} bytes of files left, but for what programs have mapped",
            last_seen=f"before {dropped.before}, after {dropped.after}",
            advice="look for programs that read or write files all the time",
        )
    return dropped


def _label(objects: Objects, node: str, key: str) -> str | None:
    found = objects.get(NODE, node)
    if found is None:
        raise FaultError(f"there is no node {node}")
    value: str | None = (found["metadata"].get("labels") or {}).get(key)
    return value


def _signal(run: Run, name: str, targets: Sequence[Process], signal: str, *, check: bool = True) -> None:
    pids = [str(process.pid) for process in targets]
    done = run(
        ("sh", "-c", _KILL, "kill", signal, *pids),
        timeout=COMMAND_SECONDS,
    )
    if check and done.exit_code != 0:
        raise FaultError(f"SIG{signal} could not be sent to {name}", last_seen=done.stderr.strip())


def _await(
    run: Run,
    name: str,
    ready: Callable[[tuple[Process, ...]], bool],
    *,
    condition: str,
    advice: str,
    clock: Clock,
) -> None:
    def look() -> tuple[Process, ...] | None:
        try:
            return processes(run, name)
        except HarnessError as error:  # a container that starts anew takes no commands
            log.info("%s: cannot be looked for just now: %s", name, error.message)
            return None

    wait(
        look,
        partial(_seen, ready),
        subject=f"process {name}",
        condition=condition,
        timeout=EFFECT_SECONDS,
        delay=LOOK,
        describe=_shown,
        failure_class=FailureClass.INFRASTRUCTURE,
        advice=advice,
        clock=clock,
    )


def none_stopped(now: tuple[Process, ...]) -> bool:
    """No process is in state T (stopped)."""
    return all(process.state != "T" for process in now)


def any_stopped(now: tuple[Process, ...]) -> bool:
    """A process is in state T (stopped)."""
    return any(process.state == "T" for process in now)


def _all_stopped(keys: set[tuple[int, int]], now: tuple[Process, ...]) -> bool:
    return {process.key for process in now} >= keys and all(process.state == "T" for process in now)


def _seen(ready: Callable[[tuple[Process, ...]], bool], now: tuple[Process, ...] | None) -> bool:
    return now is not None and ready(now)


def _shown(now: tuple[Process, ...] | None) -> str:
    if now is None:
        return "not to be seen"
    return ", ".join(f"{process.pid} in state {process.state}" for process in now) or "none"
