"""Mutants of the options that Fluid gives Alluxio and its Fuse."""

from __future__ import annotations

from typing import Final

from suites.mutants.model import Edit, Mutant, Part

OPTIONS: Final = "pkg/ddc/alluxio/transform_optimization.go"
VALUES: Final = "pkg/ddc/alluxio/transform.go"


def _mutant(id_: str, says: str, rows: tuple[str, ...], *edits: Edit, timeout_factor: float = 1.0) -> Mutant:
    return Mutant(id_, says, Part.ENGINE, rows, edits, timeout_factor=timeout_factor)


ENGINE: Final = (
    _mutant(
        "M115",
        "nothing that an application reads is cached",
        ("C5",),
        Edit(OPTIONS, 76, '"CACHE"', '"NO_CACHE"'),
        timeout_factor=0.4,
    ),
    _mutant(
        "M116",
        "each read asks the source whether the file is still the same",
        ("D12", "C5"),
        Edit(
            OPTIONS,
            64,
            "setDefault",
            'setDefaultProperties(runtime, value, "alluxio.user.file.metadata.sync.interval", "0"); '
            "setDefault",
        ),
    ),
    _mutant(
        "M195",
        "a read asks the source once a second whether the file is still the same",
        ("D18",),
        Edit(
            OPTIONS,
            64,
            "setDefault",
            'setDefaultProperties(runtime, value, "alluxio.user.file.metadata.sync.interval", "1s"); '
            "setDefault",
        ),
    ),
    _mutant(
        "M117",
        "what a reader receives from another node is cached a second time on its own",
        ("C9",),
        Edit(OPTIONS, 64, '"false"', '"true"'),
    ),
    _mutant(
        "M118",
        "the write type that the user sets is ignored",
        ("A14",),
        Edit(
            VALUES,
            153,
            "Spec.Properties",
            'Spec.Properties; delete(value.Properties, "alluxio.user.file.writetype.default")',
        ),
    ),
    _mutant(
        "M147",
        "what is written through a read-only mount of a read-write Dataset stays in the cache",
        ("A15",),
        Edit(
            VALUES,
            153,
            "Spec.Properties",
            "Spec.Properties; if len(dataset.Spec.Mounts) > 0 && dataset.Spec.Mounts[0].ReadOnly { "
            'delete(value.Properties, "alluxio.user.file.writetype.default") }',
        ),
    ),
    _mutant(
        "M191",
        "the arguments that the user sets for the Fuse are ignored",
        ("A35",),
        Edit(OPTIONS, 245, "> 0", "> 99"),
    ),
    _mutant(
        "M119",
        "the Fuse of a read-only Dataset allows writing",
        ("A13",),
        Edit(OPTIONS, 248, ",ro,", ",rw,"),
    ),
    _mutant(
        "M120",
        "the Fuse of a writable Dataset refuses to write",
        ("A14",),
        Edit(OPTIONS, 258, "readWriteFuseOpts", 'readWriteFuseOpts + ",ro"'),
    ),
    _mutant(
        "M121",
        "a Dataset shows a folder of its source instead of all of it",
        ("A2",),
        Edit(VALUES, 174, "uRootPath", 'uRootPath + "/train"'),
    ),
    _mutant(
        "M122",
        "only root may read through the Fuse",
        ("A2",),
        Edit("pkg/ddc/alluxio/transform_fuse.go", 95, '"allow_other"', '"allow_root"'),
    ),
)
