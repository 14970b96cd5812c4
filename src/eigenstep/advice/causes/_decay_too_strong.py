"""Weight decay pulls the weights to zero faster than they learn."""

import math

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

# Share of the weights that decay alone takes away in a step: rate x decay, over 1 - momentum for SGD. Over
# long trainings it may add up to dozens of times the weights, as gradients hold against it: published recipes
# take .0002 to .0012 a step.
PULL, PULL_SOUND = 0.01, 0.003
FORCEFUL = 0.05
WEIGHTS_SHRANK = 0.9


def pull(signs: Signs) -> float:
    """Share of the weights that decay alone takes away in a step at the full rate.

    Not known of LARS, which scales decay and gradient together to a share of the weights.
    """
    name = signs.option("optimizer.name")
    if name == "lars":
        return math.nan
    momentum = signs.number("optimizer.momentum") if name != "adamw" else 0.0
    return signs.number("optimizer.lr") * signs.number("optimizer.weight_decay") / (1 - momentum)


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    found, strength = [], pull(signs)
    shrunk = min(signs["weight_backbone"], signs["weight_projector"])
    if below(shrunk, WEIGHTS_SHRANK):
        found.append(Evidence(f"weights have shrunk to {shrunk:.2g} of their start", 0.7))
    if above(strength, PULL):
        weight = 1.0 if strength > FORCEFUL else 0.6
        said = f"decay takes {strength:.1%} of the weights a step (published: .02 to .12 %)"
        found.append(Evidence(said, weight))
    elif below(strength, PULL_SOUND):
        found.append(Evidence(f"decay takes {strength:.2%} of the weights a step", -1.0))
    return found if any(each.weight > 0 for each in found) else []


def _act(signs: Signs) -> Action:
    decay = 1e-4 if signs.option("optimizer.name") == "sgd" else 0.0 if not signs.options else 1e-2
    return Action(
        f"Set --optimizer.weight-decay {decay:g}",
        {"optimizer.weight_decay": decay},
        "a norm of the weights that stays within a tenth of its start",
        f"Set weight_decay={decay:g} in the optimiser",
    )


CAUSE = Cause(
    "decay_too_strong",
    "weight decay pulls the weights to zero faster than they learn",
    _weigh,
    _act,
    restart=True,
)
