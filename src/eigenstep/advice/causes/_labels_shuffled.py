"""Labels that do not go with the images, where a loss learns from them."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, below

LABELLED = ("supcon", "nscl", "cross_entropy")
FALL = 0.03


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    if signs.loss not in LABELLED or not below(signs["loss_fall"], FALL):
        return []
    if not signs["update_backbone"] > 1e-4:
        return []
    return [Evidence(f"a loss of labels has fallen by {max(signs['loss_fall'], 0):.1%}, while weights moved", 1.0)]


def _act(signs: Signs) -> Action:
    return Action(
        "Look at images beside their labels (`eigenstep images DATA --sheet sheet.png`): two files that are sorted"
        " or shuffled apart, or an index that is off by one",
        expected="a loss that falls by a tenth within the first epoch",
    )


CAUSE = Cause("labels_shuffled", "labels do not go with the images", _weigh, _act, restart=True)
