"""Why a Dataset is not Bound, or why its runtime does not work although it is Bound.

The rules are those of Fluid 1.0.8; the files that they were read from are named. The objects decide; what
Fluid,
Kubernetes or the scheduler says in words is quoted.
"""

from __future__ import annotations

from suites.diagnosis.causes.why_not_bound import why_not_bound

__all__ = ["why_not_bound"]
