"""What to do about a training: checks before it, causes of bad runs, and what more steps would bring."""

from eigenstep.advice._advise import Advice, Found, advise, advise_signs
from eigenstep.advice._apply import apply_changes
from eigenstep.advice._go_on import cannot_go_on
from eigenstep.advice._more_steps import Gain, MoreSteps, more_steps
from eigenstep.advice._signs import Signs, signs_of, until
from eigenstep.advice._worth_knowing import worth_knowing
from eigenstep.advice.causes import CAUSES, Action, Cause, Evidence
from eigenstep.advice.checks import CHECKS, Check, Checked, Finding, check

__all__ = [
    "CAUSES",
    "CHECKS",
    "Action",
    "Advice",
    "Cause",
    "Check",
    "Checked",
    "Evidence",
    "Finding",
    "Found",
    "Gain",
    "MoreSteps",
    "Signs",
    "advise",
    "advise_signs",
    "apply_changes",
    "cannot_go_on",
    "check",
    "more_steps",
    "signs_of",
    "until",
    "worth_knowing",
]
