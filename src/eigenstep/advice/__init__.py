"""What to do about a training: causes of bad runs, and what more steps would bring; `checks` before a run.

Like the pages that show it, this reads records alone and does without torch, which `checks` needs.
"""

from eigenstep.advice._advise import Advice, Found, advise, advise_signs
from eigenstep.advice._apply import apply_changes
from eigenstep.advice._go_on import cannot_go_on
from eigenstep.advice._more_steps import Gain, MoreSteps, more_steps
from eigenstep.advice._signs import Signs, signs_of, until
from eigenstep.advice._worth_knowing import worth_knowing
from eigenstep.advice.causes import CAUSES, Action, Cause, Evidence

__all__ = [
    "CAUSES",
    "Action",
    "Advice",
    "Cause",
    "Evidence",
    "Found",
    "Gain",
    "MoreSteps",
    "Signs",
    "advise",
    "advise_signs",
    "apply_changes",
    "cannot_go_on",
    "more_steps",
    "signs_of",
    "until",
    "worth_knowing",
]
