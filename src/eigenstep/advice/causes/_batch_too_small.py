"""A batch so small that its statistics, or its negatives, tell little."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, below

FEW = 16


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    batch = signs["batch"] if signs["batch"] == signs["batch"] else signs.number("batch_size")
    if not below(batch, FEW):
        return []
    return [
        Evidence(
            f"a batch has {batch:.0f} images, published ones 128 or more", 1.0 if ill or batch < 12 else 0.7
        )
    ]


def _act(signs: Signs) -> Action:
    return Action(
        "Set --batch-size 256, with --micro-batch-size as memory allows: the gradient stays that of"
        " the whole batch",
        {"batch_size": 256},
        "a smoother loss, and an effective rank that is not bounded by the batch",
        "Set batch_size=256 in the loader; gradient accumulation does not help, as the loss compares images"
        " within a batch",
    )


CAUSE = Cause(
    "batch_too_small",
    "the batch is too small for what the loss compares within it",
    _weigh,
    _act,
    checks=("tells",),
)
