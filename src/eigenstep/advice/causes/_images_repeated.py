"""The batch holds the same image many times."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

DISTINCT = 0.8


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    distinct = signs["images_distinct"]
    if not below(distinct, DISTINCT):
        return []
    found = [Evidence(f"{distinct:.0%} of a batch's images are distinct", 1.2)]
    if above(signs["views_blank"], 0.1):
        found.append(Evidence("but many are blank, which makes them equal", -1.0))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Look at the data with `eigenstep images DATA`, which counts duplicates, and at the index of"
        " __getitem__; remove repeats",
        expected="batches of distinct images (images_distinct 1)",
    )


CAUSE = Cause(
    "images_repeated",
    "a batch holds the same image many times",
    _weigh,
    _act,
    restart=True,
    checks=("duplicates",),
)
