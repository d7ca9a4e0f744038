"""Which images really ran: read from the Pods of Fluid and of Alluxio, next to what was built or pulled."""

from __future__ import annotations

from dataclasses import dataclass, field

from clusters.facts import RunningImage
from clusters.kubernetes import kinds
from clusters.kubernetes.client import Kube
from clusters.kubernetes.fields import items, text
from clusters.product import fluid

#: How the label ``role`` of Alluxio's Pods begins (charts/alluxio of Fluid 1.0.8).
ALLUXIO_ROLE = "alluxio-"


@dataclass
class RunningImages:
    """The image ids by the name of the image, when each was observed first and last."""

    _first: dict[str, frozenset[str]] = field(default_factory=dict)
    _last: dict[str, frozenset[str]] = field(default_factory=dict)

    def observe(self, kube: Kube) -> tuple[RunningImage, ...]:
        """Read the Pods, and return all images that were observed by now.

        A Pod of Alluxio exists only as long as its Dataset, so call it more than once.
        """
        now: dict[str, set[str]] = {}
        for pod in kube.list(kinds.POD):
            of_fluid = text(pod, "metadata", "namespace") == fluid.NAMESPACE
            if not of_fluid and not text(pod, "metadata", "labels", "role").startswith(ALLUXIO_ROLE):
                continue
            names = {text(one, "name"): text(one, "image") for one in items(pod, "spec", "containers")}
            for status in items(pod, "status", "containerStatuses"):
                image_id = text(status, "imageID")
                if image_id:
                    now.setdefault(names.get(text(status, "name"), ""), set()).add(image_id)
        for name, ids in now.items():
            self._first.setdefault(name, frozenset(ids))
            self._last[name] = frozenset(ids)
        return tuple(
            RunningImage(
                name=name, at_start=tuple(sorted(self._first[name])), at_end=tuple(sorted(self._last[name]))
            )
            for name in sorted(self._first)
        )
