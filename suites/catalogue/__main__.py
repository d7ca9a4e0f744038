"""`python -m suites.catalogue`: writes docs/scenarios.md, or with ``--check`` compares it."""

import sys

from suites.catalogue.page import main

sys.exit(main())
