"""Breaks that are noticed on a Dataset that was not used before."""

from __future__ import annotations

from functools import partial
from typing import Final

from suites.sabotage.breaks import applications, cached_data, components, manifests, objects
from suites.sabotage.cases.patterns import CRASHES, NOT_READY
from suites.sabotage.model import Place, Sabotage, Target
from suites.steps.user import DATASET, SOURCE

CASES: Final = (
    Sabotage(
        "node-labelled",
        "someone else uses the claim",
        "a foreign user labels the node for the Dataset's Fuse, which starts a Fuse Pod ahead",
        objects.nodes_labelled_for_fuse,
        (
            Target("A1", Place.UNUSED, reason="labelled for a Fuse Pod|there is a Fuse Pod"),
            Target("B1", Place.UNUSED, reason="is labelled for a Fuse Pod after .* window"),
        ),
        ("A2", "B6"),
    ),
    Sabotage(
        "stranger-in-the-window",
        "someone else uses the claim",
        "a foreign application mounts Fluid's claim while no Fuse Pod may start",
        partial(applications.foreign_application, when="^application: read "),
        (
            Target(
                "B1", Place.UNUSED, reason="(labelled for|there is) a Fuse Pod.*window", timeout_factor=0.5
            ),
        ),
        ("A13", "B6"),
    ),
    Sabotage(
        "loaded-in-the-window",
        "someone else uses the claim",
        "a foreign user loads files into the cache that must stay empty",
        cached_data.loaded_in_the_window,
        (Target("B1", Place.UNUSED, reason="something of demo is cached"),),
        ("A13", "B5"),
    ),
    Sabotage(
        "wrong-application-is-right",
        "application on another claim",
        "the application of issue 4388 mounts Fluid's claim after all",
        manifests.claim_replaced(SOURCE, DATASET),
        (Target("B1", Place.UNUSED, reason="does not read raw NFS.*fuse\\.alluxio-fuse"),),
        ("A13", "B6"),
    ),
    Sabotage(
        "csi-plugin-missing",
        "component missing",
        "Fluid's CSI plugin runs on no node",
        components.without_csi_plugin,
        (Target("A2", Place.UNUSED, reason=f"{NOT_READY}.*fuse\\.csi\\.fluid\\.io", timeout_factor=0.15),),
        ("B6", "B11"),
    ),
    Sabotage(
        "fuse-never-ready",
        "component crashing or never ready",
        "the Fuse's program ends as soon as it is started",
        objects.fuse_never_ready,
        (Target("A2", Place.UNUSED, reason=f"{NOT_READY}.*demo-fuse-.*{CRASHES}", timeout_factor=0.2),),
        ("A13", "B6"),
    ),
    Sabotage(
        "fuse-pod-deleted",
        "component crashing or never ready",
        "the Fuse Pod is deleted while applications read through it",
        applications.fuse_pod_deleted,
        (Target("A3", Place.UNUSED, reason="a read through the Fuse .*(endpoint|stale|No such file)"),),
        ("A13", "B6"),
    ),
    Sabotage(
        "made-writable",
        "edited by hand meanwhile",
        "the volume and the Fuse of a read-only Dataset are edited so that they allow writes",
        objects.dataset_writable,
        (Target("A13", Place.UNUSED, reason="a write through a read-only Dataset was not refused"),),
        ("A2", "B6"),
    ),
    Sabotage(
        "load-of-a-wrong-path",
        "edited by hand meanwhile",
        "the DataLoad names a folder that does not exist",
        manifests.fields_changed("DataLoad", spec__target=[{"path": "/no-such-folder", "replicas": 1}]),
        (Target("A22", Place.UNUSED, reason="DataLoad .*failed", timeout_factor=0.5),),
        ("A13", "B6"),
    ),
    Sabotage(
        "load-of-one-folder",
        "edited by hand meanwhile",
        "the DataLoad for the whole Dataset loads one folder only, and is Complete then",
        manifests.fields_changed("DataLoad", spec__target=[{"path": "/labels", "replicas": 1}]),
        (Target("A22", Place.UNUSED, reason="100 % of every file", timeout_factor=0.5),),
        ("A13", "B6"),
    ),
    Sabotage(
        "load-of-everything",
        "edited by hand meanwhile",
        "the DataLoad for one folder loads the whole Dataset",
        manifests.fields_changed("DataLoad", spec__target=[{"path": "/", "replicas": 1}]),
        (Target("A34", Place.UNUSED, reason="cached files outside its target", timeout_factor=0.5),),
        ("A13", "B6"),
    ),
    Sabotage(
        "blocks-lost",
        "stale or lost cache",
        "block files disappear from the worker after the load; Alluxio's list still says 100 %",
        cached_data.blocks_lost,
        (Target("A22", Place.UNUSED, reason="the workers hold \\d+ bytes in blocks where the files have"),),
        ("A13", "B6"),
    ),
    Sabotage(
        "cache-freed",
        "stale or lost cache",
        "the cache is freed just after it was full",
        cached_data.cache_freed,
        (Target("C5", reason="a read through Fluid made the NFS server send data"),),
        ("A1", "A2"),
    ),
)
