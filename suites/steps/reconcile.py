"""Requests for a reconcile: they save the time until Fluid's controllers reconcile by themselves."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final, TypeVar

from clusters.errors import HarnessError
from clusters.kubernetes import kinds
from clusters.kubernetes.kinds import Kind
from suites.steps.actor import DATASET, Actor

T = TypeVar("T")

#: The annotation that is changed.
RECONCILE_ANNOTATION: Final = "fluid-conformance/look"
#: Seconds between two requests: Fluid's controllers reconcile again after 10 to 20 s by themselves.
RECONCILE_DELAY: Final = 5.0
#: Seconds between two requests for a full reconcile: sooner than 15 s after the last one the controller
#: leaves out what it does first (pkg/ddc/base/syncs.go:28-45 of 1.0.8).
FULL_RECONCILE_DELAY: Final = 18.0
#: Seconds after which Fluid's controllers try again what failed or is not ready: a runtime
#: (pkg/controllers/runtime_controller.go:195-302 of 1.0.8) and a data operation
#: (pkg/controllers/operation_controller.go:144-166, pkg/ddc/base/operation.go:115-176).
RETRY_SECONDS: Final = 20.0
#: Seconds after which a runtime that is set up is reconciled again (pkg/utils/crtl_utils.go:38 of 1.0.8).
STEADY_SECONDS: Final = 90.0
#: Seconds that a reconcile needs until its effect is seen, on a busy machine.
EFFECT_SECONDS: Final = 5.0
#: Seconds in which a controller that tries again has tried twice, whenever its last try was.
TWO_RETRIES: Final = 2 * RETRY_SECONDS + EFFECT_SECONDS


class ReconcileSteps(Actor):
    """Asks Fluid's controllers to reconcile, where the user is allowed to."""

    def request_reconcile(self, name: str = DATASET, kind: Kind = kinds.ALLUXIO_RUNTIME) -> None:
        """Change an annotation of an object of Fluid, so that its controller reads it soon."""
        if not self.requests_reconciles:
            return
        self.evidence.reconcile_requests += 1
        body = {"metadata": {"annotations": {RECONCILE_ANNOTATION: secrets.token_hex(4)}}}
        try:
            self.system.kube.patch(kind, name, self.namespace, body)
        except HarnessError:
            return  # the object may not exist yet, or not any more, and the request only saves time

    @property
    def two_reconciles(self) -> float:
        """Seconds in which a runtime that is set up is reconciled twice, with `with_reconcile_requests`."""
        between = FULL_RECONCILE_DELAY if self.requests_reconciles else STEADY_SECONDS
        return 2 * between + EFFECT_SECONDS

    def with_reconcile_requests(self, observe: Callable[[], T], name: str = DATASET) -> Callable[[], T]:
        """The same observation, preceded by requests for full reconciles: at once, and as often as helps."""
        clock = self.system.kube.clock
        last_request = clock.now() - 2 * FULL_RECONCILE_DELAY

        def request_and_observe() -> T:
            nonlocal last_request
            now = clock.now()
            if now - last_request > FULL_RECONCILE_DELAY:
                last_request = now
                self.request_reconcile(name)
            return observe()

        return request_and_observe

    def with_reconcile_at_change(
        self, sign: Callable[[], object], observe: Callable[[], T], name: str, kind: Kind
    ) -> Callable[[], T]:
        """The same observation, preceded by a request each time a sign changes.

        The sign says that it is the controller's turn. It is not the clock: an object that changes while its
        controller works on it makes the controller's own update fail (observed with a DataLoad of 0.9.3),
        repeatedly if the controller needs longer.

        Args:
            sign: only its changes count.
            observe: its result is returned.
            name: of the object whose annotation is changed.
            kind: of that object.
        """
        seen = sign()

        def request_and_observe() -> T:
            nonlocal seen
            before, seen = seen, sign()
            if seen != before:
                self.request_reconcile(name, kind)
            return observe()

        return request_and_observe
