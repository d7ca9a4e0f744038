"""Fuses as sidecars of applications."""

from __future__ import annotations

from typing import Final

from suites.record.defects import Defect

#: Grace period of a Pod with a sidecar: the default of Kubernetes, so that the sidecar can unmount.
GRACE_SECONDS: Final = 30
SCRIPT_STAYS: Final = Defect(
    "sidecar-script-stays",
    "The ConfigMap that the webhook creates for a sidecar has the Dataset's id and no owner, so it is not "
    "deleted with the Dataset.",
    "pkg/application/inject/fuse/poststart/script_gen_helper.go:38-53 (1.0.8)",
)
#: What stays because of it, in the words of the leak check.
SCRIPT_PATTERN: Final = r"^ConfigMap \S*-default-check-mount$"
