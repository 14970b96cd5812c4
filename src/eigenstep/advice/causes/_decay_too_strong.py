"""Weight decay pulls the weights to zero faster than they learn."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

# Rate x decay x steps, over 1 - momentum for SGD: weights shrink by exp of minus that.
PULL, PULL_SOUND = 1.5, 0.5
FORCEFUL = 5.0
WEIGHTS_SHRANK = 0.9


def pull(signs: Signs) -> float:
    """How often decay alone would have divided the weights by e so far."""
    momentum = signs.number("optimizer.momentum") if signs.option("optimizer.name") != "adamw" else 0.0
    return signs["rate_mean"] * signs.number("optimizer.weight_decay") * signs["steps"] / (1 - momentum)


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    found, strength = [], pull(signs)
    shrunk = min(signs["weight_backbone"], signs["weight_projector"])
    if below(shrunk, WEIGHTS_SHRANK):
        found.append(Evidence(f"weights have shrunk to {shrunk:.2g} of their start", 0.7))
    if above(strength, PULL):
        weight = 1.0 if strength > FORCEFUL else 0.6
        found.append(Evidence(f"rate x decay x steps is {strength:.2g} (sound: below {PULL_SOUND})", weight))
    elif below(strength, PULL_SOUND):
        found.append(Evidence(f"rate x decay x steps is {strength:.2g}", -1.0))
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
