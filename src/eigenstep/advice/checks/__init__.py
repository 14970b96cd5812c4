"""Checks of a training before its first step: a file a group, all in `CHECKS`.

A check is a function of what is `Known` that returns a `Finding`; it is added by a line in its file's
`CHECKS`. Those of a configuration are in `eigenstep.advice.checks.configured`, which needs what training
needs.
"""

from eigenstep.advice.checks._check import CHECKS, check
from eigenstep.advice.checks._finding import Check, Checked, Finding
from eigenstep.advice.checks._known import Known
from eigenstep.advice.checks._views import agreement

__all__ = ["CHECKS", "Check", "Checked", "Finding", "Known", "agreement", "check"]
