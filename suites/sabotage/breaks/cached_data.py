"""Cached data that appear or disappear behind Fluid's back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters.errors import FailureClass
from clusters.kubernetes.undo import NodeCommand
from clusters.product import fluid_names
from clusters.product.alluxio.output import BlockFile
from clusters.waiting import wait
from suites.sabotage.breaks.nodes import run_on_node
from suites.sabotage.model import Environment, Tampering, Users
from suites.steps.checks.fuse import FUSE_DAEMON_SET, NO_FUSE_REQUESTED
from suites.steps.user import DATASET, User


@contextmanager
def cache_freed(environment: Environment, users: Users) -> Iterator[Tampering]:
    """The cache is freed just after the scenario saw it full."""
    del users

    def none_left(blocks: tuple[BlockFile, ...]) -> bool:
        return not blocks

    def free(user: User) -> None:
        environment.observer.alluxio(user.namespace, DATASET).free()
        wait(
            lambda: environment.observer.blocks(user.namespace, DATASET),
            none_left,
            subject=f"cache of {user.namespace}/{DATASET}",
            condition="removal of all blocks",
            timeout=60.0,
            failure_class=FailureClass.INFRASTRUCTURE,
        )

    yield Tampering(when="^Dataset status: ", then=free)


@contextmanager
def blocks_lost(environment: Environment, users: Users) -> Iterator[Tampering]:
    """Block files disappear from the worker's disk once they exist; Alluxio's own list does not know."""
    folder = fluid_names.tier_folder(users.only.namespace, DATASET)
    moved = f"{folder}.moved-by-sabotage"
    whole = 'find . -type f -not -path "*/.tmp_blocks/*"'
    move = f'cd "$1" && mkdir -p "$2" && {whole} -exec cp --parents -pt "$2" {{}} + && {whole} -delete'

    def lose(user: User) -> None:
        del user
        for node in environment.system.nodes:
            run_on_node(environment, node, "bash", "-c", move, "lose", folder, moved)

    copy = 'cd "$2" && find . -type f -exec cp --parents -pt "$1" {} +'
    restore = f'if [ -d "$2" ]; then {copy} && rm -rf -- "$2"; fi'
    argv = ("bash", "-c", restore, "restore", folder, moved)
    undo = [NodeCommand(node, argv) for node in environment.system.nodes]
    with environment.system.journal.undoing(f"block files are moved out of {folder}", *undo):
        yield Tampering(when="^DataLoad status: |^application: read ", then=lose)


@contextmanager
def loaded_in_the_window(environment: Environment, users: Users) -> Iterator[Tampering]:
    """A folder of the Dataset is loaded into the cache while no application may use it."""
    del users

    def load(user: User) -> None:
        environment.observer.alluxio(user.namespace, DATASET).run(
            "alluxio", "fs", "load", "/labels", timeout=60.0
        )

    yield Tampering(when=f"^{FUSE_DAEMON_SET}: {NO_FUSE_REQUESTED}", then=load)
