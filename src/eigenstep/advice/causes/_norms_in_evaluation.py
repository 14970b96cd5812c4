"""Batch norms that train in evaluation mode, with running statistics that are not the batch's."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    share = signs["norms_evaluating"]
    if not above(share, 0):
        return []
    found = [Evidence(f"{share:.0%} of the batch norms are in evaluation mode while training", 1.2)]
    if signs.option("freeze") not in (None, "none"):
        found.append(Evidence("frozen norms are meant to be", -1.2))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Call model.train() after each evaluation, except on parts that are to stay frozen",
        expected="norms that use the batch's statistics (norms_evaluating 0)",
    )


CAUSE = Cause(
    "norms_in_evaluation",
    "batch norms train in evaluation mode, with statistics of other batches",
    _weigh,
    _act,
    checks=("norms",),
)
