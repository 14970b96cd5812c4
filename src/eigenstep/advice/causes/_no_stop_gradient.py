"""The gradient flows through the target of SimSiam's or BYOL's loss, or nothing keeps embeddings apart."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

# Losses of Eigenstep of which each has what keeps embeddings apart.
ONE_DIRECTION, RANK_FELL = 0.95, 0.5
# Weights that grew so far were thrown, and thrown weights collapse under any loss.
THROWN = 3.0


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    own = signs.loss.startswith("python:") or not signs.loss
    if not own or signs.diverged:
        return []
    found = []
    if above(signs["mean_cosine"], ONE_DIRECTION):
        found.append(
            Evidence(f"embeddings point in one direction (mean cosine {signs['mean_cosine']:.2f})", 0.7)
        )
    if below(signs["rank_now"], RANK_FELL * signs["rank_first"]):
        found.append(
            Evidence(
                f"the effective rank fell from {signs['rank_first']:.1f} to {signs['rank_now']:.1f}", 0.5
            )
        )
    if not found:
        return []
    if above(signs["loss_fall"], 0.3):
        found.append(Evidence(f"while the loss fell by {signs['loss_fall']:.0%}", 0.3))
    if above(signs["views_equal"], 0.1) or below(signs["views_apart"], 0.3):
        found.append(Evidence("but the views are almost equal, which alone makes the loss easy", -0.6))
    if above(signs["weight_backbone"], THROWN):
        grown = signs["weight_backbone"]
        found.append(
            Evidence(f"but the weights grew to {grown:.2g} times their start, as too large steps do", -0.4)
        )
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Stop the gradient at the target: loss(predictor(z_a), z_b.detach()), and give the projector's output"
        " batch norm, or standardise the target over the batch; or add a term that keeps embeddings apart"
        " (variance, covariance or negatives)",
        expected="a mean cosine of two images' embeddings that stays near 0",
    )


CAUSE = Cause(
    "no_stop_gradient",
    "nothing keeps embeddings apart: the gradient flows through the target, or a term is missing",
    _weigh,
    _act,
    restart=True,
    checks=("sign: equal", "head"),
)
