"""Too large steps: the learning rate is too high, or another optimiser's."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._batch_too_small import FEW
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below
from eigenstep.advice.causes._decay_too_strong import PULL, pull
from eigenstep.advice.causes._rates import LARGEST, OPTIMIZERS, SMALL_START, gentlest_rate, usual_rate

# An update beside its weights, at its largest; growth of variance and of weights since the start.
UPDATE, UPDATE_SOUND = 0.1, 0.04
# Beyond this deviation of the views' values these may be what makes the loss infinite.
SCALED = 10.0
# So many times the usual rate, under which a loss that became infinite is put down to it.
FAR_ABOVE = 3.0
VARIANCE_GREW, WEIGHTS_GREW = 100.0, 1.4


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    found = []
    # A projector that starts small moves far beside itself, and its variance grows, at any rate.
    started = not below(signs["variance_first"], SMALL_START)
    update = signs["update_backbone_most"]
    if started and above(signs["update_projector_most"], update):
        update = signs["update_projector_most"]
    if above(update, UPDATE):
        found.append(Evidence(f"a step changes the weights by {update:.0%} of themselves", 0.8))
    elif below(update, UPDATE_SOUND) and not signs.diverged:  # of the last steps nothing was measured
        found.append(Evidence(f"a step changes the weights by {update:.1%} at most", -0.7))
    if signs.diverged and not above(signs["views_std"], SCALED):
        found.append(Evidence("the loss became infinite", 0.6))
    if started and above(signs["variance_most"], VARIANCE_GREW):
        found.append(
            Evidence(
                f"the embeddings' variance grew {signs['variance_most']:,.0f}-fold (sound: 1 to 13)", 0.4
            )
        )
    grown = signs["weight_backbone"]
    if above(grown, WEIGHTS_GREW):
        found.append(Evidence(f"the backbone's weights grew to {grown:.2g} times their start", 0.5))
    if found and above(pull(signs), PULL):
        found.append(Evidence("but weight decay is strong, which makes steps large by itself", -0.6))
    if found and below(signs["batch"], FEW):
        found.append(Evidence("but the batch is so small that a usual rate is too high for it", -0.4))
    rate, name = signs.number("optimizer.lr"), signs.option("optimizer.name")
    if found and above(rate, LARGEST.get(str(name), float("inf"))):
        found.append(
            Evidence(f"optimizer.lr {rate:g} is above what is published for {OPTIMIZERS[name]}", 0.5)
        )
    elif signs.diverged and above(rate, FAR_ABOVE * usual_rate(signs)):
        found.append(
            Evidence(f"optimizer.lr {rate:g} is {rate / usual_rate(signs):.0f} times what is usual here", 0.5)
        )
    elif signs.diverged and signs.foreign and above(rate, FAR_ABOVE * (gentlest := gentlest_rate(signs))):
        found.append(
            Evidence(
                f"optimizer.lr {rate:g} is {rate / gentlest:.0f} times what losses of large terms, as VICReg,"
                " are trained with",
                0.4,
            )
        )
    return found


def _act(signs: Signs) -> Action:
    rate, now = usual_rate(signs), signs.number("optimizer.lr")
    if below(now, 2 * rate):  # where the usual one is too high too
        rate = now / 10
    return Action(
        f"Set --optimizer.lr {rate:g}, and warm up over the first steps",
        {"optimizer.lr": rate},
        "updates of .1 to 2 % of the weights a step, and a loss that falls from the first steps on",
        f"Set lr={rate:g} in the optimiser, and warm up over the first steps",
    )


CAUSE = Cause(
    "rate_too_high",
    "the learning rate is too high, so that each step throws the weights far",
    _weigh,
    _act,
    restart=True,
    checks=("rate: high", "update: large"),
)
