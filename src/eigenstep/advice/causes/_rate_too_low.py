"""Too small steps: the weights stay where they were."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below
from eigenstep.advice.causes._rates import SMALLEST, usual_rate

# An update beside its weights; of a rate that is still this share of its largest.
UPDATE, RATE_KEPT = 1e-4, 0.3
# Mean cosine of two images' embeddings of a collapse, after which steps are small at any rate.
ONE_DIRECTION = 0.95


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    update = signs["update_backbone"]
    if not 0 < update < UPDATE:
        return []
    found = [Evidence(f"a step changes the backbone's weights by {update:.1g} of themselves", 1.0)]
    rate, most = signs.number("optimizer.lr"), signs["rate_mean"]
    if below(most, RATE_KEPT * rate):
        found.append(Evidence(f"the rate was {most:.2g} on average, {rate:g} is set: its schedule", -0.8))
    elif below(rate, SMALLEST.get(str(signs.option("optimizer.name")), 0.0)):
        found.append(Evidence(f"optimizer.lr {rate:g} is below what is published", 0.5))
    if above(signs["mean_cosine"], ONE_DIRECTION):
        found.append(Evidence("but embeddings point in one direction, where no gradient is left", -0.8))
    if above(signs["update_projector"], 30 * update):
        found.append(Evidence("the projector moves", -0.8))
    return found


def _act(signs: Signs) -> Action:
    rate = usual_rate(signs)
    return Action(
        f"Set --optimizer.lr {rate:g}",
        {"optimizer.lr": rate},
        "updates of .1 to 2 % of the weights a step, and two views of an image that come to agree",
        f"Set lr={rate:g} in the optimiser",
    )


CAUSE = Cause(
    "rate_too_low",
    "the learning rate is too low, so that the weights hardly move",
    _weigh,
    _act,
    checks=("rate: low", "update: small"),
)
