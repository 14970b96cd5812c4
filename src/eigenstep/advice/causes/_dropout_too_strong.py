"""Noise within the network hides what two views have in common."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

APART, AGREEMENT = 0.75, 0.07


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    apart, first = signs["views_apart"], signs["features_agreement_first"]
    if not (below(apart, APART) and below(first, AGREEMENT)) or signs["views_blank"] > 0.1:
        return []
    return [
        Evidence(
            f"the views are alike ({apart:.2f} of the distance of two images), the features of them are not"
            f" (mean cosine {first:.2f})",
            1.0,
        )
    ]


def _act(signs: Signs) -> Action:
    return Action(
        "Turn dropout and stochastic depth down to 0.1 or less: nn.Dropout(0.1), drop_path_rate=0.1",
        expected="features of two views that agree at the start (mean cosine above .2)",
    )


CAUSE = Cause("dropout_too_strong", "noise within the network hides what two views have in common", _weigh, _act)
