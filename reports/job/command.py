"""The command `job`: runs of the harness in the cluster itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from clusters import registry, source_choice
from clusters.disruption import disruptions
from clusters.host import engine, probes
from clusters.host.artifact_cache import ArtifactCache
from clusters.host.commands import SystemCommands
from clusters.host.machine_lock import machine_lock
from clusters.images import on_nodes
from clusters.images.offline.harness_image import harness_image
from clusters.images.tools import Tools
from clusters.kubernetes.client import Kube
from clusters.kubernetes.lookups import ClusterReader
from clusters.kubernetes.snapshots.node import NodeSnapshot
from clusters.options import options_of
from clusters.paths import cache_root
from clusters.product import existing_export
from clusters.progress import Progress
from clusters.source_choice import SourceChoice
from reports.job import in_pod, manifests, operations, settings
from reports.job.settings import Settings
from suites.catalogue.scenario import Level

COMMANDS: Final = ("job",)
_SAVE_SECONDS: Final = 600.0


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with its own commands."""
    job = commands.add_parser(
        "job",
        help="run the harness in the cluster itself, as a Job or a CronJob",
        description="The exit code of `run --wait` and `status --wait` is that of the run; else 0, or 2 if "
        "the command failed.",
    )
    actions = job.add_subparsers(dest="action", required=True, metavar="COMMAND")
    run = actions.add_parser("run", help="create the Job, or the CronJob, with the least rights for its rows")
    _add_settings(run)
    run.add_argument("--wait", action="store_true", help="wait for the end of the run")
    manifest = actions.add_parser("manifest", help="print the objects as YAML; creates nothing")
    _add_settings(manifest)
    plan = actions.add_parser("plan", help="print which rows run, which do not and why, and the rights")
    _add_settings(plan)
    doctor = actions.add_parser("doctor", help="run the doctor there, once or on a schedule; `logs` shows it")
    doctor.add_argument("--image", metavar="NAME", help="of the harness, as for `run`")
    doctor.add_argument("--registry", metavar="HOST", help="nodes pull the image from this mirror")
    doctor.add_argument("--schedule", default="", metavar="CRON", help="a CronJob, such as '*/10 * * * *'")
    doctor.add_argument("--manifest", action="store_true", help="print the objects as YAML; creates nothing")
    doctor.add_argument("more", nargs="*", metavar="-- OPTIONS", help="of `doctor`, such as --metrics")
    status = actions.add_parser("status", help="show whether the newest run runs, and how it ended")
    status.add_argument("--wait", action="store_true", help="wait for its end")
    logs = actions.add_parser("logs", help="print the output of the newest run")
    logs.add_argument("-f", "--follow", action="store_true", help="until it ends")
    retrieve = actions.add_parser(
        "retrieve", help="copy the results of the newest run here; its Pod then ends"
    )
    retrieve.add_argument(
        "dir", nargs="?", type=Path, default=Path("out"), metavar="DIR", help="default: out"
    )
    delete = actions.add_parser("delete", help="remove the Job and all that belongs to it")
    for command in (run, manifest, doctor, status, logs, retrieve, delete):
        command.add_argument("--kubeconfig", type=Path, help="instead of $KUBECONFIG or ~/.kube/config")
    image = actions.add_parser("image", help="build the image of the harness, and print its name")
    image.add_argument("--save", type=Path, metavar="FILE", help="write it to a file, for `kind load`")
    image.add_argument("--bootstrap", action="store_true", help="as for `run`")
    inside = actions.add_parser("in-pod", help="what runs in the containers of the Pod")
    parts = inside.add_subparsers(dest="part", required=True, metavar="PART")
    parts.add_parser("run").add_argument("arguments", nargs="*")
    parts.add_parser("hold").add_argument("--keep", type=float, default=settings.KEEP_SECONDS)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image", metavar="NAME", help="of the harness (default: the one of this code, if the nodes have it)"
    )
    parser.add_argument("--level", default=str(Level.SMOKE), choices=[str(level) for level in Level])
    parser.add_argument("--scenario", default="", metavar="IDS", help="only these rows, such as A2,B1")
    parser.add_argument(
        "--allow-disruptive", default="", metavar="KINDS", help="as for `run`; it adds the rights for that"
    )
    parser.add_argument("--registry", metavar="HOST", help="nodes pull the harness's images from this mirror")
    parser.add_argument("--schedule", default="", metavar="CRON", help="a CronJob, such as '0 3 * * *'")
    for name, given in source_choice.OPTIONS:
        parser.add_argument(name, default=None, metavar=given["metavar"], help=given["help"])
    parser.add_argument(
        "--keep",
        type=int,
        default=settings.KEEP_SECONDS,
        metavar="SECONDS",
        help="for which the results wait to be retrieved (default 3600)",
    )
    parser.add_argument(
        "--deadline",
        type=int,
        default=settings.DEADLINE_SECONDS,
        metavar="SECONDS",
        help="after which Kubernetes ends the run (default 21600)",
    )
    parser.add_argument(
        "--results-claim",
        default="",
        metavar="NAME",
        help=f"claim in namespace {manifests.NAMESPACE} that keeps the results",
    )
    parser.add_argument("more", nargs="*", metavar="-- OPTIONS", help="further options of `run`")


def run(options: argparse.Namespace) -> int:
    """Run one of the commands; returns the exit code."""
    if options.action == "in-pod":
        return in_pod.run(options.arguments) if options.part == "run" else in_pod.hold(options.keep)
    if options.action == "image":
        _say(_built_image(options))
        return 0
    if options.action == "plan":
        wanted = _settings(options, image="")
        sys.stdout.write("\n".join(settings.described(settings.selection(wanted))) + "\n")
        return 0
    if _only_prints(options) and options.image:
        return _start(None, options, options.image)
    kube = Kube.connect(options.kubeconfig, run="job")
    try:
        return _on_cluster(kube, options)
    finally:
        kube.close()


def _on_cluster(kube: Kube, options: argparse.Namespace) -> int:
    match options.action:
        case "run" | "manifest" | "doctor":
            return _start(kube, options, options.image or _image(kube, options.registry))
        case "status":
            if options.wait:
                return _wait(kube)
            _say(str(operations.status(kube)))
        case "logs":
            for part in operations.log(kube, follow=options.follow):
                sys.stdout.write(part)
                sys.stdout.flush()
        case "retrieve":
            _say(f"results: {operations.retrieve(kube, options.dir)}")
        case _:
            _say("removed" if operations.delete(kube) else "there was no run of the harness in this cluster")
    return 0


def _only_prints(options: argparse.Namespace) -> bool:
    return options.action == "manifest" or (options.action == "doctor" and bool(options.manifest))


def _start(kube: Kube | None, options: argparse.Namespace, image: str) -> int:
    """Create the objects of a run or of the doctor, or print them."""
    if options.action == "doctor":
        objects = manifests.doctor_manifests(image, options.schedule, options.more)
    else:
        wanted = _settings(options, image)
        if kube is not None:
            existing_export.resolve(kube, wanted.source)
        objects = manifests.manifests(wanted)
    if kube is None or _only_prints(options):
        sys.stdout.write(manifests.as_yaml(objects))
        return 0
    operations.start(kube, objects)
    if options.action == "run" and options.wait:
        return _wait(kube)
    _say("started; see `fluid-conformance job status`")
    return 0


def _wait(kube: Kube) -> int:
    ended = operations.wait_until_ended(kube, lambda seen, _: _say(seen))
    return ended.exit_code if ended.exit_code is not None else 1


def _settings(options: argparse.Namespace, image: str) -> Settings:
    return Settings(
        image=image,
        level=Level.of(options.level),
        scenario=options.scenario,
        permitted=disruptions(options.allow_disruptive),
        registry=options.registry,
        schedule=options.schedule,
        keep=options.keep,
        deadline=options.deadline,
        results_claim=options.results_claim,
        source=SourceChoice.of(vars(options)),
        more=tuple(options.more),
    )


def _image(kube: Kube, mirror: str | None) -> str:
    """The image of the harness as it is now, as the nodes know it or can pull it.

    Raises:
        RefusalError: they do not have it, and no registry is named.
    """
    nodes = ClusterReader(kube).list(NodeSnapshot)
    return on_nodes.harness_image(harness_image(), [node for node in nodes if node.pods_may_run], mirror)


def _built_image(options: argparse.Namespace) -> str:
    """Build the image in the engine of this machine, and save it if a file is named; returns its name."""
    commands, progress = SystemCommands(), Progress()
    cache = ArtifactCache(cache_root(), commands, progress)
    tools = Tools(options_of({"bootstrap": options.bootstrap}), probes.probe(), cache)
    running = engine.require(commands)
    with machine_lock(cache.root):
        entry = registry.build_harness_image(tools, running)
        if options.save is not None:
            running.run("save", "-o", options.save.absolute(), entry.local, timeout=_SAVE_SECONDS)
    return entry.local


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
