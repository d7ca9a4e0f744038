"""What every model here shares: frozen, no unknown fields, and exactly what was written is sent."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import yaml
from packaging.version import Version
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from clusters.product.fluid_versions import number

#: A Kubernetes object as the API accepts it.
Manifest = dict[str, Any]

#: Fields that belong to ``metadata``; all others of a resource belong to ``spec``.
METADATA: Final = ("namespace", "name", "labels", "annotations")


class Model(BaseModel):
    """A frozen value whose Python names are the API's names in snake case.

    A field that the caller did not set is not sent, so that the product's own default applies.
    Values are left for the API server and the controllers to judge: misuse can be written too.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    def evolve(self, **changes: Any) -> Self:
        """A copy with some changed fields, validated like the original."""
        spec_fields = {field: getattr(self, field) for field in self.model_fields_set}
        return self.model_validate({**spec_fields, **changes})

    def spec_fields(self, *, exclude: tuple[str, ...] = ()) -> Manifest:
        """The fields that were set, by the API's names, down to the last level."""
        dumped: Manifest = self.model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude_none=True, exclude=set(exclude)
        )
        return dumped


class Resource(Model):
    """A namespaced custom resource: metadata, and the fields of its ``spec``.

    Attributes:
        namespace: where it is created.
        name: its name.
        labels: sent as they are; the harness's own are added where the object is sent.
        annotations: sent as they are.
    """

    API_VERSION: ClassVar[str]
    KIND: ClassVar[str]

    #: Paths in ``spec`` that Fluid 0.9.3 lacks, by the API's names, each with the first version that has it.
    SINCE: ClassVar[Mapping[str, str]] = MappingProxyType({})

    namespace: str
    name: str
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)

    def manifest(self) -> Manifest:
        """The object as the API accepts it."""
        return {
            "apiVersion": self.API_VERSION,
            "kind": self.KIND,
            "metadata": metadata(self.name, self.namespace, self.labels, self.annotations),
            "spec": self.spec_fields(exclude=METADATA),
        }

    def to_yaml(self) -> str:
        """The object as a person would apply it."""
        return yaml_of(self.manifest())

    def unknown_to(self, fluid: str) -> tuple[str, ...]:
        """Paths in ``spec`` that were written here and that this Fluid version has not got.

        Its API server prunes them without a word, so that a scheduled load, for example,
        would run at once.
        """
        found = number(fluid)
        newer = {path for path, first in self.SINCE.items() if found is not None and found < Version(first)}
        return tuple(sorted(newer & _paths(self.spec_fields(exclude=METADATA))))


def metadata(
    name: str,
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """An object's ``metadata``, without what is empty."""
    parts: Manifest = {
        "name": name,
        "namespace": namespace,
        "labels": dict(labels or {}),
        "annotations": dict(annotations or {}),
    }
    return {key: value for key, value in parts.items() if value}


def yaml_of(*manifests: Manifest) -> str:
    """Objects as one YAML text, in the order given."""
    # Left at ASCII with escapes: PyYAML writes some Unicode line breaks so that they read back as blanks.
    return yaml.safe_dump_all(manifests, sort_keys=False)


def _paths(value: Any, above: str = "") -> set[str]:
    """Every path in a tree of mappings and lists; a list's items are ``[]``."""
    if isinstance(value, Mapping):
        found = {above} if above else set()
        for key, below in value.items():
            found |= _paths(below, f"{above}.{key}" if above else key)
        return found
    if isinstance(value, list):
        return {above}.union(*(_paths(item, f"{above}[]") for item in value))
    return {above}
