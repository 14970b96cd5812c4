"""Embeddings that start so small that the first modes have to grow for long."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

# Variance a direction at the start and now; or at the start, where it has since grown to no more than that.
SMALL, TINY, GROWN = 1e-4, 1e-7, 1e-2
# The scale of the last layer: 0.01, which makes learning stepwise, is meant.
SCALE = 5e-3


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    first, now = signs["variance_first"], signs["variance_now"]
    if not (below(first, SMALL) and below(now, SMALL)) and not (below(first, TINY) and below(now, GROWN)):
        return []
    found = [Evidence(f"the variance a direction was {first:.1g} at the start and is {now:.1g}", 0.7)]
    if above(signs["variance_growth"], 1.5):
        found.append(
            Evidence(f"it grows ({signs['variance_growth']:.2g}-fold so far): it only needs time", 0.2)
        )
    scale = signs.number("projector.init_scale")
    if below(scale, SCALE):
        found.append(Evidence(f"projector.init_scale is {scale:g}", 0.4))
    elif above(scale, 0.5):
        found.append(Evidence(f"projector.init_scale is {scale:g}", -1.0))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Wait: a start k times smaller takes longer by log k; or set --projector.init-scale 1",
        {"projector.init_scale": 1.0},
        "a variance a direction near 1 within a tenth of the run",
        "Wait: a start k times smaller takes longer by log k; or leave the last layer as it is initialised",
    )


CAUSE = Cause(
    "start_too_small", "the embeddings start so small that the first mode has to grow for long", _weigh, _act
)
