"""Labels that do not go with the images, where a loss learns from them."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, below

# How much nearer images of a class are than those of two, after so many measurements.
AGREEMENT, MEASUREMENTS = 0.03, 10


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    agreement = signs["labels_agreement"]
    if not below(agreement, AGREEMENT) or signs["measurements"] < MEASUREMENTS:
        return []
    if not signs["update_backbone"] > 1e-4:
        return []
    return [
        Evidence(
            "training with labels has brought images of a class no closer (difference of mean cosines"
            f" {agreement:.2f}), while weights moved",
            1.0,
        )
    ]


def _act(signs: Signs) -> Action:
    return Action(
        "Look at images beside their labels (`eigenstep images DATA --sheet sheet.png`): two files"
        " that are sorted or shuffled separately, or an index that is off by one",
        expected="images of a class that come nearer to each other (labels_agreement)",
    )


CAUSE = Cause("labels_shuffled", "labels do not go with the images", _weigh, _act, restart=True)
