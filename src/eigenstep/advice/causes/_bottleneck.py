"""A layer of the projector that lets but few directions through."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

# Units of a hidden layer; effective rank at the start beside the dimension, and beside that of the features.
UNITS, RANK_SHARE = 8, 0.13


def _narrowest(signs: Signs) -> int | None:
    hidden = signs.option("projector.hidden")
    return min(hidden) if isinstance(hidden, list | tuple) and hidden else None


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    found, narrow = [], _narrowest(signs)
    rank, bound = signs["rank_first"], min(signs["dim"], signs["batch"] or signs["dim"])
    if below(rank, RANK_SHARE * bound) and above(signs["features_rank_first"], rank):
        found.append(
            Evidence(
                f"the effective rank was {rank:.1f} of {signs['dim']:.0f} before anything was learned", 0.6
            )
        )
    if narrow is not None:
        if narrow < min(UNITS, signs["dim"]):
            found.append(Evidence(f"a hidden layer of the projector has {narrow} units", 1.1 if ill else 0.8))
        elif found:
            found.append(Evidence(f"the projector's narrowest layer has {narrow} units", -0.8))
    return found


def _act(signs: Signs) -> Action:
    hidden = signs.option("projector.hidden")
    wide = max(128, int(signs["dim"])) if signs["dim"] == signs["dim"] else 128
    widths = (
        tuple(each if each >= UNITS else wide for each in hidden)
        if isinstance(hidden, list | tuple)
        else (wide,)
    )
    return Action(
        f"Set --projector.hidden {' '.join(map(str, widths))}",
        {"projector.hidden": widths},
        "an effective rank of a third of the dimensions or more",
        "Make the projector's hidden layers no narrower than the embedding",
    )


CAUSE = Cause(
    "bottleneck", "a layer of the projector lets but few directions through", _weigh, _act, restart=True
)
