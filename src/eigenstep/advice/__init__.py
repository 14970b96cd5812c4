"""What to do about a training: checks of it before its first step."""

from eigenstep.advice.checks import CHECKS, Check, Checked, Finding, check

__all__ = ["CHECKS", "Check", "Checked", "Finding", "check"]
