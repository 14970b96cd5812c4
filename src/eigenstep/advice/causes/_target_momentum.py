"""A target network that never follows, or is no other network at all."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    momentum = signs.number("byol.momentum")
    if signs.loss != "byol" or 0.5 <= momentum < 0.99995 or momentum != momentum:
        return []
    said = "never follows" if momentum > 0.5 else "is the encoder itself"
    return [Evidence(f"byol.momentum is {momentum:g}: the target network {said}", 1.0)]


def _act(signs: Signs) -> Action:
    return Action(
        "Set --byol.momentum 0.99",
        {"byol.momentum": 0.99},
        "a loss that keeps falling, since its target gets better",
        "After each step set target = m * target + (1 - m) * encoder, m = 0.99, of a copy.deepcopy(encoder)",
    )


CAUSE = Cause(
    "target_momentum",
    "the target network does not follow the encoder as it should",
    _weigh,
    _act,
    checks=("teacher: shared",),
)
