"""Parts that more than one of Fluid's resources has.

Go types: api/v1alpha1/common.go:31-202 of Fluid 1.0.8; api/v1alpha1/common.go and
alluxioruntime_types.go:160-240 of 0.9.3 (moved since, the fields are the same).
"""

from collections.abc import Mapping
from typing import Literal

from workloads.models.base import Model


class Resources(Model):
    """Requests and limits of a container, as Kubernetes quantities such as ``512Mi``."""

    requests: Mapping[str, str] | None = None
    limits: Mapping[str, str] | None = None


class User(Model):
    """Who owns the files or runs the processes (common.go:125-134); all four fields are required."""

    uid: int
    gid: int
    user: str
    group: str


class Toleration(Model):
    """A Pod's toleration, as in Kubernetes."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class PodMetadata(Model):
    """Labels and annotations for the Pods that Fluid makes (common.go:159-165)."""

    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
