"""Facts about the system under test, as every report lists them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ProviderName = Literal["kind", "existing"]
NfsClient = Literal["kernel", "user-space"]


class Origin(StrEnum):
    """Origin of an image.

    ``built`` is the product's own code at that version; ``substitute`` is code of the harness that
    replaces a part that is not under test.
    """

    PULLED = "pulled"
    BUILT = "built"
    SUBSTITUTE = "substitute"


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Image(_Fact):
    """An image of the system."""

    name: str
    digest: str = Field(description="sha256:…, or empty where none is known")
    origin: Origin = Field(
        description="built: the product's own code at that version; substitute: something of the harness "
        "that replaces a part that is not under test"
    )


class RunningImage(_Fact):
    """An image that containers of the product ran, by the status of their Pods."""

    name: str = Field(description="as the Pod names it")
    at_start: tuple[str, ...] = Field(description="image ids when it was observed first")
    at_end: tuple[str, ...] = Field(description="image ids when it was observed last")


class FluidSourceFacts(_Fact):
    """The local checkout that Fluid was built from."""

    commit: str = Field(description="of git; empty where git knows none")
    changed: bool = Field(description="its files differ from the commit")
    digest: str = Field(description="of the files that programs and charts are made from")

    def __str__(self) -> str:
        commit = f"commit {self.commit[:12]}" if self.commit else "no commit"
        return f"{commit}{', changed' if self.changed else ''}, digest {self.digest}"


class SystemFacts(_Fact):
    """The system that was tested."""

    kubernetes: str
    fluid: str
    alluxio: str
    cluster: ProviderName
    nodes: int
    node_names: tuple[str, ...] = Field((), description="of the nodes that Pods may run on")
    nfs_client: NfsClient | None = Field(
        None, description="who mounts NFS in the nodes; null while not known"
    )
    nfs_versions: tuple[str, ...] = Field(
        (),
        description="versions of NFS by which the kernels of the nodes had the harness's NFS server mounted, "
        "by their mountinfo, such as 4.2; empty where no such mount was seen",
    )
    fluid_source: FluidSourceFacts | None = Field(
        None, description="the local checkout that Fluid was built from; null: a published version"
    )
    images: tuple[Image, ...] = ()
    running: tuple[RunningImage, ...] = Field((), description="what ran, whatever was built or pulled")
    host_limits: tuple[str, ...] = Field((), description="what this host cannot do, and how it was met")
