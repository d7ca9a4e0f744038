"""What must hold, each as one check that states its evidence or says what is wrong.

A check trusts no single source. Only the facts that Fluid cannot fake count: types of mounts,
Pods on nodes, labels of nodes, blocks on disk, bytes that the NFS server sent. Phases of the
runtime, events and a Pod's Ready are told, and never decide (fusePhase is always Ready in 1.0.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from clusters.errors import ProductFailureError
from clusters.kubernetes import kinds
from clusters.kubernetes.snapshots.pod import PodSnapshot
from clusters.kubernetes.snapshots.storage import ClaimSnapshot, VolumeSnapshot
from clusters.product import fluid_names
from clusters.product.fluid_snapshots import DatasetSnapshot, made_by_fluid, uses_fluid_driver
from clusters.product.fuse import FuseSnapshot
from clusters.product.nfs import ServedBytes
from clusters.product.predicates import is_fully_cached
from clusters.waiting import hold, reason_if_any, wait
from suites.steps.idle_watch import ADVICE, DELAY, NOT_WATCHED, Untouched
from suites.steps.observer import Cached
from suites.steps.user import DATASET, User

#: Seconds from the last read until Alluxio holds all of it: it caches behind the reader's back.
CACHED_SECONDS: Final = 180.0
#: Seconds until the Dataset's status has caught up (catalogue: up to 2.5 minutes).
STATUS_SECONDS: Final = 300.0
#: Bytes that an interface carries while nobody reads: address resolution, mount traffic, attributes.
IDLE_BYTES: Final = 256 * 1024
#: Seconds until a mount answers that the Fuse behind it is gone: its process ends a moment after its Pod.
DEAD_SECONDS: Final = 30.0
#: Seconds for which a deletion that must wait is watched; Fluid tries it again each 10 s.
DELETION_WINDOW_SECONDS: Final = 25.0
#: How a file system says so (ENOTCONN).
DEAD: Final = "Transport endpoint is not connected"


def fail(message: str, *, subject: str, expected: str, seen: str, advice: str = "") -> NoReturn:
    """Fail the scenario: a check did not hold.

    Args:
        message: one sentence for a user of Fluid.
        subject: the object that was checked, such as ``Dataset demo/imagenet``.
        expected: what should hold.
        seen: what was observed instead.
        advice: where to look next.

    Raises:
        ProductFailureError: always.
    """
    __tracebackhide__ = True
    raise ProductFailureError(message, subject=subject, condition=expected, last_seen=seen, advice=advice)


def served_by_fluid(user: User, pod: PodSnapshot, dataset: str = DATASET) -> FuseSnapshot:
    """Three facts together prove that the application reads through a Fuse Pod.

    The mount's type inside the application, a ready Fuse Pod on its node, the label of its node.
    """
    observer, evidence = user.observer, user.evidence
    mount = observer.mount(pod)
    fuse = observer.fuse(user.namespace, dataset)
    subject = f"Pod {pod.namespace}/{pod.name}"
    if mount.serves != "fluid":
        fail(
            f"{pod.name} mounts claim {dataset} and still does not read through Fluid",
            subject=subject,
            expected="a mount of type fuse.alluxio-fuse at /data",
            seen=str(mount),
            advice="look at the CSI plugin's logs on its node",
        )
    evidence.fact("application mountinfo", f"/data is of type {mount.fs_type}", mounted_from=mount.source)
    if not fuse.ready_on(pod.node):
        fail(
            f"no ready Fuse Pod on {pod.node}, where {pod.name} runs",
            subject=subject,
            expected="one ready Fuse Pod on the application's node",
            seen=str(fuse),
        )
    evidence.fact(
        "Fuse DaemonSet", f"one ready Fuse Pod on {pod.node}", desired=fuse.desired, ready=fuse.ready
    )
    if pod.node not in fuse.labelled:
        fail(
            f"node {pod.node} does not carry {fuse.label}",
            subject=subject,
            expected=f"label {fuse.label}=true on the application's node",
            seen=f"nodes with it: {', '.join(fuse.labelled) or 'none'}",
        )
    evidence.fact("node labels", f"{pod.node} carries {fuse.label}")
    return fuse


def reads_raw_nfs(user: User, pod: PodSnapshot, application: str) -> None:
    """The application reads NFS past Fluid, by the type of its mount.

    Args:
        user: whose evidence it is.
        pod: the application.
        application: which one it is, in the error's sentence.
    """
    mount = user.observer.mount(pod)
    if mount.serves != "nfs":
        fail(
            f"{application} does not read raw NFS",
            subject=f"Pod {pod.namespace}/{pod.name}",
            expected="a mount of type nfs, nfs4 or fuse.nfs",
            seen=str(mount),
        )
    user.evidence.fact(
        "application mountinfo", f"/data is of type {mount.fs_type}", mounted_from=mount.source
    )


def dead_mount(user: User, pod: PodSnapshot) -> None:
    """The application's mount is dead: nothing is behind it any more."""
    with user.evidence.phase("waiting", f"the mount of {pod.name} dies"):
        wait(
            lambda: user.observer.read(pod),
            lambda seen: DEAD in seen.message,
            subject=f"Pod {pod.namespace}/{pod.name}",
            condition=f"the answer {DEAD!r}",
            timeout=DEAD_SECONDS * user.timeout_factor,
            delay=1.0,
            describe=lambda seen: (
                seen.message.splitlines()[-1] if seen.message else f"it reads {len(seen.checksums)} files"
            ),
        )
    user.evidence.fact("application", f"{pod.name} reads no more: {DEAD}")


def one_fuse_pod(user: User, node: str, dataset: str = DATASET, *, warm: Iterable[str] = ()) -> FuseSnapshot:
    """Exactly one Fuse Pod of the Dataset exists, on that node.

    Args:
        user: whose Dataset it is.
        node: where the Fuse Pod has to be.
        dataset: its name.
        warm: further nodes with one each, which applications before left there.
    """
    fuse = user.observer.fuse(user.namespace, dataset)
    nodes = {node, *warm}
    count = len(fuse.pods) + len(fuse.unplaced) + len(fuse.doubled)
    if fuse.desired != len(nodes) or count != len(nodes) or not all(map(fuse.ready_on, nodes)):
        wanted = "one is wanted" if len(nodes) == 1 else f"{len(nodes)} are wanted"
        fail(
            f"Dataset {dataset} has {count} Fuse Pods where {wanted}",
            subject=f"DaemonSet {user.namespace}/{dataset}-fuse",
            expected=f"one Fuse Pod on each of {', '.join(sorted(nodes))}",
            seen=str(fuse),
        )
    user.evidence.fact("Fuse DaemonSet", f"exactly one Fuse Pod on {node}", desired=fuse.desired, pods=count)
    return fuse


def fuse_absent(user: User, fuse: FuseSnapshot) -> None:
    """No Fuse Pod is wanted, none is there, no node is labelled for one."""
    wrong = why_fuse_present(fuse)
    if wrong is not None:
        fail(
            f"{wrong}, though no application uses the Dataset",
            subject=f"Dataset {fuse.dataset}",
            expected="no Fuse Pod before an application needs it",
            seen=str(fuse),
        )
    user.evidence.fact("Fuse DaemonSet", "wants no Fuse Pod, and no node is labelled", desired=fuse.desired)


def why_fuse_present(fuse: FuseSnapshot) -> str | None:
    """What contradicts the absence of a Fuse, or None. A DaemonSet must be there to want none."""
    if fuse.daemon_set is None:
        return "there is no Fuse DaemonSet to tell"
    if fuse.labelled:
        return f"node {', '.join(fuse.labelled)} is labelled for a Fuse Pod"
    if fuse.desired or fuse.pods or fuse.unplaced:
        return f"there is a Fuse Pod ({fuse})"
    return None


def nothing_cached(user: User, dataset: str = DATASET) -> Cached:
    """Nothing is cached, by every source."""
    cached = user.observer.cached(user.namespace, dataset)
    wrong = why_cached(cached)
    if wrong is not None:
        fail(
            f"something of {dataset} is cached: {wrong}",
            subject=f"Dataset {user.namespace}/{dataset}",
            expected="nothing cached",
            seen=str(cached),
        )
    _state_cached(user, cached)
    return cached


def why_cached(cached: Cached) -> str | None:
    """Which source contradicts that nothing is cached, or None."""
    if not cached.listing.files:
        return "Alluxio lists no file at all, so its listing does not show that nothing is cached"
    if not cached.listing.none_cached:
        listing = cached.listing
        return (
            f"Alluxio lists {len(listing.cached_files)} of {len(listing.files)} files as cached, wholly or "
            f"in part, {listing.cached_bytes:.0f} bytes"
        )
    if cached.blocks:
        return f"{len(cached.blocks)} block files on the workers"
    if (cached.status.cache.cached_percentage or 0.0) > 0:
        return f"the Dataset's status says {cached.status.cache.cached_percentage:g} %"
    return None


def all_cached(user: User, dataset: str = DATASET, *, status_too: bool = False) -> Cached:
    """Everything is cached, by sources that agree; Alluxio is given the time to finish.

    Args:
        user: whose Dataset it is.
        dataset: its name.
        status_too: wait until the Dataset's status says so as well.
    """
    observer, total = user.observer, user.files.total_bytes
    subject = f"Dataset {user.namespace}/{dataset}"
    with user.evidence.phase("waiting", "Alluxio holds all files"):
        wait(
            lambda: observer.listing(user.namespace, dataset),
            is_fully_cached,
            subject=subject,
            condition="100 % of every file in the cache",
            timeout=CACHED_SECONDS * user.timeout_factor,
            delay=2.0,
            advice="look at the worker's logs and at `alluxio fsadmin report`",
        )
    cached = observer.cached(user.namespace, dataset)
    if cached.listing.total_bytes != total:
        fail(
            f"Alluxio lists {cached.listing.total_bytes} bytes where {total} lie at the source",
            subject=subject,
            expected="all files of the source",
            seen=str(cached),
        )
    if cached.block_bytes < total:
        fail(
            f"the workers hold {cached.block_bytes} bytes in blocks where the files have {total}",
            subject=subject,
            expected="every byte in a block file on a worker",
            seen=str(cached),
            advice="Alluxio's listing and the worker's disk disagree",
        )
    if status_too:
        with user.evidence.phase("waiting", "the Dataset's status catches up"):
            wait(
                user.with_reconcile_requests(
                    lambda: observer.dataset(user.namespace, dataset).cache, name=dataset
                ),
                lambda seen: (seen.cached_percentage or 0.0) >= 99.9,  # noqa: PLR2004 - it is rounded to 0.1
                subject=subject,
                condition="cachedPercentage 100 %",
                timeout=STATUS_SECONDS * user.timeout_factor,
                delay=1.0,
                describe=lambda seen: f"cached {seen.cached or 'unknown'}, {seen.cached_percentage} %",
                advice="the controller refreshes cacheStates every 90 s",
            )
        cached = observer.cached(user.namespace, dataset)
    _state_cached(user, cached)
    return cached


def _state_cached(user: User, cached: Cached) -> None:
    user.evidence.fact(
        "Alluxio listing",
        f"{cached.listing.percentage:.1f} % of {len(cached.listing.files)} files cached",
        bytes=cached.listing.total_bytes,
    )
    user.evidence.fact("worker's tier folder", f"{len(cached.blocks)} whole blocks", bytes=cached.block_bytes)
    user.evidence.fact(
        "Dataset status",
        f"cachedPercentage {cached.status.cache.raw.get('cachedPercentage', 'not told yet')}",
        cached=cached.status.cache.cached,
    )


def no_fuse_over_window(
    user: User,
    window: float,
    reading: Callable[[], None],
    dataset: str = DATASET,
    *,
    before: Untouched = NOT_WATCHED,
) -> None:
    """All through the window, while the application reads, no Fuse Pod comes.

    Args:
        user: whose Dataset it is.
        window: seconds.
        reading: what the user does at each look.
        dataset: its name.
        before: the part of the window that has passed already.
    """
    if before.wrong is not None:
        raise before.wrong
    observer = user.observer
    left = max(0.0, window - before.seconds)

    def look() -> FuseSnapshot:
        reading()
        return observer.fuse(user.namespace, dataset)

    with user.evidence.phase("window", f"no Fuse Pod for {left:.0f} s"):
        seen = hold(
            look,
            why_fuse_present,
            subject=f"Dataset {user.namespace}/{dataset}",
            condition="absence of a Fuse Pod",
            window=left,
            delay=DELAY,
            advice=ADVICE,
        )
    user.evidence.fact(
        "Fuse DaemonSet",
        f"wanted no Fuse Pod in {before.looks + len(seen)} looks over {before.seconds + left:.0f} s"
        + (f", {before.seconds:.0f} s of it while other scenarios ran" if before.looks else ""),
        looks=before.looks + len(seen),
        window=before.seconds + left,
    )


def assert_nfs_sent_nothing(user: User, served: ServedBytes, what: str) -> None:
    """A read did not make the NFS server send data."""
    limit = 0 if served.reads is not None else IDLE_BYTES
    if served.read > limit or (served.reads or 0) > 0:
        fail(
            f"{what} made the NFS server send data",
            subject="NFS server",
            expected="a cached read costs the source nothing",
            seen=str(served),
        )
    user.evidence.fact("NFS server", f"{what} cost it nothing", bytes=served.read, reads=served.reads)


def assert_nfs_sent_all(user: User, served: ServedBytes, what: str) -> None:
    """A read made the NFS server send at least all the data: the counter can say no."""
    total = user.files.total_bytes
    if served.read < total:
        fail(
            f"{what} made the NFS server send only {served.read} of {total} bytes",
            subject="NFS server",
            expected="an uncached read costs the source every byte",
            seen=str(served),
            advice="the page cache was not dropped, or somebody else served the read",
        )
    user.evidence.fact("NFS server", f"{what} cost it every byte", bytes=served.read, reads=served.reads)


def claim_and_volume_of_fluid(user: User, dataset: str = DATASET) -> None:
    """Fluid made claim and volume, named by its rules, with its marks, bound to each other."""
    objects = user.observer.objects
    claim, volume_name = (
        objects.get(ClaimSnapshot, dataset, user.namespace),
        fluid_names.volume_name(user.namespace, dataset),
    )
    volume = objects.get(VolumeSnapshot, volume_name)
    subject = f"claim {user.namespace}/{dataset}"
    if claim is None or volume is None:
        fail(
            f"Fluid did not make claim {dataset} and volume {volume_name}",
            subject=subject,
            expected="claim and volume by Fluid",
            seen=f"{claim or 'no claim'}; {volume or 'no volume'}",
        )
    label = fluid_names.common_label(user.namespace, dataset)
    wrong = [
        text
        for holds, text in (
            (made_by_fluid(claim), "the claim lacks annotation CreatedBy=fluid"),
            (made_by_fluid(volume), "the volume lacks annotation CreatedBy=fluid"),
            (claim.phase == "Bound", f"the claim is {claim.phase}"),
            (claim.volume_name == volume_name, f"the claim is bound to {claim.volume_name}"),
            (uses_fluid_driver(volume), f"the volume's driver is {volume.driver}"),
            (claim.labels.get(label) == "true", f"the claim lacks label {label}"),
        )
        if not holds
    ]
    if wrong:
        fail(
            f"claim {dataset} is not one that Fluid made: {'; '.join(wrong)}",
            subject=subject,
            expected="claim and volume with Fluid's marks",
            seen=f"{claim}; {volume}",
        )
    user.evidence.fact("claim and volume", "made by Fluid and bound", claim=claim.name, volume=volume.name)


def source_unchanged(user: User) -> None:
    """The files at the source are just those that were put there."""
    found = user.observer.at_the_source(user.folder)
    difference = user.files.difference(found)
    if difference:
        fail(
            "the data at the source changed",
            subject=f"export {user.folder}",
            expected="the files as they were made",
            seen=str(difference),
        )
    user.evidence.fact("NFS server's disk", "all files as they were made", files=len(found))


def reads_again(user: User, pod: PodSnapshot, timeout: float, *, advice: str) -> None:
    """A Pod whose reads were cut off reads all files again, without being made anew.

    Args:
        user: whose files they are.
        pod: the application.
        timeout: seconds until it must.
        advice: where to look when it does not.
    """
    with user.evidence.phase("waiting", "the application reads again"):
        wait(
            lambda: user.observer.read(pod),
            lambda seen: seen.complete and not user.files.difference(seen.checksums),
            subject=f"Pod {pod.namespace}/{pod.name}",
            condition="correct reads by the same Pod",
            timeout=timeout,
            delay=2.0,
            describe=lambda seen: seen.message.splitlines()[-1] if seen.message else "reads",
            advice=advice,
        )


def deletion_waits(owner: User, reader: User, pod: PodSnapshot, whom: str) -> None:
    """A deleted Dataset and its claim stay for a window, and a Pod goes on reading right.

    Args:
        owner: of the Dataset.
        reader: of the Pod; the owner, or one whose Dataset refers to the owner's.
        pod: reads through it.
        whom: what the Dataset waits for, in a user's words.
    """
    objects = owner.observer.objects

    def look() -> str:
        reader.reads_right_quietly(pod)
        dataset, claim = (
            objects.get(DatasetSnapshot, DATASET, owner.namespace),
            objects.get(ClaimSnapshot, DATASET, owner.namespace),
        )
        if dataset is None or not dataset.deleting:
            return f"the Dataset is not being deleted: {dataset}"
        return "" if claim and not claim.deleting else f"its claim went: {claim}"

    with owner.evidence.phase("window", f"the deleted Dataset waits for {whom}"):
        looks = hold(
            look,
            reason_if_any,
            subject=f"Dataset {owner.namespace}/{DATASET}",
            condition=f"pending deletion with its claim and correct reads by {pod.name}",
            window=DELETION_WINDOW_SECONDS,
        )
    owner.evidence.fact("Dataset", f"is deleted, and waits for {whom}, which reads on", looks=len(looks))


def events_told(user: User, name: str, kind: str = "") -> str:
    """What events say of an object; evidence only."""
    events = user.observer.objects.events(user.namespace, name, kind)
    text = "; ".join(f"{event.type} {event.reason}: {event.message}" for event in events[-5:])
    user.evidence.fact("events", text or f"none about {name}")
    return text


def no_such_claim(user: User, name: str) -> None:
    """There is no claim of that name in the user's namespace."""
    if user.system.kube.get(kinds.CLAIM, name, user.namespace) is not None:
        fail(
            f"there is a claim {name}, though its Dataset is not Bound",
            subject=f"claim {user.namespace}/{name}",
            expected="no claim",
            seen="a claim",
        )
    user.evidence.fact("claims", f"there is no claim {name}")


def same_pod(before: PodSnapshot, now: PodSnapshot) -> None:
    """An application that waited is the very Pod that runs now."""
    if now.uid != before.uid:
        fail(
            "the application was made anew on its way",
            subject=f"Pod {now.namespace}/{now.name}",
            expected=f"the same Pod, uid {before.uid}",
            seen=now.uid,
        )
